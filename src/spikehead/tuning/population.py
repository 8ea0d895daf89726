"""Evaluating populations of candidates: one copy of the data, every core or the GPU busy.

The spike trains of a candidate depend on its saturation, and on whether its inputs are
homeostatic. Activations are therefore sorted once, presentation by presentation: the inputs of each
spike count then lie side by side whatever the saturation is, and a candidate needs to know just
where its counts begin. Those bounds are found batch by batch, so that what a candidate needs in
memory is its network.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.coding import STEPS, Coding, Even, SpikeTrains, adapt, even_trains, gains, rounded
from spikehead.compilation import compiled
from spikehead.heads.colanet.classifier import CoLaNETClassifier
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters

FIRST_RUNG = 0.25
"""Share of the stream after which a candidate is measured for the first time."""

_BATCH = 2048  # presentations between two looks at whether to stop
_FILLED = 0.9  # share of a GPU's free memory that candidates may take


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


@compiled
def _count_bounds(values: Any, starts: Any, ends: Any, scale: float) -> Any:
    """Find by bisection where the inputs of each spike count begin."""
    offsets = np.empty((len(starts), STEPS + 1), np.int64)
    for p in range(len(starts)):
        low = starts[p]
        for count in range(1, STEPS + 1):
            high = ends[p]
            while low < high:
                middle = (low + high) // 2
                if rounded(np.float64(values[middle]) * scale) >= count:
                    high = middle
                else:
                    low = middle + 1
            offsets[p, count - 1] = low
        offsets[p, STEPS] = ends[p]
    return offsets


class _Stretch(NamedTuple):
    """What is learned up to a rung, and what is measured there."""

    activations: RankedActivations
    columns: NDArray[np.int32]
    tests: RankedActivations


class _Ranked(Even):
    """The even coding of activations that are ranked, and were amplified before."""

    def to_answer(self, X: RankedActivations) -> SpikeTrains:
        return X.trains(self.saturation)

    def to_learn(self, X: RankedActivations, first: int) -> SpikeTrains:  # noqa: ARG002
        return X.trains(self.saturation)


class _Candidate(CoLaNETClassifier):
    """A classifier that reads ranked activations, of which all candidates share one copy."""

    def _checked(self, X: RankedActivations, *, reset: bool) -> RankedActivations:
        if reset:
            self.n_features_in_ = X.n_inputs
        return X

    def _new_coding(self, network: Network) -> Coding:
        return _Ranked(network.n_inputs, network.parameters.saturation)


class _OnCPU:
    """A candidate that learns a stream on a CPU."""

    def __init__(self, head: _Candidate, n_columns: int) -> None:
        self._head = head
        self._columns = np.arange(n_columns)

    def learn(self, activations: RankedActivations, columns: NDArray[np.int32]) -> None:
        self._head.partial_fit(activations, columns, classes=self._columns)

    def decide(self, activations: RankedActivations) -> NDArray[Any]:
        """Return the column that it decides for, shape (1, n_presentations)."""
        return self._head.predict(activations)[None]

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on; there is nobody else."""


class _OnGPU:
    """Candidates that learn a stream on a GPU, all at once."""

    def __init__(self, candidates: Sequence[CoLaNETParameters], network: Network) -> None:
        from spikehead.heads.colanet.cuda import Population

        self._population = Population(network, candidates)
        self._saturations = [p.saturation for p in candidates]

    def learn(self, activations: RankedActivations, columns: NDArray[np.int32]) -> None:
        self._population.learn(self._coded(activations), columns)

    def decide(self, activations: RankedActivations) -> NDArray[Any]:
        """Return the column that each decides for, shape (n_candidates, n_presentations)."""
        return self._population.decide(self._coded(activations))

    def keep(self, chosen: Sequence[int]) -> None:
        self._population.keep(chosen)
        self._saturations = [self._saturations[place] for place in chosen]

    def _coded(self, activations: RankedActivations) -> list[SpikeTrains]:
        with ThreadPoolExecutor(numba.get_num_threads()) as pool:
            return list(pool.map(activations.trains, self._saturations))


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
        classes, columns = np.unique(labels, return_inverse=True)
        self._n_columns = len(classes)
        self._activations = activations, test_activations
        self._stream = RankedActivations.of(activations)
        self._columns = columns.astype(np.int32)
        self._tests = RankedActivations.of(test_activations)
        column_of = {label: column for column, label in enumerate(classes.tolist())}
        test_columns = [column_of.get(label, -1) for label in np.asarray(test_labels).tolist()]
        self._test_columns = np.array(test_columns)
        self._members = members
        self._seeds = seeds
        self._amplified: dict[int, list[_Stretch]] = {}

    @property
    def n_rungs(self) -> int:
        """How often a candidate is measured."""
        return len(self._seeds) + 1

    def check(self, parameters: CoLaNETParameters) -> None:
        """Raise a `ValueError` if a network of these parameters and inputs could overflow."""
        parameters.check_overflow(self._n_synapses(parameters))

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

        def learners(candidates: Sequence[CoLaNETParameters], seed: int) -> _OnCPU:
            (only,) = candidates
            head = _Candidate(
                **only.to_dict(), members=self._members, n_threads=n_threads, random_state=seed
            )
            return _OnCPU(head, self._n_columns)

        return self._evaluate([parameters], learners, bars, stop)[0]

    def evaluate_on_gpu(
        self,
        candidates: Sequence[CoLaNETParameters],
        bars: Sequence[float] = (),
        stop: threading.Event | None = None,
    ) -> list[tuple[float, ...]]:
        """Return for each of many candidates what `evaluate` does, computed on a GPU together.

        Candidates that do not fit into its memory at once are evaluated in several parts. The
        outcome of one that `check` refuses means nothing.

        Parameters
        ----------
        candidates : sequence of CoLaNETParameters
            The candidates.
        bars, stop
            As for `evaluate`.

        Raises
        ------
        Stopped
            If `stop` was set.
        OSError
            If there is no GPU.
        MemoryError
            If a candidate does not fit into its memory.
        """

        def learners(candidates: Sequence[CoLaNETParameters], seed: int) -> _OnGPU:
            common = CoLaNETParameters(
                microcolumns=max(p.microcolumns for p in candidates),
                max_synapses=candidates[0].max_synapses,
            )
            n_inputs = self._stream.n_inputs
            network = Network(common, n_inputs, self._n_columns, self._members, seed)
            return _OnGPU(candidates, network)

        outcomes: dict[int, tuple[float, ...]] = {}
        for part in self._parts(candidates):
            together = [candidates[place] for place in part]
            found = self._evaluate(together, learners, bars, stop)
            outcomes.update(zip(part, found, strict=True))
        return [outcomes[place] for place in range(len(candidates))]

    def _n_synapses(self, parameters: CoLaNETParameters) -> int:
        return min(self._stream.n_inputs, parameters.max_synapses)

    def _parts(self, candidates: Sequence[CoLaNETParameters]) -> list[list[int]]:
        """Cut candidates into parts that share synapses and stream, and fit into a GPU."""
        from spikehead.heads.colanet.cuda import bytes_needed, free_bytes

        shape = self._stream.n_inputs, self._n_columns, self._members
        needed = bytes_needed(candidates, *shape, _BATCH)
        # In common are the synapses, no larger than the largest candidate, and one stream.
        common = max(needed) + max(self._stream.inputs.nbytes, self._tests.inputs.nbytes)
        room = _FILLED * free_bytes() - common

        parts: list[list[int]] = []
        left = room
        kinds = [(self._n_synapses(p), p.homeostasis) for p in candidates]
        for place in sorted(range(len(candidates)), key=kinds.__getitem__):
            if needed[place] > room:
                raise MemoryError(
                    f"a candidate needs {needed[place] / 1e9:.1f} GB on the GPU beside "
                    f"{common / 1e9:.1f} GB for all, but too little is free; search fewer "
                    "microcolumns or members, or compute on the CPU"
                )
            alike = parts and kinds[parts[-1][0]] == kinds[place]
            if not alike or needed[place] > left:
                parts.append([])
                left = room
            parts[-1].append(place)
            left -= needed[place]
        return parts

    def _evaluate(
        self,
        candidates: Sequence[CoLaNETParameters],
        learners: Callable[[Sequence[CoLaNETParameters], int], _OnCPU | _OnGPU],
        bars: Sequence[float],
        stop: threading.Event | None,
    ) -> list[tuple[float, ...]]:
        rungs: list[list[float]] = [[] for _ in candidates]
        totals = [0.0] * len(candidates)
        going = list(range(len(candidates)))
        for number, seed in enumerate(self._seeds):
            running = learners([candidates[place] for place in going], seed)
            for stretch in self._stretches(number, homeostasis=candidates[0].homeostasis):
                _learn(running, stretch, stop)
                accuracies = dict(zip(going, self._accuracies(running, stretch, stop), strict=True))
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

    def _stretches(self, number: int, *, homeostasis: bool) -> list[_Stretch]:
        """Return the stretches of a seed's stream, between which candidates are measured."""
        if not homeostasis:
            return [
                _Stretch(self._stream[part], self._columns[part], self._tests)
                for part in self._cut(number)
            ]
        if number not in self._amplified:
            self._amplified[number] = self._amplify(number)
        return self._amplified[number]

    def _amplify(self, number: int) -> list[_Stretch]:
        """Return the stretches as homeostatic inputs hear them; gains adapt along the stream."""
        stream, tests = (np.maximum(activations, 0) for activations in self._activations)
        power = np.zeros(self._stream.n_inputs)
        stretches = []
        for part in self._cut(number):
            heard = RankedActivations.of(adapt(stream[part], power))
            tested = RankedActivations.of(tests * gains(power))
            stretches.append(_Stretch(heard, self._columns[part], tested))
        return stretches

    def _cut(self, number: int) -> list[NDArray[np.intp]]:
        order = shuffled(len(self._columns), self._seeds[number])
        quarter = math.ceil(FIRST_RUNG * len(order))
        return [order[:quarter], order[quarter:]] if number == 0 else [order]

    def _accuracies(
        self, running: _OnCPU | _OnGPU, stretch: _Stretch, stop: threading.Event | None
    ) -> list[float]:
        right: list[NDArray[np.bool_]] = []
        for start in range(0, len(self._test_columns), _BATCH):
            _check(stop)
            rows = slice(start, start + _BATCH)
            right.append(running.decide(stretch.tests[rows]) == self._test_columns[rows])
        return [float(mean) for mean in np.concatenate(right, axis=1).mean(axis=1)]


def _learn(running: _OnCPU | _OnGPU, stretch: _Stretch, stop: threading.Event | None) -> None:
    for start in range(0, len(stretch.columns), _BATCH):
        _check(stop)
        rows = slice(start, start + _BATCH)
        running.learn(stretch.activations[rows], stretch.columns[rows])


def _hopeless(rungs: Sequence[float], bars: Sequence[float]) -> bool:
    return len(rungs) <= len(bars) and rungs[-1] < bars[len(rungs) - 1]


def shuffled(n_presentations: int, seed: int) -> NDArray[np.intp]:
    """Return the order in which a seed presents a stream: that of `HybridClassifier.learn`."""
    return np.random.RandomState(seed).permutation(n_presentations)


def cost(parameters: CoLaNETParameters) -> float:
    """Return about how much work a candidate is, in no unit: to begin with the longest."""
    return parameters.microcolumns / parameters.saturation


def _check(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped
