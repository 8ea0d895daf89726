"""spikehead encoder build: pretrained weights as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console, progress, sources
from spikehead.cli.commands import needs
from spikehead.cli.encoder import backbones
from spikehead.encoders import PRETRAINED, is_buildable
from spikehead.names import shown


def build(
    name: Annotated[
        str, typer.Argument(help=f"{', '.join(PRETRAINED)}, timm:NAME, or another, as listed.")
    ],
    weights: Annotated[
        Path | None, typer.Option(help="Take the weights from this file, and fetch nothing.")
    ] = None,
    precision: backbones.WeightPrecision = "float32",
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of typical photos, from which int8 takes its ranges."),
    ] = None,
) -> None:
    """Make an encoder ready before it is needed: fetch its weights, and turn them into ONNX."""
    if is_buildable(name):
        file = str(_built(name, weights, precision, calibration))
    else:
        changed = precision if precision != "float32" else None
        _check_as_it_comes(name, weights=weights, precision=changed, calibration=calibration)
        files = sources.encoder(name, None).files.values()
        file = ", ".join(map(str, files)) or "it needs no file"
    console.out.print(f"{name} is ready: {file}", soft_wrap=True)


def _built(
    name: str, weights: Path | None, precision: backbones.Precision, calibration: Path | None
) -> Path:
    with needs("train"):
        from spikehead.backbones.build import build as build_file
    typical = None
    if calibration is not None:
        paths = [photo.path for photo in sources.photo_folder(calibration, as_classes=True).photos]
        typical = backbones.typical(paths, backbones.preprocessing(name))
    with progress.download(name) as bar:
        return build_file(
            name,
            weights=weights,
            precision=precision,
            calibration=typical,
            progress=bar,
            tell=console.tell,
        )


def _check_as_it_comes(name: str, **options: object) -> None:
    """Refuse options of an encoder that is not built from a file of weights."""
    if given := [f"--{option}" for option, value in options.items() if value is not None]:
        raise typer.BadParameter(
            f"{shown(name)} is taken as it comes; leave it out.", param_hint=", ".join(given)
        )
