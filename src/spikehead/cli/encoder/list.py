"""spikehead encoder list: what encoders there are."""

from __future__ import annotations

import time
from typing import Annotated, Any

import numpy as np
import typer

from spikehead.cli import console, options
from spikehead.encoders import EncoderKind, kinds, open_encoder

_PHOTOS, _TIMES = 16, 3


def list(  # noqa: A001 - as the command is called
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure how long those at hand take for a photo.")
    ] = False,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """List the encoders that there are, and those that can be built.

    The time of a photo is that of the network alone, on photos of noise; to read and prepare a
    photo comes on top.
    """
    facts = [
        _facts(form, kind, measure, threads)
        for name, kind in kinds().items()
        for form in kind.forms(name)
    ]
    if as_json:
        console.print_json(facts)
        return
    table = console.table("encoder", "MB", "ms a photo", "ImageNet")
    for column in ("licence", "at hand", ""):
        table.add_column(column)
    for row in facts:
        table.add_row(
            row["name"],
            _shown(row["bytes"] and row["bytes"] / 1e6),
            _shown(row["ms_per_photo"]),
            _shown(row["imagenet_top_1"], f" % ({row['source']})"),
            row["licence"].partition(";")[0],
            {True: "yes", False: "no", None: ""}[row["ready"]],
            row["about"],
        )
    console.out.print(table)
    console.out.print("ImageNet: top-1 accuracy, as published by those who are named there.")


def _facts(form: str, kind: EncoderKind, measure: bool, threads: int | None) -> dict[str, Any]:
    """Return what is known of the encoders that users name in this form."""
    known, file = kind.provenance, kind.file and kind.file()
    named = ":" not in form  # and not by an argument on which the rest depends
    ready = named and (file is None or file.exists())
    return {
        "name": form,
        "about": kind.about,
        "file": file and str(file),
        "ready": ready if named else None,
        "bytes": file.stat().st_size if file and ready else known.n_bytes,
        "ms_per_photo": _milliseconds(form, threads) if measure and ready else None,
        "range": kind.range,
        "imagenet_top_1": known.top_1,
        "source": known.source,
        "origin": known.origin,
        "licence": known.licence,
    }


def _milliseconds(name: str, threads: int | None) -> float:
    """Return how long an encoder takes for a photo: the best of some batches."""
    encoder = open_encoder(name, n_threads=threads)
    random = np.random.default_rng(0)
    pixels = random.random((_PHOTOS, *encoder.preprocessing.shape), np.float32)
    seconds = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        encoder.encode(pixels)
        seconds.append(time.perf_counter() - start)
    return 1e3 * min(seconds) / _PHOTOS


def _shown(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{value:.1f}{unit}"
