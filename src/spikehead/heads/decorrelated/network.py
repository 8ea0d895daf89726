"""The state of a network of decorrelated columns."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import psutil
from numpy.typing import NDArray

from spikehead.coding import STEPS
from spikehead.heads.decorrelated import rules
from spikehead.heads.decorrelated.parameters import (
    BLOCK,
    FIRST_TEMPERATURE,
    LATERAL_UNIT,
    MAX_INPUTS,
    MAX_LOG_TEMPERATURE,
    RECORD,
    TRACE_UNIT,
    UNIT,
    DecorrelatedParameters,
)
from spikehead.heads.head import ColumnarNetwork
from spikehead.randomness import keys
from spikehead.state import Variable

_BRANCHES = 4  # what the random key is for


_LARGEST = STEPS**2 * MAX_INPUTS * UNIT

STATE = (
    Variable(
        "inhibition",
        np.float64,
        ("n_branches", "n_places", "n_places"),
        (-2 * LATERAL_UNIT, 2 * LATERAL_UNIT),
        whole=True,
        symmetric=True,
    ),
    Variable(
        "traces",
        np.float64,
        ("block", "n_branches", "n_places"),
        (-2 * TRACE_UNIT, 2 * TRACE_UNIT),
        whole=True,
    ),
    Variable("n_traces", np.int64, (), (0, BLOCK - 1), whole=True),
    Variable(
        "weights",
        np.float64,
        ("n_columns", "n_branches", "n_places"),
        (-_LARGEST, _LARGEST),
        whole=True,
    ),
    Variable("energies", np.float64, ("n_columns",), (-_LARGEST, _LARGEST), whole=True),
    Variable("counts", np.int64, ("n_columns",), (0, 2**53), whole=True),
    Variable("familiarities", np.float32, ("record",), (0, 1), optional=True),
    Variable("chances", np.float32, ("record",), (0, 1), optional=True),
    Variable("answered", np.int64, (), (0, 2**53), whole=True, optional=True),
    Variable(
        "log_temperature",
        np.float64,
        (),
        (-MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE),
        initial=lambda *_: rules.rounded(np.log(FIRST_TEMPERATURE)),
        optional=True,
    ),
    Variable("slopes", np.float64, (), (1, np.inf), initial=lambda *_: 1.0, optional=True),
)
"""All that learning changes: what is saved, restored, checked, and grows with the columns."""


class Network(ColumnarNetwork):
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
    familiarities, chances : ndarray of float32, shape (RECORD,)
        Of examples that it answered before it learned them, and whose class it knew: how familiar
        each was, and how likely the right class seemed; evenly spaced over the stream, in order.
    answered : ndarray of int64, shape ()
        How many such examples there were.
    log_temperature, slopes : ndarray of float64, shape ()
        Log of what cosines are divided by to be probabilities, and the sum of squared slopes, by
        which it moves ever more slowly.
    places : ndarray of int64, shape (n_branches, n_places)
        The input in each place; `n_inputs` where there is none.

    Raises
    ------
    ValueError
        If there are too many inputs for exact sums.
    MemoryError
        If the lateral layer does not fit into the memory that is free.
    """

    variables = STATE
    block: ClassVar[int] = BLOCK
    record: ClassVar[int] = RECORD
    parameters: DecorrelatedParameters
    inhibition: NDArray[np.float64]
    traces: NDArray[np.float64]
    n_traces: NDArray[np.int64]
    weights: NDArray[np.float64]
    energies: NDArray[np.float64]
    counts: NDArray[np.int64]
    familiarities: NDArray[np.float32]
    chances: NDArray[np.float32]
    answered: NDArray[np.int64]
    log_temperature: NDArray[np.float64]
    slopes: NDArray[np.float64]

    def __init__(
        self, parameters: DecorrelatedParameters, n_inputs: int, n_columns: int = 0
    ) -> None:
        if not 1 <= n_inputs <= MAX_INPUTS:
            raise ValueError(
                f"decorrelated columns take 1 to {MAX_INPUTS} inputs, not {n_inputs}: sums of more "
                "would not be exact"
            )
        self.parameters = parameters
        self.places = _places(n_inputs, parameters.width)
        self._check_memory(n_inputs)
        super().__init__(n_inputs, n_columns)

    @property
    def n_branches(self) -> int:
        """Number of dendritic branches."""
        return len(self.places)

    @property
    def n_places(self) -> int:
        """Places on a branch."""
        return int(self.places.shape[1])

    @property
    def presentations(self) -> int:  # type: ignore[override]
        """Lessons that the network holds."""
        return int(self.counts.sum())

    @property
    def power(self) -> float:
        """What a branch's energy is measured against (l0)."""
        return self.parameters.power(self.n_places)

    @property
    def stability(self) -> NDArray[np.float64]:
        """How settled each neuron is: dopamine moves its weights by 1 / 2**stability."""
        return np.log2(np.maximum(self.counts, 1))

    @property
    def temperature(self) -> float:
        """What cosines are divided by to be probabilities (T)."""
        return float(np.exp(self.log_temperature))

    @property
    def own_answers(self) -> tuple[NDArray[Any], ...]:
        """What `rules.note` changes, in its order."""
        kept = self.familiarities, self.chances
        return (*kept, self.answered, self.log_temperature, self.slopes)

    @property
    def latest(self) -> slice:
        """The answers of the second half of the stream, among those that are kept."""
        answered = int(self.answered)
        kept = -(-answered // rules.spacing(answered))
        return slice(kept // 2, kept)

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
        beyond = counts.view(np.uint8) + np.uint8(STEPS) > 2 * STEPS  # negative ones wrap around
        if beyond.any():
            raise ValueError(
                f"a spike count must be from {-STEPS} to {STEPS}, not {counts[beyond][0]}"
            )

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
        strange = (labels < 0) | (labels >= self.n_columns)
        if strange.any():
            raise ValueError(
                f"a label must be the number of one of {self.n_columns} columns, not "
                f"{labels[strange][0]}"
            )
        heard = counts.any(axis=1)
        if not heard.all():
            raise ValueError(
                f"example {heard.argmin()} has no spikes, since its activations are all zero: it "
                "cannot be learned, leave it out"
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

    def half_thresholds(self) -> NDArray[np.float64]:
        """Return half of each neuron's threshold, in steps of 1 / `UNIT`."""
        factor, tone = self.parameters.threshold, rules.tone(self.energies, self.counts)
        return np.array([rules.half_threshold(factor, energy, tone) for energy in self.energies])

    def weight_map(self, column: int) -> NDArray[np.float64]:
        """Return the weight of each input of a column, in plain numbers, shape (n_inputs,)."""
        return self.by_input(self.weights[column]) / UNIT

    def by_input(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values of places, as `arranged` gives them for one example, input by input."""
        found = np.zeros(self.n_inputs + 1)
        found[self.places] = values
        return found[:-1]

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

    def exceeded(self, kept: NDArray[np.float32], share: float) -> float:
        """Return the number below which a share of answers lies at most, by those of the stream.

        A conformal quantile (Vovk et al., 2005): if the next example is such as those of the second
        half of the stream were, its own number is below this one with at most that probability.

        Parameters
        ----------
        kept : ndarray of float32, shape (RECORD,)
            `familiarities` or `chances`.
        share : float
            From 0 to 1.

        Returns
        -------
        float
            Minus infinity where there are too few answers to tell.
        """
        own = np.sort(kept[self.latest])
        rank = int(share * (len(own) + 1) + 1e-9)  # a twentieth of twenty is one
        return float(own[min(rank, len(own)) - 1]) if rank and len(own) else -np.inf

    def _check_memory(self, n_inputs: int) -> None:
        """Refuse a lateral layer that does not fit into memory."""
        needed = 8 * self.n_branches * self.n_places**2
        free = psutil.virtual_memory().available
        if needed > free:
            fitting = max(free // (8 * n_inputs), 1)
            raise MemoryError(
                f"lateral inhibition among {n_inputs} inputs with width "
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
