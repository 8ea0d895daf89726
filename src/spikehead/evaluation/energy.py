"""What the head costs: its operations, counted exactly, and an estimate of their energy.

The estimate takes the energies of single operations in a 45 nm process from M. Horowitz,
"Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9, with every
number beside the arithmetic in an SRAM of 8 KB, as in neuromorphic hardware with local memory. It
is an estimate to compare heads by, and no measurement. Left out are the encoder, which takes by
far the most; rate coding and random numbers; transport of spikes, control and clock; and static
power. A dense head of low precision, which costs several times less than the float32 one here, is
left out, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import ALL_STEPS

# Horowitz (2014), in joules; 32 bits, and the memory 64 bits in 10 pJ.
_INT_ADD, _INT_MULTIPLY = 0.1e-12, 3.1e-12
_FLOAT_ADD, _FLOAT_MULTIPLY = 0.9e-12, 3.7e-12
_BYTE = 10e-12 / 8

SYNAPTIC_OPERATION = _INT_ADD + 2 * _BYTE
"""Energy in joules to read a weight of 16 bits and to add it to a potential."""

NEURON_UPDATE = _INT_MULTIPLY + 5 * _INT_ADD + 12 * _BYTE
"""Energy in joules of one step of an L neuron.

The leak (a division by a constant is a multiplication, and a subtraction), current and noise,
comparisons with zero and the threshold; the potential is read and written, the threshold read.
"""

RESOURCE_UPDATE = 4 * _FLOAT_ADD + 3 * _FLOAT_MULTIPLY + _INT_ADD + 10 * _BYTE
"""Energy in joules to change a synapse's resource, and its weight and share in the threshold.

The division in the weight counts as a multiplication, for want of a figure; the resource is read
and written, the weight written.
"""

MULTIPLY_ADD = _FLOAT_MULTIPLY + _FLOAT_ADD + 4 * _BYTE
"""Energy in joules to read a float32 weight, to multiply and to add."""

WEIGHT_CHANGE = MULTIPLY_ADD + 4 * _BYTE
"""Energy in joules to add a multiple of a gradient to a float32 weight, and to write it."""


@dataclass(frozen=True)
class OperationCounts:
    """Operations of the whole ensemble for one presentation; a mean over many.

    Attributes
    ----------
    synaptic_operations : float
        Spikes that reach an existing synapse: each adds a weight to a potential. Those that a
        blocked neuron ignores count as well.
    neuron_updates : float
        Steps of L neurons, fifteen each.
    resource_updates : float, default=0.0
        Changes of a synapse's resource, and with it of its weight; none without learning.
    """

    synaptic_operations: float
    neuron_updates: float
    resource_updates: float = 0.0

    @property
    def operations(self) -> float:
        """How many there are of all kinds."""
        return self.synaptic_operations + self.neuron_updates + self.resource_updates

    @property
    def joules(self) -> float:
        """Their energy, as estimated."""
        return (
            self.synaptic_operations * SYNAPTIC_OPERATION
            + self.neuron_updates * NEURON_UPDATE
            + self.resource_updates * RESOURCE_UPDATE
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**vars(self), "joules": self.joules}


@dataclass(frozen=True)
class DenseHead:
    """A dense float32 network on the same activations.

    Attributes
    ----------
    layers : tuple of int
        Inputs, neurons of each hidden layer, classes.
    """

    layers: tuple[int, ...]

    @property
    def multiplications(self) -> int:
        """Those of an answer, one for each weight."""
        return sum(a * b for a, b in pairwise(self.layers))

    @property
    def answering_joules(self) -> float:
        """The estimated energy of an answer."""
        return self.multiplications * MULTIPLY_ADD

    @property
    def learning_joules(self) -> float:
        """The estimated energy of learning an example by one step of plain gradient descent.

        Every weight is used and changed; those behind the first layer carry the error back as well.
        """
        backward = DenseHead(self.layers[1:]).answering_joules
        return self.answering_joules + backward + self.multiplications * WEIGHT_CHANGE

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "layers": list(self.layers),
            "multiplications": self.multiplications,
            "answering_joules": self.answering_joules,
            "learning_joules": self.learning_joules,
        }


@dataclass(frozen=True)
class Energy:
    """What a head costs, beside dense heads.

    Attributes
    ----------
    answering, learning : OperationCounts
        Per presentation.
    ann : DenseHead
        One hidden layer of as many neurons as the ensemble has: the hybrid paper's comparison.
    linear : DenseHead
        A single layer from the activations to the classes: the smallest dense head.
    """

    answering: OperationCounts
    learning: OperationCounts
    ann: DenseHead
    linear: DenseHead

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {name: part.to_dict() for name, part in vars(self).items()}


def answering(network: Network, counts: NDArray[np.uint8]) -> OperationCounts:
    """Count what it takes to answer presentations, without learning.

    Parameters
    ----------
    network : Network
        The ensemble.
    counts : ndarray of uint8, shape (n_presentations, n_inputs)
        How often each input spikes, as `spikehead.coding.spike_counts` returns it.

    Returns
    -------
    OperationCounts
        The mean.
    """
    synapses = np.bincount(network.synapses.ravel(), minlength=network.n_inputs)
    return OperationCounts(
        synaptic_operations=float(counts.mean(axis=0) @ synapses),
        neuron_updates=float(ALL_STEPS * network.stability.size),
    )


def learning(network: Network, counts: NDArray[np.uint8]) -> OperationCounts:
    """Count what it takes to learn presentations.

    Parameters
    ----------
    network : Network
        The ensemble; its resource updates are those of its whole life.
    counts : ndarray of uint8, shape (n_presentations, n_inputs)
        As for `answering`.

    Returns
    -------
    OperationCounts
        The mean.
    """
    updates = network.resource_updates / max(network.presentations, 1)
    return replace(answering(network, counts), resource_updates=updates)


def measure_energy(network: Network, counts: NDArray[np.uint8]) -> Energy:
    """Return what an ensemble that has learned costs, beside dense heads of its size.

    Parameters
    ----------
    network : Network
        The ensemble.
    counts : ndarray of uint8, shape (n_presentations, n_inputs)
        As for `answering`.
    """
    n_inputs, n_classes = network.n_inputs, network.n_columns
    return Energy(
        answering(network, counts),
        learning(network, counts),
        DenseHead((n_inputs, network.stability.size, n_classes)),
        DenseHead((n_inputs, n_classes)),
    )
