"""spikehead evaluate: how often the model is right."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spikehead.activations import labelled
from spikehead.cli import console, options, progress, sources
from spikehead.encoders import Given
from spikehead.evaluation.metrics import Evaluation, evaluate_photos, unknown_sentence
from spikehead.evaluation.report import check_report, write_report
from spikehead.models import storage
from spikehead.models.hybrid import HybridClassifier
from spikehead.models.schema import Measurement


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    photos: options.Labelled,
    report: Annotated[
        Path | None,
        typer.Option(help="Also write a report: this HTML file, and a JSON file beside it."),
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Also note the accuracy in the model's card, README.md.")
    ] = False,
    send_back: options.SendBack = None,
    as_classes: options.AsClasses = False,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Measure the model on labelled photos that it has not learned; nothing is learned."""
    if report:
        check_report(report)
    with storage.writing(model) if card else nullcontext():
        classifier = HybridClassifier.load(model, n_threads=threads)
        if send_back is not None:
            classifier.send_back = send_back
        if report and isinstance(classifier.encoder, Given):
            raise typer.BadParameter(
                "a report shows photos, and the model takes activations; leave it out.",
                param_hint="--report",
            )
        found = labelled(photos, known=classifier.classes, as_classes=as_classes)
        with sources.at_work(classifier, cache, no_cache, provider), progress.bar() as shown:
            task = shown.add_task("Evaluating", total=None)
            result = evaluate_photos(
                classifier,
                found,
                on_photo=lambda done, total: shown.update(task, completed=done, total=total),
            )
            if report:
                write_report(report, classifier, result, title=f"{model.name}: {photos.name}")
        _print(result, report, as_json)
        if card:
            _note(model, classifier, photos, result)


def _note(model: Path, classifier: HybridClassifier, photos: Path, result: Evaluation) -> None:
    if result.n_learned:
        raise ValueError(
            f"the model has learned {result.n_learned} of the {result.n_photos} photos in {photos}:"
            " for its card, measure it on others"
        )
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


def _print(result: Evaluation, report: Path | None, as_json: bool) -> None:
    if as_json:
        console.print_json(result.to_dict())
        return
    console.tell_left_out(result.left_out)
    console.list_skipped(result.skipped)
    _print_table(result)
    if report:
        files = f"{report} and {report.with_suffix('.json')}"
        console.out.print(f"Report: {files}", soft_wrap=True)


def _print_table(result: Evaluation) -> None:
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
        console.out.print(
            f"The model does not know {names}; those photos count as wrong.", soft_wrap=True
        )
    if result.n_learned:
        console.out.print(
            f"The model has learned {result.n_learned} of these photos, so this is not its "
            "accuracy on others.",
            soft_wrap=True,
        )
    if told := unknown_sentence(result):
        console.out.print(told, soft_wrap=True)
    low, high = result.confidence_interval
    console.out.print(
        f"Accuracy {result.accuracy:.2%} ({result.n_right} of {result.n_photos} photos; "
        f"95 % confidence {low:.1%} to {high:.1%})",
        soft_wrap=True,
    )
