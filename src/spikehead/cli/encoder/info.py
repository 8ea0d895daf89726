"""spikehead encoder info: what an encoder takes and gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console, options, sources
from spikehead.cli.encoder import backbones
from spikehead.encoders import Encoder, OnnxEncoder, SpikingEncoder, open_encoder, record

_MEASURED = 20


def info(
    name: Annotated[str, typer.Argument(help="An encoder's name, as listed.")],
    photos: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of photos, one sub-folder a class: what {_MEASURED} of them cost a "
            "spiking encoder, in spikes and additions."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what an encoder takes and gives."""
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
        **_spent(encoder, photos),
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


def _spent(encoder: Encoder, photos: Path | None) -> dict[str, float]:
    """Return what some photos cost, on average, in a spiking network."""
    if photos is None:
        return {}
    if not isinstance(encoder, SpikingEncoder):
        raise ValueError(f"{encoder.name} does not spike: leave --photos out, or spike it first")
    from spikehead.encoders.spiking.activity import cost

    paths = [photo.path for photo in sources.photo_folder(photos, as_classes=True).photos]
    pixels = backbones.typical(paths, encoder.preprocessing, _MEASURED)
    spent = cost(encoder.network, encoder.codes(pixels))
    return {name: round(value, 2) for name, value in spent.items()}
