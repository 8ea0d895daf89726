"""spikehead class merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import corrections, options


def merge(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    name: Annotated[str, typer.Argument(help="The class that goes.")],
    into: Annotated[str, typer.Argument(help="The class that is both from now on.")],
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Make one class of two, as if all had been learned under one name.

    Decorrelated columns can; what CoLaNET knows depends on the order in which it learned. It is
    kept like a lesson, and spikehead undo takes it back until the model learns more.
    """
    corrections.correct(model, "merge", name, into, threads=threads, as_json=as_json)
