"""The experiment that every candidate goes through, on a CPU or, many at once, on a GPU."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.heads.parameters import Hyperparameters
from spikehead.tuning.heads import BATCH, Device, TunedHead

Rungs = tuple[float, ...]
"""A candidate's mean accuracy at each point at which it was measured."""

FIRST_RUNG = 0.25
"""Share of the stream after which a candidate is measured for the first time."""


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The evaluation was asked to stop."""


class Experiment:
    """What every candidate goes through: it learns a stream once, and is measured on examples.

    It is measured at rungs: after the first quarter of the stream, at its end, and at the end of
    the stream with each further seed, each time with the mean over the seeds so far. What it is
    given decides the result, bit for bit; the same as that of the head's estimator.

    Parameters
    ----------
    head : TunedHead
        Whose hyperparameters the candidates are.
    activations : ndarray of float, shape (n_presentations, n_inputs)
        What is learned. A seed shuffles it.
    labels : ndarray, shape (n_presentations,)
        Its labels.
    test_activations, test_labels : ndarray
        What the candidates are measured on.
    seeds : sequence of int, default=(0,)
        Each decides noise, synapses and the order of the stream.
    """

    def __init__(
        self,
        head: TunedHead,
        activations: NDArray[Any],
        labels: ArrayLike,
        test_activations: NDArray[Any],
        test_labels: ArrayLike,
        *,
        seeds: Sequence[int] = (0,),
    ) -> None:
        classes, columns = np.unique(labels, return_inverse=True)
        self.head = head
        self._n_columns = len(classes)
        self._stream = head.prepared(activations)
        self._columns = columns.astype(np.int32)
        self._tests = head.prepared(test_activations)
        column_of = {label: column for column, label in enumerate(classes.tolist())}
        test_columns = [column_of.get(label, -1) for label in np.asarray(test_labels).tolist()]
        self._test_columns = np.array(test_columns)
        self._seeds = seeds

    @property
    def n_rungs(self) -> int:
        """How often a candidate is measured."""
        return len(self._seeds) + 1

    def check(self, parameters: Hyperparameters) -> None:
        """Raise a `ValueError` if a network of these parameters and inputs could overflow."""
        self.head.check(parameters, self._stream.shape[1])

    def cost(self, parameters: Hyperparameters) -> float:
        """Return about how much work a candidate is, in no unit: to begin with the longest."""
        return self.head.cost(parameters)

    def evaluate(
        self,
        candidates: Sequence[Hyperparameters],
        bars: Sequence[float] = (),
        stop: threading.Event | None = None,
        device: Device = "cpu",
    ) -> list[Rungs]:
        """Return the accuracies of each candidate at the rungs, up to the one at which it fails.

        On a GPU candidates learn together, in several parts where its memory is too small for all;
        on a CPU one after the other, in this thread.

        Parameters
        ----------
        candidates : sequence of Hyperparameters
            The candidates, none of which `check` refuses.
        bars : sequence of float, optional
            What they must reach at each rung to go on. Default: they go on.
        stop : Event, optional
            Set from another thread to stop the evaluation.
        device : {"cpu", "cuda"}, default="cpu"
            Where to compute.

        Raises
        ------
        Stopped
            If `stop` was set.
        OSError
            If there is no GPU.
        MemoryError
            If a candidate does not fit into its memory.
        """
        outcomes: dict[int, Rungs] = {}
        streams = self._stream, self._tests
        for part in self.head.parts(candidates, streams, self._n_columns, device):
            together = [candidates[place] for place in part]
            found = self._evaluate(together, bars, stop, device)
            outcomes.update(zip(part, found, strict=True))
        return [outcomes[place] for place in range(len(candidates))]

    def _evaluate(
        self,
        candidates: Sequence[Hyperparameters],
        bars: Sequence[float],
        stop: threading.Event | None,
        device: Device,
    ) -> list[Rungs]:
        """Let candidates of one part learn side by side."""
        rungs: list[list[float]] = [[] for _ in candidates]
        totals = [0.0] * len(candidates)
        going = list(range(len(candidates)))
        shape = self._stream.shape[1], self._n_columns
        for number, seed in enumerate(self._seeds):
            parameters = [candidates[place] for place in going]
            running = self.head.begin(parameters, *shape, seed, device)
            for part in self._cut(number):
                columns = self._columns[part]
                for batch in _batches(columns, stop):
                    running.learn(self._stream[part[batch]], columns[batch])
                right = [
                    running.decide(self._tests[batch]) == self._test_columns[batch]
                    for batch in _batches(self._test_columns, stop)
                ]
                means = np.concatenate(right, axis=1).mean(axis=1).tolist()
                accuracies = dict(zip(going, means, strict=True))
                for place in going:
                    rungs[place].append((totals[place] + accuracies[place]) / (number + 1))
                kept = [k for k, place in enumerate(going) if not _hopeless(rungs[place], bars)]
                if not kept:
                    return list(map(tuple, rungs))
                running.keep(kept)
                going = [going[k] for k in kept]
            for place in going:
                totals[place] += accuracies[place]
        return list(map(tuple, rungs))

    def _cut(self, number: int) -> list[NDArray[np.intp]]:
        """Return the stretches of a seed's stream, between which candidates are measured."""
        order = shuffled(len(self._columns), self._seeds[number])
        quarter = math.ceil(FIRST_RUNG * len(order))
        return [order[:quarter], order[quarter:]] if number == 0 else [order]


def _batches(columns: NDArray[Any], stop: threading.Event | None) -> Iterator[slice]:
    """Yield the presentations batch by batch, unless asked to stop."""
    for start in range(0, len(columns), BATCH):
        if stop is not None and stop.is_set():
            raise Stopped
        yield slice(start, start + BATCH)


def _hopeless(rungs: Sequence[float], bars: Sequence[float]) -> bool:
    return len(rungs) <= len(bars) and rungs[-1] < bars[len(rungs) - 1]


def shuffled(n_presentations: int, seed: int) -> NDArray[np.intp]:
    """Return the order in which a seed presents a stream: that of `HybridClassifier.learn`."""
    return np.random.RandomState(seed).permutation(n_presentations)
