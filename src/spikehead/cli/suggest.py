"""spikehead suggest: what to teach next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spikehead.cli import console, options, progress, sources
from spikehead.cli.predict import document
from spikehead.models.answers import Suggested
from spikehead.models.hybrid import HybridClassifier


def suggest(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos without labels; folders of photos; or @list.txt, a file that names one on "
            "each line."
        ),
    ],
    number: Annotated[int, typer.Option(min=1, help="Photos to suggest.")] = 20,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Choose the unlabelled photos that would teach the model most, with its guess of each.

    They are those about which it is unsure and that tell most of the others, and no two alike;
    unknown ones, perhaps of a new class, stand together. What it has learned already is left out.
    The head must be of decorrelated columns.
    """
    classifier = HybridClassifier.load(model, n_threads=threads)
    with sources.at_work(classifier, cache, no_cache, provider), progress.bar() as shown:
        task = shown.add_task("Looking", total=None)
        found = classifier.suggest(
            photos,
            number,
            on_photo=lambda done, total: shown.update(task, completed=done, total=total),
        )
    unused = sources.Unused(found.skipped, found.left_out)
    if as_json:
        answers = [document(answer, classifier, None) for answer in found.answers]
        counts = {"photos": found.photos, "known": found.known}
        console.print_json({"suggestions": answers, **counts, **unused.to_dict()})
        return
    console.tell_left_out(found.left_out)
    console.list_skipped(found.skipped)
    _print(found)


def _print(found: Suggested) -> None:
    table = Table("teach next", "it says", "share", box=None)
    for answer in sorted(found.answers, key=lambda answer: answer.unknown):
        says = "perhaps a new class" if answer.unknown else answer.label
        share = "" if answer.unknown else f"{answer.shares.max():.0%}"
        table.add_row(str(answer.path), says, share)
    if table.row_count:
        console.out.print(table)
    known = f"; {found.known} were learned already, and are left out" if found.known else ""
    console.out.print(f"{len(found.answers)} of {found.photos} photos{known}.", soft_wrap=True)
