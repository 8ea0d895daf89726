"""spikehead tune: search for the hyperparameters that suit some data; again, to go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spikehead.activations import Activations, holds_activations
from spikehead.cli import console, options, progress, sources
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.names import shown
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.genetic import GeneticSearch

if TYPE_CHECKING:
    from spikehead.cluster import Cluster
    from spikehead.tuning.findings import Findings
    from spikehead.tuning.tune import Dataset


def tune(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of photos, one sub-folder a class; or activations, as of compare, of "
            "which an .npz file may bring its test part, X_test and y_test."
        ),
    ],
    study: Annotated[
        Path, typer.Option(help="Folder for the study and its results; made where there is none.")
    ] = Path("tuning"),
    test: Annotated[
        Path | None, typer.Option(help="Folder of test photos, measured once, at the end.")
    ] = None,
    encoder: options.EncoderName = None,
    protocol: Annotated[
        Literal["validation", "paper"],
        typer.Option(
            help="Rank candidates on a validation part of the training set, or on the test set, as "
            "the hybrid paper did."
        ),
    ] = "validation",
    experiments: Annotated[
        int | None, typer.Option(min=1, help="Candidates at most, those of earlier runs included.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Time at most, that of earlier runs included.")
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LOW:HIGH",
            help=f"Range of a hyperparameter: {', '.join(CoLaNETParameters.about())}; repeatable.",
        ),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Value of one not to search; repeatable."),
    ] = None,
    population: Annotated[
        int, typer.Option(min=4, help="Candidates of a generation.")
    ] = GeneticSearch.population,
    generations: Annotated[
        int, typer.Option(min=1, help="Generations.")
    ] = GeneticSearch.generations,
    descent: Annotated[
        int, typer.Option(min=0, help="Rounds of descent from the best; 0 for none.")
    ] = StochasticDescent.rounds,
    members: Annotated[
        int, typer.Option(min=1, max=1000, help="Networks in a candidate's ensemble.")
    ] = 15,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds that measure each candidate.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Decides every draw.")] = 0,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Optuna storage for many processes or hosts: a database URL, or journal:FILE.  "
            "[default: study.sqlite in the study folder]",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the study in the storage.")] = "spikehead",
    as_classes: options.AsClasses = False,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    ray: options.Ray = None,
    device: Annotated[
        Literal["cpu", "cuda"],
        typer.Option(help="Compute on the CPU, or on an NVIDIA GPU, with the same result."),
    ] = "cpu",
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Search for good hyperparameters: a genetic search, then descent from the best.

    Stop it whenever you like: the same command goes on where it was. `spikehead learn` takes the
    parameters that it finds, with the same encoder.
    """
    from spikehead.tuning.study import Budget
    from spikehead.tuning.tune import tune as run

    ranges = dict(_range(text) for text in search or [])
    fixed = dict(_value(text) for text in fix or [])
    genetic = GeneticSearch(population, generations)
    rounds = StochasticDescent(descent)
    planned = genetic.n_candidates + rounds.rounds * rounds.neighbours
    done = 0
    try:
        with sources.cluster(ray) as cluster:
            dataset, unused = _read(
                source, test, encoder, threads, cache, no_cache, as_classes, cluster, provider
            )
            with progress.bar() as shown:
                bar = shown.add_task("Tuning", total=min(planned, experiments or planned))

                def on_outcome(finished: int, best: float) -> None:
                    nonlocal done
                    done = finished
                    shown.update(bar, completed=finished, description=f"Tuning, best {best:.2%}")

                findings = run(
                    dataset,
                    study,
                    protocol=protocol,
                    ranges=ranges,
                    fixed=fixed,
                    genetic=genetic,
                    descent=rounds,
                    members=members,
                    n_seeds=seeds,
                    seed=seed,
                    budget=Budget(experiments, seconds),
                    storage=storage,
                    name=name,
                    n_threads=threads,
                    cluster=cluster,
                    device=device,
                    on_outcome=on_outcome,
                )
    except KeyboardInterrupt:
        console.messages.print(
            f"Stopped after {done} experiments; give the same command again to go on."
        )
        raise typer.Exit(130) from None
    if as_json:
        console.print_json({**findings.to_dict(), **unused.to_dict()})
    else:
        _print(findings, study)


def _read(
    source: Path,
    test: Path | None,
    encoder: str | None,
    threads: int | None,
    cache: Path | None,
    no_cache: bool,
    as_classes: bool,
    cluster: Cluster | None,
    provider: str,
) -> tuple[Dataset, sources.Unused]:
    """Read what to tune on; return also what is not used of it."""
    from spikehead.tuning.tune import Dataset

    if holds_activations(source):
        if test is not None:
            raise typer.BadParameter(
                f"{shown(source)} brings its own test set, X_test and y_test.", param_hint="--test"
            )
        return _read_activations(source), sources.Unused()
    folders = [source, test] if test else [source]
    encoded = sources.encode(
        folders, encoder, threads, cache, no_cache, as_classes, cluster, provider
    )
    arrays = [array for one in encoded.examples for array in (one.X, one.y)]
    return Dataset(*arrays), encoded.unused


def _read_activations(path: Path) -> Dataset:
    from spikehead.tuning.tune import Dataset

    train, *test = Activations.parts(path)
    arrays = [train.X, train.labels, *(array for part in test for array in (part.X, part.labels))]
    try:
        return Dataset(*arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _range(text: str) -> tuple[str, tuple[float, float]]:
    try:
        name, ends = text.split("=")
        low, high = ends.split(":")
        return name, (float(low), float(high))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not of the form NAME=LOW:HIGH, such as microcolumns=1:5.",
            param_hint="--search",
        ) from None


def _value(text: str) -> tuple[str, float]:
    try:
        name, value = text.split("=")
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not of the form NAME=VALUE, such as microcolumns=1.", param_hint="--fix"
        ) from None


def _print(findings: Findings, folder: Path) -> None:
    table = console.table("hyperparameter", "value", "importance")
    for hyperparameter, value in findings.parameters.to_dict().items():
        share = findings.importance.get(hyperparameter)
        fixed = "fixed" if hyperparameter not in findings.ranges else ""
        table.add_row(hyperparameter, f"{value:.6g}", fixed if share is None else f"{share:.1%}")
    console.out.print(table)
    ranked_on = "test set" if findings.protocol == "paper" else "validation"
    console.out.print(
        f"Best of {findings.n_experiments} experiments: {findings.accuracy:.2%} ({ranked_on}). "
        f"{findings.ranked_by}",
        soft_wrap=True,
    )
    if findings.test_accuracies:
        console.out.print(
            f"Test set, after learning all training examples: {findings.test_accuracy:.2%}"
        )
    console.out.print(
        f"{folder / findings.parameters_file} is for spikehead learn --head; "
        f"{folder / 'report.md'} tells the course of the search.",
        soft_wrap=True,
    )
