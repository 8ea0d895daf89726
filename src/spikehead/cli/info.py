"""spikehead info: what a model knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from spikehead.cli import console, options
from spikehead.encoders import restore_encoder
from spikehead.models import storage
from spikehead.models.photos import LearnedPhotos, known_after
from spikehead.models.record import Trends, stored_record
from spikehead.models.schema import Description, whole

SIZES = {
    "stability": "neurons",
    "energies": "neurons",
    "resources": "synapses",
    "weights": "synapses",
    "inhibition": "lateral_synapses",
}
"""Arrays that a head may have, and what each has one value for."""


def info(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    as_json: options.Json = False,
) -> None:
    """Show what a model knows: classes, encoder, hyperparameters, size."""
    document = _document(model)
    if as_json:
        console.print_json(document)
        return
    console.print_facts(document)


def _document(folder: Path) -> dict[str, Any]:
    """Return what the files say, without the head; it takes longer to import than all the rest."""
    stored = storage.load(folder)
    with whole(folder):
        description = Description.from_dict(stored.description)
        head = description.head
        encoder = restore_encoder(description.encoder, stored.attachments)
        learned = LearnedPhotos.unpacked(stored.arrays, description.classes)
        classes, learned, taught = known_after(stored.lessons, description.classes, learned)
        record = np.append(stored_record(stored.arrays), np.frombuffer(taught, np.uint8))
        hyperparameters = dict(head.hyperparameters)
    trends = Trends.of(record)
    return {
        "model": str(folder),
        "classes": classes,
        "photos_learned": len(learned),
        "answers": {
            name: None if one.share is None else round(one.share, 4)
            for name, one in trends._asdict().items()
        },
        "changes": trends.worse(),
        "encoder": description.encoder,
        "activations": encoder.n_activations,
        "head": head.kind,
        "members": hyperparameters.pop("members", 1),
        **{what: stored.arrays[name].size for name, what in SIZES.items() if name in stored.arrays},
        "hyperparameters": hyperparameters,
        "bytes_on_disk": sum(path.stat().st_size for path in folder.iterdir()),
    }
