"""What a head is elsewhere: ONNX operators, a layer of NIR's neurons, operations that cost energy.

All of it is plain data. `spikehead.deployment` writes it down, `spikehead.evaluation.energy` adds
it up, and neither knows one head from another: a head says what it is by a `Deployed` of its own,
which its `SpikingClassifier.deployed` returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Operators:
    """A head that answers, as ONNX operators.

    Attributes
    ----------
    text : str
        In ONNX's textual syntax. They take `counts`, float64 [batch, n_inputs], the spike counts
        that the coding's own operators find, and `activations`; they give `votes`, float64
        [batch, n_columns], the score of each column, not negative; `confidences`, likewise, how
        likely each class is; and `familiarity`, float64 [batch].
    constants : mapping
        The values they need, by name; a list is one of int64.
    """

    text: str
    constants: Mapping[str, Any]


@dataclass(frozen=True)
class SpikingLayer:
    """A head that answers, as one layer of NIR's leaky neurons (LIF) behind synapses (Linear).

    Neurons rest at 0 and are reset to it.

    Attributes
    ----------
    weights : ndarray of float, shape (n_neurons, n_graph_inputs)
        Of the synapses.
    tau : float
        Time constant in steps.
    resistance : float
        What a neuron multiplies its current by.
    threshold : float
        A neuron spikes above it.
    metadata : mapping
        What stands in the graph beside: how spikes are made and read, and what it cannot hold.
    """

    weights: NDArray[Any]
    tau: float
    resistance: float
    threshold: float
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """A kind of operation, in additions and multiplications of 32 bits and bytes of memory.

    Attributes
    ----------
    name : str
        In the plural.
    what : str
        What happens.
    adds, multiplies : float, default=0
        Of whole numbers. One of 64 bits is two additions, or four multiplications.
    float_adds, float_multiplies : float, default=0
        Of float32.
    n_bytes : float, default=0
        Read and written.
    """

    name: str
    what: str
    adds: float = 0
    multiplies: float = 0
    float_adds: float = 0
    float_multiplies: float = 0
    n_bytes: float = 0


class Deployed:
    """What a head is elsewhere; this one can be used in Python alone.

    Parameters
    ----------
    head : SpikingClassifier
        It has learned something.
    """

    def __init__(self, head: Any) -> None:
        self.head = head

    @property
    def n_neurons(self) -> int:
        """Neurons of the head: as many has the hidden layer of the dense network beside it."""
        return int(self.head.network_.n_columns)

    def operators(self) -> Operators | None:
        """Return the head as ONNX operators, or nothing where that cannot be."""
        return None

    def layer(self) -> SpikingLayer:
        """Return the head as a layer of spiking neurons.

        Raises
        ------
        ValueError
            If NIR cannot hold it.
        """
        raise ValueError(f"a head of {self.head.title} cannot be exported as NIR")

    def input_spikes(self, X: Any) -> NDArray[np.bool_]:  # noqa: ARG002
        """Return what the layer takes for some examples, (n_samples, n_steps, n_graph_inputs).

        Parameters
        ----------
        X : array or sparse matrix
            Examples, as the head takes them.

        Raises
        ------
        ValueError
            As of `layer`.
        """
        raise ValueError(f"a head of {self.head.title} cannot be exported as NIR")

    def answering(self, X: Any) -> dict[Operation, float]:  # noqa: ARG002
        """Return how many operations an answer takes, on average; nothing if it is not known.

        Parameters
        ----------
        X : array or sparse matrix
            Examples, as the head takes them.
        """
        return {}

    def learning(self, X: Any) -> dict[Operation, float]:  # noqa: ARG002
        """Return how many operations a lesson takes, on average; nothing if it is not known.

        Parameters
        ----------
        X : array or sparse matrix
            Examples, as the head takes them.
        """
        return {}
