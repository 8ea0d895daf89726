"""Leave out one part of the rule after the other.

    python experiments/16_decorrelated/ablation.py FOLDER NAME ...

The rule in float64, on the training parts that `encode.py` has written to FOLDER; a fifth of each
class is kept out and answered. Printed is the mean accuracy over three orders of the stream.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from response import stream
from rich.console import Console
from rich.table import Table
from run import examples

from spikehead.coding import signed_counts
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters

P = DecorrelatedParameters()
ORDERS = range(3)
WITHOUT: dict[str, dict[str, Any]] = {
    "the whole rule": {},
    "no lateral inhibition": {"lateral": False},
    "no depression": {"depression": False},
    "neither": {"lateral": False, "depression": False},
    "a fixed rate of 0.1 in place of 1/n": {"rate": 0.1},
    "columns compared without their energy": {"energy": False},
}


def predicted(
    K: NDArray[Any],
    y: NDArray[Any],
    new: NDArray[Any],
    *,
    lateral: bool = True,
    depression: bool = True,
    rate: float | None = None,
    energy: bool = True,
) -> NDArray[Any]:
    """Learn counts with what is left of the rule, and return the columns of new ones."""
    n_inputs, n_columns = K.shape[1], int(y.max()) + 1
    A, w, n = np.eye(n_inputs), np.zeros((n_columns, n_inputs)), np.zeros(n_columns)
    l0 = P.power(n_inputs)
    for k, label in zip(K, y, strict=True):
        x = A @ k
        eta = 1 / (l0 + k @ x)
        if depression:
            w -= np.outer(eta * (w @ k), x)
        n[label] += 1
        r = 1 / n[label] if rate is None else max(rate, 1 / n[label])
        w[label] += r * (l0 * eta * x - w[label])
        if lateral:
            A -= np.outer(eta * x, x)
    # The energy of the weights themselves, w A**-1 w, where the rule's own no longer is it.
    q = np.einsum("ci,ci->c", w, np.linalg.solve(A, w.T).T) if energy else np.ones(n_columns)
    return np.asarray((new @ w.T / np.sqrt(q.clip(1e-12))).argmax(axis=1))


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    kinds = "5 a class", "all", "class after class"
    for name in options.names:
        train, validation = examples(options.folder / f"{name}-train.npz").divided()
        classes = np.unique(train.y)
        new, asked = (
            signed_counts(validation.X, P.scale).astype(float),
            np.searchsorted(classes, validation.y),
        )
        table = Table("without", *kinds, title=f"{name}; accuracy, %")
        for what, how in WITHOUT.items():
            row = []
            for kind in kinds:
                found = []
                for seed in ORDERS:
                    part = stream(train, kind, seed)
                    K = signed_counts(part.X, P.scale).astype(float)
                    answers = predicted(K, np.searchsorted(classes, part.y), new, **how)
                    found.append(100 * np.mean(answers == asked))
                row.append(f"{np.mean(found):.1f}")
            table.add_row(what, *row)
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
