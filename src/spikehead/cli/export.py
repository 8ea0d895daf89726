"""spikehead export: a model for other run-time environments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from spikehead.cli import console, options, sources
from spikehead.cli.commands import needs
from spikehead.encoders import SpikingEncoder
from spikehead.images import Preprocessing, UnreadablePhoto, read_photo
from spikehead.models.hybrid import HybridClassifier, none_readable

CALIBRATION_PHOTOS = 256
"""Photos from which the ranges of activations are taken, at most."""


def export(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    onnx: Annotated[
        Path | None, typer.Option(help="Write the whole model, encoder and head, to this file.")
    ] = None,
    nir: Annotated[
        Path | None, typer.Option(help="Write the head, and a spiking encoder, to this file.")
    ] = None,
    send_back: options.SendBack = None,
    precision: Annotated[
        Literal["float32", "int8"], typer.Option(help="Of the encoder in the ONNX file.")
    ] = "float32",
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="For int8: folder of typical photos, one sub-folder a class; a few hundred are "
            "taken."
        ),
    ] = None,
) -> None:
    """Write a model as ONNX, for ONNX Runtime; or what spikes in it as NIR, for spiking hardware.

    What is written answers, and learns no more.
    """
    if not (onnx or nir):
        raise typer.BadParameter("name the file to write.", param_hint="--onnx, --nir")
    if (precision == "int8") != (calibration is not None):
        raise typer.BadParameter(
            "int8 needs photos for calibration, and nothing else does.",
            param_hint="--precision, --calibration",
        )
    with needs("export"):
        from spikehead.deployment import nir_encoder
        from spikehead.deployment.nir import export as export_nir
        from spikehead.deployment.onnx import export as export_onnx
    classifier = HybridClassifier.load(model)
    if send_back is not None:
        classifier.send_back = send_back
    if onnx:
        preprocessing = classifier.encoder.preprocessing
        photos = _preprocessed(calibration, preprocessing) if calibration else None
        agreement = export_onnx(classifier, onnx, precision=precision, calibration=photos)
        _print_written(onnx)
        if photos is not None:
            console.out.print(
                f"To {agreement:.1%} of the {len(photos)} photos for calibration it gives the "
                "model's class.",
                soft_wrap=True,
            )
    if nir:
        encoder = classifier.encoder
        network = encoder.network if isinstance(encoder, SpikingEncoder) else None
        missing = network and nir_encoder.missing(network)
        export_nir(classifier.head, nir, None if missing else network)
        _print_written(nir)
        if missing:
            console.out.print(f"It holds the head alone: {missing}.", soft_wrap=True)


def _preprocessed(folder: Path, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return some photos of a folder as the encoder takes them, of all classes alike."""
    found = [photo.path for photo in sources.photo_folder(folder, as_classes=True).photos]
    chosen = found[:: -(-len(found) // CALIBRATION_PHOTOS)]
    photos, skipped = [], []
    for path in chosen:
        try:
            photos.append(preprocessing(read_photo(path)))
        except UnreadablePhoto as problem:  # noqa: PERF203
            skipped.append((path, str(problem)))
    if not photos:
        raise ValueError(none_readable(skipped))
    console.list_skipped(skipped)
    return np.stack(photos)


def _print_written(file: Path) -> None:
    console.out.print(f"Wrote {file} ({file.stat().st_size / 1e6:.1f} MB).", soft_wrap=True)
