"""The experiment that every candidate goes through, on a CPU or, many at once, on a GPU."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from joblib import cpu_count
from numpy.typing import ArrayLike, NDArray

from spikehead.coding import SpikeTrains
from spikehead.heads.colanet.classifier import votes
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.tuning.activations import RankedActivations

if TYPE_CHECKING:
    from spikehead.heads.colanet.cuda import Population

Device = Literal["cpu", "cuda"]
"""Where to compute: ``"cuda"`` is an NVIDIA GPU, with the same result."""

Rungs = tuple[float, ...]
"""A candidate's mean accuracy at each point at which it was measured."""

FIRST_RUNG = 0.25
"""Share of the stream after which a candidate is measured for the first time."""

_BATCH = 2048  # presentations between two looks at whether to stop
_FILLED = 0.9  # share of a GPU's free memory that candidates may take


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The evaluation was asked to stop."""


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
        self._stream = RankedActivations.of(activations)
        self._columns = columns.astype(np.int32)
        self._tests = RankedActivations.of(test_activations)
        column_of = {label: column for column, label in enumerate(classes.tolist())}
        test_columns = [column_of.get(label, -1) for label in np.asarray(test_labels).tolist()]
        self._test_columns = np.array(test_columns)
        self._members = members
        self._seeds = seeds

    @property
    def n_rungs(self) -> int:
        """How often a candidate is measured."""
        return len(self._seeds) + 1

    def check(self, parameters: CoLaNETParameters) -> None:
        """Raise a `ValueError` if a network of these parameters and inputs could overflow."""
        parameters.check_overflow(self._n_synapses(parameters))

    def evaluate(
        self,
        candidates: Sequence[CoLaNETParameters],
        bars: Sequence[float] = (),
        stop: threading.Event | None = None,
        device: Device = "cpu",
    ) -> list[Rungs]:
        """Return the accuracies of each candidate at the rungs, up to the one at which it fails.

        On a GPU candidates learn together, in several parts where its memory is too small for all;
        on a CPU one after the other, in this thread.

        Parameters
        ----------
        candidates : sequence of CoLaNETParameters
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
        alone = [[place] for place in range(len(candidates))]
        outcomes: dict[int, Rungs] = {}
        for part in self._parts(candidates) if device == "cuda" else alone:
            together = [candidates[place] for place in part]
            found = self._evaluate(together, _on_gpu if device == "cuda" else _Alone, bars, stop)
            outcomes.update(zip(part, found, strict=True))
        return [outcomes[place] for place in range(len(candidates))]

    def _n_synapses(self, parameters: CoLaNETParameters) -> int:
        return min(self._stream.n_inputs, parameters.max_synapses)

    def _parts(self, candidates: Sequence[CoLaNETParameters]) -> list[list[int]]:
        """Cut candidates into parts that share synapses, and fit into a GPU."""
        from spikehead.heads.colanet.cuda import bytes_needed, free_bytes

        shape = self._stream.n_inputs, self._n_columns, self._members
        needed = bytes_needed(candidates, *shape, _BATCH)
        # In common are the synapses, no larger than the largest candidate, and one stream.
        common = max(needed) + max(self._stream.inputs.nbytes, self._tests.inputs.nbytes)
        room = _FILLED * free_bytes() - common

        parts: list[list[int]] = []
        left = room
        sizes = [self._n_synapses(p) for p in candidates]
        for place in sorted(range(len(candidates)), key=sizes.__getitem__):
            if needed[place] > room:
                raise MemoryError(
                    f"a candidate needs {needed[place] / 1e9:.1f} GB on the GPU beside "
                    f"{common / 1e9:.1f} GB for all, but too little is free; search fewer "
                    "microcolumns or members, or compute on the CPU"
                )
            alike = parts and sizes[parts[-1][0]] == sizes[place]
            if not alike or needed[place] > left:
                parts.append([])
                left = room
            parts[-1].append(place)
            left -= needed[place]
        return parts

    def _evaluate(
        self,
        candidates: Sequence[CoLaNETParameters],
        begin: Callable[[Network, Sequence[CoLaNETParameters]], _Alone | Population],
        bars: Sequence[float],
        stop: threading.Event | None,
    ) -> list[Rungs]:
        """Let candidates that share synapses learn side by side."""
        rungs: list[list[float]] = [[] for _ in candidates]
        totals = [0.0] * len(candidates)
        going = list(range(len(candidates)))
        for number, seed in enumerate(self._seeds):
            parameters = [candidates[place] for place in going]
            running = begin(self._network(parameters, seed), parameters)
            for part in self._cut(number):
                saturations = [candidates[place].saturation for place in going]
                stretch, columns = self._stream[part], self._columns[part]
                for batch in _batches(columns, stop):
                    running.learn(_coded(stretch[batch], saturations), columns[batch])
                right = [
                    running.decide(_coded(self._tests[batch], saturations))
                    == self._test_columns[batch]
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

    def _network(self, candidates: Sequence[CoLaNETParameters], seed: int) -> Network:
        """Return what candidates have in common: a candidate's own network if it is alone."""
        largest = max(candidates, key=lambda p: p.microcolumns)
        return Network(largest, self._stream.n_inputs, self._n_columns, self._members, seed)

    def _cut(self, number: int) -> list[NDArray[np.intp]]:
        """Return the stretches of a seed's stream, between which candidates are measured."""
        order = shuffled(len(self._columns), self._seeds[number])
        quarter = math.ceil(FIRST_RUNG * len(order))
        return [order[:quarter], order[quarter:]] if number == 0 else [order]


class _Alone:
    """A candidate on a CPU, with the methods of a population on a GPU."""

    def __init__(self, network: Network, _: Sequence[CoLaNETParameters]) -> None:
        self._engine = CPUEngine(network, n_threads=1)

    def learn(self, trains: Sequence[SpikeTrains], columns: NDArray[np.int32]) -> None:
        self._engine.learn(trains[0], columns)

    def decide(self, trains: Sequence[SpikeTrains]) -> NDArray[Any]:
        return np.asarray(votes(*self._engine.respond(trains[0])).argmax(axis=1)[None])

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on; there is nobody else."""


def _on_gpu(network: Network, candidates: Sequence[CoLaNETParameters]) -> Population:
    from spikehead.heads.colanet.cuda import Population

    return Population(network, candidates)


def _batches(columns: NDArray[Any], stop: threading.Event | None) -> Iterator[slice]:
    """Yield the presentations batch by batch, unless asked to stop."""
    for start in range(0, len(columns), _BATCH):
        if stop is not None and stop.is_set():
            raise Stopped
        yield slice(start, start + _BATCH)


def _coded(activations: RankedActivations, saturations: Sequence[float]) -> list[SpikeTrains]:
    """Return the spike trains of some presentations for each saturation."""
    if len(saturations) == 1:
        return [activations.trains(saturations[0])]
    with ThreadPoolExecutor(cpu_count()) as pool:
        return list(pool.map(activations.trains, saturations))


def _hopeless(rungs: Sequence[float], bars: Sequence[float]) -> bool:
    return len(rungs) <= len(bars) and rungs[-1] < bars[len(rungs) - 1]


def shuffled(n_presentations: int, seed: int) -> NDArray[np.intp]:
    """Return the order in which a seed presents a stream: that of `HybridClassifier.learn`."""
    return np.random.RandomState(seed).permutation(n_presentations)


def cost(parameters: CoLaNETParameters) -> float:
    """Return about how much work a candidate is, in no unit: to begin with the longest."""
    return parameters.microcolumns / parameters.saturation
