"""spikehead encoder list: what encoders there are."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from spikehead.cli import console, options
from spikehead.encoders import EncoderKind, kinds


def list(as_json: options.Json = False) -> None:  # noqa: A001 - as the command is called
    """List the encoders that there are, and those that can be built."""
    facts = [_facts(form, kind) for name, kind in kinds().items() for form in kind.forms(name)]
    if as_json:
        console.print_json(facts)
        return
    table = Table("encoder", "MB", "ImageNet", "licence", "", box=None)
    for row in facts:
        table.add_row(
            row["name"],
            "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f}",
            "" if row["imagenet_top_1"] is None else f"{row['imagenet_top_1']:.1f} %",
            row["licence"].partition(";")[0],
            row["file"] if row["file"] and row["ready"] else row["about"],
        )
    console.out.print(table)
    sources = sorted({row["source"] for row in facts if row["source"]})
    console.out.print(f"ImageNet: top-1 accuracy as published by {', '.join(sources)}.")


def _facts(form: str, kind: EncoderKind) -> dict[str, Any]:
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
        "imagenet_top_1": known.top_1,
        "source": known.source,
        "origin": known.origin,
        "licence": known.licence,
    }
