"""How the commands that teach a model make a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spikehead.cli import sources
from spikehead.heads.registry import DEFAULT_HEAD
from spikehead.models import storage
from spikehead.models.hybrid import HybridClassifier
from spikehead.names import shown

Members = Annotated[
    int | None,
    typer.Option(
        "--members", min=1, max=1000, help="Networks in a new CoLaNET's ensemble.  [default: 15]"
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of a new model.  [default: 0]"),
]
Horizon = Annotated[
    int | None,
    typer.Option(
        "--horizon",
        min=0,
        max=2**31,
        help="Examples of a class after which a new model's decorrelated columns forget older "
        "ones, and classes that stay away: for labels that change their meaning.  "
        "[default: 0, never]",
        show_default=False,
    ),
]


def given(folder: Path, **options: Any) -> dict[str, Any]:
    """Return the options of a new model that are given; refuse them for one that exists."""
    storage.check_destination(folder)
    given = {name: value for name, value in options.items() if value is not None}
    if given and storage.is_model(folder):
        raise typer.BadParameter(
            f"{shown(folder)} exists, and these are settled when a model is made; leave them out, "
            "or name another model folder.",
            param_hint=", ".join(f"--{name}" for name in given),
        )
    return given


def new(
    threads: int | None,
    *,
    encoder: str | None = None,
    head: str = DEFAULT_HEAD,
    **options: Any,
) -> HybridClassifier:
    """Make a model by the options that are given."""
    name, parameters = sources.head(head)
    opened = sources.encoder(encoder, threads)
    return HybridClassifier(opened, head=name, parameters=parameters, n_threads=threads, **options)
