"""Learn raw pixels behind a fixed sparse expansion.

    python experiments/16_decorrelated/pixels.py FOLDER digits
    python experiments/16_decorrelated/pixels.py FOLDER mnist [--units 4096] [--algebra]

FOLDER holds ``digits-pixels`` and ``mnist-pixels``, as `encode.py` writes them. Digits are learned
by the head, 1 to 50 of each class and all, beside class means on the pixels; five orders, the test
part. MNIST is learned whole, once; with ``--algebra`` its answers are those of batch algebra on one
branch of all units, for several penalties.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from run import CosineMean, Examples, examples, few, whole

from spikehead import DecorrelatedColumns
from spikehead.coding import signed_counts
from spikehead.evaluation.methods import accuracy, learn_stream
from spikehead.evaluation.rivals import NearestClassMean
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters
from spikehead.heads.expansion import SparseExpansion

P = DecorrelatedParameters()


def expanded(expansion: SparseExpansion, X: NDArray[Any]) -> NDArray[np.float32]:
    """Return what the units of an expansion say to activations."""
    return expansion.expand(signed_counts(X, P.scale)).astype(np.float32)


def digits(train: Examples, test: Examples) -> None:
    """Print a table for scikit-learn's digits."""
    expansion = SparseExpansion((8, 8), 1024)
    seen = [Examples(expanded(expansion, part.X), part.y) for part in (train, test)]
    methods: dict[str, tuple[Any, list[Examples]]] = {
        "decorrelated columns, expansion": (DecorrelatedColumns, seen),
        "decorrelated columns, pixels": (DecorrelatedColumns, [train, test]),
        "class mean, pixels": (NearestClassMean, [train, test]),
        "cosine mean, pixels": (CosineMean, [train, test]),
    }
    rows: dict[str, dict[str, list[float]]] = {}
    for order in range(5):
        for name, (make, parts) in methods.items():
            for stream in (few, whole):
                estimator = make()
                for point, learned, asked in stream(*parts, order):
                    learn_stream(estimator, learned, np.unique(train.y))
                    found = 100 * accuracy(estimator, asked)
                    rows.setdefault(name, {}).setdefault(point, []).append(found)
    table = Table("digits' pixels; accuracy, %", *rows["class mean, pixels"])
    for name, row in rows.items():
        table.add_row(name, *(f"{np.mean(found):.1f}" for found in row.values()))
    Console(width=100).print(table)


def mnist(train: Examples, test: Examples, n_units: int) -> None:
    """Print the accuracy of the head on all of MNIST."""
    expansion, head = SparseExpansion((28, 28), n_units), DecorrelatedColumns()
    for start in range(0, len(train), 5000):
        part = train[start : start + 5000]
        head.partial_fit(expanded(expansion, part.X), part.y, np.unique(train.y))
    asked = Examples(expanded(expansion, test.X), test.y)
    print(f"MNIST's pixels, {n_units} units: {100 * accuracy(head, asked):.2f} %")


def algebra(train: Examples, test: Examples, n_units: int) -> None:
    """Print a row for each penalty on all of MNIST."""
    expansion = SparseExpansion((28, 28), n_units)
    columns = train.y.astype(int)
    products, totals = np.zeros((n_units, n_units), np.float32), np.zeros((10, n_units))

    def coded(X: NDArray[Any]) -> NDArray[np.float32]:
        return signed_counts(expanded(expansion, X), P.scale).astype(np.float32)

    for start in range(0, len(train), 5000):
        part = slice(start, start + 5000)
        K = coded(train.X[part])
        products += K.T @ K  # whole numbers below 2**24
        np.add.at(totals, columns[part], K)
    means = totals / np.bincount(columns)[:, None]
    new = [coded(test.X[start : start + 2500]) for start in range(0, len(test), 2500)]
    active = 100 * np.mean([(K != 0).mean() for K in new])
    print(f"MNIST's pixels, {n_units} units, {active:.1f} % of them active")
    for lam in (1, 0.1, 0.03):
        l0 = np.float32(lam * P.power(n_units))
        w = np.linalg.solve(np.eye(n_units, dtype=np.float32) + products / l0, means.T).T
        size = np.sqrt((means * w).sum(axis=1))
        answers = np.concatenate([(K @ w.T / size).argmax(axis=1) for K in new])
        print(f"lam {lam}: {100 * np.mean(answers == test.y.astype(int)):.2f} %", flush=True)


def main() -> None:
    """Print one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name", choices=("digits", "mnist"))
    parser.add_argument("--units", type=int, default=4096)
    parser.add_argument("--algebra", action="store_true")
    options = parser.parse_args()
    name = f"{options.name}-pixels"
    train, test = (examples(options.folder / f"{name}-{part}.npz") for part in ("train", "test"))
    if options.name == "digits":
        digits(train, test)
    else:
        (algebra if options.algebra else mnist)(train, test, options.units)


if __name__ == "__main__":
    main()
