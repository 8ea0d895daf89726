"""Measure what an answer says beyond the class: unknown, how likely, and which classes.

    python experiments/17_answers/run.py FOLDER [NAME ...] [--orders 5]
    python experiments/17_answers/run.py FOLDER --tables

FOLDER holds activations as experiment 16's ``encode.py`` writes them. The known classes of a set
are learned once, in several orders; then their test photos are answered, and photos of no known
class. Figures are added to ``results.json`` beside this script, and those that are there are not
measured again; ``--tables`` puts them into README.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spikehead import DecorrelatedColumns
from spikehead.evaluation.examples import Examples
from spikehead.files import write_file
from spikehead.heads.classifiers import shares_of_vote
from spikehead.randomness import chance

RESULTS = Path(__file__).with_name("results.json")
COVERAGE = 0.9
PENALTY = 0.01
"""Of logistic regression on standardised inputs; not tuned."""


class Data(NamedTuple):
    """Known classes to learn and to answer, and strangers."""

    train: Examples
    test: Examples
    strangers: NDArray[np.float32]


# ---------------------------------------------------------------- data


def read(folder: Path, name: str) -> Examples:
    """Read one part of a set, negative activations as they are."""
    with np.load(folder / f"{name}.npz") as arrays:
        return Examples(arrays["X"], arrays["y"])


def caltech(folder: Path, order: int) -> Data:  # noqa: ARG001
    """50 classes, and 150 photos of none of them."""
    train, test = read(folder, "caltech-50-train"), read(folder, "caltech-50-test")
    return Data(train, test, read(folder, "caltech-50-unknown").X)


def imagenette(folder: Path, order: int) -> Data:  # noqa: ARG001
    """Ten classes, and all photos of caltech-50's test part and of its unknown ones."""
    strangers = [read(folder, f"caltech-50-{part}").X for part in ("test", "unknown")]
    train, test = read(folder, "imagenette-300-train"), read(folder, "imagenette-300-test")
    return Data(train, test, np.concatenate(strangers))


def held_out(name: str, most: int) -> Callable[[Path, int], Data]:
    """Return how to leave three classes of a set out, others in each order."""

    def split(folder: Path, order: int) -> Data:
        whole = read(folder, f"{name}-test").shuffled(0)
        strange = chance("held out", order).choice(np.unique(whole.y), 3, replace=False)
        known, others = whole[~np.isin(whole.y, strange)], whole[np.isin(whole.y, strange)]
        return Data(known[:most], known[most : 2 * most], others.X[:most])

    return split


SETS: dict[str, Callable[[Path, int], Data]] = {
    "caltech-50": caltech,
    "imagenette-300": imagenette,
    "cifar10": held_out("cifar10", 1500),
}
HELD_OUT = ("cifar10",)
"""Sets of which other classes are strangers in each order."""


# ---------------------------------------------------------------- what tells strangers


def offline(train: Examples) -> Any:
    """Fit logistic regression."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=100))
    return model.fit(train.X, train.y)


def rivals(train: Examples, model: Any) -> dict[str, Callable[[NDArray[Any]], NDArray[Any]]]:
    """Return scores of which strangers should have lower ones."""
    classes, columns = np.unique(train.y, return_inverse=True)
    units = train.X / np.linalg.norm(train.X, axis=1, keepdims=True)
    means = np.array([units[columns == column].mean(axis=0) for column in range(len(classes))])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    centres = np.array([train.X[columns == c].mean(axis=0) for c in range(len(classes))])
    within = LedoitWolf(assume_centered=True).fit(train.X - centres[columns]).precision_
    whitening = np.linalg.cholesky(within)
    white = centres @ whitening

    def cosine(X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray((X @ means.T / np.linalg.norm(X, axis=1, keepdims=True)).max(axis=1))

    def mahalanobis(X: NDArray[Any]) -> NDArray[Any]:
        return -np.asarray(cdist(X @ whitening, white).min(axis=1))

    return {
        "cosine class mean": cosine,
        "energy, logistic": lambda X: np.asarray(logsumexp(model.decision_function(X), axis=1)),
        "largest softmax, logistic": lambda X: np.asarray(model.predict_proba(X).max(axis=1)),
        "Mahalanobis": mahalanobis,
    }


def told_apart(known: NDArray[Any], strange: NDArray[Any]) -> dict[str, float]:
    """Return the AUROC, and which part of strangers passes where 95 % of the known do."""
    labels = np.repeat([1, 0], [len(known), len(strange)])
    area = roc_auc_score(labels, np.concatenate([known, strange]))
    return {
        "AUROC": float(area),
        "false acceptance": float(np.mean(strange >= np.quantile(known, 0.05))),
    }


# ---------------------------------------------------------------- how sure


def calibration_error(shares: NDArray[Any], right: NDArray[Any], n_bins: int = 15) -> float:
    """Return the expected calibration error, in bins of equal width."""
    confidence = shares.max(axis=1)
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, confidence - right, n_bins)
    return float(np.abs(gaps).sum() / len(right))


def sureness(shares: NDArray[Any], classes: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
    """Return how well probabilities agree with what is right."""
    right = classes[shares.argmax(axis=1)] == y
    return {
        "error": calibration_error(shares, right),
        "loss": float(log_loss(y, shares.clip(1e-12), labels=classes)),
    }


def set_figures(head: DecorrelatedColumns, asked: Examples) -> dict[str, float]:
    """Return how often sets hold the right class, and how many classes they hold."""
    sets = head.predict_sets(asked.X, COVERAGE)
    own = np.searchsorted(head.classes_, asked.y)
    return {
        "coverage": float(sets[np.arange(len(own)), own].mean()),
        "size": float(sets.sum(axis=1).mean()),
    }


def class_after_class(train: Examples, order: int) -> Examples:
    """Return the examples one class after the other."""
    classes = np.unique(train.y)
    place = chance("order of classes", order).permutation(len(classes))
    mixed = train.shuffled(order)
    return mixed[np.argsort(place[np.searchsorted(classes, mixed.y)], kind="stable")]


# ---------------------------------------------------------------- measuring


def measured(data: Data, order: int, *, offline_too: bool) -> dict[str, Any]:
    """Return all figures of a set and an order; what is fitted offline knows no order."""
    train, test, strangers = data
    head = DecorrelatedColumns(n_threads=1).fit(*_stream(train.shuffled(order)))
    judged = head.judge(test.X)
    found: dict[str, Any] = {
        "classes": len(head.classes_),
        "photos": [len(train), len(test), len(strangers)],
        "accuracy": float((head.classes_[judged.scores.argmax(axis=1)] == test.y).mean()),
        "temperature": head.network_.temperature,
        "own answers": head.n_answered_,
        "decorrelated columns": told_apart(judged.familiarity, head.score_samples(strangers)),
    }
    found["sure"] = {
        "temperature": sureness(judged.shares, head.classes_, test.y),
        "shares of OUT spikes": sureness(shares_of_vote(judged.scores), head.classes_, test.y),
    }
    if offline_too:
        model = offline(train)
        for name, score in rivals(train, model).items():
            found[name] = told_apart(score(test.X), score(strangers))
        shares = model.predict_proba(test.X)
        found["sure"]["logistic regression"] = sureness(shares, model.classes_, test.y)
    sorted_head = DecorrelatedColumns(n_threads=1).fit(*_stream(class_after_class(train, order)))
    gains = np.exp(chance("gains", order).normal(size=train.X.shape[1])).astype(np.float32)
    found["streams"] = {
        "mixed": set_figures(head, test) | sent_back(head, test.X, strangers),
        "class after class": set_figures(sorted_head, test)
        | sent_back(sorted_head, test.X, strangers),
        "another sensor": set_figures(head, Examples(test.X * gains, test.y))
        | sent_back(head, test.X * gains, strangers * gains),
    }
    return found


def sent_back(
    head: DecorrelatedColumns, known: NDArray[Any], strangers: NDArray[Any]
) -> dict[str, float]:
    """Return which part of known photos and of strangers is taken for unknown."""
    return {
        "known sent back": float(head.predict_unknown(known).mean()),
        "strangers caught": float(head.predict_unknown(strangers).mean()),
    }


def _stream(examples: Examples) -> tuple[NDArray[Any], NDArray[Any]]:
    return examples.X, examples.y


def main() -> None:
    """Measure what is missing, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--orders", type=int, default=5)
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    if options.tables:
        write_tables(results)
        return
    for order, name in product(range(options.orders), options.names or SETS):
        key = f"{name} | {order}"
        if key not in results:
            offline_too = order == 0 or name in HELD_OUT
            data = SETS[name](options.folder, order)
            results[key] = measured(data, order, offline_too=offline_too)
            write_file(RESULTS, json.dumps(results, indent=0).encode())
            print(key, json.dumps(results[key]), flush=True)


# ---------------------------------------------------------------- tables

MARK = "<!-- The rest is written by run.py --tables. -->\n"
METHODS = [
    "decorrelated columns",
    "cosine class mean",
    "energy, logistic",
    "largest softmax, logistic",
    "Mahalanobis",
]


def write_tables(results: dict[str, Any]) -> None:
    """Put the tables into README.md, after its last heading: means over the orders."""
    names = [name for name in SETS if f"{name} | 0" in results]
    orders = {name: sum(key.startswith(f"{name} |") for key in results) for name in names}

    def mean(name: str, *path: str, form: str = ".3f") -> str:
        found = []
        for order in range(orders[name]):
            value = results[f"{name} | {order}"]
            for step in path:
                value = value.get(step) if value else None
            found += [] if value is None else [value]
        return format(np.mean(found), form)

    def table(head: str, rows: Iterator[tuple[str, list[str]]]) -> str:
        lines = [f"| {head} | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
        lines += [f"| {row} | {' | '.join(cells)} |" for row, cells in rows]
        return "\n".join(lines) + "\n"

    sizes = {name: results[f"{name} | 0"] for name in names}
    text = "\n" + table(
        "",
        iter(
            [
                ("known classes", [str(sizes[name]["classes"]) for name in names]),
                (
                    "learned, answered, strangers",
                    [", ".join(f"{n:,}" for n in sizes[name]["photos"]) for name in names],
                ),
                ("orders", [str(orders[name]) for name in names]),
                ("accuracy, known", [mean(name, "accuracy") for name in names]),
            ]
        ),
    )
    text += "\n## Known from unknown\n\n" + table(
        "AUROC / false acceptance at 95 % known",
        (
            (
                method,
                [
                    f"{mean(name, method, 'AUROC')} / {mean(name, method, 'false acceptance')}"
                    for name in names
                ],
            )
            for method in METHODS
        ),
    )
    text += "\n## The threshold from the stream, 5 % of known photos asked for\n\n" + table(
        "known sent back / strangers caught",
        (
            (
                stream,
                [
                    f"{mean(name, 'streams', stream, 'known sent back')} / "
                    f"{mean(name, 'streams', stream, 'strangers caught')}"
                    for name in names
                ],
            )
            for stream in ("mixed", "class after class", "another sensor")
        ),
    )
    text += "\n## How sure\n\n" + table(
        "expected calibration error / log loss",
        (
            (
                method,
                [
                    f"{mean(name, 'sure', method, 'error')} / {mean(name, 'sure', method, 'loss')}"
                    for name in names
                ],
            )
            for method in ("shares of OUT spikes", "temperature", "logistic regression")
        ),
    )
    text += f"\n## Sets, {COVERAGE:.0%} asked for\n\n" + table(
        "coverage / classes in a set",
        (
            (
                stream,
                [
                    f"{mean(name, 'streams', stream, 'coverage')} / "
                    f"{mean(name, 'streams', stream, 'size', form='.2f')}"
                    for name in names
                ],
            )
            for stream in ("mixed", "class after class", "another sensor")
        ),
    )
    readme = Path(__file__).with_name("README.md")
    above = readme.read_text("utf-8").split(MARK)[0]
    write_file(readme, (above + MARK + text).encode())


if __name__ == "__main__":
    main()
