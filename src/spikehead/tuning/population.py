"""Evaluating populations of candidates on CPUs: one copy of the data, every core busy.

The spike trains of a candidate depend on its saturation only. Activations are therefore sorted
once, presentation by presentation: the inputs of each spike count then lie side by side whatever
the saturation is, and a candidate needs to know just where its counts begin. Those bounds are
found batch by batch, so that what a candidate needs in memory is its network.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.coding import STEPS, SpikeTrains, even_trains
from spikehead.colanet.classifier import CoLaNETClassifier
from spikehead.colanet.parameters import CoLaNETParameters

FIRST_RUNG = 0.25
"""Share of the stream after which a candidate is measured for the first time."""

_BATCH = 2048  # presentations between two looks at whether to stop


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The evaluation was asked to stop."""


@dataclass(frozen=True)
class RankedActivations:
    """Activations of many presentations, sorted: their spike trains for any saturation.

    Attributes
    ----------
    inputs : ndarray of int32
        Inputs with a positive activation, by rising activation, presentation after presentation.
    values : ndarray of float
        Their activations.
    starts, ends : ndarray of int64, shape (n_presentations,)
        Where each presentation lies in them.
    n_inputs : int
        Number of inputs, active or not.
    """

    inputs: NDArray[np.int32]
    values: NDArray[Any]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    n_inputs: int

    @classmethod
    def of(cls, activations: NDArray[Any]) -> RankedActivations:
        """Sort activations of shape (n_presentations, n_inputs); only positive ones count."""
        counts = np.count_nonzero(activations > 0, axis=1)
        ends = np.cumsum(counts)
        starts = ends - counts
        inputs = np.empty(counts.sum(), np.int32)
        values = np.empty(len(inputs), activations.dtype)
        for row, start, end in zip(activations, starts, ends, strict=True):
            active = np.flatnonzero(row > 0)
            inputs[start:end] = active[np.argsort(row[active], kind="stable")]
            values[start:end] = row[inputs[start:end]]
        return cls(inputs, values, starts, ends, activations.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of presentations and of inputs."""
        return len(self.starts), self.n_inputs

    def __getitem__(self, chosen: slice | NDArray[np.intp]) -> RankedActivations:
        """Return some presentations in another order; nothing is copied but where they lie."""
        return replace(self, starts=self.starts[chosen], ends=self.ends[chosen])

    def trains(self, saturation: float) -> SpikeTrains:
        """Return the spike trains: those of `spikehead.coding.even_trains`."""
        offsets = _count_bounds(self.values, self.starts, self.ends, STEPS / saturation)
        nothing = even_trains(np.empty((0, self.n_inputs), self.values.dtype), saturation)
        return replace(nothing, inputs=self.inputs, offsets=offsets)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _count_bounds(values: Any, starts: Any, ends: Any, scale: float) -> Any:
    """Find by bisection where the inputs of each spike count begin."""
    offsets = np.empty((len(starts), STEPS + 1), np.int64)
    for p in range(len(starts)):
        low = starts[p]
        for count in range(1, STEPS + 1):
            high = ends[p]
            while low < high:
                middle = (low + high) // 2
                scaled = min(np.float64(values[middle]) * scale, float(STEPS))
                if np.uint8(scaled + 0.5) >= count:
                    high = middle
                else:
                    low = middle + 1
            offsets[p, count - 1] = low
        offsets[p, STEPS] = ends[p]
    return offsets


class _Candidate(CoLaNETClassifier):
    """A classifier that reads ranked activations, of which all candidates share one copy."""

    def _checked(self, X: RankedActivations, *, reset: bool) -> RankedActivations:
        if reset:
            self.n_features_in_ = X.n_inputs
        return X

    def _coded(self, X: RankedActivations, first: int, *, advance: bool) -> SpikeTrains:  # noqa: ARG002
        return X.trains(self.parameters_.saturation)


class Experiment:
    """What every candidate goes through: it learns a stream once, and is measured on examples.

    It is measured at rungs: after the first quarter of the stream, at its end, and at the end of
    the stream with each further seed, each time with the mean over the seeds so far. What it is
    given decides the result, bit for bit; the same as that of `CoLaNETClassifier`.

    Parameters
    ----------
    activations : ndarray of float, shape (n_presentations, n_inputs)
        What is learned; negative activations count as zero. A seed shuffles it.
    labels : ndarray, shape (n_presentations,)
        Its labels.
    test_activations, test_labels : ndarray
        What the candidates are measured on.
    members : int, default=15
        Networks in an ensemble.
    seeds : sequence of int, default=(0,)
        Each decides noise, synapses and the order of the stream.
    """

    def __init__(
        self,
        activations: NDArray[Any],
        labels: ArrayLike,
        test_activations: NDArray[Any],
        test_labels: ArrayLike,
        *,
        members: int = 15,
        seeds: Sequence[int] = (0,),
    ) -> None:
        self.classes = np.unique(labels)
        self._stream = RankedActivations.of(activations)
        self._labels = np.asarray(labels)
        self._tests = RankedActivations.of(test_activations)
        self._test_labels = np.asarray(test_labels)
        self._members = members
        self._seeds = seeds

    @property
    def n_rungs(self) -> int:
        """How often a candidate is measured."""
        return len(self._seeds) + 1

    def evaluate(
        self,
        parameters: CoLaNETParameters,
        bars: Sequence[float] = (),
        stop: threading.Event | None = None,
        n_threads: int | None = 1,
    ) -> tuple[float, ...]:
        """Return the accuracies of a candidate at the rungs, up to the one at which it fails.

        Parameters
        ----------
        parameters : CoLaNETParameters
            The candidate.
        bars : sequence of float, optional
            What it must reach at each rung to go on. Default: it goes on.
        stop : Event, optional
            Set from another thread to stop the evaluation.
        n_threads : int or None, default=1
            Threads for this candidate; None for as many as this process may use.

        Raises
        ------
        Stopped
            If `stop` was set.
        ValueError
            If a network of these parameters and inputs could overflow.
        """
        rungs: list[float] = []
        total = 0.0
        for number, seed in enumerate(self._seeds):
            candidate = _Candidate(
                **parameters.to_dict(),
                members=self._members,
                n_threads=n_threads,
                random_state=seed,
            )
            order = shuffled(len(self._labels), seed)
            quarter = math.ceil(FIRST_RUNG * len(order))
            for part in (order[:quarter], order[quarter:]) if number == 0 else (order,):
                self._learn(candidate, part, stop)
                accuracy = self._accuracy(candidate, stop)
                rungs.append((total + accuracy) / (number + 1))
                if len(rungs) <= len(bars) and rungs[-1] < bars[len(rungs) - 1]:
                    return tuple(rungs)
            total += accuracy
        return tuple(rungs)

    def _learn(
        self, candidate: _Candidate, part: NDArray[np.intp], stop: threading.Event | None
    ) -> None:
        for start in range(0, len(part), _BATCH):
            _check(stop)
            rows = part[start : start + _BATCH]
            candidate.partial_fit(self._stream[rows], self._labels[rows], classes=self.classes)

    def _accuracy(self, candidate: _Candidate, stop: threading.Event | None) -> float:
        right = 0
        for start in range(0, len(self._test_labels), _BATCH):
            _check(stop)
            rows = slice(start, start + _BATCH)
            answers = candidate.predict(self._tests[rows])
            right += np.count_nonzero(answers == self._test_labels[rows])
        return right / len(self._test_labels)


def shuffled(n_presentations: int, seed: int) -> NDArray[np.intp]:
    """Return the order in which a seed presents a stream: that of `HybridClassifier.learn`."""
    return np.random.RandomState(seed).permutation(n_presentations)


def cost(parameters: CoLaNETParameters) -> float:
    """Return about how much work a candidate is, in no unit: to begin with the longest."""
    return parameters.microcolumns / parameters.saturation


def _check(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped
