"""spikehead info: what a model knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spikehead.cli import console
from spikehead.models.hybrid import HybridClassifier


def info(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    as_json: console.Json = False,
) -> None:
    """Show what a model knows: classes, encoder, hyperparameters, size."""
    document = _document(model, HybridClassifier.load(model))
    if as_json:
        console.print_json(document)
        return
    console.print_facts(document)


def _document(folder: Path, model: HybridClassifier) -> dict[str, Any]:
    network = model.head.network_
    return {
        "model": str(folder),
        "classes": model.classes,
        "photos_learned": network.presentations,
        "encoder": model.encoder.to_dict(),
        "activations": network.n_inputs,
        **network.sizes(),
        "hyperparameters": network.parameters.to_dict(),
        "bytes_on_disk": sum(path.stat().st_size for path in folder.iterdir()),
    }
