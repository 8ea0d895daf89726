"""Write the README's table of results from the record of the experiment that measured them.

    python experiments/results.py

The record is 16_decorrelated/results.json, as its `run.py` wrote it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import mean

EXPERIMENTS = Path(__file__).parent
RECORD = EXPERIMENTS / "16_decorrelated" / "results.json"
README = EXPERIMENTS.parent / "README.md"
DATA = {
    "imagenette-300": "Imagenette, 2,400 + 600",
    "caltech-50": "Caltech, 50 classes, 1,500 + 673",
    "digits-pixels": "digits' pixels, 1,400 + 397",
}
METHODS = (
    "decorrelated columns",
    "CoLaNET, Table 1",
    "class mean",
    "cosine mean",
    "streaming LDA",
    "ridge",
    "logistic regression, offline",
)
STREAMS = {"few": "5", "whole": "mixed", "class after class": "class after class"}
"""The streams of the columns, and the point of each."""

_BETWEEN = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->)", re.DOTALL)


def table() -> str:
    """Return the table: a method's mean accuracy with few examples, and with all, in two orders."""
    record = json.loads(RECORD.read_text("utf-8"))
    rows = [
        ["accuracy %: 5 a class / all, mixed / class after class", *DATA.values()],
        ["---"] * (1 + len(DATA)),
        *([method, *(_cell(record, data, method) for data in DATA)] for method in METHODS),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(record: dict[str, dict[str, float]], data: str, method: str) -> str:
    """Return the means over the orders of each stream."""
    found = []
    for stream, point in STREAMS.items():
        key = f"{data} | {stream} | {method} | "
        values = [points[point] for name, points in record.items() if name.startswith(key)]
        found.append(f"{mean(values):.1f}" if values else "-")
    return " / ".join(found)


if __name__ == "__main__":
    README.write_text(_BETWEEN.sub(table(), README.read_text("utf-8")), "utf-8")
