"""spikehead evaluate: how often the model is right."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spikehead import storage
from spikehead.cli import console
from spikehead.evaluation.metrics import Evaluation, evaluate_photos
from spikehead.evaluation.report import check_report, write_report
from spikehead.images import UnreadablePhoto, find_photos
from spikehead.model_card import Measurement
from spikehead.pipeline import HybridClassifier


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    photos: Annotated[Path, typer.Argument(help="Folder of photos: one sub-folder a class.")],
    report: Annotated[
        Path | None,
        typer.Option(help="Also write a report: this HTML file, and a JSON file beside it."),
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Also note the accuracy in the model's card, README.md.")
    ] = False,
    threads: console.Threads = None,
    cache: console.CacheFolder = None,
    no_cache: console.NoCache = False,
    as_json: console.Json = False,
) -> None:
    """Measure the model on labelled photos that it has not learned; nothing is learned."""
    if report:
        check_report(report)
    with storage.writing(model) if card else nullcontext():
        classifier = HybridClassifier.load(model, n_threads=threads)
        if card:
            _check_unseen(classifier, photos)
        with console.at_work(classifier, cache, no_cache), console.progress() as progress:
            task = progress.add_task("Evaluating", total=None)
            result = evaluate_photos(
                classifier,
                photos,
                on_photo=lambda done, total: progress.update(task, completed=done, total=total),
            )
            if report:
                title = f"{model.name}: {photos.name}"
                written = write_report(report, classifier, result, title=title)
        if card:
            _note(model, classifier, photos, result)
    if as_json:
        console.print_json(result.to_dict())
        return
    console.list_skipped(result.skipped)
    _print(result)
    if report:
        console.out.print(f"Report: {written[0]} and {written[1]}", soft_wrap=True)


def _check_unseen(classifier: HybridClassifier, folder: Path) -> None:
    """Raise if the accuracy would be one on photos that the model knows."""
    photos = find_photos(folder)
    learned = 0
    for photo in photos:
        with suppress(UnreadablePhoto):
            learned += classifier.has_learned(photo.path, photo.label)
    if learned:
        raise ValueError(
            f"the model has learned {learned} of the {len(photos)} photos in {folder}: for its "
            "card, measure it on others"
        )


def _note(model: Path, classifier: HybridClassifier, photos: Path, result: Evaluation) -> None:
    # Without its lessons: saved into it, they could not be undone any more.
    noted = HybridClassifier.load(model, lessons=False)
    noted.measurement = Measurement(
        photos.resolve().name,
        result.n_photos,
        result.n_right,
        sum(classifier.photos_learned.values()),
    )
    noted.save(model)
    if not noted.write_card(model):
        console.messages.print(
            f"{model}/README.md was edited by hand and stays as it is; write the accuracy into it, "
            "or remove it and give this command again.",
            soft_wrap=True,
        )


def _print(result: Evaluation) -> None:
    table = Table("class", "photos", "right", "most often taken for", box=None)
    for column in (1, 2):
        table.columns[column].justify = "right"
    for label in result.labels:
        wrong = result.most_confused(label)
        confused = f"{wrong[0]} ({wrong[1]})" if wrong else ""
        table.add_row(label, str(result.photos(label)), f"{result.recall(label):.1%}", confused)
    console.out.print(table)
    if result.unknown_classes:
        names = ", ".join(result.unknown_classes)
        console.out.print(f"The model does not know {names}; those photos count as wrong.")
    low, high = result.confidence_interval
    console.out.print(
        f"Accuracy {result.accuracy:.2%} ({result.n_right} of {result.n_photos} photos; "
        f"95 % confidence {low:.1%} to {high:.1%})",
        soft_wrap=True,
    )
