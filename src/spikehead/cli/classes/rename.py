"""spikehead class rename."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import corrections, options


def rename(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    name: Annotated[str, typer.Argument(help="The class.")],
    new: Annotated[str, typer.Argument(help="Its name from now on.")],
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Give a class another name.

    It is kept like a lesson, and spikehead undo takes it back until the model learns more.
    """
    corrections.correct(model, "rename", name, new, threads=threads, as_json=as_json)
