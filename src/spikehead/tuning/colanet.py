"""CoLaNET as it is tuned: all candidates read one copy of the data, on a GPU together."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from spikehead.coding import SpikeTrains
from spikehead.heads.colanet.classifier import votes
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.heads.registry import COLANET
from spikehead.tuning.activations import RankedActivations
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.heads import BATCH, Device, TunedHead

if TYPE_CHECKING:
    from spikehead.heads.colanet.cuda import Population

_FILLED = 0.9  # share of a GPU's free memory that candidates may take


class TunedCoLaNET(TunedHead):
    """CoLaNET, searched as the hybrid paper did; the result is that of `CoLaNETClassifier`.

    Parameters
    ----------
    members : int, default=15
        Networks in an ensemble.
    """

    genetic: ClassVar = GeneticSearch()
    descent: ClassVar = StochasticDescent()
    has_paper: ClassVar[bool] = True
    members: int

    def __init__(self, members: int = 15) -> None:
        super().__init__(COLANET, members)

    def prepared(self, activations: NDArray[Any]) -> RankedActivations:
        """Return activations, sorted once for all candidates; negative ones count as zero."""
        return RankedActivations.of(activations)

    def check(self, parameters: Any, n_inputs: int) -> None:
        """Raise a `ValueError` if a network of these parameters and inputs could overflow."""
        parameters.check_overflow(_n_synapses(parameters, n_inputs))

    def cost(self, parameters: Any) -> float:
        """Return about how much work a candidate is, in no unit: to begin with the longest."""
        return float(parameters.microcolumns / parameters.saturation)

    def parts(
        self,
        candidates: Sequence[CoLaNETParameters],
        streams: Sequence[RankedActivations],
        n_columns: int,
        device: Device,
    ) -> list[list[int]]:
        """Cut candidates into parts that share synapses, and fit into a GPU if there is to be one.

        Raises
        ------
        OSError
            If there is no GPU.
        MemoryError
            If a candidate does not fit into its memory.
        """
        if device == "cpu":
            return super().parts(candidates, streams, n_columns, device)
        from spikehead.heads.colanet.cuda import bytes_needed, free_bytes

        n_inputs = streams[0].n_inputs
        needed = bytes_needed(candidates, n_inputs, n_columns, self.members, BATCH)
        # In common are the synapses, no larger than the largest candidate, and one stream.
        common = max(needed) + max(stream.inputs.nbytes for stream in streams)
        room = _FILLED * free_bytes() - common

        parts: list[list[int]] = []
        left = room
        sizes = [_n_synapses(p, n_inputs) for p in candidates]
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

    def begin(
        self,
        candidates: Sequence[CoLaNETParameters],
        n_inputs: int,
        n_columns: int,
        seed: int,
        device: Device,
    ) -> _Coded:
        """Return some candidates, of one part, that have learned nothing."""
        # What they have in common: a candidate's own network if it is alone.
        largest = max(candidates, key=lambda p: p.microcolumns)
        network = Network(largest, n_inputs, n_columns, self.members, seed)
        saturations = [one.saturation for one in candidates]
        if device == "cpu":
            return _Coded(_Alone(network), saturations)
        from spikehead.heads.colanet.cuda import Population

        return _Coded(Population(network, candidates), saturations)


class _Coded:
    """Candidates, each of which hears the same activations in spike trains of its own."""

    def __init__(self, engine: _Alone | Population, saturations: list[float]) -> None:
        self._engine = engine
        self._saturations = saturations

    def learn(self, examples: RankedActivations, columns: NDArray[np.int32]) -> None:
        self._engine.learn(self._trains(examples), columns)

    def decide(self, examples: RankedActivations) -> NDArray[Any]:
        return np.asarray(self._engine.decide(self._trains(examples)))

    def keep(self, chosen: Sequence[int]) -> None:
        self._engine.keep(chosen)
        self._saturations = [self._saturations[place] for place in chosen]

    def _trains(self, examples: RankedActivations) -> list[SpikeTrains]:
        """Return the spike trains of some presentations for each saturation."""
        if len(self._saturations) == 1:
            return [examples.trains(self._saturations[0])]
        with ThreadPoolExecutor(cpu_count()) as pool:
            return list(pool.map(examples.trains, self._saturations))


class _Alone:
    """A candidate on a CPU, with the methods of a population on a GPU."""

    def __init__(self, network: Network) -> None:
        self._engine = CPUEngine(network, n_threads=1)

    def learn(self, trains: Sequence[SpikeTrains], columns: NDArray[np.int32]) -> None:
        self._engine.learn(trains[0], columns)

    def decide(self, trains: Sequence[SpikeTrains]) -> NDArray[Any]:
        return np.asarray(votes(*self._engine.respond(trains[0])).argmax(axis=1)[None])

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on; there is nobody else."""


def _n_synapses(parameters: CoLaNETParameters, n_inputs: int) -> int:
    return min(n_inputs, parameters.max_synapses)
