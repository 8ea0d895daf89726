"""spikehead merge: models that learned apart become one."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console, options
from spikehead.models import storage
from spikehead.models.hybrid import HybridClassifier
from spikehead.names import shown


def merge(
    models: Annotated[list[Path], typer.Argument(help="Model folders, two or more.")],
    into: Annotated[Path, typer.Option(help="Folder of the new model.")],
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Merge models that learned apart into the one that has learned all of it.

    They must have the same encoder and decorrelated columns of the same hyperparameters. Classes of
    the same name are one; the models stay as they are. A photo that two of them have learned counts
    twice; how many those are is said.
    """
    if len(models) < 2:
        raise typer.BadParameter("give two or more.", param_hint="MODELS")
    with storage.writing(into):
        if storage.is_model(into):
            raise typer.BadParameter(
                f"{shown(into)} is a model already; name a new folder.", param_hint="--into"
            )
        parts = [HybridClassifier.load(folder, n_threads=threads) for folder in models]
        whole = reduce(HybridClassifier.merge, parts)
        whole.save(into)
    remembered = sum(sum(part.photos_learned.values()) for part in parts)
    document = {
        "model": str(into),
        "merged": [str(folder) for folder in models],
        "classes": whole.classes,
        "learned": whole.head.network_.presentations,
        "counted_again": remembered - sum(whole.photos_learned.values()),
    }
    if as_json:
        console.print_json(document)
        return
    console.out.print(
        f"{into} knows {len(whole.classes)} classes from {document['learned']} lessons.",
        soft_wrap=True,
    )
    if again := document["counted_again"]:
        console.messages.print(
            f"Photos that several of them had learned in the same class count again: {again}.",
            soft_wrap=True,
        )
