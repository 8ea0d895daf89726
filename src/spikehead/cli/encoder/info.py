"""spikehead encoder info: what an encoder takes and gives."""

from __future__ import annotations

from typing import Annotated

import typer

from spikehead.cli import console, options
from spikehead.encoders import open_encoder, record


def info(
    name: Annotated[str, typer.Argument(help="An encoder's name, as listed.")],
    as_json: options.Json = False,
) -> None:
    """Show what an encoder takes and gives."""
    encoder = open_encoder(name)
    kind = record(encoder.name)
    facts = {
        "name": encoder.name,
        "activations": encoder.n_activations,
        "range": kind.range and [*kind.range],
        "saturation": encoder.saturation,
        "preprocessing": encoder.preprocessing.to_dict(),
        "files": {role: str(file) for role, file in encoder.files.items()},
        "bytes": sum(file.stat().st_size for file in encoder.files.values()),
        "fingerprint": encoder.fingerprint,
        "origin": kind.provenance.origin,
        "licence": kind.provenance.licence,
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts(facts)
