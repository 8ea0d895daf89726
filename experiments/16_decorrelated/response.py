"""Compare columns that learn from their potential with such that learn from their own spikes.

    python experiments/16_decorrelated/response.py FOLDER/NAME-train.npz ...

A sketch of the rule in float64, in which the response of a column, by which it is depressed, is
either its potential at the end of the input (exact) or its threshold times its own spikes. Each
file holds the training part of a data set (`encode.py`); a fifth of each class is kept out and
answered. Five orders: mean accuracy and, of the differences between the two within an order, the
mean and its standard error. Then what becomes of heads that are cut and joined: how many answers
four merged heads share with the one that saw the whole stream, and how well a head answers after
20 rounds of taking 50 lessons back and learning them again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.linalg.blas import dsymv, dsyr

from spikehead.coding import signed_counts
from spikehead.evaluation.examples import Examples, read_activations

SCALE, FACTOR, MOST = 4.0, 0.2, 10
STREAMS = ("1 a class", "5 a class", "20 a class", "all", "class after class", "40 % wrong, all")
ORDERS = range(5)


class Sketch:
    """The rule in float64, with either response."""

    def __init__(self, n_inputs: int, n_columns: int, spikes: bool) -> None:
        self.spikes = spikes
        self.l0 = n_inputs * (10 / SCALE) ** 2
        self.A = np.eye(n_inputs, order="F")  # the lower triangle counts
        self.w = np.zeros((n_columns, n_inputs))
        self.q, self.n = np.zeros(n_columns), np.zeros(n_columns)

    def thresholds(self) -> NDArray[Any]:
        """Return the threshold of each column; infinite where it has learned nothing."""
        root = np.sqrt(np.maximum(self.q, 0))
        known = self.n > 0
        theta = FACTOR * root * (root[known].mean() if known.any() else 0)
        return np.where(theta > 0, theta, np.inf)

    def heard(self, a: NDArray[Any]) -> NDArray[Any]:
        """Return responses as columns learn from them."""
        if not self.spikes:
            return a
        theta = self.thresholds()
        spikes = np.clip(np.floor(a / theta + 0.5), 0, MOST)
        return np.where(np.isfinite(theta), theta, 0) * spikes

    def learn(self, k: NDArray[Any], x: NDArray[Any], y: int) -> None:
        """Learn an example of excitation x = A k; A itself is left to the caller."""
        e = k @ x
        eta = 1 / (self.l0 + e)
        a = self.heard(self.w @ k)
        self.w -= np.outer(eta * a, x)
        self.q -= eta * a**2
        self.n[y] += 1
        r = 1 / self.n[y]
        self.w[y] += r * (self.l0 * eta * x - self.w[y])
        own = (1 - r) ** 2 * self.q[y] + 2 * r * (1 - r) * a[y] * self.l0 * eta
        self.q[y] = own + r**2 * e * self.l0 * eta

    def unlearn(self, k: NDArray[Any], y: int) -> None:
        """Take a lesson back."""
        x = dsymv(1.0, self.A, k, lower=1)
        e = k @ x
        d = self.l0 - e
        self.A = dsyr(1 / d, x, a=self.A, lower=1, overwrite_a=1)
        before = self.w @ k * self.l0 / d
        a = self.heard(before) * d / self.l0
        self.w += np.outer(a / d, x)
        self.q += a**2 / d
        x, e, n = x * self.l0 / d, e * self.l0 / d, self.n[y]
        own = self.heard(self.w @ k)[y]
        if n > 1:
            self.q[y] = (n**2 * self.q[y] - 2 * n * own + e) / (n - 1) ** 2
            self.w[y] = (n * self.w[y] - x) / (n - 1)
        else:
            self.q[y], self.w[y] = 0, 0
        self.n[y] -= 1

    def predict(self, K: NDArray[Any]) -> NDArray[Any]:
        """Return the column with the most spikes and potential left, for each example."""
        scores = K @ self.w.T / self.thresholds()
        scores[:, self.n == 0] = -np.inf
        return scores.argmax(axis=1)


def symmetric(A: NDArray[Any]) -> NDArray[Any]:
    """Return a whole matrix of which the lower triangle is given."""
    return np.tril(A) + np.tril(A, -1).T


def learned(K: NDArray[Any], y: NDArray[Any], n_columns: int) -> list[Sketch]:
    """Let both sketches learn a stream; they share the lateral layer, which knows no columns."""
    sketches = [Sketch(K.shape[1], n_columns, spikes) for spikes in (False, True)]
    learn(sketches, K, y)
    return sketches


def learn(sketches: list[Sketch], K: NDArray[Any], y: NDArray[Any]) -> None:
    """Go on learning."""
    A, l0 = sketches[0].A, sketches[0].l0
    # Blocks: within one, A is that of its start less what the examples since have changed.
    for start in range(0, len(K), 32):
        block = K[start : start + 32]
        X = block @ symmetric(A)
        traces = np.empty_like(X)
        for i, k in enumerate(block):
            x = X[i] - traces[:i].T @ (traces[:i] @ k)
            traces[i] = x / np.sqrt(l0 + k @ x)
            for sketch in sketches:
                sketch.learn(k, x, int(y[start + i]))
        A -= traces.T @ traces
    for sketch in sketches:
        sketch.A = A


def merged(parts: list[Sketch]) -> Sketch:
    """Return the head that has seen the streams of all."""
    whole = Sketch(parts[0].w.shape[1], len(parts[0].n), parts[0].spikes)
    identity = np.eye(len(whole.A))
    inverses = [np.linalg.inv(symmetric(part.A)) for part in parts]
    whole.A = np.linalg.inv(sum(inverses) - (len(parts) - 1) * identity)
    whole.n = sum(part.n for part in parts)
    sums = sum(
        part.n[:, None] * (part.w @ inverse) for part, inverse in zip(parts, inverses, strict=True)
    )
    means = sums / np.maximum(whole.n, 1)[:, None]
    whole.w = means @ whole.A
    whole.q = (means * whole.w).sum(axis=1)
    return whole


def stream(examples: Examples, kind: str, seed: int) -> Examples:
    """Return the examples in an order that the seed decides."""
    random = np.random.RandomState(seed)
    mixed = examples[random.permutation(len(examples))]
    classes = np.unique(examples.y)
    if kind == "class after class":
        rank = random.permutation(len(classes))
        return mixed[np.argsort(rank[np.searchsorted(classes, mixed.y)], kind="stable")]
    if kind.startswith("40"):
        wrong = random.permutation(len(mixed))[: round(0.4 * len(mixed))]
        columns = np.searchsorted(classes, mixed.y)
        columns[wrong] += random.randint(1, len(classes), len(wrong))
        return Examples(mixed.X, classes[columns % len(classes)])
    if kind != "all":
        most = int(kind.split()[0])
        earlier = [np.flatnonzero(mixed.y == label)[:most] for label in classes]
        return mixed[np.sort(np.concatenate(earlier))]
    return mixed


def main() -> None:
    """Print the comparison for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    console = Console(width=100)
    for path in parser.parse_args().files:
        train, validation = read_activations(path).divided()
        classes = np.unique(train.y)
        K = signed_counts(validation.X, SCALE).astype(float)
        y = np.searchsorted(classes, validation.y)
        table = Table(title=f"{path.stem}: {len(train)} to learn, {len(validation)} kept out")
        for heading in ("", "exact, %", "own spikes, %", "difference", "standard error"):
            table.add_column(heading, justify="right")
        for kind in STREAMS:
            found = []
            for seed in ORDERS:
                part = stream(train, kind, seed)
                counts = signed_counts(part.X, SCALE).astype(float)
                sketches = learned(counts, np.searchsorted(classes, part.y), len(classes))
                found.append([100 * np.mean(sketch.predict(K) == y) for sketch in sketches])
            exact, spikes = np.transpose(found)
            error = (spikes - exact).std(ddof=1) / np.sqrt(len(found))
            values = exact.mean(), spikes.mean(), (spikes - exact).mean(), error
            table.add_row(kind, *(f"{value:.2f}" for value in values))
        rows: list[list[str]] = [["the same answers, 4 merged"], ["after 20 rounds"]]
        part = stream(train, "all", 0)
        counts, labels = signed_counts(part.X, SCALE).astype(float), part.y
        columns = np.searchsorted(classes, labels)
        wholes = learned(counts, columns, len(classes))
        shards = [learned(counts[i::4], columns[i::4], len(classes)) for i in range(4)]
        for number, whole in enumerate(wholes):
            one = merged([shard[number] for shard in shards])
            rows[0].append(f"{100 * np.mean(one.predict(K) == whole.predict(K)):.2f}")
            whole.A = np.asfortranarray(symmetric(whole.A))
            for turn in range(20):
                chosen = np.random.RandomState(turn).permutation(len(counts))[:50]
                for i in chosen:
                    whole.unlearn(counts[i], columns[i])
                learn([whole], counts[chosen], columns[chosen])
            rows[1].append(f"{100 * np.mean(whole.predict(K) == y):.2f}")
        for row in rows:
            table.add_row(*row, "", "")
        console.print(table)


if __name__ == "__main__":
    main()
