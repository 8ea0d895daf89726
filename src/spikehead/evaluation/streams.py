"""Continual learning: streams of tasks, one after the other, and what is kept of each.

Which task an example is from is never told, neither for learning nor for answering: the classes are
those of all tasks.

References
----------
D. Lopez-Paz and M. Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017:
average accuracy and backward transfer. A. Chaudhry et al., "Riemannian Walk for Incremental
Learning", ECCV 2018: forgetting. G. van de Ven and A. Tolias, "Three scenarios for continual
learning", 2019: class- and domain-incremental streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import Method, accuracy, learn_stream
from spikehead.randomness import chance


@dataclass(frozen=True)
class Task:
    """A part of a stream, and what to measure it on.

    Attributes
    ----------
    name : str
        What it is.
    train, test : Examples
        To learn, and to measure on. The test part may be empty.
    """

    name: str
    train: Examples
    test: Examples


@dataclass(frozen=True)
class Course:
    """How a method did along a stream of tasks.

    Attributes
    ----------
    accuracies : ndarray of float, shape (n_tasks, n_tasks)
        After each task (a row) the accuracy on each (a column); NaN where a task had not come yet,
        or has no test examples.
    n_test : ndarray of int, shape (n_tasks,)
        Test examples of each task.
    """

    accuracies: NDArray[np.float64]
    n_test: NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """Return the accuracies, None for NaN, and the figures that follow, as JSON values."""
        rows = self.accuracies.astype(object)
        rows[np.isnan(self.accuracies)] = None
        names = ("average_accuracy", "accuracy", "backward_transfer", "forgetting")
        return {"accuracies": rows.tolist(), **{name: getattr(self, name) for name in names}}

    @property
    def average_accuracy(self) -> float:
        """Mean accuracy on the tasks after the last one (Lopez-Paz and Ranzato, 2017)."""
        return float(np.nanmean(self.accuracies[-1]))

    @property
    def accuracy(self) -> float:
        """Accuracy on all test examples after the last task."""
        tested = self.n_test > 0
        return float(np.average(self.accuracies[-1, tested], weights=self.n_test[tested]))

    @property
    def backward_transfer(self) -> float | None:
        """What learning the later tasks did to the earlier ones (Lopez-Paz and Ranzato, 2017).

        The accuracy at the end less that just after the task was learned, averaged over the tasks
        but the last; None where there is no such task.
        """
        just_learned = np.diag(self.accuracies)[:-1]
        return _mean(self.accuracies[-1, :-1] - just_learned)

    @property
    def forgetting(self) -> float | None:
        """What was forgotten (Chaudhry et al., 2018).

        The best accuracy before the last task less that at the end, averaged over the tasks but
        the last; None where there is no such task.
        """
        before = np.where(np.isnan(self.accuracies), -np.inf, self.accuracies)[:-1, :-1]
        return _mean(before.max(axis=0, initial=-np.inf) - self.accuracies[-1, :-1])


def _mean(values: NDArray[np.float64]) -> float | None:
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if measured.size else None


def class_incremental(train: Examples, test: Examples, n_tasks: int, seed: int) -> Iterator[Task]:
    """Let the classes come in parts, one after the other.

    Parameters
    ----------
    train, test : Examples
        The examples of all classes.
    n_tasks : int
        Parts; of one class each where there are fewer classes.
    seed : int
        Decides which classes come together, and when.

    Yields
    ------
    Task
    """
    classes = np.random.RandomState(seed).permutation(np.unique(train.y))
    for part in np.array_split(classes, min(n_tasks, len(classes))):
        name = ", ".join(sorted(part.tolist()))
        yield Task(name, train[np.isin(train.y, part)], test[np.isin(test.y, part)])


def permuted(train: Examples, test: Examples, n_tasks: int, seed: int) -> Iterator[Task]:
    """Let the same examples come again and again, their activations in another order each time.

    Parameters
    ----------
    train, test : Examples
        The examples.
    n_tasks : int
        How many orders; the first is that of the examples.
    seed : int
        Decides the others.

    Yields
    ------
    Task
    """
    random = np.random.RandomState(seed)
    order = np.arange(train.X.shape[1])
    for number in range(n_tasks):
        yield Task(
            f"permutation {number}",
            Examples(train.X[:, order], train.y),
            Examples(test.X[:, order], test.y),
        )
        order = random.permutation(order)


def new_class(
    train: Examples, test: Examples, label: str, n_examples: int, seed: int
) -> Iterator[Task]:
    """Let one class come after all others, with a few examples and alone.

    Parameters
    ----------
    train, test : Examples
        The examples of all classes.
    label : str
        The class that comes last.
    n_examples : int
        How many of its training examples are learned.
    seed : int
        Decides which.

    Yields
    ------
    Task
    """
    is_new, is_new_test = train.y == label, test.y == label
    yield Task("the other classes", train[~is_new], test[~is_new_test])
    order = chance("examples of a new class", seed).permutation(np.flatnonzero(is_new))
    few = train[order[:n_examples]]
    yield Task(f"{label}, {len(few)} examples", few, test[is_new_test])


def mislabelled(
    examples: Examples, classes: NDArray[np.str_], fraction: float, seed: int
) -> Examples:
    """Give some examples a wrong label, any other one with the same chance.

    Parameters
    ----------
    examples : Examples
        With the right labels.
    classes : ndarray of str
        The labels there are, sorted; two at least.
    fraction : float
        Share of the examples, from 0 to 1, rounded to whole ones.
    seed : int
        Decides which, and the labels.
    """
    random = chance("wrong labels", seed)
    columns = np.searchsorted(classes, examples.y)
    wrong = random.permutation(len(examples))[: round(fraction * len(examples))]
    columns[wrong] += random.integers(1, len(classes), len(wrong))
    return Examples(examples.X, classes[columns % len(classes)])


def follow(method: Method, tasks: Iterable[Task], classes: NDArray[np.str_], seed: int) -> Course:
    """Let a method learn a stream of tasks, and measure it after each on all that came so far.

    Parameters
    ----------
    method : Method
        One that learns in one pass.
    tasks : iterable of Task
        In their order; each is shuffled by the seed.
    classes : ndarray of str
        The classes of all tasks.
    seed : int
        Decides the order within a task, and the method's chance.
    """
    estimator = method.make(seed)
    tests: list[Examples] = []
    rows: list[list[float]] = []
    for task in tasks:
        learn_stream(estimator, method.heard(task.train).shuffled(seed), classes)
        tests.append(method.heard(task.test))
        rows.append([accuracy(estimator, test) for test in tests])
    accuracies = np.full((len(rows), len(rows)), np.nan)
    for number, row in enumerate(rows):
        accuracies[number, : len(row)] = row
    return Course(accuracies, np.array([len(test) for test in tests]))
