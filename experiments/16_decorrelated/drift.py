"""See whether decorrelated columns drift: a million presentations against batch algebra in float64.

    python experiments/16_decorrelated/drift.py

Classes of 256 non-negative features, of which about a third is active, share strong directions. The
stream draws them anew until the end; beside it stand the sums that float64 holds exactly. Printed
are, after so many presentations: the largest difference of A from the inverse of those sums, and
of the weights and energies from what follows from them, each over the largest of its values; how
many of the sums, had back from the network, are exact; and how many of 2,000 answers are the same.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from spikehead.coding import signed_counts
from spikehead.heads.decorrelated.cpu import CPUEngine
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import UNIT, DecorrelatedParameters
from spikehead.heads.decorrelated.revision import Sums

N_INPUTS, N_CLASSES, PART = 256, 20, 10_000


class Source:
    """Draws examples and their classes."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.centres = self.rng.normal(size=(N_CLASSES, N_INPUTS))
        self.shared = self.rng.normal(size=(8, N_INPUTS))

    def draw(self, n: int) -> tuple[NDArray[np.int8], NDArray[Any]]:
        """Return signed spike counts and columns."""
        labels = self.rng.integers(0, N_CLASSES, n)
        X = self.centres[labels] + self.rng.normal(size=(n, 8)) @ self.shared
        X += 2 * self.rng.normal(size=X.shape)
        return signed_counts(np.maximum(X - 1.5, 0), 4.0), labels


def relative(ours: NDArray[Any], exact: NDArray[Any]) -> str:
    """Return the largest difference over the largest value."""
    return f"{np.abs(ours - exact).max() / np.abs(exact).max():.1e}"


def main() -> None:
    """Print a row for each power of ten, and between."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presentations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    source = Source(options.seed)
    network = Network(DecorrelatedParameters(), N_INPUTS, N_CLASSES)
    engine = CPUEngine(network)
    products, totals = np.zeros((N_INPUTS, N_INPUTS)), np.zeros((N_CLASSES, N_INPUTS))
    new = source.draw(2000)[0].astype(np.float64)
    table = Table(title=f"{N_INPUTS} inputs, {N_CLASSES} classes, seed {options.seed}")
    headings = ("presentations", "A", "weights", "energies", "sums exact, %", "answers the same, %")
    for heading in headings:
        table.add_column(heading, justify="right")
    marks = {10**k * m for k in range(3, 8) for m in (1, 3)}
    while network.presentations < options.presentations:
        following = min(mark for mark in marks if mark > network.presentations)
        n = min(PART, following - network.presentations)
        counts, labels = source.draw(n)
        engine.learn(counts, labels)
        k = counts.astype(np.float64)
        products += k.T @ k
        np.add.at(totals, labels, k)
        if network.presentations not in marks:
            continue
        A = np.linalg.inv(np.eye(N_INPUTS) + products / network.power)
        means = totals / network.counts[:, None]
        w = means @ A
        q = (means * w).sum(axis=1)
        sums = Sums.of(network)
        answer = engine.respond(new.astype(np.int8))
        winners = (answer.spikes + answer.residuals).argmax(axis=1)
        exact = np.mean(sums.products[0] == products), np.mean(sums.totals[:, 0] == totals)
        table.add_row(
            f"{network.presentations:,}",
            relative(network.lateral()[0], A),
            relative(network.weights[:, 0] / UNIT, w),
            relative(network.energies / UNIT, q),
            " / ".join(f"{100 * share:.1f}" for share in exact),
            f"{100 * np.mean(winners == (new @ w.T / np.sqrt(q)).argmax(axis=1)):.2f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
