"""The protocols of the benchmark: kinds of streams, and when along them what is asked.

A stream is learned in one pass, in parts; after each part a learner answers, or tells known
examples from unknown ones. Whatever a protocol draws has its own chance, so that nothing follows
the order of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import accuracy
from spikehead.evaluation.streams import class_incremental, mislabelled
from spikehead.randomness import chance

__all__ = ["PROTOCOLS", "QUICK", "Data", "Point", "Protocol"]

FEW = 1, 2, 5, 10, 20, 50
"""Examples of each class after which a learner is asked."""

LATE = 1, 5, 20
"""Examples of a class that comes late."""

RARE = 3
"""Examples of the rarer one of two classes."""

PARTS = 5
"""Of one class or more each, which come one after the other."""

STRANGERS = 0.2
"""Share of the classes that are unknown."""

KNOWN = 0.95
"""Share of the known examples that must be taken for such."""

Measure = Callable[[Any, Examples], float | None]


@dataclass(frozen=True)
class Data:
    """What learners are judged on.

    Attributes
    ----------
    name : str
        What tables call it.
    train, test : Examples
        To learn, and to answer.
    domains : sequence of (str, Examples, Examples)
        The same examples as they come in other circumstances, each with its name, a training and a
        test part; the first as they are. May be empty.
    """

    name: str
    train: Examples
    test: Examples
    domains: Sequence[tuple[str, Examples, Examples]] = ()


class Point(NamedTuple):
    """What is learned next, and what is asked then."""

    name: str
    learned: Examples
    asked: Examples
    measure: Measure = accuracy


@dataclass(frozen=True)
class Protocol:
    """A kind of stream.

    Attributes
    ----------
    name : str
        What it is called.
    question : str
        What it finds out, in a sentence.
    points : callable
        Takes data and a seed; yields its `Point`s, none for data that it cannot be had of.
    offline : bool, default=False
        Whether learners that need all examples at once take part, to show what is possible.
    """

    name: str
    question: str
    points: Callable[[Data, int], Iterator[Point]]
    offline: bool = False


# ------------------------------------------------------------ streams


def _one_pass(data: Data, seed: int) -> Iterator[Point]:
    yield Point("all", data.train.shuffled(seed), data.test)


def _few(data: Data, seed: int) -> Iterator[Point]:
    stream, rank = _rounds(data.train, seed)
    for start, end in pairwise((0, *(n for n in FEW if n <= _fewest(data)))):
        yield Point(f"{end} a class", stream[(start <= rank) & (rank < end)], data.test)


def _class_after_class(data: Data, seed: int) -> Iterator[Point]:
    n_classes = len(np.unique(data.train.y))
    tasks = list(class_incremental(data.train, data.test, n_classes, seed))
    yield Point(
        "class after class", Examples.joined(t.train.shuffled(seed) for t in tasks), data.test
    )


def _late(data: Data, seed: int) -> Iterator[Point]:
    classes = np.unique(data.train.y)
    if len(classes) < 3:
        return
    label = chance("late class", seed).choice(classes)
    is_new, asked = data.train.y == label, data.test.y == label
    new, learned = data.train[is_new].shuffled(seed), data.train[~is_new].shuffled(seed)
    for start, end in pairwise((0, *(n for n in LATE if n <= _fewest(data)))):
        learned = Examples.joined([learned, new[start:end]])
        yield Point(f"{end} new, on it", learned, data.test[asked])
        yield Point(f"{end} new, on the others", _none(data), data.test[~asked])
        learned = _none(data)


def _uneven(data: Data, seed: int) -> Iterator[Point]:
    many, rare = chance("two classes", seed).permutation(np.unique(data.train.y))[:2]
    few = data.train[data.train.y == rare].shuffled(seed)[:RARE]
    both = Examples.joined([data.train[data.train.y == many], few]).shuffled(seed)
    yield Point("on the rare class", both, data.test[data.test.y == rare])
    yield Point("on the other", _none(data), data.test[data.test.y == many])


def _wrong(data: Data, share: float, seed: int) -> Iterator[Point]:
    noisy = mislabelled(data.train, np.unique(data.train.y), share, seed)
    yield Point(f"{share:.0%} wrong", noisy.shuffled(seed), data.test)


def _wrong_labels(share: float) -> Protocol:
    return Protocol(
        f"wrong labels, {share:.0%}",
        f"All, mixed, {share:.0%} of the labels wrong at random.",
        lambda data, seed: _wrong(data, share, seed),
    )


def _domains(data: Data, seed: int) -> Iterator[Point]:
    if not data.domains:
        return
    asked = Examples.joined(test for _, _, test in data.domains)
    halves = [(name, train.shuffled(seed), len(train) // 2) for name, train, _ in data.domains]
    for name, stream, half in halves:
        yield Point(f"{name}, there", stream[:half], asked)
    for name, stream, half in halves[::-1]:
        yield Point(f"{name}, back", stream[half:], asked)


def _sensor(data: Data, seed: int) -> Iterator[Point]:
    random, n_inputs = chance("sensor", seed), data.train.X.shape[1]
    order, gains = random.permutation(n_inputs), np.exp(random.normal(size=n_inputs))
    stream, rank = _rounds(data.train, seed)
    half = (rank.max() + 1) // 2

    def changed(part: Examples) -> Examples:
        return Examples(np.float32(part.X[:, order] * gains), part.y)

    yield Point("before", stream[rank < half], data.test)
    for start, end in pairwise((0, *(n for n in (1, 5, 20) if n < half), half + 1)):
        part = stream[(half + start <= rank) & (rank < half + end)]
        name = f"{end} a class after" if end <= half else "at the end"
        yield Point(name, changed(part), changed(data.test))


def _unknown(data: Data, seed: int) -> Iterator[Point]:
    classes = chance("unknown classes", seed).permutation(np.unique(data.train.y))
    known = classes[max(1, round(STRANGERS * len(classes))) :]
    if len(known) < 2:
        return
    learned = data.train[np.isin(data.train.y, known)].shuffled(seed)
    asked = Examples(data.test.X, np.isin(data.test.y, known))
    yield Point("area under the ROC curve", learned, asked, _told_apart)
    yield Point(f"strangers caught, {KNOWN:.0%} known kept", _none(data), asked, _caught)


def _other_features(name: str, question: str, change: _Change) -> Protocol:
    def points(data: Data, seed: int) -> Iterator[Point]:
        turn = change(data.train, chance(name, seed))
        examples, rank = _rounds(data.train, seed)
        asked = Examples(np.float32(turn(data.test.X)), data.test.y)

        def changed(part: Examples) -> Examples:
            return Examples(np.float32(turn(part.X)), part.y)

        yield Point("5 a class", changed(examples[rank < 5]), asked)
        yield Point("all", changed(examples[rank >= 5].shuffled(seed)), asked)

    return Protocol(name, question, points)


_Change = Callable[[Examples, np.random.Generator], Callable[[NDArray[Any]], NDArray[Any]]]


def _shifted(train: Examples, random: np.random.Generator) -> Callable[..., NDArray[Any]]:
    offset = random.normal(size=train.X.shape[1]) * np.sqrt((train.X**2).mean())
    return lambda X: X + offset


def _scaled(train: Examples, random: np.random.Generator) -> Callable[..., NDArray[Any]]:
    gains = np.exp(random.normal(size=train.X.shape[1]))
    return lambda X: X * gains


def _rotated(train: Examples, random: np.random.Generator) -> Callable[..., NDArray[Any]]:
    n_inputs = train.X.shape[1]
    turn = np.linalg.qr(random.normal(size=(n_inputs, n_inputs)))[0]
    return lambda X: X @ turn


def _of_unit_length(train: Examples, random: np.random.Generator) -> Callable[..., NDArray[Any]]:  # noqa: ARG001
    return lambda X: X / np.linalg.norm(X, axis=1, keepdims=True).clip(1e-30)


# ------------------------------------------------------------ parts of streams


def _rounds(train: Examples, seed: int) -> tuple[Examples, NDArray[np.intp]]:
    """Return the examples, the first of each class, then the second, and so on; and their rank."""
    mixed = train.shuffled(seed)
    rank = np.zeros(len(mixed), np.intp)
    for label in np.unique(mixed.y):
        own = mixed.y == label
        rank[own] = np.arange(own.sum())
    order = np.argsort(rank, kind="stable")
    return mixed[order], rank[order]


def _none(data: Data) -> Examples:
    return data.train[:0]


def _fewest(data: Data) -> int:
    """Return how many examples every class has, so that points do not depend on the order."""
    return int(np.unique(data.train.y, return_counts=True)[1].min())


# ------------------------------------------------------------ known, or unknown


def _told_apart(learner: Any, asked: Examples) -> float | None:
    """Return the area under the ROC curve of familiarity; `asked.y` says what is known."""
    familiarity = _familiarity(learner, asked)
    return None if familiarity is None else float(roc_auc_score(asked.y, familiarity))


def _caught(learner: Any, asked: Examples) -> float | None:
    """Return the share of unknown examples below the familiarity that `KNOWN` of others reach."""
    familiarity = _familiarity(learner, asked)
    if familiarity is None:
        return None
    wrongly, rightly, _ = roc_curve(asked.y, familiarity)
    return float(1 - wrongly[np.searchsorted(rightly, KNOWN)])


def _familiarity(learner: Any, asked: Examples) -> NDArray[np.float64] | None:
    """Return how familiar examples are to a learner, if it tells."""
    if not hasattr(learner, "score_samples"):
        return None
    familiarity = np.asarray(learner.score_samples(asked.X))
    return None if np.isnan(familiarity).any() else familiarity


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("one pass", "All, mixed, each once.", _one_pass, offline=True),
        Protocol("few", "So many examples of each class.", _few),
        Protocol("class after class", "All, one class after the other.", _class_after_class),
        Protocol("late class", "All of the other classes, then a few of one more.", _late),
        Protocol("uneven", f"Two classes: all of one against {RARE} of the other.", _uneven),
        *(_wrong_labels(share) for share in (0.1, 0.2, 0.4)),
        Protocol(
            "domains", "As they are, in other circumstances, and back; asked about all.", _domains
        ),
        Protocol("sensor", "Half-way inputs change their places and their scale.", _sensor),
        Protocol("unknown", "A fifth of the classes was never learned.", _unknown),
        _other_features("shifted", "Each feature has an offset.", _shifted),
        _other_features("scaled", "Each feature has a scale of its own.", _scaled),
        _other_features("rotated", "Features are dense and of both signs.", _rotated),
        _other_features("unit length", "Each example has length one.", _of_unit_length),
    )
}
"""All protocols by name."""

QUICK = "one pass", "few", "class after class", "late class", "wrong labels, 20%"
"""Those of a first look."""
