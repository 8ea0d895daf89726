"""spikehead encoder info: what an encoder takes and gives."""

from __future__ import annotations

from typing import Annotated

import typer

from spikehead.cli import console, options
from spikehead.encoders import Encoder, OnnxEncoder, open_encoder, record


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
        **_taken(encoder),
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


def _taken(encoder: Encoder) -> dict[str, str]:
    """Return which output of a network is taken."""
    if not isinstance(encoder, OnnxEncoder):
        return {}
    token = {"first": ", class token", "mean": ", mean of the tokens"}.get(encoder.tokens, "")
    return {"output": encoder.output + token}
