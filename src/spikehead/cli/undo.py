"""spikehead undo: take the last lesson or correction back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console, corrections, options
from spikehead.serve.teacher import Teacher


def undo(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Undo the last lesson of the service, or the last change of a class.

    They lie beside the model, each in a file of its own, until the model learns more.
    """
    with Teacher(model, n_threads=threads) as teacher:
        undone = teacher.undo()
    if not as_json:
        what = [undone.action, undone.label, *filter(None, [undone.into])]
        console.out.print(f"Undone: {' '.join(what)}", soft_wrap=True)
    lesson = {"action": undone.action, "class": undone.label, "into": undone.into}
    corrections.report(
        model, teacher.state.model, as_json, undone=lesson | {"photos": len(undone.digests)}
    )
