"""spikehead continual: what is kept when a stream changes, beside other classifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product, starmap
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from spikehead.cli import console, options, progress, rivalry, sources
from spikehead.evaluation.examples import Examples, check_parts
from spikehead.evaluation.methods import Method
from spikehead.evaluation.streams import (
    Course,
    Task,
    class_incremental,
    follow,
    mislabelled,
    new_class,
    permuted,
)

Stream = Literal["classes", "permuted", "new-class"]
"""How the examples of one source come."""


def continual(
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of photos, one sub-folder a class, or activations, as of compare. "
            "Several, such as day/ night/ fog/, come one after the other."
        ),
    ],
    test: Annotated[
        list[Path] | None,
        typer.Option(
            help="Test part, of the same kind; give it once for each source.  "
            "[default: a fifth of each class]",
            show_default=False,
        ),
    ] = None,
    stream: Annotated[
        Stream | None,
        typer.Option(
            help="How one source comes: its classes part after part; all of it again and again "
            "with permuted activations; or all classes but one, and then that one.  "
            "[default: classes]",
            show_default=False,
        ),
    ] = None,
    tasks: Annotated[int, typer.Option(min=1, help="Parts, or permutations.")] = 5,
    examples: Annotated[int, typer.Option(min=1, help="Examples of the new class.")] = 5,
    wrong_labels: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the training labels that are wrong.")
    ] = 0.0,
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
    """Let a stream change as it goes, and measure what is kept, beside other one-pass classifiers.

    Every example is learned once, and which part it is from is never told.
    """
    if stream and len(photos) > 1:
        raise typer.BadParameter(
            "several sources come one after the other; leave it out, or give one source.",
            param_hint="--stream",
        )
    ours = rivalry.heads(head)
    rivals = [method for method in rivalry.rivals(against) if not method.offline]
    parts, saturation, unused = _read(
        photos, test or [], encoder, threads, cache, no_cache, as_classes, provider
    )
    train, measured = (Examples.joined(side) for side in zip(*parts, strict=True))
    check_parts(train, measured)
    classes = np.unique(train.y)
    names = [source.stem for source in photos]

    def tasks_of(seed: int) -> Iterator[Task]:
        noisy = [(mislabelled(part, classes, wrong_labels, seed), test) for part, test in parts]
        if len(parts) > 1:
            return starmap(Task, ((name, *both) for name, both in zip(names, noisy, strict=True)))
        return _tasks(stream or "classes", *noisy[0], tasks, examples, seed)

    methods = rivalry.methods(ours, members, threads, saturation) + rivals
    courses = _followed(methods, tasks_of, classes, seeds)
    if as_json:
        console.print_json(
            {
                "train": len(train),
                "test": len(measured),
                "seeds": seeds,
                "wrong_labels": wrong_labels,
                "tasks": [[task.name for task in tasks_of(seed)] for seed in range(seeds)],
                "methods": [
                    {"name": name, "courses": [course.to_dict() for course in run]}
                    for name, run in courses.items()
                ],
                **unused.to_dict(),
            }
        )
    else:
        _print(courses, [task.name for task in tasks_of(0)], train, measured, seeds)


def _read(
    photos: list[Path],
    test: list[Path],
    encoder: str | None,
    threads: int | None,
    cache: Path | None,
    no_cache: bool,
    as_classes: bool,
    provider: str,
) -> tuple[list[tuple[Examples, Examples]], float | str | None, sources.Unused]:
    """Return the training and test part of each source, their saturation, and what is not used."""
    if test and len(test) != len(photos):
        raise typer.BadParameter(
            f"give it once for each source, {len(photos)} times, or leave it out.",
            param_hint="--test",
        )
    found, saturation, unused = rivalry.read_examples(
        [*photos, *test], encoder, threads, cache, no_cache, as_classes, provider
    )
    if not test:
        return [source.divided() for source in found], saturation, unused
    return list(zip(found[: len(photos)], found[len(photos) :], strict=True)), saturation, unused


def _tasks(
    stream: Stream, train: Examples, test: Examples, n_tasks: int, n_examples: int, seed: int
) -> Iterator[Task]:
    if stream == "classes":
        return class_incremental(train, test, n_tasks, seed)
    if stream == "permuted":
        return permuted(train, test, n_tasks, seed)
    classes = np.unique(test.y)
    return new_class(train, test, str(classes[seed % len(classes)]), n_examples, seed)


def _followed(
    methods: Sequence[Method],
    tasks_of: Callable[[int], Iterator[Task]],
    classes: NDArray[np.str_],
    seeds: int,
) -> dict[str, list[Course]]:
    """Let each method follow the stream, once for each seed."""
    courses: dict[str, list[Course]] = {method.name: [] for method in methods}
    with progress.bar() as shown:
        task = shown.add_task("Learning", total=seeds * len(methods))
        for method, seed in product(methods, range(seeds)):
            shown.update(task, description=method.name)
            courses[method.name].append(follow(method, tasks_of(seed), classes, seed))
            shown.advance(task)
    return courses


def _print(
    courses: dict[str, list[Course]],
    tasks: list[str],
    train: Examples,
    test: Examples,
    seeds: int,
) -> None:
    n_tasks = len(tasks)
    console.out.print(
        f"{len(train)} + {len(test)} examples of {len(np.unique(train.y))} classes, "
        f"{train.X.shape[1]} activations, {n_tasks} {'task' if n_tasks == 1 else 'tasks'}, "
        f"{seeds} {'order' if seeds == 1 else 'orders'}",
        soft_wrap=True,
    )
    table = console.table(
        "one pass", "average accuracy %", "forgetting", "backward transfer", "last task %"
    )
    for name, run in courses.items():
        table.add_row(
            name,
            console.percent([course.average_accuracy for course in run]),
            console.percent([course.forgetting for course in run]),
            console.percent([course.backward_transfer for course in run]),
            console.percent([float(course.accuracies[-1, -1]) for course in run]),
        )
    console.out.print(table)
    name, run = next(iter(courses.items()))
    console.out.print()
    console.out.print(f"{name}: accuracy (%) on each task (a column), after each task (a row)")
    console.out.print(_matrix(run))
    console.out.print()
    console.print_lines(
        """\
Mean ± standard deviation over the orders, in percent and points. Average accuracy: the mean over
the tasks, after the last. Forgetting: what the accuracy on a task has lost from its best to the
end, averaged over the tasks but the last. Backward transfer: what it has gained since the task was
learned."""
    )
    for number, task in enumerate(tasks, start=1):
        console.out.print(f"Task {number} (of the first order): {task}", soft_wrap=True)


def _matrix(run: Sequence[Course]) -> Table:
    mean = np.mean([course.accuracies for course in run], axis=0)
    table = console.table("", *(str(number) for number in range(1, len(mean) + 1)))
    for number, row in enumerate(mean, start=1):
        cells = ["" if np.isnan(value) else f"{100 * value:.1f}" for value in row]
        table.add_row(f"after {number}", *cells)
    return table
