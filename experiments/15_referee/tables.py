"""Write the tables of the documentation from the record of the benchmark.

    python experiments/15_referee/tables.py

A page has ``<!-- table: NAME -->`` above a table and ``<!-- end of table -->`` below it; the names
are those of `TABLES`. What stands between is written anew from ``record.json``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import mean

from spikehead.evaluation.benchmark import Record, lead
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
    "cifar10-test": "CIFAR-10, 8,000 + 2,000",
    "digits-pixels": "digits' pixels, 1,400 + 397",
}
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


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


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


def summary(names: Sequence[str]) -> str:
    """Return the key figures of learners on every set."""
    rows = [[name, *(key_figures(data, name) for data in DATA)] for name in names]
    return table(["accuracy %: 5 a class / all, mixed / class after class", *DATA.values()], rows)


def streams(data: str) -> str:
    """Return every point of a set: those that are shown, and our lead over the best other."""
    others = [name for name in learners() if name not in (OURS, *OFFLINE)]
    rows = []
    for protocol in PROTOCOLS:
        points = figures(data, protocol)
        for point, found in points.items():
            name = protocol if len(points) == 1 else f"{protocol}: {point}"
            shown = [figure(data, protocol, point, learner) for learner in SHOWN]
            rows.append([name, *shown, ahead(found, others)])
    return table(["", *SHOWN, "lead over the best other of one pass"], rows)


def ahead(found: Mapping[str, Mapping[int, float]], others: Iterable[str]) -> str:
    """Return by how many points we lead, with a 95 % interval, and over whom."""
    ours = lead(found, OURS, others)
    if ours is None:
        return ""
    width = "" if ours.half_width is None else f" ± {100 * ours.half_width:.1f}"
    return f"{100 * ours.mean:+.1f}{width} ({ours.best})"


def ablations(ours: str) -> str:
    """Return the key figures of a head and of what is left without a part of its rule."""
    names = dict.fromkeys(cell.learner for cell in record.cells)
    parts = [name for name in names if name.startswith(PARTS[ours])]
    rows = [
        [name.removeprefix(PARTS[ours]), *(key_figures(data, name) for data in DATA)]
        for name in (ours, *parts)
    ]
    return table(["accuracy %: 5 a class / all, mixed / class after class", *DATA.values()], rows)


def costs(data: str) -> str:
    """Return what learners keep and compute."""
    rows = [
        [
            name,
            f"{cost.state_bytes / 1e6:.2f}",
            *("" if n is None else f"{n:,.0f}" for n in (cost.lesson, cost.answer)),
            f"{cost.lesson_time:.1f}",
            f"{cost.answer_time:.1f}",
        ]
        for name, cost in record.costs[data].items()
        if name in learners()
    ]
    return table(["", "state, MB", "operations: lesson", "answer", "time: lesson", "answer"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "summary": lambda: summary([*SHOWN, "random projection + ridge", OFFLINE[0]]),
    "learners": lambda: summary(learners()),
    **{f"streams of {data}": lambda data=data: streams(data) for data in DATA},
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
