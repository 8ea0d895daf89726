"""spikehead encoder list: what encoders there are."""

from __future__ import annotations

from rich.table import Table

from spikehead.cli import console, options
from spikehead.encoders import PRETRAINED, built_file
from spikehead.encoders.registry import BUNDLED


def list(as_json: options.Json = False) -> None:  # noqa: A001 - as the command is called
    """List the encoders that there are, and those that can be built."""
    files = {"bundled": BUNDLED, **{name: built_file(name) for name in PRETRAINED}}
    if as_json:
        console.print_json(
            [
                {"name": name, "file": str(file), "ready": file.exists()}
                for name, file in files.items()
            ]
        )
        return
    table = Table("encoder", "", box=None)
    for name, file in files.items():
        missing = "is fetched and built at first use, which needs torch"
        table.add_row(name, str(file) if file.exists() else missing)
    table.add_row("timm:NAME", "any model of timm; built at first use, with torch and timm")
    table.add_row("onnx:PATH", "any ONNX file")
    table.add_row("pixels, pixels:SIDE", "grey pixel intensities")
    console.out.print(table)
