"""spikehead learn: teach a model photos, each once; again later, to go on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spikehead.activations import labelled
from spikehead.cli import console, models, options, progress, sources
from spikehead.images import PhotoFolder
from spikehead.models import storage
from spikehead.models.answers import Learned
from spikehead.models.hybrid import HybridClassifier

if TYPE_CHECKING:
    from spikehead.cluster import Cluster

SAVE_EVERY = 10.0
"""Seconds between saves while learning: what a killed process loses at most."""


def learn(
    photos: options.Labelled,
    model: Annotated[Path, typer.Option(help="Model folder; made where there is none.")],
    encoder: options.EncoderName = None,
    head: options.HeadName = None,
    members: models.Members = None,
    seed: models.Seed = None,
    horizon: models.Horizon = None,
    order: Annotated[
        Literal["shuffled", "as-given"],
        typer.Option(help="Order of learning; as-given is class after class."),
    ] = "shuffled",
    as_classes: options.AsClasses = False,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    ray: options.Ray = None,
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Learn photos, each once; run it again with more photos or classes to go on.

    A photo that the model has learned under the same label is left out, so a run that was stopped
    goes on where it was when the same command is given again.
    """
    with storage.writing(model):
        given = models.given(
            model, encoder=encoder, head=head, members=members, seed=seed, horizon=horizon
        )
        if storage.is_model(model):
            classifier = HybridClassifier.load(model, n_threads=threads)
            found = labelled(photos, known=classifier.classes, as_classes=as_classes)
        else:
            found = labelled(photos, as_classes=as_classes)
            given["encoder"] = sources.encoder_for(found, encoder)
            classifier = models.new(threads, **given)
        started = time.monotonic()
        with (
            sources.at_work(classifier, cache, no_cache, provider),
            sources.cluster(ray) as cluster,
        ):
            lesson = _learn(classifier, found, model, order, cluster)
    _report(model, classifier, lesson, time.monotonic() - started, as_json)


def _learn(
    classifier: HybridClassifier,
    photos: PhotoFolder,
    model: Path,
    order: str,
    cluster: Cluster | None,
) -> Learned:
    """Learn, and save now and then, at the end, and when stopped."""
    lesson = Learned()
    known = classifier.photos_learned
    saved = time.monotonic()
    try:
        with progress.bar() as shown:
            task = shown.add_task("Learning", total=None)

            def on_batch(now: Learned) -> None:
                nonlocal lesson, saved
                lesson = now
                shown.update(task, completed=now.done, total=now.total)
                if now.learned and time.monotonic() - saved > SAVE_EVERY:
                    classifier.save(model)
                    saved = time.monotonic()

            classifier.learn(photos, order=order, cluster=cluster, on_batch=on_batch)
    except KeyboardInterrupt:
        if classifier.photos_learned != known:
            classifier.save(model)
        console.messages.print(
            f"Stopped after {lesson.done} photos; give the same command again to go on."
        )
        raise typer.Exit(130) from None
    classifier.save(model)
    return lesson


def _report(
    model: Path, classifier: HybridClassifier, lesson: Learned, seconds: float, as_json: bool
) -> None:
    if as_json:
        console.print_json(
            {
                "model": str(model),
                "learned": lesson.learned,
                "known": lesson.known,
                "new_classes": lesson.new_classes,
                "classes": classifier.classes,
                "renamed": [
                    {"photo": str(p), "class": label, "learned_as": names}
                    for p, label, names in lesson.renamed
                ],
                "warning": lesson.warning,
                "seconds": round(seconds, 3),
                **sources.Unused(lesson.skipped, lesson.left_out).to_dict(),
            }
        )
        return
    console.tell_left_out(lesson.left_out)
    console.list_skipped(lesson.skipped)
    _list_renamed(lesson)
    known = f" ({lesson.known} were known already)" if lesson.known else ""
    console.out.print(
        f"Learned {lesson.learned} photos{known} in {seconds:.1f} s; {model} knows "
        f"{len(classifier.classes)} classes.",
        soft_wrap=True,
    )
    if len(classifier.classes) == 1:
        console.out.print(
            f"With one class its answer is always {classifier.classes[0]}; teach it another.",
            soft_wrap=True,
        )


def _list_renamed(lesson: Learned) -> None:
    """List the photos that the model knows under several names."""
    if lesson.renamed:
        console.messages.print("The same photos under several names, learned under each:")
    for path, label, names in lesson.renamed:
        console.messages.print(f"  {path}: {label}, before {', '.join(names)}", soft_wrap=True)
