"""Write the table of docs/how-to/encoders.md from the record of `run.py`.

    python experiments/17_encoders/table.py

The record is results.json beside this script.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "encoders.md"
DATA = {"imagenette-300": "Imagenette", "caltech-50": "Caltech", "cifar10": "CIFAR-10"}

_BETWEEN = re.compile(r"(?<=<!-- encoders -->\n).*(?=<!-- end of encoders -->)", re.DOTALL)


def table() -> str:
    """Return the table: accuracy with all training photos / 5 / 1 a class, by data set."""
    results: dict[str, dict[str, Any]] = json.loads(RECORD.read_text("utf-8"))
    first = next(iter(results.values()))
    sizes = [f"{name}, {first[data]['train']:,}" for data, name in DATA.items()]
    rows = [
        ["accuracy %: all photos / 5 / 1 a class", "activations", "MB", *sizes],
        ["---", *["---:"] * 2, *["---"] * len(DATA)],
    ]
    for name, result in results.items():
        size = f"{result['bytes'] / 1e6:.1f}" if result["bytes"] else ""
        cells = [_cell(result[data]) for data in DATA]
        rows.append([f"`{name}`".replace(",", "`, `"), str(result["activations"]), size, *cells])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(measured: dict[str, Any]) -> str:
    kinds = ("all", "5 a class", "1 a class")
    return " / ".join(f"{measured[kind][0]:.1f}" for kind in kinds)


if __name__ == "__main__":
    PAGE.write_text(_BETWEEN.sub(table(), PAGE.read_text("utf-8")), "utf-8")
