"""spikehead predict: what is on photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from spikehead.activations import Row, named
from spikehead.cli import console, options, sources
from spikehead.models.hybrid import Answer, HybridClassifier


def predict(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos; folders of photos; @list.txt, a file that names one on each line; or "
            "files of activations."
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Classes to show for each photo.")] = 1,
    explain: Annotated[
        Path | None,
        typer.Option(help="Also draw why: this .png, .pdf or .svg file, for one photo."),
    ] = None,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Name the class of each photo, with its share of the ensemble's vote.

    The exit code is 1 if a photo cannot be read; the others are answered all the same.
    """
    found, left_out = named(photos)
    if explain:
        from spikehead import pictures

        if len(found) > 1:
            raise typer.BadParameter("one photo is explained at a time.", param_hint="--explain")
        if isinstance(found[0], Row):
            raise typer.BadParameter(
                "a picture shows a photo, and these are activations; leave it out.",
                param_hint="--explain",
            )
        pictures.check_file(explain)
    classifier = HybridClassifier.load(model, n_threads=threads)
    with sources.at_work(classifier, cache, no_cache, provider):
        answers = list(classifier.classify(found))
        if explain and answers and not answers[0].problem:
            pictures.save(pictures.explain(classifier, found[0].path), explain)
            console.messages.print(f"Explained in {explain}", soft_wrap=True)
    read = [answer for answer in answers if answer.label is not None]
    skipped = [(answer.path, answer.problem) for answer in answers if answer.label is None]
    unused = sources.Unused(skipped, left_out)
    if as_json:
        documents = [_document(answer, classifier.classes) for answer in read]
        console.print_json({"answers": documents, **unused.to_dict()})
    else:
        console.tell_left_out(unused.left_out)
        _print_table(read, classifier.classes, top)
        console.list_skipped(unused.skipped)
    if unused.skipped:
        raise typer.Exit(1)


def _document(answer: Answer, classes: list[str]) -> dict[str, Any]:
    shares = dict(zip(classes, answer.shares.round(6).tolist(), strict=True))
    return {"photo": str(answer.path), "class": answer.label, "shares": shares}


def _print_table(answers: list[Answer], classes: list[str], top: int) -> None:
    table = Table("photo", "class", "share", box=None)
    for answer in answers:
        for place, column in enumerate((-answer.shares).argsort(kind="stable")[:top]):
            path = str(answer.path) if place == 0 else ""
            table.add_row(path, classes[column], f"{answer.shares[column]:.0%}")
    if table.row_count:
        console.out.print(table)
