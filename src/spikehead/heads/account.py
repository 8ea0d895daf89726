"""What happened while a head answered one example: what pictures are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Account:
    """One presentation, step by step; what a head does not tell is None.

    Attributes
    ----------
    spikes : ndarray of bool, shape (n_members, n_steps, n_columns)
        OUT spikes.
    member : int, default=0
        The member of which the rest tells: the one that agrees most with the answer.
    input : ndarray of int8, shape (n_input_steps, n_inputs), optional
        Spikes of the inputs: 1, or -1 of the off line of an input that has one.
    potentials : ndarray of float64, shape (n_steps, n_columns), optional
        The highest potential of each column's neurons, over its threshold.
    weights : ndarray of float64, shape (n_columns, n_inputs), optional
        Of the neuron of each column that came nearest to firing; NaN where it has no synapse.
    excitation : ndarray of float64, shape (n_inputs,), optional
        What the lateral inhibition among the inputs, if there is any, left of their spikes.
    """

    spikes: NDArray[Any]
    member: int = 0
    input: NDArray[np.int8] | None = None
    potentials: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None
    excitation: NDArray[np.float64] | None = None

    @property
    def votes(self) -> NDArray[np.float64]:
        """Each column's share in the OUT spikes of each member, shape (n_members, n_columns).

        Rows add up to 1, or to 0 where no neuron fired.
        """
        counts = self.spikes.sum(axis=1)
        return np.asarray(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)))
