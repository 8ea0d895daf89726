"""The spiking head against other classifiers, on the same activations in the same order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.evaluation.examples import Examples, check_parts
from spikehead.evaluation.methods import BATCH, Method, accuracy, learn_stream
from spikehead.evaluation.streams import class_incremental, follow

TASKS = 5
"""Parts into which the classes are divided to measure forgetting."""


@dataclass
class Result:
    """How a method did; lists have an entry for each seed.

    Attributes
    ----------
    name : str
        The method.
    offline : bool
        Whether it saw all examples at once, or several times.
    accuracies : list of float
        On the test part, after a shuffled stream.
    incremental_accuracies : list of float
        On the test part, after a stream in which the classes come one part after the other.
    forgetting : list of float
        In that stream: by how much the accuracy on a part's classes fell from its best to the end,
        averaged over the parts but the last (Chaudhry et al., 2018).
    learn_seconds, predict_seconds : list of float
        Time per example, to learn (with what must be solved before the first answer) and to answer.
    state_bytes : int
        Size of what must be kept.
    operations : float or None
        Multiplications of an answer; of a spiking head all its operations, if they are counted.
    learn_operations : float or None
        Those of learning an example, without what must be solved before the first answer; None of
        an offline method.
    """

    name: str
    offline: bool
    accuracies: list[float] = field(default_factory=list)
    incremental_accuracies: list[float] = field(default_factory=list)
    forgetting: list[float] = field(default_factory=list)
    learn_seconds: list[float] = field(default_factory=list)
    predict_seconds: list[float] = field(default_factory=list)
    state_bytes: int = 0
    operations: float | None = 0.0
    learn_operations: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)


def compare(
    train: Examples,
    test: Examples,
    methods: Sequence[Method],
    *,
    seeds: int = 5,
    on_run: Callable[[str, int, int], None] | None = None,
) -> list[Result]:
    """Let methods learn the same examples in the same order, and measure each on the test part.

    A seed decides the order of the stream and, in methods that use chance, their chance. Every
    example is learned once, in batches of `BATCH`; only offline methods get them all at once. Those
    that learn a stream also learn one in which the classes come in `TASKS` parts, one after the
    other.

    Parameters
    ----------
    train, test : Examples
        The examples to learn, and those to be measured on.
    methods : sequence of Method
        Who takes part.
    seeds : int, default=5
        How often, each time in another order.
    on_run : callable, optional
        Called before each run with the method's name, the runs done and all runs.

    Returns
    -------
    list of Result
        In the order of the methods.

    Raises
    ------
    ValueError
        If there are fewer than two classes, a class has fewer than two training examples, or a
        test example is of another class.
    """
    check_parts(train, test)
    results = []
    total = sum(seeds if method.seeded else 1 for method in methods)
    done = 0
    for method in methods:
        result = Result(method.name, method.offline)
        parts = method.heard(train), method.heard(test)
        if not method.offline:  # untimed: what is compiled or loaded once is no cost of learning
            accuracy(_learned(method, 0, parts[0][: 2 * BATCH], np.unique(train.y)), parts[1][:1])
        for seed in range(seeds if method.seeded else 1):
            if on_run:
                on_run(method.name, done, total)
            _measure(result, method, seed, *parts)
            done += 1
        results.append(result)
    return results


def _measure(result: Result, method: Method, seed: int, train: Examples, test: Examples) -> None:
    """Run a method once, or twice if it can also be measured class after class."""
    stream = train.shuffled(seed)
    classes = np.unique(train.y)
    started = time.perf_counter()
    learned = _learned(method, seed, stream, classes)
    accuracy(learned, test[:1])
    settled = time.perf_counter()
    result.accuracies.append(accuracy(learned, test))
    answered = time.perf_counter()
    result.learn_seconds.append((settled - started) / len(train))
    result.predict_seconds.append((answered - settled) / len(test))
    result.state_bytes = sum(array.nbytes for array in method.state(learned))
    result.operations, result.learn_operations = method.operations(learned, test.X)
    if method.offline:
        return
    course = follow(method, class_incremental(train, test, TASKS, seed), classes, seed)
    result.incremental_accuracies.append(course.accuracy)
    if course.forgetting is not None:
        result.forgetting.append(course.forgetting)


def _learned(method: Method, seed: int, stream: Examples, classes: NDArray[Any]) -> Any:
    """Return a new estimator after it has learned a stream."""
    estimator = method.make(seed)
    if method.offline:
        estimator.fit(stream.X, stream.y)
    else:
        learn_stream(estimator, stream, classes)
    return estimator
