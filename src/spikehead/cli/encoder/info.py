"""spikehead encoder info: what an encoder takes and gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from spikehead import pictures
from spikehead.cli import console, options, sources
from spikehead.cli.encoder import backbones
from spikehead.encoders import (
    Encoder,
    OnnxEncoder,
    SpikingEncoder,
    SpikingNetwork,
    open_encoder,
    record,
)

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

_MEASURED = 20
_DRAWN = 6


def info(
    name: Annotated[str, typer.Argument(help="An encoder's name, as listed.")],
    photos: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of photos, one sub-folder a class: what {_MEASURED} of them cost a "
            "spiking encoder, in spikes and additions."
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="With --photos: draw the first one as spikes, layer by layer."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what an encoder takes and gives."""
    if picture is not None:
        pictures.check_file(picture)
    encoder = open_encoder(name)
    kind = record(encoder.name)
    facts = {
        "name": encoder.name,
        "activations": encoder.n_activations,
        **_taken(encoder),
        "range": kind.range and [*kind.range],
        "saturation": encoder.saturation,
        "preprocessing": encoder.preprocessing.to_dict(),
        "files": {role: str(file) for role, file in encoder.files.items()},
        "bytes": sum(file.stat().st_size for file in encoder.files.values()),
        "fingerprint": encoder.fingerprint,
        "origin": kind.provenance.origin,
        "licence": kind.provenance.licence,
        **_spent(encoder, photos, picture),
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts(facts)


def _taken(encoder: Encoder) -> dict[str, str]:
    """Return which output of a network is taken."""
    if not isinstance(encoder, OnnxEncoder):
        return {}
    token = {"first": ", class token", "mean": ", mean of the tokens"}.get(encoder.tokens, "")
    return {"output": encoder.output + token}


def _spent(encoder: Encoder, photos: Path | None, picture: Path | None) -> dict[str, float]:
    """Return what some photos cost, on average, in a spiking network; draw one."""
    if photos is None:
        if picture:
            raise ValueError("--picture needs a photo: give --photos, too")
        return {}
    if not isinstance(encoder, SpikingEncoder):
        raise ValueError(f"{encoder.name} does not spike: leave --photos out, or spike it first")
    from spikehead.encoders.spiking.activity import cost

    paths = [photo.path for photo in sources.photo_folder(photos, as_classes=True).photos]
    pixels = backbones.typical(paths, encoder.preprocessing, _MEASURED)
    codes = encoder.codes(pixels)
    if picture is not None:
        pictures.save(_drawn(encoder.network, codes[0], paths[0].name), picture)
    spent = cost(encoder.network, codes)
    return {name: round(value, 2) for name, value in spent.items()}


def _drawn(network: SpikingNetwork, codes: NDArray[np.int32], photo: str) -> FigureBase:
    """Return a picture of a photo's spikes in the layers whose maps become smaller."""
    from spikehead.encoders.spiking import neuron
    from spikehead.encoders.spiking.fast import FastEngine

    sent = FastEngine(network, watched=True).sent(codes)
    maps = [layer for layer in network.layers[1:-1] if layer.shape[1] > 1]
    chosen = [maps[place] for place in np.linspace(0, len(maps) - 1, _DRAWN - 1).astype(int)]
    spikes = {"pixels": neuron.trains(codes, network.pixels.bits)}
    for layer in chosen:
        spikes[layer.name] = neuron.trains(sent[layer.name], layer.bits)
    return pictures.layer_spikes(spikes, title=f"{photo}, as spikes")
