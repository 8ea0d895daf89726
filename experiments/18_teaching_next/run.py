"""Measure what `suggest` and `check` are worth: labels saved, and wrong labels found.

    python experiments/18_teaching_next/run.py FOLDER [NAME ...] [--parts needed wrong] [--seeds 5]
    python experiments/18_teaching_next/run.py FOLDER --tables

FOLDER holds ``NAME-train.npz`` and ``NAME-test.npz``, as ``../16_decorrelated/encode.py`` writes
them. Figures are added to ``results.json`` beside this script one by one, and those that are there
are not measured again; ``--tables`` puts them into README.md. cleanlab must be installed to be
measured (``pip install cleanlab``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spikehead import DecorrelatedColumns
from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import accuracy
from spikehead.evaluation.streams import mislabelled
from spikehead.files import write_file
from spikehead.randomness import chance

RESULTS = Path(__file__).with_name("results.json")
BATCH = 5
"""Labels that are asked for at a time."""

GOALS = 0.95, 0.98
"""Shares of the accuracy that all labels bring."""

WRONG = 0.2
"""Share of labels that are wrong."""

Figures = dict[str, float]


# ---------------------------------------------------------------- labels that are needed


def at_random(head: DecorrelatedColumns, X: NDArray[Any]) -> NDArray[np.intp]:  # noqa: ARG001
    """Take the next ones of a shuffled pool."""
    return np.arange(min(BATCH, len(X)))


def least_sure(head: DecorrelatedColumns, X: NDArray[Any]) -> NDArray[np.intp]:
    """Take those whose two first classes are closest."""
    best = np.sort(head.decision_function(X), axis=1)
    return np.argsort(best[:, -1] - best[:, -2], kind="stable")[:BATCH]


def suggested(head: DecorrelatedColumns, X: NDArray[Any]) -> NDArray[np.intp]:
    """Take what the head suggests."""
    return head.suggest(X, BATCH)


ORDERS: dict[str, Callable[[DecorrelatedColumns, NDArray[Any]], NDArray[np.intp]]] = {
    "at random": at_random,
    "least sure": least_sure,
    "suggested": suggested,
}


def labels_needed(train: Examples, test: Examples, order: str, share: float, seed: int) -> Figures:
    """Return how many labels bring a share of the final accuracy, the first ones among them.

    The first labels are one example of each class, or of a share of the classes.
    """
    stream, classes = train.shuffled(seed), np.unique(train.y)
    known = chance("classes known", seed).permutation(classes)[: round(share * len(classes))]
    asked = np.array([np.flatnonzero(stream.y == label)[0] for label in known])
    rest = np.setdiff1d(np.arange(len(stream)), asked)
    final = accuracy(DecorrelatedColumns(n_threads=1).fit(train.X, train.y), test)
    head = DecorrelatedColumns(n_threads=1)
    needed: Figures = {"final accuracy": final}
    n = 0
    while True:
        head.partial_fit(stream.X[asked], stream.y[asked])
        n += len(asked)
        now = accuracy(head, test)
        for goal in GOALS:
            if now >= goal * final:
                needed.setdefault(f"{goal:.0%}", n)
        if len(needed) > len(GOALS) or not len(rest):
            return needed
        asked = rest[ORDERS[order](head, stream.X[rest])]
        rest = np.setdiff1d(rest, asked)


# ---------------------------------------------------------------- labels that are wrong


def taken_for_the_next(examples: Examples, fraction: float, seed: int) -> Examples:
    """Give some examples the label of the class whose mean is most like that of their own."""
    classes = np.unique(examples.y)
    directions = examples.X / np.linalg.norm(examples.X, axis=1, keepdims=True)
    means = np.array([directions[examples.y == label].mean(axis=0) for label in classes])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    alike = means @ means.T - 2 * np.eye(len(classes))
    labels = examples.y.copy()
    wrong = chance("wrong labels", seed).permutation(len(labels))[: round(fraction * len(labels))]
    labels[wrong] = classes[alike.argmax(axis=1)][np.searchsorted(classes, labels[wrong])]
    return Examples(examples.X, labels)


NOISE: dict[str, Callable[[Examples, int], Examples]] = {
    "at random": lambda clean, seed: mislabelled(clean, np.unique(clean.y), WRONG, seed),
    "to the most similar class": lambda clean, seed: taken_for_the_next(clean, WRONG, seed),
}


def left_out(noisy: Examples, seed: int) -> dict[str, NDArray[np.float64]]:  # noqa: ARG001
    """Return the doubt about each label: this head, each example left out in turn."""
    head = DecorrelatedColumns(n_threads=1).fit(noisy.X, noisy.y)
    found = head.leave_one_out(noisy.X, noisy.y)
    return {"this head": doubts(found, np.searchsorted(head.classes_, noisy.y))}


def cross_validated(noisy: Examples, seed: int) -> dict[str, NDArray[np.float64]]:
    """Return it by logistic regression on other fifths: its margin, and cleanlab's scores."""
    from cleanlab.rank import get_label_quality_scores

    columns = np.searchsorted(np.unique(noisy.y), noisy.y)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)

    def probabilities(penalty: float) -> NDArray[np.float64]:
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=300))
        return np.asarray(
            cross_val_predict(probe, noisy.X, columns, cv=folds, method="predict_proba")
        )

    tried = [probabilities(penalty) for penalty in (0.0001, 0.001, 0.01)]
    best = max(tried, key=lambda found: float((found.argmax(axis=1) == columns).mean()))
    scores = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    return {"logistic regression": doubts(np.log(best.clip(1e-300)), columns)} | {
        f"cleanlab, {method.replace('_', ' ')}": -get_label_quality_scores(
            columns, best, method=method
        )
        for method in scores
    }


def doubts(scores: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return by how much the best other class is ahead of an example's own."""
    rows = np.arange(len(columns))
    own, others = scores[rows, columns], scores.copy()
    others[rows, columns] = -np.inf
    return np.asarray(others.max(axis=1) - own)


def found_wrong(train: Examples, noise: str, seed: int) -> dict[str, Figures]:
    """Return, by method, the precision among as many as are wrong, and what a quarter holds."""
    noisy = NOISE[noise](train, seed)
    wrong = noisy.y != train.y
    figures = {}
    for method, doubt in {**left_out(noisy, seed), **cross_validated(noisy, seed)}.items():
        order = np.argsort(-doubt, kind="stable")
        figures[method] = {
            "precision": float(wrong[order[: wrong.sum()]].mean()),
            "in a quarter": float(wrong[order[: len(order) // 4]].sum() / wrong.sum()),
        }
    return figures


# ---------------------------------------------------------------- measuring


def examples(path: Path) -> Examples:
    """Read one part of a set."""
    with np.load(path) as arrays:
        return Examples(arrays["X"], arrays["y"].astype(str))


def main() -> None:
    """Measure what is missing, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=["imagenette-300", "caltech-50", "cifar10"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--parts", nargs="+", choices=("needed", "wrong"), default=["needed", "wrong"]
    )
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    if options.tables:
        write_tables(recorded())
        return
    for seed, name in product(range(options.seeds), options.names):
        train, test = (
            examples(options.folder / f"{name}-{part}.npz") for part in ("train", "test")
        )
        parts: dict[str, dict[str, Callable[[], Any]]] = {
            "needed": {
                f"{share} | {order}": partial(labels_needed, train, test, order, share, seed)
                for share, order in product((1.0, 0.5), ORDERS)
            },
            "wrong": {
                f"wrong | {noise}": partial(found_wrong, train, noise, seed) for noise in NOISE
            },
        }
        for part in options.parts:
            for what, measure in parts[part].items():
                key = f"{name} | {what} | {seed}"
                if key not in recorded():
                    figures = measure()
                    write_file(RESULTS, json.dumps(recorded() | {key: figures}, indent=0).encode())
                    print(key, figures, flush=True)


def recorded() -> dict[str, Any]:
    """Return what was measured until now; others may measure at the same time."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


# ---------------------------------------------------------------- tables


def write_tables(results: dict[str, Any]) -> None:
    """Put the tables into README.md, after its last heading."""
    readme = Path(__file__).with_name("README.md")
    text = readme.read_text("utf-8").split(MARK)[0] + MARK
    write_file(readme, (text + needed_tables(results) + wrong_tables(results)).encode())


MARK = "<!-- The rest is written by run.py --tables. -->\n"


def by_seed(results: dict[str, Any], *part: str) -> dict[str, Any]:
    """Return the figures of each seed."""
    start = f"{' | '.join(part)} | "
    return {key[len(start) :]: value for key, value in results.items() if key.startswith(start)}


def sets_of(results: dict[str, Any]) -> list[str]:
    """Return the names of the sets that were measured."""
    return list(dict.fromkeys(key.partition(" | ")[0] for key in results))


def needed_tables(results: dict[str, Any]) -> str:
    """Return how many labels were needed, and what part that is of random order's."""
    text = ""
    for share, start in (("1.0", "one example of each class"), ("0.5", "one of half the classes")):
        text += f"\n### Labels needed, from {start} on\n\n| | {' | '.join(ORDERS)} |\n"
        text += "|---" * (len(ORDERS) + 1) + "|\n"
        parts: dict[tuple[str, str], list[float]] = {}
        for name, goal in product(sets_of(results), (f"{goal:.0%}" for goal in GOALS)):
            found = {order: by_seed(results, name, share, order) for order in ORDERS}
            seeds = set.intersection(*(set(by) for by in found.values()))
            needed = {
                order: float(np.mean([by[seed][goal] for seed in seeds]))
                for order, by in found.items()
            }
            cells = []
            for order, mean in needed.items():
                part = mean / needed["at random"]
                parts.setdefault((goal, order), []).append(part)
                cells.append(f"{mean:.0f} ({part:.2f})")
            text += f"| {name}, {goal}, {len(seeds)} seeds | {' | '.join(cells)} |\n"
        for goal in (f"{goal:.0%}" for goal in GOALS):
            means = [f"{np.mean(parts[goal, order]):.2f}" for order in ORDERS]
            text += f"| mean of the parts, {goal} | {' | '.join(means)} |\n"
    return text


def wrong_tables(results: dict[str, Any]) -> str:
    """Return how precise each method is."""
    rows = {
        (name, noise): list(by_seed(results, name, "wrong", noise).values())
        for name, noise in product(sets_of(results), NOISE)
    }
    methods = list(next(iter(rows.values()))[0])
    text = f"\n### Wrong labels found\n\n| | {' | '.join(methods)} |\n"
    text += "|---" * (len(methods) + 1) + "|\n"
    for (name, noise), found in rows.items():
        cells = [
            " / ".join(
                f"{100 * np.mean([one[method][what] for one in found]):.1f}"
                for what in ("precision", "in a quarter")
            )
            for method in methods
        ]
        text += f"| {name}, {noise}, {len(found)} seeds | {' | '.join(cells)} |\n"
    return text


if __name__ == "__main__":
    main()
