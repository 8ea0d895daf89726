"""The state of a network of decorrelated columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from spikehead.coding import STEPS
from spikehead.heads.decorrelated import rules
from spikehead.heads.decorrelated.parameters import (
    BLOCK,
    LATERAL_UNIT,
    MAX_INPUTS,
    TRACE_UNIT,
    UNIT,
    DecorrelatedParameters,
)
from spikehead.randomness import keys

_BRANCHES = 4  # what the random key is for


@dataclass(frozen=True)
class Variable:
    """One array of what learning changes; every value starts from zero and is a whole number.

    Attributes
    ----------
    name : str
        The attribute of `Network`.
    dtype : type
        Of its values.
    axes : tuple of str
        What each axis counts: attributes of `Network`, and ``"block"``.
    limits : tuple of float
        The smallest and the largest value that is possible.
    symmetric : bool
        Whether the last two axes are symmetric, so that a saved state holds one triangle.
    """

    name: str
    dtype: type
    axes: tuple[str, ...]
    limits: tuple[float, float]
    symmetric: bool = False


_LARGEST = STEPS**2 * MAX_INPUTS * UNIT

STATE = (
    Variable(
        "inhibition",
        np.float64,
        ("n_branches", "n_places", "n_places"),
        (-2 * LATERAL_UNIT, 2 * LATERAL_UNIT),
        symmetric=True,
    ),
    Variable(
        "traces",
        np.float64,
        ("block", "n_branches", "n_places"),
        (-2 * TRACE_UNIT, 2 * TRACE_UNIT),
    ),
    Variable("n_traces", np.int64, (), (0, BLOCK - 1)),
    Variable("weights", np.float64, ("n_columns", "n_branches", "n_places"), (-_LARGEST, _LARGEST)),
    Variable("energies", np.float64, ("n_columns",), (-_LARGEST, _LARGEST)),
    Variable("counts", np.int64, ("n_columns",), (0, 2**53)),
)
"""All that learning changes: what is saved, restored, checked, and grows with the columns."""


class Network:
    """Decorrelated columns: a lateral layer among the inputs, and one neuron for each class.

    Inputs lie in places on dendritic branches, on one if `width` allows. Arrays over places follow
    them; `arranged` brings examples into that order.

    Parameters
    ----------
    parameters : DecorrelatedParameters
        Hyperparameters.
    n_inputs : int
        Number of inputs.
    n_columns : int, default=0
        Number of columns, one a class.

    Attributes
    ----------
    inhibition : ndarray of float64, shape (n_branches, n_places, n_places)
        How much inputs inhibit each other, in steps of 1 / `LATERAL_UNIT`; symmetric. The identity
        less it is the specification's A, as of the end of the last block of lessons.
    traces : ndarray of float64, shape (BLOCK, n_branches, n_places)
        What inputs keep of the lessons since then, in steps of 1 / `TRACE_UNIT`: their products
        inhibit as well.
    n_traces : ndarray of int64, shape ()
        How many lessons those are.
    weights : ndarray of float64, shape (n_columns, n_branches, n_places)
        Weights of each column's neuron, in steps of 1 / `UNIT`.
    energies : ndarray of float64, shape (n_columns,)
        What a column's mean example excites in it (q), in steps of 1 / `UNIT`.
    counts : ndarray of int64, shape (n_columns,)
        Examples that each column has learned as its own.
    places : ndarray of int64, shape (n_branches, n_places)
        The input in each place; `n_inputs` where there is none.

    Raises
    ------
    ValueError
        If there are too many inputs for exact sums.
    MemoryError
        If the lateral layer does not fit into the memory that is free.
    """

    def __init__(
        self, parameters: DecorrelatedParameters, n_inputs: int, n_columns: int = 0
    ) -> None:
        if not 1 <= n_inputs <= MAX_INPUTS:
            raise ValueError(
                f"decorrelated columns take 1 to {MAX_INPUTS} inputs, not {n_inputs}: sums of more "
                "would not be exact"
            )
        self.parameters = parameters
        self.n_inputs = n_inputs
        self.n_columns = n_columns
        self.places = _places(n_inputs, parameters.width)
        self._check_memory()
        self.inhibition: NDArray[np.float64]
        self.traces: NDArray[np.float64]
        self.n_traces: NDArray[np.int64]
        self.weights: NDArray[np.float64]
        self.energies: NDArray[np.float64]
        self.counts: NDArray[np.int64]
        for variable in STATE:
            setattr(self, variable.name, np.zeros(self._shape(variable), variable.dtype))

    @property
    def n_branches(self) -> int:
        """Number of dendritic branches."""
        return len(self.places)

    @property
    def n_places(self) -> int:
        """Places on a branch."""
        return int(self.places.shape[1])

    @property
    def presentations(self) -> int:
        """Lessons that the network holds."""
        return int(self.counts.sum())

    @property
    def power(self) -> float:
        """What a branch's energy is measured against (l0)."""
        return self.parameters.power(self.n_places)

    @property
    def fading(self) -> float:
        """What a block of lessons leaves of earlier inhibition; 1 where there is no horizon."""
        horizon = self.parameters.horizon * int(np.count_nonzero(self.counts))
        return float((1 - 1 / horizon) ** BLOCK) if horizon else 1.0

    def add_columns(self, n_columns: int) -> None:
        """Add columns that know nothing yet; what was learned stays as it is."""
        self.n_columns += n_columns
        for variable in STATE:
            if "n_columns" in variable.axes:
                old = getattr(self, variable.name)
                new = np.zeros((n_columns, *old.shape[1:]), variable.dtype)
                setattr(self, variable.name, np.concatenate([old, new]))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that learning changes, by name; of a symmetric array one triangle.

        Returns
        -------
        dict of ndarray
            As `restore` takes them.
        """
        found = {}
        for variable in STATE:
            value = getattr(self, variable.name)
            found[variable.name] = _triangle(value) if variable.symmetric else value.copy()
        return found

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take up an earlier state of a network with the same inputs and columns.

        Parameters
        ----------
        state : dict of ndarray
            That of `state`; copied.

        Raises
        ------
        ValueError
            If an array is missing, or is not such as this network can have; nothing is changed.
        """
        for variable in STATE:
            self._check(variable, state.get(variable.name))
        for variable in STATE:
            value = state[variable.name]
            whole = _square(value, self.n_places) if variable.symmetric else value.copy()
            setattr(self, variable.name, whole)

    def arranged(self, counts: NDArray[Any]) -> NDArray[Any]:
        """Return values of inputs in the places where the inputs lie.

        Parameters
        ----------
        counts : ndarray, shape (n, n_inputs)
            Spike counts, or spikes.

        Returns
        -------
        ndarray, shape (n, n_branches, n_places)
            Zero in places without input.
        """
        if self.n_branches == 1:
            return counts[:, None]
        return np.pad(counts, ((0, 0), (0, 1)))[:, self.places]

    def check_counts(self, counts: NDArray[Any]) -> None:
        """Refuse what are not signed spike counts for this network.

        Raises
        ------
        ValueError
            If type or shape are others, or a count is beyond what a presentation has steps.
        """
        if counts.dtype != np.int8 or counts.ndim != 2 or counts.shape[1] != self.n_inputs:
            raise ValueError(
                f"spike counts must be int8 in the shape (n, {self.n_inputs}), not {counts.dtype} "
                f"in the shape {counts.shape}"
            )
        for count in (counts.min(initial=0), counts.max(initial=0)):
            if not -STEPS <= count <= STEPS:
                raise ValueError(f"a spike count must be from {-STEPS} to {STEPS}, not {count}")

    def check_lessons(self, counts: NDArray[np.int8], labels: NDArray[Any]) -> None:
        """Refuse what cannot be learned, of counts that can be answered.

        Raises
        ------
        ValueError
            If there is not one column for each example, or an example has no spikes.
        """
        if labels.shape != (len(counts),) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels must be one whole number for each of the {len(counts)} examples, not "
                f"{labels.dtype} in the shape {labels.shape}"
            )
        for label in (labels.min(initial=0), labels.max(initial=0)) if len(labels) else ():
            if not 0 <= label < self.n_columns:
                raise ValueError(
                    f"a label must be the number of one of {self.n_columns} columns, not {label}"
                )
        silent = np.flatnonzero(~counts.any(axis=1))
        if silent.size:
            raise ValueError(
                f"example {silent[0]} has no spikes, since its activations are all zero: it cannot "
                "be learned, leave it out"
            )

    def lateral(self) -> NDArray[np.float64]:
        """Return what is left of one input by another: the specification's A, in plain numbers.

        Returns
        -------
        ndarray of float64, shape (n_branches, n_places, n_places)
            The identity less all inhibition, that of the traces included.
        """
        traces = self.traces[: self.n_traces] / TRACE_UNIT
        pending = np.einsum("lbi,lbj->bij", traces, traces, optimize=True)
        return np.asarray(np.eye(self.n_places) - self.inhibition / LATERAL_UNIT - pending)

    def weight_map(self, column: int) -> NDArray[np.float64]:
        """Return the weight of each input of a column, in plain numbers, shape (n_inputs,)."""
        weights = np.zeros(self.n_inputs + 1)
        weights[self.places] = self.weights[column] / UNIT
        return weights[:-1]

    def consolidated(self) -> NDArray[np.float64]:
        """Return the lateral inhibition, that of the traces included, as an array of its own."""
        traces = self.traces[: self.n_traces]
        products = traces.transpose(1, 2, 0) @ traces.transpose(1, 0, 2)
        return np.asarray(rules.consolidated(self.inhibition, products))

    def hold(self, inhibition: NDArray[np.float64]) -> None:
        """Take lateral inhibition in which no trace is missing."""
        self.inhibition = inhibition
        self.traces[:] = 0
        self.n_traces[...] = 0

    def _shape(self, variable: Variable) -> tuple[int, ...]:
        return tuple(BLOCK if axis == "block" else getattr(self, axis) for axis in variable.axes)

    def _check(self, variable: Variable, value: NDArray[Any] | None) -> None:
        shape, (low, high) = self._shape(variable), variable.limits
        if variable.symmetric:
            shape = (*shape[:-2], shape[-1] * (shape[-1] + 1) // 2)
        if (
            value is None
            or value.shape != shape
            or value.dtype != variable.dtype
            or not np.all((value == np.rint(value)) & (low <= value) & (value <= high))
        ):
            raise ValueError(
                f"{variable.name} must be whole numbers from {low:g} to {high:g} as "
                f"{np.dtype(variable.dtype)} in the shape {shape}"
            )

    def _check_memory(self) -> None:
        """Refuse a lateral layer that does not fit into memory."""
        needed = 8 * self.n_branches * self.n_places**2
        free = psutil.virtual_memory().available
        if needed > free:
            fitting = max(free // (8 * self.n_inputs), 1)
            raise MemoryError(
                f"lateral inhibition among {self.n_inputs} inputs with width "
                f"{self.parameters.width} takes {needed / 1e9:.1f} GB of memory, and "
                f"{free / 1e9:.1f} GB are free; a width of {fitting} fits"
            )


def _places(n_inputs: int, width: int) -> NDArray[np.int64]:
    """Deal inputs to as few branches as can take them, by lot, the same for every network."""
    n_branches = -(-n_inputs // width)
    n_places = -(-n_inputs // n_branches)
    inputs = np.arange(n_inputs)
    order = np.argsort(keys(_BRANCHES, inputs), kind="stable") if n_branches > 1 else inputs
    dealt = np.full(n_branches * n_places, n_inputs)
    dealt[:n_inputs] = order
    return np.sort(dealt.reshape(n_branches, n_places), axis=1)


def _triangle(square: NDArray[Any]) -> NDArray[Any]:
    """Return the upper triangles of symmetric matrices, row after row."""
    rows, columns = np.triu_indices(square.shape[-1])
    return np.asarray(square[..., rows, columns])


def _square(triangle: NDArray[Any], size: int) -> NDArray[Any]:
    """Return symmetric matrices of which the upper triangles are given."""
    square = np.empty((*triangle.shape[:-1], size, size), triangle.dtype)
    rows, columns = np.triu_indices(size)
    square[..., rows, columns] = triangle
    square[..., columns, rows] = triangle
    return square
