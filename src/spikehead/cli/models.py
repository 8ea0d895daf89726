"""How the commands that teach a model make a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spikehead.cli import sources
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.models import storage
from spikehead.models.hybrid import HybridClassifier, for_encoder
from spikehead.names import shown

PAPER = Path("paper")
"""What `--parameters` takes for Table 1."""

ParametersFile = Annotated[
    Path | None,
    typer.Option(
        "--parameters",
        metavar="FILE|paper",
        help="JSON file of hyperparameters for a new model, or paper for the paper's own form, "
        "Table 1.  [default: the recommended ones]",
        show_default=False,
    ),
]
Members = Annotated[
    int | None,
    typer.Option(
        "--members", min=1, max=1000, help="Networks in a new model's ensemble.  [default: 15]"
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of a new model.  [default: 0]"),
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
    parameters: Path | None = None,
    for_bundled: CoLaNETParameters | None = None,
    **options: Any,
) -> HybridClassifier:
    """Make a model by the options that are given.

    `parameters` is a file, or ``paper``; without it the model has the recommended ones, or
    `for_bundled` on the bundled encoder.
    """
    chosen = None if parameters in (None, PAPER) else sources.parameters(parameters)
    opened = sources.encoder(encoder, threads)
    if parameters == PAPER:
        chosen = for_encoder(CoLaNETParameters(), opened)
    elif parameters is None and opened.name == "bundled":
        chosen = for_bundled
    return HybridClassifier(opened, parameters=chosen, n_threads=threads, **options)
