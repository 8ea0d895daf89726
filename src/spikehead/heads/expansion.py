"""A fixed sparse expansion of raw inputs, for heads that are linear in what they hear.

Pixels and raw sensors say little one by one. Each unit of the expansion sees a few inputs, half of
them with the opposite sign, that lie in one place where inputs lie on a grid; the units inhibit
each other until the strongest are left. Nothing of it learns, and all of it is whole numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.compilation import compiled
from spikehead.randomness import keys

_FIELD, _INPUT = 5, 6  # what the random keys are for
_MOST_SYNAPSES = 1000  # so that 16 bits hold what drives a unit, and by how much


class SparseExpansion:
    """Units that each see a few of the inputs, of which the strongest are active.

    Parameters
    ----------
    grid : tuple of int
        How the inputs lie: (height, width), row by row; or (n_inputs,), in no order that matters.
    n_units : int, default=4096
        Number of units.
    n_synapses : int, default=8
        Inputs that a unit sees: half of them excite it, the others inhibit it.
    active : float, default=0.35
        Share of the units that are active at most, above 0 and below 1.
    sides : tuple of int, default=(5, 12)
        Smallest and largest side of the square in which a unit's inputs lie on a grid.
    seed : int, default=0
        Decides the synapses.

    Attributes
    ----------
    synapses : ndarray of int64, shape (n_units, n_synapses)
        The inputs of each unit; those in even places excite it. An input can be there twice.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    def __init__(
        self,
        grid: tuple[int, ...],
        n_units: int = 4096,
        *,
        n_synapses: int = 8,
        active: float = 0.35,
        sides: tuple[int, int] = (5, 12),
        seed: int = 0,
    ) -> None:
        if len(grid) not in (1, 2) or min(grid) < 1:
            raise ValueError(f"grid must be (n_inputs,) or (height, width), not {grid!r}")
        if n_units < 2 or not 1 <= n_synapses <= _MOST_SYNAPSES:
            raise ValueError(
                f"an expansion needs two units at least, and 1 to {_MOST_SYNAPSES} synapses each, "
                f"not {n_units} and {n_synapses}"
            )
        if not 0 < active < 1:
            raise ValueError(f"active must be above 0 and below 1, not {active!r}")
        if not 1 <= sides[0] <= sides[1]:
            raise ValueError(f"sides must be two whole numbers from 1, in order, not {sides!r}")
        self.n_units = n_units
        self.n_inputs = int(np.prod(grid))
        self.n_winners = max(int(active * n_units), 1)
        self.synapses = _synapses(grid, n_units, n_synapses, sides, seed)

    def expand(self, counts: NDArray[np.int8]) -> NDArray[np.int16]:
        """Return how far each unit is driven above the strongest one that is silent.

        Parameters
        ----------
        counts : ndarray of int8, shape (n_examples, n_inputs)
            Signed spike counts of the inputs.

        Returns
        -------
        ndarray of int16, shape (n_examples, n_units)
            Zero where a unit is silent; of units as strong as the strongest silent one none is
            active.
        """
        if counts.ndim != 2 or counts.shape[1] != self.n_inputs:
            raise ValueError(
                f"spike counts must have the shape (n, {self.n_inputs}), not {counts.shape}"
            )
        units = np.empty((len(counts), self.n_units), np.int16)
        _drive(counts, self.synapses, units)
        loser = self.n_units - self.n_winners - 1
        for block in np.array_split(units, -(-len(units) // 256) or 1):
            block -= np.partition(block, loser, axis=1)[:, loser, None]
        return np.maximum(units, 0, out=units)


def _synapses(
    grid: tuple[int, ...], n_units: int, n_synapses: int, sides: tuple[int, int], seed: int
) -> NDArray[np.int64]:
    """Draw the inputs of each unit."""
    units, synapse = np.arange(n_units), np.arange(n_synapses)
    if len(grid) == 1:
        return _below(grid[0], keys(_INPUT, seed, units[:, None], synapse))
    smallest = np.minimum(sides, min(grid))
    side = smallest[0] + _below(smallest[1] - smallest[0] + 1, keys(_FIELD, seed, units, 0))
    places = []
    for axis, length in enumerate(grid):
        corner = _below(length - side + 1, keys(_FIELD, seed, units, 1 + axis))
        within = _below(side[:, None], keys(_INPUT, seed, units[:, None], synapse, axis))
        places.append(corner[:, None] + within)
    return places[0] * grid[1] + places[1]


def _below(bound: Any, key: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return whole numbers from 0 to below a bound."""
    return np.asarray(key.astype(np.int64) * bound >> 32)


@compiled
def _drive(counts: Any, synapses: Any, units: Any) -> None:
    for example in range(len(counts)):
        heard = counts[example]
        for unit in range(len(synapses)):
            total = 0
            for place in range(synapses.shape[1]):
                value = heard[synapses[unit, place]]
                total += value if place % 2 == 0 else -value
            units[example, unit] = total
