"""See what it costs that inputs inhibit those of their own dendritic branch only.

    python experiments/16_decorrelated/width.py FOLDER/NAME-train.npz ...

As in `response.py` each file holds the training part of a data set, of which a fifth of each class
is kept out and answered, in five orders. Printed is the mean accuracy for each width.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from response import ORDERS, stream
from rich.console import Console
from rich.table import Table

from spikehead.coding import signed_counts
from spikehead.evaluation.examples import read_activations
from spikehead.heads.decorrelated.cpu import CPUEngine
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters

WIDTHS = 2048, 1024, 512, 256, 64


def main() -> None:
    """Print a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    for path in parser.parse_args().files:
        train, validation = read_activations(path).divided()
        classes = np.unique(train.y)
        y = np.searchsorted(classes, validation.y)
        title = f"{path.stem}: {train.X.shape[1]} inputs, {len(classes)} classes; accuracy, %"
        table = Table("width", title=title)
        kinds = "1 a class", "5 a class", "20 a class", "all"
        for kind in kinds:
            table.add_column(kind, justify="right")
        for width in WIDTHS:
            p = DecorrelatedParameters(width=width)
            new = signed_counts(validation.X, p.scale)
            row = []
            for kind in kinds:
                found = []
                for seed in ORDERS:
                    part = stream(train, kind, seed)
                    engine = CPUEngine(Network(p, train.X.shape[1], len(classes)))
                    counts = signed_counts(part.X, p.scale)
                    engine.learn(counts, np.searchsorted(classes, part.y))
                    answer = engine.respond(new)
                    winners = (answer.spikes + answer.residuals).argmax(axis=1)
                    found.append(100 * np.mean(winners == y))
                row.append(f"{np.mean(found):.2f}")
            table.add_row(str(width), *row)
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
