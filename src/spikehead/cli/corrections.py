"""What the commands share that correct a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikehead.activations import named
from spikehead.cli import console, sources
from spikehead.models import storage
from spikehead.models.hybrid import HybridClassifier
from spikehead.serve.teacher import Teacher


def correct(
    folder: Path,
    action: str,
    label: str,
    into: str = "",
    *,
    threads: int | None,
    as_json: bool,
) -> None:
    """Rename, merge or remove a class of a model, as the service does."""
    with Teacher(folder, n_threads=threads) as teacher:
        teacher.correct(action, label, into)
    report(folder, teacher.state.model, as_json)


def take_out(
    folder: Path,
    photos: list[Path],
    label: str | None,
    *,
    threads: int | None,
    cache: Path | None,
    no_cache: bool,
    provider: str,
    as_json: bool,
) -> None:
    """Take photos out of a model, or learn them under another label, and save it."""
    found, left_out = named(photos)
    with storage.writing(folder):
        model = HybridClassifier.load(folder, n_threads=threads)
        with sources.at_work(model, cache, no_cache, provider):
            was = model.unlearn(found) if label is None else model.relabel(found, label)
        model.save(folder)
    taken = [{"photo": str(photo), "classes": classes} for photo, classes in was.items()]
    if not as_json:
        console.tell_left_out(left_out)
        for photo, classes in was.items():
            console.out.print(f"{photo}: was learned as {', '.join(classes)}", soft_wrap=True)
    report(folder, model, as_json, photos=taken, **sources.Unused([], left_out).to_dict())


def report(folder: Path, model: HybridClassifier, as_json: bool, **more: Any) -> None:
    """Tell which classes a model knows now, and as JSON what was done."""
    counts = model.photos_learned
    if as_json:
        console.print_json({"model": str(folder), "classes": counts, **more})
        return
    known = ", ".join(f"{name} ({count} photos)" for name, count in counts.items())
    console.out.print(f"{folder} knows {known}.", soft_wrap=True)
