"""Learn raw pixels behind a fixed sparse expansion.

    python experiments/16_decorrelated/pixels.py FOLDER choose
    python experiments/16_decorrelated/pixels.py FOLDER digits
    python experiments/16_decorrelated/pixels.py FOLDER mnist

FOLDER holds ``digits-pixels`` and ``mnist-pixels``, as `encode.py` writes them. `choose` compares
settings on the training parts alone, of which it keeps some out: 5 times 280 digits, and 4,000 of
MNIST after 6,000; its answers are those of batch algebra. `digits`: the head, 1 to 50 of each class
and all; five orders, the test part. `mnist`: all 60,000 once, the test part.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spikehead import DecorrelatedColumns
from spikehead.coding import signed_counts
from spikehead.evaluation.examples import Examples, read_activations
from spikehead.evaluation.methods import accuracy, learn_stream
from spikehead.evaluation.protocols import PROTOCOLS, Data
from spikehead.expansion import SparseExpansion
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters

SETTINGS: dict[str, dict[str, Any]] = {
    "128 units of 8 synapses in 5 x 5, 10 % active, 4 x 4 cells": {},
    "16 synapses": {"n_synapses": 16},
    "7 x 7": {"side": 7},
    "5 % active": {"active": 0.05},
    "20 % active": {"active": 0.2},
    "512 units, 2 x 2 cells": {"n_units": 512, "cells": 2},
    "2,048 units of 8 pixels anywhere, 10 % active": {"grid": None, "n_units": 2048},
    "2,048 units of 8 pixels anywhere, 35 % active": {
        "grid": None,
        "n_units": 2048,
        "active": 0.35,
    },
}


def expansion(n_inputs: int, **setting: Any) -> SparseExpansion:
    """Return an expansion of square pictures; without a grid, of pixels in no order."""
    side = int(np.sqrt(n_inputs))
    grid = (n_inputs,) if "grid" in setting else (side, side)
    return SparseExpansion(**{**setting, "grid": grid})


def expanded(part: Examples, units: SparseExpansion) -> Examples:
    """Return what units say to examples."""
    return Examples(units.expand(part.X), part.y)


def algebra(train: Examples, test: Examples) -> float:
    """Return the accuracy of the batch solution, in percent."""
    p = DecorrelatedParameters()
    K, asked = (signed_counts(part.X, p.scale).astype(np.float32) for part in (train, test))
    classes, columns = np.unique(train.y, return_inverse=True)
    means = np.stack([K[columns == column].mean(axis=0) for column in range(len(classes))])
    n, width = K.shape
    power = np.float32(p.power(width))
    if n < width:  # the same by the identity of Woodbury
        spread = np.linalg.solve(K @ K.T + power * np.eye(n, dtype=np.float32), K @ means.T)
        w = means - (K.T @ spread).T
    else:
        w = np.linalg.solve(np.eye(width, dtype=np.float32) + K.T @ K / power, means.T).T
    answers = (asked @ w.T / np.sqrt((means * w).sum(axis=1))).argmax(axis=1)
    return float(100 * np.mean(classes[answers] == test.y))


def few_of(train: Examples, n: int) -> Examples:
    """Return the first examples of each class; of 0, all."""
    return train[
        np.concatenate(
            [np.flatnonzero(train.y == name)[: n or None] for name in np.unique(train.y)]
        )
    ]


def choose(digits: Examples, mnist: Examples) -> None:
    """Print a row for each setting: what it reaches on examples kept out of training parts."""
    points = {"1": 1, "2": 2, "5": 5, "20": 20, "all": 0}
    table = Table("kept out of training; accuracy, %", *points, "MNIST, 6,000")
    random = np.random.default_rng(0)
    orders = [random.permutation(len(digits)) for _ in range(5)]
    mnist = mnist[random.permutation(len(mnist))[:10_000]]
    for name, setting in SETTINGS.items():
        units = expanded(digits, expansion(digits.X.shape[1], **setting))
        found = [
            np.mean(
                [algebra(few_of(units[order[280:]], n), units[order[:280]]) for order in orders]
            )
            for n in points.values()
        ]
        units = expanded(mnist, expansion(mnist.X.shape[1], **setting))
        table.add_row(
            name,
            *(f"{value:.1f}" for value in found),
            f"{algebra(units[:6000], units[6000:]):.2f}",
        )
        print(f"{name}: done", flush=True)
    Console(width=110).print(table)


def digits(train: Examples, test: Examples) -> None:
    """Print the accuracies of the head on scikit-learn's digits, on streams of the benchmark."""
    units = expansion(train.X.shape[1])
    data = Data("digits", expanded(train, units), expanded(test, units))
    found: dict[str, list[float]] = {}
    for order, protocol in product(range(5), ("few", "one pass")):
        head = DecorrelatedColumns()
        for point in PROTOCOLS[protocol].points(data, order):
            learn_stream(head, point.learned, np.unique(train.y))
            found.setdefault(point.name, []).append(100 * accuracy(head, point.asked))
    for name, accuracies in found.items():
        print(f"digits' pixels, {name}: {np.mean(accuracies):.1f} %")


def mnist(train: Examples, test: Examples) -> None:
    """Print the accuracy of the head on all of MNIST, as it learns."""
    units, head = expansion(train.X.shape[1]), DecorrelatedColumns()
    asked = expanded(test, units)
    for start in range(0, len(train), 5000):
        part = expanded(train[start : start + 5000], units)
        head.partial_fit(part.X, part.y, np.unique(train.y))
        if start + 5000 in (5_000, 20_000, len(train)):
            found = 100 * accuracy(head, asked)
            print(f"MNIST's pixels, {start + 5000} learned: {found:.2f} %", flush=True)


def main() -> None:
    """Print one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=("choose", "digits", "mnist"))
    options = parser.parse_args()

    def read(name: str, part: str) -> Examples:
        return read_activations(options.folder / f"{name}-pixels-{part}.npz")

    if options.what == "choose":
        choose(read("digits", "train"), read("mnist", "train"))
    elif options.what == "digits":
        digits(read("digits", "train"), read("digits", "test"))
    else:
        mnist(read("mnist", "train"), read("mnist", "test"))


if __name__ == "__main__":
    main()
