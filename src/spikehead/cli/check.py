"""spikehead check: which labels are probably wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from spikehead.activations import labelled
from spikehead.cli import console, models, options, progress, sources
from spikehead.encoders import Given
from spikehead.evaluation.report import check_report, write_doubts
from spikehead.models.answers import Checked, Doubt, Learned
from spikehead.models.hybrid import HybridClassifier


def check(
    photos: options.Labelled,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model folder: what it knows helps to judge; it stays as it is.  [default: only "
            "these photos]",
            show_default=False,
        ),
    ] = None,
    number: Annotated[int, typer.Option(min=1, help="Photos to show.")] = 20,
    report: Annotated[
        Path | None, typer.Option(help="Also write a page with the photos: this HTML file.")
    ] = None,
    encoder: options.EncoderName = None,
    as_classes: options.AsClasses = False,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Find photos whose label is probably wrong, the most doubtful first, with the likely class.

    Decorrelated columns learn all photos; then each photo is left out in turn, and answered. A
    label is doubtful where the answer is another class. Nothing is changed.
    """
    if report:
        check_report(report)
    if model and encoder:
        raise typer.BadParameter(
            "the model brings its own; leave one of both out.", param_hint="--encoder, --model"
        )
    if model:
        classifier = HybridClassifier.load(model, n_threads=threads)
        found = labelled(photos, known=classifier.classes, as_classes=as_classes)
    else:
        found = labelled(photos, as_classes=as_classes)
        classifier = models.new(threads, encoder=sources.encoder_for(found, encoder))
    if report and isinstance(classifier.encoder, Given):
        raise typer.BadParameter(
            "a report shows photos, and these are activations; leave it out.",
            param_hint="--report",
        )
    with sources.at_work(classifier, cache, no_cache, provider), progress.bar() as shown:
        task = shown.add_task("Checking", total=None)

        def on_batch(lesson: Learned) -> None:
            shown.update(task, completed=lesson.done, total=lesson.total)

        checked = classifier.check(found, on_batch=on_batch)
    if report:
        write_doubts(report, checked, number, title=photos.name)
    if as_json:
        console.print_json(_document(checked))
        return
    console.tell_left_out(checked.left_out)
    console.list_skipped(checked.skipped)
    _print(checked, number)
    if report:
        console.out.print(f"Report: {report}", soft_wrap=True)


def _document(checked: Checked) -> dict[str, Any]:
    return {
        "photos": len(checked.doubts) + len(checked.unscored),
        "doubtful": [_facts(doubt) for doubt in checked.doubtful],
        "unscored": [{"photo": str(path), "reason": why} for path, why in checked.unscored],
        **sources.Unused(checked.skipped, checked.left_out).to_dict(),
    }


def _facts(doubt: Doubt) -> dict[str, Any]:
    return {
        "photo": str(doubt.path),
        "class": doubt.label,
        "likely": doubt.likely,
        "doubt": round(doubt.doubt, 6),
    }


def _print(checked: Checked, number: int) -> None:
    table = Table("photo", "class", "likely", "doubt", box=None)
    for doubt in checked.doubtful[:number]:
        table.add_row(str(doubt.path), doubt.label, doubt.likely, f"{doubt.doubt:.2f}")
    if table.row_count:
        console.out.print(table)
    console.out.print(
        f"{len(checked.doubtful)} of {len(checked.doubts)} labels are doubtful.", soft_wrap=True
    )
    for path, why in checked.unscored:
        console.out.print(f"Nothing can be said of {path}: {why}.", soft_wrap=True)
