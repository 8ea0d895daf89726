"""See what a horizon brings where labels change their meaning, and what it costs elsewhere.

    python experiments/16_decorrelated/horizon.py FOLDER NAME ...

On the training parts that `encode.py` has written to FOLDER; a fifth of each class is kept out and
answered. ``changed, n``: half of the stream, then n examples of each class whose labels mean the
next class. Printed is the mean accuracy over three orders.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from response import stream
from rich.console import Console
from rich.table import Table

from spikehead.coding import signed_counts
from spikehead.evaluation.examples import read_activations
from spikehead.heads.decorrelated.cpu import CPUEngine
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters

HORIZONS = 0, 200, 50, 20
ORDERS = range(3)


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    kinds = "all", "class after class", "changed, 5", "changed, 20", "changed, 50"
    for name in options.names:
        train, validation = read_activations(options.folder / f"{name}-train.npz").divided()
        classes = np.unique(train.y)
        new, asked = (
            signed_counts(validation.X, 4.0),
            np.searchsorted(classes, validation.y),
        )
        table = Table("horizon", *kinds, title=f"{name}; accuracy, %")
        for horizon in HORIZONS:
            row = []
            for kind in kinds:
                found = []
                for seed in ORDERS:
                    changed = kind.startswith("changed")
                    part = stream(train, "all" if changed else kind, seed)
                    columns, half = np.searchsorted(classes, part.y), len(part) // 2
                    if changed:
                        later = part[half:]
                        few = [
                            half + np.flatnonzero(later.y == label)[: int(kind.split()[1])]
                            for label in classes
                        ]
                        columns[half:] = (columns[half:] + 1) % len(classes)
                        kept = np.concatenate([np.arange(half), np.sort(np.concatenate(few))])
                        part, columns = part[kept], columns[kept]
                    network = Network(
                        DecorrelatedParameters(horizon=horizon), new.shape[1], len(classes)
                    )
                    engine = CPUEngine(network, 1)
                    engine.learn(signed_counts(part.X, 4.0), columns)
                    answer = engine.respond(new)
                    winners = (answer.spikes + answer.residuals).argmax(axis=1)
                    right = (asked + changed) % len(classes)
                    found.append(100 * np.mean(winners == right))
                row.append(f"{np.mean(found):.1f}")
            table.add_row(str(horizon) if horizon else "none", *row)
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
