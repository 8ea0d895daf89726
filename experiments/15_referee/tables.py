"""Write the tables of the documentation from the record of the benchmark.

    python experiments/15_referee/tables.py

A page has ``<!-- table: NAME -->`` above a table and ``<!-- end of table -->`` below it; the names
are those of `TABLES`. What stands between is written anew from ``record.json``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import mean

from spikehead.evaluation.benchmark import Record, cost_sheet, lead, markdown_table
from spikehead.evaluation.protocols import PROTOCOLS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "results.md",
    ROOT / "docs" / "decorrelated.md",
    HERE / "README.md",
)
DATA = {
    "imagenette-300": "Imagenette, 2,400 + 600",
    "caltech-50": "Caltech, 50 classes, 1,500 + 673",
    "caltech-50-signed": "the same, signed embedding",
    "cifar10": "CIFAR-10, 50,000 + 10,000",
    "digits-pixels": "digits' pixels, 1,400 + 397",
}
ALSO = "mnist", "digits"
"""Sets that have tables of their own only."""

OURS, PAPER = "decorrelated columns", "CoLaNET, paper"
SHOWN = (
    OURS,
    PAPER,
    "nearest class mean",
    "cosine class mean",
    "streaming LDA",
    "ridge regression",
)
OFFLINE = "logistic regression", "ANN, 1 epoch", "ANN, 12 epochs"
PARTS = {OURS: "decorrelated: ", PAPER: "paper: "}
"""What the names of ablations begin with."""

KEY_POINTS = {"few": "5 a class", "one pass": "all", "class after class": "class after class"}
"""The points that stand for a whole matrix, and their protocols."""

MARKED = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)

record = Record(HERE / "record.json")
figures = cache(record.figures)


def figure(data: str, protocol: str, point: str, learner: str) -> str:
    """Return the mean over the orders, in percent."""
    values = figures(data, protocol).get(point, {}).get(learner, {}).values()
    return f"{100 * mean(values):.1f}" if values else "-"


def key_figures(data: str, learner: str) -> str:
    """Return the means at the points that stand for all."""
    found = [figure(data, *where, learner) for where in KEY_POINTS.items()]
    return " / ".join(found) if {*found} != {"-"} else ""


def learners() -> list[str]:
    """Return all that take part: ours, the others of one pass, and those that see all at once."""
    met = dict.fromkeys(cell.learner for cell in record.cells)
    whole = [name for name in met if not name.startswith(tuple(PARTS.values()))]
    return sorted(whole, key=OFFLINE.__contains__)


def summary(names: Sequence[str], prefix: str = "") -> str:
    """Return the key figures of learners on every set; names without what they begin with."""
    header = ["accuracy %: 5 a class / all, mixed / class after class"]
    for data, name in DATA.items():
        orders = len(figures(data, "one pass")["all"][OURS])
        header.append(f"{name}; {orders} order{'s' * (orders > 1)}")
    rows = [
        [name.removeprefix(prefix), *(key_figures(data, name) for data in DATA)] for name in names
    ]
    return markdown_table(header, rows)


def streams(data: str) -> str:
    """Return every point of a set: those that are shown, and our lead over the best other."""
    others = [name for name in learners() if name not in (OURS, *OFFLINE)]
    rows = []
    for protocol in PROTOCOLS:
        points = figures(data, protocol)
        for point, found in points.items():
            name = protocol if len(points) == 1 else f"{protocol}: {point}"
            shown = [figure(data, protocol, point, learner) for learner in SHOWN]
            rows.append([name, *shown, str(lead(found, OURS, others) or "")])
    return markdown_table(["", *SHOWN, "lead over the best other of one pass"], rows)


def ablations(ours: str) -> str:
    """Return the key figures of a head and of what is left without a part of its rule."""
    names = dict.fromkeys(cell.learner for cell in record.cells)
    parts = [name for name in names if name.startswith(PARTS[ours])]
    return summary([ours, *parts], PARTS[ours])


def costs(data: str) -> str:
    """Return what learners keep and compute."""
    found = {name: cost for name, cost in record.costs[data].items() if name in learners()}
    sheet = cost_sheet(data, found)
    return markdown_table(sheet.header, sheet.rows)


TABLES: dict[str, Callable[[], str]] = {
    "summary": lambda: summary([*SHOWN, "random projection + ridge", OFFLINE[0]]),
    "learners": lambda: summary(learners()),
    **{f"streams of {data}": lambda data=data: streams(data) for data in (*DATA, *ALSO)},
    "parts of decorrelated columns": lambda: ablations(OURS),
    "parts of CoLaNET": lambda: ablations(PAPER),
    "costs": lambda: costs("imagenette-300"),
}


def written(page: str) -> str:
    """Return a page with the tables of the record."""
    return MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(written(path.read_text("utf-8")), "utf-8")
