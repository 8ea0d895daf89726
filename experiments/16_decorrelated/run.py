"""Learn many kinds of streams with decorrelated columns, and with what they are compared with.

    python experiments/16_decorrelated/run.py FOLDER [NAME ...] [--orders 5] [--minutes 20]
    python experiments/16_decorrelated/run.py FOLDER --tables

FOLDER holds ``NAME-train.npz`` and ``NAME-test.npz``, as `encode.py` writes them. Every method
learns the same stream once, in the same order, and answers the test part. Figures are added to
``results.json`` beside this script one by one, and those that are there are not measured again;
``--tables`` puts them into README.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spikehead import CoLaNETClassifier, DecorrelatedColumns
from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import accuracy, learn_stream
from spikehead.evaluation.rivals import (
    CosineClassMean,
    NearestClassMean,
    StreamingLDA,
    StreamingRidge,
)
from spikehead.evaluation.streams import mislabelled
from spikehead.files import write_file
from spikehead.randomness import chance

RESULTS = Path(__file__).with_name("results.json")
FEW = 1, 2, 5, 10, 20, 50
LARGE = 10_000
"""Of sets with more examples only the first order is learned to its end."""

Point = tuple[str, Examples, Examples]
"""What it is called, what is learned until then, and what is answered then."""


class Offline:
    """Logistic regression on standardised features, its penalty chosen on a fifth held out."""

    def __init__(self) -> None:
        self.seen: list[Examples] = []

    def partial_fit(self, X: NDArray[Any], y: NDArray[Any], classes: NDArray[Any]) -> None:  # noqa: ARG002
        """Keep more."""
        self.seen.append(Examples(X, y))

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Fit, and answer."""
        whole = Examples.joined(self.seen)
        train, held_out = whole.divided()
        found = [(accuracy(self._fit(train, C), held_out), C) for C in (0.001, 0.01, 0.1)]
        return np.asarray(self._fit(whole, max(found)[1]).predict(X))

    def _fit(self, examples: Examples, penalty: float) -> Any:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=300))
        return model.fit(examples.X, examples.y)


class Rectified(CoLaNETClassifier):  # type: ignore[misc]
    """CoLaNET, to which negative activations are silent."""

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        """Learn more."""
        return super().partial_fit(X.clip(min=0), y, classes=classes)

    def predict(self, X: Any) -> Any:
        """Answer."""
        return super().predict(X.clip(min=0))


METHODS: dict[str, Callable[[int], Any]] = {
    "decorrelated columns": lambda _: DecorrelatedColumns(n_threads=1),
    "cosine mean": lambda _: CosineClassMean(),
    "class mean": lambda _: NearestClassMean(),
    "streaming LDA": lambda _: StreamingLDA(),
    "ridge": lambda _: StreamingRidge(),
    "CoLaNET, Table 1": lambda seed: Rectified(saturation="auto", random_state=seed, n_threads=1),
    "logistic regression, offline": lambda _: Offline(),
}


# ---------------------------------------------------------------- streams


def rounds(train: Examples, seed: int) -> tuple[Examples, NDArray[np.intp]]:
    """Return the examples, the first of each class, then the second, and so on; and their rank."""
    mixed = train.shuffled(seed)
    rank = np.zeros(len(mixed), np.intp)
    for label in np.unique(mixed.y):
        own = mixed.y == label
        rank[own] = np.arange(own.sum())
    order = np.argsort(rank, kind="stable")
    return mixed[order], rank[order]


def few(train: Examples, test: Examples, seed: int) -> Iterator[Point]:
    """So many examples of each class."""
    stream, rank = rounds(train, seed)
    most = int(rank.max()) + 1
    for start, end in pairwise((0, *(n for n in FEW if n < most))):
        yield str(end), stream[(start <= rank) & (rank < end)], test


def whole(train: Examples, test: Examples, seed: int) -> Iterator[Point]:
    """All, mixed."""
    yield "mixed", train.shuffled(seed), test


def class_after_class(train: Examples, test: Examples, seed: int) -> Iterator[Point]:
    """All, one class after the other."""
    classes = np.unique(train.y)
    place = chance("order of classes", seed).permutation(len(classes))
    mixed = train.shuffled(seed)
    order = np.argsort(place[np.searchsorted(classes, mixed.y)], kind="stable")
    yield "class after class", mixed[order], test


def late(train: Examples, test: Examples, seed: int) -> Iterator[Point]:
    """All of the other classes, then a few of the last one, alone."""
    label = chance("late class", seed).choice(np.unique(train.y))
    new, asked = train[train.y == label].shuffled(seed), test.y == label
    learned, nothing = train[train.y != label].shuffled(seed), train[:0]
    for start, end in pairwise((0, 1, 5, 20)):
        learned = Examples.joined([learned, new[start:end]])
        yield f"late class, {end}: new", learned, test[asked]
        yield f"late class, {end}: old", nothing, test[~asked]
        learned = nothing


def uneven(train: Examples, test: Examples, seed: int) -> Iterator[Point]:
    """Two classes: all of one against three of the other, mixed."""
    many, rare = chance("two classes", seed).permutation(np.unique(train.y))[:2]
    parts = train[train.y == many], train[train.y == rare].shuffled(seed)[:3]
    yield "all against 3: the 3", Examples.joined(parts).shuffled(seed), test[test.y == rare]
    yield "all against 3: the others", train[:0], test[test.y == many]


def wrong(share: float) -> Callable[[Examples, Examples, int], Iterator[Point]]:
    """Return a stream with wrong labels."""

    def stream(train: Examples, test: Examples, seed: int) -> Iterator[Point]:
        noisy = mislabelled(train, np.unique(train.y), share, seed)
        yield f"{share:.0%} wrong labels", noisy.shuffled(seed), test

    return stream


def transformed(kind: str) -> Callable[[Examples, Examples, int], Iterator[Point]]:
    """Return a stream of other features of the same examples: 5 of each class, and all."""

    def stream(train: Examples, test: Examples, seed: int) -> Iterator[Point]:
        random, n = chance(kind, seed), train.X.shape[1]
        if kind == "rotated":
            turned = np.linalg.qr(random.normal(size=(n, n)))[0]
        offset = random.normal(size=n) * np.sqrt((train.X**2).mean())
        gains = np.exp(random.normal(size=n))

        def change(part: Examples) -> Examples:
            if kind == "rotated":
                return Examples(np.float32(part.X @ turned), part.y)
            if kind == "shifted":
                return Examples(np.float32(part.X + offset), part.y)
            if kind == "scaled":
                return Examples(np.float32(part.X * gains), part.y)
            lengths = np.linalg.norm(part.X, axis=1, keepdims=True)
            return Examples(np.float32(part.X / lengths), part.y)

        examples, rank = rounds(train, seed)
        asked = change(test)
        yield f"{kind}, 5", change(examples[rank < 5]), asked
        yield f"{kind}, all", change(examples[rank >= 5].shuffled(seed)), asked

    return stream


STREAMS: dict[str, Callable[[Examples, Examples, int], Iterator[Point]]] = {
    "few": few,
    "whole": whole,
    "class after class": class_after_class,
    "late": late,
    "uneven": uneven,
    "wrong 20": wrong(0.2),
    "wrong 40": wrong(0.4),
    **{kind: transformed(kind) for kind in ("rotated", "shifted", "scaled", "unit length")},
}


# ---------------------------------------------------------------- measuring


def examples(path: Path) -> Examples:
    """Read one part of a set, negative activations as they are."""
    with np.load(path) as arrays:
        return Examples(arrays["X"], arrays["y"])


def measured(method: str, points: Iterator[Point], classes: NDArray[Any], seed: int) -> Any:
    """Return the accuracy in percent at each point of a stream."""
    estimator = METHODS[method](seed)
    found = {}
    for name, learned, asked in points:
        learn_stream(estimator, learned, classes)
        found[name] = round(100 * accuracy(estimator, asked), 3)
    return found


def is_asked(stream: str, method: str, n: int, order: int) -> bool:
    """Return whether a figure is worth its time."""
    if method == "logistic regression, offline":
        return stream == "whole" and order == 0
    if n > LARGE:
        return stream == "few" or (stream in ("whole", "class after class") and order == 0)
    return True


def main() -> None:
    """Measure what is missing, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=list(STREAMS))
    parser.add_argument("--orders", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    if options.tables:
        write_tables(results)
        return
    names = [path.name.removesuffix("-train.npz") for path in options.folder.glob("*-train.npz")]
    end = perf_counter() + 60 * options.minutes
    for order, name in product(range(options.orders), options.names or sorted(names)):
        train, test = (
            examples(options.folder / f"{name}-{part}.npz") for part in ("train", "test")
        )
        classes = np.unique(train.y)
        for stream, method in product(options.streams, METHODS):
            key = f"{name} | {stream} | {method} | {order}"
            if key in results or not is_asked(stream, method, len(train), order):
                continue
            if perf_counter() > end:
                return
            results[key] = measured(method, STREAMS[stream](train, test, order), classes, order)
            write_file(RESULTS, json.dumps(results, indent=0).encode())
            print(key, results[key], flush=True)


# ---------------------------------------------------------------- tables


def write_tables(results: dict[str, dict[str, float]]) -> None:
    """Put a table of each set into README.md, after its last heading."""
    found: dict[str, dict[str, dict[str, dict[int, float]]]] = {}
    for key, points in results.items():
        name, _, method, order = key.split(" | ")
        for point, value in points.items():
            rows = found.setdefault(name, {}).setdefault(point, {})
            rows.setdefault(method, {})[int(order)] = value
    readme = Path(__file__).with_name("README.md")
    text = readme.read_text("utf-8").split(MARK)[0] + MARK
    for name, rows in sorted(found.items()):
        text += f"\n### {name}\n\n| | {' | '.join(METHODS)} | against the best other, one pass |\n"
        text += "|---" * (len(METHODS) + 2) + "|\n"
        for point, by_method in rows.items():
            values = [mean(by_method.get(method, {})) for method in METHODS]
            text += f"| {point} | {' | '.join(values)} | {difference(by_method)} |\n"
    write_file(readme, text.encode())


MARK = "<!-- The rest is written by run.py --tables. -->\n"


def mean(values: dict[int, float]) -> str:
    """Return the mean over the orders."""
    return f"{np.mean(list(values.values())):.1f}" if values else ""


def difference(by_method: dict[str, dict[int, float]]) -> str:
    """Return the lead over the best other method that learns in one pass, with its 95 % interval.

    Over the orders that both have learned: order by order, so that what they share falls out.
    """
    ours = by_method.get("decorrelated columns", {})
    others = [
        values
        for method, values in by_method.items()
        if method not in ("decorrelated columns", "logistic regression, offline")
    ]
    if not ours or not others:
        return ""
    best = max(others, key=lambda values: float(np.mean(list(values.values()))))
    pairs = np.array([ours[order] - best[order] for order in ours if order in best])
    if len(pairs) < 2:
        return f"{pairs.mean():+.1f}" if len(pairs) else ""
    half = stats.t.ppf(0.975, len(pairs) - 1) * pairs.std(ddof=1) / np.sqrt(len(pairs))
    return f"{pairs.mean():+.1f} ± {half:.1f}"


if __name__ == "__main__":
    main()
