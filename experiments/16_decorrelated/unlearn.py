"""See how far a head that took lessons back is from one that never learned them.

    python experiments/16_decorrelated/unlearn.py FOLDER NAME ...

On the training and test parts that `encode.py` has written to FOLDER. A head learns the training
part, shuffled by seed 0, and takes back 1, 100 and 1,000 examples of it, drawn by lot, in one call;
beside it stands a head that learned the rest alone, in the same order. Then 20 rounds: 50 examples,
drawn anew each time, are taken back and learned again; beside it stands the head before the first.
Last, a second class is merged into the first; beside it stands a head that learned both as one.
``cosine`` is the largest difference between two cosines of a test example and a class, ``same`` the
share of test examples that both answer alike, and then come the accuracies of both.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from spikehead.coding import signed_counts
from spikehead.evaluation.examples import read_activations
from spikehead.heads.decorrelated.cpu import CPUEngine
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters
from spikehead.heads.decorrelated.revision import joined, unlearn

TAKEN = 1, 100, 1000
ROUNDS, EACH = 20, 50


def learned(counts: NDArray[np.int8], columns: NDArray[np.intp]) -> Network:
    """Return a network that has learned examples."""
    network = Network(DecorrelatedParameters(), counts.shape[1], int(columns.max()) + 1)
    CPUEngine(network).learn(counts, columns)
    return network


def beside(
    one: Network, other: Network, asked: NDArray[np.int8], right: NDArray[np.intp]
) -> list[str]:
    """Compare two networks by what they answer."""
    answers = [CPUEngine(network).respond(asked, cosines=True) for network in (one, other)]
    cosines = [answer.cosines for answer in answers]
    winners = [(answer.spikes + answer.residuals).argmax(axis=1) for answer in answers]
    return [
        f"{np.abs(cosines[0] - cosines[1]).max():.1e}",
        f"{np.mean(winners[0] == winners[1]):.2%}",
        *(f"{np.mean(winner == right):.2%}" for winner in winners),
    ]


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    for name in options.names:
        train, test = (
            read_activations(options.folder / f"{name}-{part}.npz") for part in ("train", "test")
        )
        lots = np.random.RandomState(0)
        train = train[lots.permutation(len(train))]
        classes = np.unique(train.y)
        counts, asked = signed_counts(train.X, 4.0), signed_counts(test.X, 4.0)
        columns, right = np.searchsorted(classes, train.y), np.searchsorted(classes, test.y)
        table = Table("what was done", "cosine", "same", "accuracy", "beside", title=name)
        whole = learned(counts, columns)
        for n in TAKEN:
            chosen = np.zeros(len(counts), bool)
            chosen[lots.permutation(len(counts))[:n]] = True
            network = copy.deepcopy(whole)
            unlearn(network, counts[chosen], columns[chosen])
            never = learned(counts[~chosen], columns[~chosen])
            table.add_row(f"{n} of {len(counts)} taken back", *beside(network, never, asked, right))
        network = copy.deepcopy(whole)
        for _ in range(ROUNDS):
            chosen = lots.permutation(len(counts))[:EACH]
            unlearn(network, counts[chosen], columns[chosen])
            CPUEngine(network).learn(counts[chosen], columns[chosen])
        what = f"{ROUNDS} times {EACH} taken back and learned again"
        table.add_row(what, *beside(network, whole, asked, right))
        one = np.where(columns == 1, 0, columns - (columns > 1))
        right = np.where(right == 1, 0, right - (right > 1))
        table.add_row(
            "two classes merged", *beside(joined(whole, 1, 0), learned(counts, one), asked, right)
        )
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
