"""spikehead class remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import corrections, options


def remove(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    name: Annotated[str, typer.Argument(help="The class.")],
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Take a class out; the others answer as they did without it.

    What its photos have taught the others stays; to take that back as well, unlearn the photos
    first. It is kept like a lesson, and spikehead undo takes it back until the model learns more.
    """
    corrections.correct(model, "remove", name, threads=threads, as_json=as_json)
