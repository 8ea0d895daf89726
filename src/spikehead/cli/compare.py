"""spikehead compare: the spiking head against other classifiers, on the same activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from spikehead.cli import console, options, progress, rivalry
from spikehead.evaluation.comparison import TASKS, Result
from spikehead.evaluation.comparison import compare as compare_methods
from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import Method
from spikehead.evaluation.metrics import confidence_interval

Columns = Sequence[tuple[str, Callable[[Result], str]]]

ACCURACIES: Columns = (
    ("accuracy %", lambda result: console.percent(result.accuracies)),
    ("class after class %", lambda result: console.percent(result.incremental_accuracies)),
    ("forgetting", lambda result: console.percent(result.forgetting)),
)
COSTS: Columns = (
    ("state", lambda result: _size(result.state_bytes)),
    ("learning", lambda result: _time(result.learn_seconds)),
    ("ops", lambda result: _operations(result.learn_operations)),
    ("answering", lambda result: _time(result.predict_seconds)),
    ("ops", lambda result: _operations(result.operations)),
)


def compare(
    photos: options.Labelled,
    test: Annotated[
        Path | None,
        typer.Option(
            help="Test part, of the same kind.  [default: a fifth of each class]",
            show_default=False,
        ),
    ] = None,
    encoder: options.EncoderName = None,
    head: options.Heads = None,
    against: rivalry.Against = None,
    members: rivalry.Members = 15,
    seeds: rivalry.Seeds = 5,
    as_classes: options.AsClasses = False,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Compare the spiking head with other classifiers on the same activations, learned in one pass.

    Nothing is chosen on the test part. Offline methods, which see all examples at once or several
    times, are there to show what is possible.
    """
    ours, rivals = rivalry.heads(head), rivalry.rivals(against)
    paths = [photos] if test is None else [photos, test]
    found, saturation, unused = rivalry.read_examples(
        paths, encoder, threads, cache, no_cache, as_classes, provider
    )
    train, measured = found[0].divided() if test is None else found
    methods = rivalry.methods(ours, members, threads, saturation) + rivals
    results = _compared(train, measured, methods, seeds)
    if as_json:
        sizes = {"train": len(train), "test": len(measured), "seeds": seeds, "parts": TASKS}
        rows = [result.to_dict() for result in results]
        console.print_json({**sizes, "methods": rows, **unused.to_dict()})
    else:
        _print(results, train, measured, seeds)


def _compared(
    train: Examples, test: Examples, methods: Sequence[Method], seeds: int
) -> list[Result]:
    with progress.bar() as shown:
        task = shown.add_task("Comparing", total=None)

        def on_run(name: str, done: int, total: int) -> None:
            shown.update(task, description=name, completed=done, total=total)

        return compare_methods(train, test, methods, seeds=seeds, on_run=on_run)


def _print(results: Sequence[Result], train: Examples, test: Examples, seeds: int) -> None:
    n, n_classes = len(test), len(np.unique(train.y))
    console.out.print(
        f"{len(train)} + {n} examples of {n_classes} classes, {train.X.shape[1]} activations, "
        f"{seeds} {'order' if seeds == 1 else 'orders'}",
        soft_wrap=True,
    )
    for columns in (ACCURACIES, COSTS):
        console.out.print(_table(results, columns))
        console.out.print()
    low, high = confidence_interval(round(n * float(np.mean(results[0].accuracies))), n)
    console.print_lines(
        f"""\
Mean ± standard deviation over the orders. A test part of {n} examples is a sample, too: the first
row's accuracy has a 95 % confidence interval from {low:.1%} to {high:.1%}.
Class after class: the classes come in {min(TASKS, n_classes)} parts, one after the other.
Forgetting is what the accuracy on a part has lost by the end, in points.
State is what must be kept (offline: the weights). Times and operations are per example, learned and
answered. Operations (ops) are multiplications, without what is solved once before the answers; in
CoLaNET additions of a weight to a potential, and updates of neurons and of synaptic resources."""
    )


def _table(results: Sequence[Result], columns: Columns) -> Table:
    """Return a table with a row for each result, the offline ones below a heading."""
    table = console.table("one pass", *(head for head, _ in columns))
    for place, result in enumerate(results):
        if result.offline and not results[place - 1].offline:
            table.add_row(Text("offline, for orientation", style="bold"))
        table.add_row(result.name, *(cell(result) for _, cell in columns))
    return table


def _operations(n: float | None) -> str:
    if n is None:
        return ""
    size, unit = (1e6, " M") if n >= 1e6 else (1e3, " k") if n >= 1e3 else (1, "")
    return f"{n / size:.{1 if unit else 0}f}{unit}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.2f} MB"


def _time(seconds: Sequence[float]) -> str:
    return f"{1e6 * np.mean(seconds):,.0f} us"
