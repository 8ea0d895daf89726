"""spikehead encoder spike: an encoder as a spiking network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console, sources
from spikehead.cli.commands import needs
from spikehead.cli.encoder import backbones
from spikehead.encoders import OnnxEncoder, record
from spikehead.encoders.spiking import SpikingEncoder, spiking_file
from spikehead.files import make_folder, write_file

_TYPICAL = 32


def spike(
    name: Annotated[str, typer.Argument(help="An encoder's name, as listed.")],
    bits: Annotated[
        int, typer.Option(min=2, max=12, help="Time steps in which a neuron sends its number.")
    ] = 8,
    photos: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of typical photos, one sub-folder a class: {_TYPICAL} of them show the "
            "ranges that no activation function and no batch normalisation bounds."
        ),
    ] = None,
) -> None:
    """Convert an encoder into a network of spiking neurons, without training.

    Then `--encoder spiking:NAME` takes it, wherever an encoder is named.
    """
    with needs("export"):
        from spikehead.encoders.spiking.conversion import spike as converted
    encoder = sources.encoder(name, None)
    if not isinstance(encoder, OnnxEncoder):
        raise ValueError(f"the encoder {name} is no network in an ONNX file: choose another one")
    typical = None
    if photos is not None:
        paths = [photo.path for photo in sources.photo_folder(photos, as_classes=True).photos]
        typical = backbones.typical(paths, encoder.preprocessing, _TYPICAL)
    norms = record(name).norms
    network = converted(encoder, bits=bits, norms=norms and norms(), photos=typical)
    file = spiking_file(name)
    make_folder(file.parent)
    write_file(file, network.to_bytes())
    console.out.print(f"{SpikingEncoder(file).name} is ready: {file}", soft_wrap=True)
