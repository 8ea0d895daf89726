"""A fixed sparse expansion of pixels and raw sensors, for heads that are linear in what they hear.

Pixels say little one by one. Each unit of the expansion sees a few inputs of a small patch, half of
them with the opposite sign; the units of one place inhibit each other until the strongest are left,
and what each says is summed over places nearby. Nothing of it learns, and all of it is whole
numbers, exact in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, Signed
from spikehead.compilation import compiled
from spikehead.randomness import keys

_INPUT = 6  # what the random keys are for


class SparseExpansion:
    """Units that each see a few inputs of a patch, of which the strongest at each place are active.

    On a grid the same units look from every place, as a convolution does, and what a unit says is
    summed over each of ``cells * cells`` rectangles of places. Inputs in no order are one place.

    Parameters
    ----------
    grid : tuple of int
        How the inputs lie: (height, width), row by row; or (n_inputs,), in no order that matters.
    n_units : int, default=128
        Units at each place.
    n_synapses : int, default=8
        Inputs that a unit sees, of its patch or of all: half of them excite it, the others inhibit
        it.
    active : float, default=0.1
        Share of a place's units that are active at most, above 0 and below 1.
    side : int, default=5
        Side of the square patch that units see on a grid. Beyond the edge there is nothing.
    cells : int, default=4
        Cells along each side of a grid.
    seed : int, default=0
        Decides the synapses.

    Attributes
    ----------
    synapses : ndarray of int64, shape (n_units, n_synapses)
        The inputs of each unit, counted row by row in its patch, or among all; those in even places
        excite it.
    n_outputs : int
        What it gives for an example: of each unit, the sum in each cell.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    def __init__(
        self,
        grid: tuple[int, ...],
        n_units: int = 128,
        *,
        n_synapses: int = 8,
        active: float = 0.1,
        side: int = 5,
        cells: int = 4,
        seed: int = 0,
    ) -> None:
        if len(grid) not in (1, 2) or min(grid) < 1:
            raise ValueError(f"grid must be (n_inputs,) or (height, width), not {grid!r}")
        if side < 1 or cells < 1:
            raise ValueError(f"side and cells must be 1 at least, not {side} and {cells}")
        # Inputs in no order are a picture of one row, seen whole from a single place.
        self._picture, self._patch, places = (
            ((1, *grid), (1, *grid), (1, 1)) if len(grid) == 1 else (grid, (side, side), grid)
        )
        n_seen = int(np.prod(self._patch))
        if n_units < 2 or not 1 <= n_synapses <= n_seen:
            raise ValueError(
                f"an expansion needs two units at least, and each 1 to {n_seen} synapses, "
                f"not {n_units} and {n_synapses}"
            )
        if not 0 < active < 1:
            raise ValueError(f"active must be above 0 and below 1, not {active!r}")
        self.n_inputs, self.n_units = int(np.prod(grid)), n_units
        self.n_winners = max(int(active * n_units), 1)
        self.cells = min(cells, places[0]), min(cells, places[1])
        self.n_outputs = self.cells[0] * self.cells[1] * n_units
        self._cell = [
            np.arange(length) * n // length for length, n in zip(places, self.cells, strict=True)
        ]
        self._coding = Signed(self.n_inputs, 4.0)
        drawn = keys(_INPUT, seed, np.arange(n_units)[:, None], np.arange(n_seen))
        self.synapses = np.argsort(drawn, axis=1, kind="stable")[:, :n_synapses]

    def expand(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return how far units are driven above the strongest one that is silent, cell by cell.

        Parameters
        ----------
        X : ndarray of float, shape (n_examples, n_inputs)
            Finite numbers of any sign and scale: an example is measured by its own root mean
            square, as `spikehead.coding.signed_counts` does with a scale of 4.

        Returns
        -------
        ndarray of float32, shape (n_examples, n_outputs)
            Whole numbers: of each unit, the sum over each cell's places of how far its drive is
            above that of the strongest silent unit there, or above zero if that is higher.

        Raises
        ------
        ValueError
            If there is another number of inputs, or an activation is not finite.
        """
        if X.ndim != 2 or X.shape[1] != self.n_inputs:
            raise ValueError(f"activations must have the shape (n, {self.n_inputs}), not {X.shape}")
        edges = [self._edges(axis) for axis in (0, 1)]
        pictures = self._coding.spike_counts(X).reshape(-1, *self._picture)
        rows, columns = np.divmod(self.synapses, self._patch[1])
        expanded = np.zeros((len(X), *self.cells, self.n_units), np.float32)
        _expand(
            np.pad(pictures, ((0, 0), *edges)),
            rows,
            columns,
            self._patch,
            self.n_winners,
            *self._cell,
            expanded,
        )
        return expanded.reshape(len(X), -1)

    @property
    def graph(self) -> str:
        """How a grid is expanded, as ONNX operators: from `activations` to `expanded`.

        `constants` are their values. Sums of whole numbers, so that every bit is the same.
        """
        (top, bottom), (left, right) = self._edges(0), self._edges(1)
        return f"""
    {self._coding.graph}
    heard = Cast <to = 1> (counts)
    placed = Reshape (heard, picture)
    drives = Conv <pads = [{top}, {left}, {bottom}, {right}]> (placed, kernel)
    by_place = Reshape (drives, places)
    strongest, ranks = TopK <axis = 1> (by_place, n_compared)
    silent = Gather <axis = 1> (strongest, last_compared)
    base = Relu (silent)
    above = Sub (by_place, base)
    winners = Relu (above)
    summed = MatMul (winners, cells)
    by_cell = Transpose <perm = [0, 2, 1]> (summed)
    expanded = Flatten (by_cell)
    """

    def constants(self) -> dict[str, Any]:
        """Return what the operators of `graph` need, by name; a list is one of int64."""
        kernel = np.zeros((self.n_units, int(np.prod(self._patch))), np.float32)
        signs = np.where(np.arange(self.synapses.shape[1]) % 2, -1, 1)
        np.put_along_axis(kernel, self.synapses, signs, axis=1)
        row, column = self._cell
        cell = (row[:, None] * self.cells[1] + column).reshape(-1, 1)
        return {
            **self._coding.constants(),
            "picture": [-1, 1, *self._picture],
            "kernel": kernel.reshape(-1, 1, *self._patch),
            "places": [0, self.n_units, len(cell)],
            "n_compared": [self.n_winners + 1],
            "last_compared": [self.n_winners],
            "cells": np.float32(cell == np.arange(np.prod(self.cells))),
        }

    def _edges(self, axis: int) -> tuple[int, int]:
        """Return how far patches reach beyond the places at either end of an axis."""
        beyond = len(self._cell[axis]) + self._patch[axis] - 1 - self._picture[axis]
        return (beyond + 1) // 2, beyond // 2


@compiled
def _expand(
    pictures: Any,
    rows: Any,
    columns: Any,
    patch: tuple[int, int],
    n_winners: int,
    cell_rows: Any,
    cell_columns: Any,
    expanded: Any,
) -> None:
    n_units, n_synapses = rows.shape
    drives = np.empty(n_units, np.int32)
    driven = np.empty(STEPS * n_synapses + 1, np.int32)  # how many units so far above zero
    for example in range(len(pictures)):
        for row in range(len(cell_rows)):
            for column in range(len(cell_columns)):
                seen = pictures[example, row : row + patch[0], column : column + patch[1]]
                if not seen.any():
                    continue
                driven[:] = 0
                for unit in range(n_units):
                    drive = 0
                    for synapse in range(n_synapses):
                        count = seen[rows[unit, synapse], columns[unit, synapse]]
                        drive += count if synapse % 2 == 0 else -count
                    drives[unit] = drive
                    driven[max(drive, 0)] += 1
                silent, stronger = len(driven) - 1, 0
                while silent and stronger + driven[silent] <= n_winners:
                    stronger += driven[silent]
                    silent -= 1
                cell = expanded[example, cell_rows[row], cell_columns[column]]
                for unit in range(n_units):
                    if drives[unit] > silent:
                        cell[unit] += drives[unit] - silent
