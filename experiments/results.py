"""Write the README's table of results from the record of the experiment that measured them.

    python experiments/results.py

The record is 10_closing_the_gap/output.txt, as its `run.py --test` printed it.
"""

from __future__ import annotations

import re
from pathlib import Path

EXPERIMENTS = Path(__file__).parent
RECORD = EXPERIMENTS / "10_closing_the_gap" / "output.txt"
README = EXPERIMENTS.parent / "README.md"
DATA = {"imagenette": "Imagenette", "cifar10": "CIFAR-10", "mnist": "MNIST", "digits": "digits"}

_BETWEEN = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->)", re.DOTALL)
_HEADING = re.compile(r"(?P<data>\S+), (?P<train>\d+) \+ (?P<test>\d+) +shuffled")
_FIGURES = re.compile(r" {2,}(?P<shuffled>[\d.]+) \+- [\d.]+(?: +(?P<ordered>[\d.]+) \+- [\d.]+)?$")


def table() -> str:
    """Return the table: a method's accuracy on each data set, shuffled / class after class."""
    found = _read(RECORD.read_text("utf-8"))
    sizes = [f"{DATA[data]}, {found[data]['']}" for data in DATA]
    rows = [
        ["one pass, accuracy %: shuffled / class after class", *sizes],
        ["---"] * (1 + len(DATA)),
        *(
            [method, *(found[data][method] for data in DATA)]
            for method in found["imagenette"]
            if method
        ),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _read(record: str) -> dict[str, dict[str, str]]:
    """Return the cell of each method by data set, and under no name how large the set is."""
    found: dict[str, dict[str, str]] = {}
    for line in filter(None, record.splitlines()):
        if heading := _HEADING.match(line):
            sizes = f"{int(heading['train']):,} + {int(heading['test']):,}"
            cells = found[heading["data"]] = {"": sizes}
        elif figures := _FIGURES.search(line):
            ordered = figures["ordered"]
            shuffled = figures["shuffled"]
            cells[line[: figures.start()]] = f"{shuffled} / {ordered}" if ordered else shuffled
        else:
            raise ValueError(f"{RECORD} has a line of another form: {line}")
    return found


if __name__ == "__main__":
    README.write_text(_BETWEEN.sub(table(), README.read_text("utf-8")), "utf-8")
