"""Activations that many candidates read: sorted once, and coded for any saturation.

The spike trains of a candidate depend on its saturation. The inputs of a presentation are therefore
sorted by activation: those of each spike count then lie side by side whatever the saturation is,
and a candidate needs to know just where its counts begin. Those bounds are found batch by batch, so
that all candidates share one copy of the data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, SpikeTrains, even_trains, rounded
from spikehead.compilation import compiled


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
