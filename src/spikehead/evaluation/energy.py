"""What the head costs: its operations, counted exactly, and an estimate of their energy.

The estimate takes the energies of single operations in a 45 nm process from M. Horowitz,
"Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9, with every
number beside the arithmetic in an SRAM of 8 KB, as in neuromorphic hardware with local memory. It
is an estimate to compare heads by, and no measurement. Left out are the encoder, which takes by
far the most; rate coding and random numbers; transport of spikes, control and clock; and static
power. What there is to count, each head says (`spikehead.heads.deployed`). A dense head of low
precision, which costs several times less than the float32 one here, is left out, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from spikehead.heads.classifiers import SpikingClassifier
from spikehead.heads.deployed import Operation

# Horowitz (2014), in joules; 32 bits, and the memory 64 bits in 10 pJ.
_INT_ADD, _INT_MULTIPLY = 0.1e-12, 3.1e-12
_FLOAT_ADD, _FLOAT_MULTIPLY = 0.9e-12, 3.7e-12
_BYTE = 10e-12 / 8

MULTIPLY_ADD = _FLOAT_MULTIPLY + _FLOAT_ADD + 4 * _BYTE
"""Energy in joules to read a float32 weight, to multiply and to add."""

WEIGHT_CHANGE = MULTIPLY_ADD + 4 * _BYTE
"""Energy in joules to add a multiple of a gradient to a float32 weight, and to write it."""


@dataclass(frozen=True)
class OperationCounts:
    """Operations of the whole head for one presentation; a mean over many.

    Attributes
    ----------
    counts : mapping
        How many there are of each kind; none where the head does not tell.
    """

    counts: Mapping[Operation, float]

    @property
    def operations(self) -> float:
        """How many there are of all kinds."""
        return sum(self.counts.values())

    @property
    def joules(self) -> float:
        """Their energy, as estimated."""
        return sum(n * joules(operation) for operation, n in self.counts.items())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        named = {kind.name.replace(" ", "_"): n for kind, n in self.counts.items()}
        return {**named, "joules": self.joules}


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
        One hidden layer of as many neurons as the head has: the hybrid paper's comparison.
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


def joules(operation: Operation) -> float:
    """Return the estimated energy of an operation in joules."""
    return (
        operation.adds * _INT_ADD
        + operation.multiplies * _INT_MULTIPLY
        + operation.float_adds * _FLOAT_ADD
        + operation.float_multiplies * _FLOAT_MULTIPLY
        + operation.n_bytes * _BYTE
    )


def measure_energy(head: SpikingClassifier, X: Any) -> Energy:
    """Return what a head that has learned costs, beside dense heads of its size.

    Parameters
    ----------
    head : SpikingClassifier
        It learns nothing here.
    X : array or sparse matrix
        Examples, as the head takes them; at least one.
    """
    deployed, n_inputs, n_classes = head.deployed(), head.n_features_in_, len(head.classes_)
    return Energy(
        OperationCounts(deployed.answering(X)),
        OperationCounts(deployed.learning(X)),
        DenseHead((n_inputs, deployed.n_neurons, n_classes)),
        DenseHead((n_inputs, n_classes)),
    )
