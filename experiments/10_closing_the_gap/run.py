"""One pass over shuffled and over class-ordered streams: what closes the gap to a linear probe.

    python experiments/10_closing_the_gap/run.py FOLDER [NAME ...] [--test] [--seeds 5]

FOLDER holds activations, ``NAME-train.npz`` and ``NAME-test.npz`` with the arrays X and y, as
`encode.py` writes them. Without --test everything is measured on a quarter of the training part,
which is held out; with it on the test part, and only the paper's form and the recommended one. A
seed decides that quarter, the order of the stream and the chance of the head.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spikehead import RECOMMENDED, CoLaNETClassifier, CoLaNETParameters
from spikehead.evaluation.rivals import NearestClassMean, StreamingLDA, StreamingRidge

Part = tuple[NDArray[np.float32], NDArray[Any]]
Accuracy = Callable[[Part, Part, int], float]

MOST = 4000
"""Examples to learn from at most."""

PAPER = CoLaNETParameters()
HELD_BACK = replace(PAPER, max_depressions=RECOMMENDED.max_depressions)
NO_GAINS = replace(RECOMMENDED, homeostasis=False)
NO_LIMIT = replace(RECOMMENDED, max_depressions=-1)


def head(parameters: CoLaNETParameters, *, on_off: bool = False, members: int = 15) -> Accuracy:
    """Return how to measure the spiking head."""

    def accuracy(train: Part, test: Part, seed: int) -> float:
        X, X_test = coded_on_off(train[0], test[0]) if on_off else (train[0], test[0])
        values = parameters.to_dict() | {"saturation": 1.5 if on_off else "auto"}
        learned = CoLaNETClassifier(**values, members=members, random_state=seed, n_threads=1)
        return float(learned.fit(X, train[1]).score(X_test, test[1]))

    return accuracy


def other(make: Callable[[], Any]) -> Accuracy:
    """Return how to measure another classifier."""
    return lambda train, test, _: float((make().fit(*train).predict(test[0]) == test[1]).mean())


def coded_on_off(
    stream: NDArray[np.float32], rest: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Code each activation by its deviation from the running mean, in running deviations.

    Its positive and its negative part are two inputs. What comes after the stream is coded with
    the mean and deviation at its end.
    """
    X = stream.astype(np.float64)
    n = np.arange(1, len(X) + 1)[:, None]
    means = X.cumsum(axis=0) / n
    deviations = np.sqrt(((X**2).cumsum(axis=0) / n - means**2).clip(min=1e-12))

    def parts(deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([deviation, -deviation], axis=1).clip(min=0)

    return parts((X - means) / deviations), parts((rest - means[-1]) / deviations[-1])


def probe() -> Any:
    """Return the offline linear probe."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))


HEADS: dict[str, Accuracy] = {
    "CoLaNET, Table 1": head(PAPER),
    "CoLaNET, recommended": head(RECOMMENDED),
}
ORDERLESS: dict[str, Accuracy] = {
    "nearest class mean": other(NearestClassMean),
    "streaming LDA": other(StreamingLDA),
    "ridge regression": other(StreamingRidge),
    "linear probe, offline": other(probe),
}
TRIED: dict[str, Accuracy] = {
    "Table 1 + limited depression": head(HELD_BACK),
    "recommended, no gains": head(NO_GAINS),
    "recommended, no limit": head(NO_LIMIT),
    "recommended, 3 members": head(RECOMMENDED, members=3),
    "recommended, half the inputs": head(replace(RECOMMENDED, max_synapses=640)),
    "recommended, 3 microcolumns": head(replace(RECOMMENDED, microcolumns=3)),
    "on/off coding instead of gains": head(NO_GAINS, on_off=True),
}


def read(file: Path, most: int | None = None) -> Part:
    """Return activations and labels, of a random part if there are more than `most`."""
    with np.load(file) as arrays:
        X, y = arrays["X"], arrays["y"]
    chosen = np.random.RandomState(0).permutation(len(y))[:most]
    return X[chosen], y[chosen]


def held_out(train: Part, seed: int) -> tuple[Part, Part]:
    """Split off a quarter for validation."""
    X, y = train
    X, rest, y, y_rest = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    return (X, y), (rest, y_rest)


def streams(train: Part, seed: int) -> list[Part]:
    """Return the same examples shuffled, and class after class in a random order."""
    X, y = train
    random = np.random.RandomState(seed)
    shuffled = random.permutation(len(y))
    X, y = X[shuffled], y[shuffled]
    classes, columns = np.unique(y, return_inverse=True)
    ordered = np.argsort(random.permutation(len(classes))[columns], kind="stable")
    return [(X, y), (X[ordered], y[ordered])]


def measure(
    methods: dict[str, Accuracy], splits: Sequence[tuple[Part, Part]], *, ordered: bool = True
) -> None:
    """Print a row for each method: shuffled, and class after class if asked for."""
    for label, accuracy in methods.items():
        found = np.array(
            [
                [
                    100 * accuracy(stream, test, seed)
                    for stream in streams(train, seed)[: 1 + ordered]
                ]
                for seed, (train, test) in enumerate(splits)
            ]
        )
        columns = zip(found.mean(axis=0), found.std(axis=0), strict=True)
        print(f"{label:30}", *(f"{mean:6.2f} +- {sd:4.2f}" for mean, sd in columns), flush=True)


def main() -> None:
    """Measure every data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    names = [file.name.removesuffix("-train.npz") for file in options.folder.glob("*-train.npz")]
    for name in options.names or sorted(names):
        train = read(options.folder / f"{name}-train.npz", MOST)
        if options.test:
            splits = [(train, read(options.folder / f"{name}-test.npz"))] * options.seeds
        else:
            splits = [held_out(train, seed) for seed in range(options.seeds)]
        sizes = " + ".join(str(len(part[1])) for part in splits[0])
        print(f"\n{f'{name}, {sizes}':34} shuffled  class after class")
        measure(HEADS if options.test else HEADS | TRIED, splits)
        measure(ORDERLESS, splits[:1] if options.test else splits, ordered=False)


if __name__ == "__main__":
    main()
