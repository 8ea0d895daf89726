"""How fast decorrelated columns learn and answer, beside recursive ridge regression.

First one example at a time, of 1,280 inputs and 10 classes: each learns the same example and then
answers another, in turns; counted is processor time, which other work on the machine disturbs
least. Beside the head stand recursive least squares in NumPy and float64 - the
plain form of the same algebra - and, where it is installed, River's softmax regression. Then the
hybrid paper's stream, 28,143 presentations of 1,536 inputs and 64 classes, given at once; of it
recursive least squares learns the first few, and its time is scaled up.

    python benchmarks/decorrelated.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from activations import add_arguments, chosen, synthetic
from numpy.typing import NDArray
from tables import show

from spikehead import DecorrelatedColumns
from spikehead.coding import signed_counts
from spikehead.heads.decorrelated.cpu import CPUEngine, Response
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters

WARM_UP = 40


class Columns:
    """The head, from activations to the class."""

    def __init__(self, n_inputs: int, n_classes: int, n_threads: int | None = None) -> None:
        self.scale = DecorrelatedParameters().scale
        network = Network(DecorrelatedParameters(), n_inputs, n_classes)
        self.engine = CPUEngine(network, n_threads)

    def learn(self, x: NDArray[Any], y: int) -> None:
        """Learn one example."""
        self.engine.learn(signed_counts(x[None], self.scale), np.array([y]))

    def answer(self, x: NDArray[Any], *, familiar: bool = False) -> int:
        """Return the class of one example, with how familiar it is or without."""
        answer = self.engine.respond(signed_counts(x[None], self.scale), cosines=familiar)
        return int(winners(answer)[0])


class Estimator:
    """The same as scikit-learn sees it, with all that it checks."""

    def __init__(self, n_threads: int | None) -> None:
        self.head = DecorrelatedColumns(n_threads=n_threads)

    def learn(self, x: NDArray[Any], y: int) -> None:
        """Learn one example."""
        self.head.partial_fit(x[None], np.array([y]))

    def answer(self, x: NDArray[Any]) -> int:
        """Return the class of one example."""
        return int(self.head.predict(x[None])[0])


class RecursiveRidge:
    """Recursive least squares onto the classes, with a penalty of one example's power."""

    def __init__(self, n_inputs: int, n_classes: int) -> None:
        self.inverse = np.eye(n_inputs)
        self.weights = np.zeros((n_inputs, n_classes))
        self.targets = np.eye(n_classes)

    def learn(self, x: NDArray[Any], y: int) -> None:
        """Learn one example."""
        x = x / np.sqrt((x.astype(np.float64) ** 2).sum())
        excited = self.inverse @ x
        gain = excited / (1 + x @ excited)
        self.weights += np.outer(gain, self.targets[y] - x @ self.weights)
        self.inverse -= np.outer(gain, excited)

    def answer(self, x: NDArray[Any]) -> int:
        """Return the class of one example."""
        return int((x @ self.weights).argmax())


class River:
    """River's softmax regression, with its default settings."""

    def __init__(self) -> None:
        from river.linear_model import SoftmaxRegression

        self.model = SoftmaxRegression()

    def learn(self, x: NDArray[Any], y: int) -> None:
        """Learn one example."""
        self.model.learn_one(dict(enumerate(x.tolist())), y)

    def answer(self, x: NDArray[Any]) -> int:
        """Return the class of one example."""
        return int(self.model.predict_one(dict(enumerate(x.tolist()))))


def winners(answer: Response) -> NDArray[np.intp]:
    """Return the column that has decided each presentation."""
    return np.asarray((answer.spikes + answer.residuals).argmax(axis=1))


def one_at_a_time(n_train: int, n_test: int, n_threads: int | None, path: Path | None) -> None:
    """Time single examples."""
    X, y = synthetic(n_train + n_test, 1280, 10)
    columns, ridge = Columns(1280, 10, n_threads), RecursiveRidge(1280, 10)
    learners: dict[str, Any] = {
        "decorrelated columns": columns,
        "as an estimator": Estimator(n_threads),
        "recursive ridge, NumPy": ridge,
    }
    if find_spec("river"):
        learners["softmax regression, River"] = River()
    seconds: dict[tuple[str, str], list[float]] = {}

    def timed(name: str, task: str, work: Callable[[], Any]) -> None:
        start = process_time()
        work()
        seconds.setdefault((name, task), []).append(process_time() - start)

    for i in range(n_train):
        unseen = X[n_train + i % n_test]
        for name, learner in learners.items():
            timed(name, "learn", lambda learner=learner, i=i: learner.learn(X[i], int(y[i])))
            timed(name, "answer", lambda learner=learner, x=unseen: learner.answer(x))
        timed("", "familiar", lambda x=unseen: columns.answer(x, familiar=True))
    rows: list[dict[str, Any]] = []
    for name, learner in learners.items():
        row: dict[str, Any] = {"": name}
        for task in ("learn", "answer"):
            times = np.array(seconds[name, task][WARM_UP:]) * 1e6
            row[f"{task}, median us"] = round(float(np.median(times)))
            row[f"{task}, mean us"] = round(float(times.mean()))
        right = [
            learner.answer(x) == label for x, label in zip(X[n_train:], y[n_train:], strict=True)
        ]
        row["accuracy"] = float(np.mean(right))
        rows.append(row)
    for row in rows[1:]:
        row["learn, ratio of means"] = row["learn, mean us"] / rows[0]["learn, mean us"]
    rows[0]["learn, ratio of means"] = 1.0
    familiar = round(float(np.median(seconds["", "familiar"][WARM_UP:])) * 1e6)
    note = f"an answer of decorrelated columns with its familiarity: median {familiar} us"
    show("One example at a time: 1,280 inputs, 10 classes", rows, path, note)


def whole_stream(options: argparse.Namespace, path: Path | None) -> None:
    """Time a stream that is given at once."""
    X, y = chosen(options)
    n, n_classes = options.train, int(y.max()) + 1
    ridge = RecursiveRidge(X.shape[1], n_classes)
    few = min(n, 200)

    def ridge_seconds() -> float:
        start = process_time()
        for x, label in zip(X[:few], y[:few], strict=True):
            ridge.learn(x, int(label))
        return (process_time() - start) / few * n

    columns = Columns(X.shape[1], n_classes, options.threads)
    warm = Columns(X.shape[1], n_classes, options.threads).engine
    warm.learn(signed_counts(X[:WARM_UP], columns.scale), y[:WARM_UP])
    before = ridge_seconds()
    start = perf_counter()
    counts = signed_counts(X, columns.scale)
    coded = perf_counter()
    busy = process_time()
    columns.engine.learn(counts[:n], y[:n])
    learned, busy = perf_counter(), process_time() - busy
    answer = columns.engine.respond(counts[n:])
    answered = perf_counter()
    theirs = (before + ridge_seconds()) / 2
    row = {
        "coding, s": coded - start,
        "learning, s": learned - coded,
        "answering, s": answered - learned,
        "learning, s of processor": busy,
        "recursive ridge, learning, s of processor (from a part)": theirs,
        "its ratio": theirs / busy,
        "accuracy": float(np.mean(winners(answer) == y[n:])),
    }
    show(f"A stream of {n:,} x {X.shape[1]:,}, {n_classes} classes", [row], path)


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser, 28143, 7036)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--single", type=int, default=600, help="examples, one at a time")
    options = parser.parse_args()
    paths: list[Path | None] = [None, None]
    if options.json is not None:
        paths = [
            options.json.with_stem(f"{options.json.stem}_{part}") for part in ("single", "stream")
        ]
    one_at_a_time(options.single, 500, options.threads, paths[0])
    whole_stream(options, paths[1])


if __name__ == "__main__":
    main()
