"""spikehead encoder build: pretrained weights as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console, progress, sources
from spikehead.cli.commands import needs
from spikehead.cli.encoder import backbones
from spikehead.encoders import PRETRAINED


def build(
    name: Annotated[str, typer.Argument(help=f"{', '.join(PRETRAINED)} or timm:NAME.")],
    weights: Annotated[
        Path | None, typer.Option(help="Take the weights from this file, and fetch nothing.")
    ] = None,
    precision: backbones.WeightPrecision = "float32",
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of typical photos, from which int8 takes its ranges."),
    ] = None,
) -> None:
    """Turn an encoder's pretrained weights into an ONNX file, fetching them first."""
    with needs("train"):
        from spikehead.backbones.build import build as build_file
    typical = None
    if calibration is not None:
        paths = [photo.path for photo in sources.photo_folder(calibration, as_classes=True).photos]
        typical = backbones.typical(paths, backbones.preprocessing(name))
    with progress.download(name) as shown:
        file = build_file(
            name,
            weights=weights,
            precision=precision,
            calibration=typical,
            progress=shown,
            tell=console.tell,
        )
    console.out.print(f"{name} is ready: {file}", soft_wrap=True)
