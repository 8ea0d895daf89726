"""Decorrelated columns elsewhere: ONNX operators, NIR's neurons, operations that cost energy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, even_spread
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import BLOCK, DISCHARGE_STEPS, UNIT
from spikehead.heads.decorrelated.rules import NEVER, TIE
from spikehead.heads.deployed import Deployed, Operation, Operators, SpikingLayer

# Whole numbers below 2**53 all the way to the residuals, so that any order of a sum is exact.
_OPERATORS = """
    # Potentials after the input, and how many thresholds fit: specification, section 3.
    heard = MatMul (counts, weights)
    risen = Add (heard, halves)
    reached = Unsqueeze (risen, axis_1)
    is_reached = GreaterOrEqual (reached, thermometer)
    each_spike = Cast <to = 11> (is_reached)
    out = ReduceSum <keepdims = 0> (each_spike, axis_1)

    # Of columns with as many spikes, what is left of the potential decides.
    fired = Mul (out, thresholds)
    unfired = Sub (risen, fired)
    above_start = Sub (unfired, halves)
    residual = Div (above_start, thresholds)
    left = Where (known, residual, unknown)
    distance = Abs (left)
    beyond = Add (distance, certain)
    squashed = Div (left, beyond)
    above_zero = Add (squashed, certain)
    in_ties = Mul (above_zero, tie)
    below_tie = Div (in_ties, two)
    votes = Add (out, below_tie)

    # What of the example is new to the lateral layer: its energy.
    padded = Pad (counts, to_no_input)
    placed = Gather <axis = 1> (padded, places)
    by_branch = Transpose <perm = [1, 0, 2]> (placed)
    lateral_double = Cast <to = 11> (lateral)
    excited = MatMul (by_branch, lateral_double)
    heard_again = Mul (excited, by_branch)
    energy = ReduceSum <keepdims = 0> (heard_again, axes_0_2)
    positive = Max (energy, nothing)
    length = Sqrt (positive)
    lengths = Unsqueeze (length, axis_1)
    sizes = Mul (lengths, column_lengths)

    # Cosines, which are familiarity, and over the temperature probabilities.
    has_size = Greater (sizes, nothing)
    ratio = Div (heard, sizes)
    cosine = Where (has_size, ratio, nothing)
    alike = Where (known, cosine, unknown)
    logits = Div (alike, temperature)
    confidences = Softmax <axis = 1> (logits)
    highest, highest_column = TopK <axis = 1> (alike, one)
    nearest = Squeeze (highest, axis_1)
    above = Max (nearest, nothing)
    familiarity = Min (above, certain)
"""

NO_LEAK = 2.0**60
"""Time constant, in steps, of neurons that forget nothing: a power of two, so that currents times
the same resistance stay as they are."""

SYNAPTIC_OPERATION = Operation(
    "synaptic operations", "a weight is added to a potential", adds=2, n_bytes=8
)
"""A spike of an input reaches a column."""

NEURON_UPDATE = Operation("neuron updates", "a potential is discharged", adds=4, n_bytes=24)
"""One step of a discharge: comparison and subtraction; the potential is read and written, the
threshold read."""

LATERAL_OPERATION = Operation(
    "lateral operations",
    "only while learning; an input's spike inhibits another input",
    adds=2,
    n_bytes=8,
)
"""A spike of an input reaches a lateral synapse, or its own trace of a lesson of this block."""

TRACE_UPDATE = Operation(
    "trace updates",
    "only while learning; a lesson of the block inhibits an input, or leaves its trace",
    multiplies=4,
    adds=2,
    n_bytes=8,
)
"""A trace is multiplied by how much its lesson resembles the example; or made."""

WEIGHT_UPDATE = Operation(
    "weight updates",
    "only while learning; depression in every column, dopamine in one",
    multiplies=4,
    adds=2,
    n_bytes=24,
)
"""A weight moves along the excitation of its input: that is read, the weight read and written. The
division by the count counts as a multiplication."""

LATERAL_UPDATE = Operation(
    "lateral updates",
    "only while learning; two inputs come to inhibit each other",
    multiplies=4,
    adds=2 + 2 / BLOCK,
    n_bytes=16 + 16 / BLOCK,
)
"""Two traces are read and multiplied, the products of a block's lessons summed; the lateral weight
is read and written once a block."""


class DeployedColumns(Deployed):
    """Decorrelated columns elsewhere.

    To name a class takes no lateral layer, which is in the weights: NIR does not hold it. ONNX
    does, in single precision, to tell how familiar an example is and how likely each class.
    Operations are those of the specification, with spikes and no multiplication by counts, every
    synapse of its own (a symmetric pair counts twice), and numbers of 64 bits, as the state holds
    them. A few operations a presentation are left out: rates, thresholds, and how ties are broken.
    """

    @property
    def _network(self) -> Network:
        network: Network = self.head.network_
        return network

    def operators(self) -> Operators:
        """Return the columns and how ties are broken as ONNX operators."""
        network = self._network
        halves = network.half_thresholds()
        constants = {
            "weights": self._weights().T,
            "halves": halves,
            "thresholds": 2 * halves,
            "thermometer": 2 * halves * np.arange(1.0, DISCHARGE_STEPS + 1)[:, None],
            "known": network.counts > 0,
            "unknown": np.float64(NEVER),
            "tie": np.float64(TIE),
            "certain": np.float64(1),
            "two": np.float64(2),
            "axis_1": [1],
            "axes_0_2": [0, 2],
            "one": [1],
            "nothing": np.float64(0),
            "to_no_input": [0, 0, 0, 1],
            "places": network.places,
            "lateral": network.lateral().astype(np.float32),
            "column_lengths": np.sqrt(np.maximum(network.energies, 0) * UNIT),
            "temperature": np.float64(network.temperature),
        }
        return Operators(_OPERATORS, constants)

    def layer(self) -> SpikingLayer:
        """Return ten neurons a column, column after column: a thermometer of its spikes.

        Neither a reset by subtraction nor a potential that another neuron reads can be had of every
        simulator; so a column is ten neurons that integrate alike, and the j-th one spikes where
        the column spikes j times or more. A last input lifts all of them, each to its own place,
        above the common threshold, which no input reaches without it. Weights are float64, in which
        the sums are exact.
        """
        weights, halves = self._weights(), self._network.half_thresholds()
        most = STEPS * np.abs(weights).sum(axis=1).max()
        threshold = 2 ** np.ceil(np.log2(max(most, UNIT)))
        spike = np.arange(1, DISCHARGE_STEPS + 1)
        # Whole potentials reach whole thresholds: half a step leaves no tie.
        lift = threshold - ((2 * spike - 1) * halves[:, None] - 0.5)
        lines = np.repeat(np.hstack([weights, -weights]), DISCHARGE_STEPS, axis=0)
        synapses = np.hstack([lines, lift.reshape(-1, 1)]) / UNIT
        return SpikingLayer(synapses, NO_LEAK, NO_LEAK, threshold / UNIT, self._metadata(halves))

    def input_spikes(self, X: Any) -> NDArray[np.bool_]:
        """Return what the layer takes for some examples, (n_samples, 11, n_graph_inputs).

        The spikes of every input's on line, of every input's off line, and the input that spikes
        at the last step.

        Parameters
        ----------
        X : array or sparse matrix
            Examples, as the head takes them.
        """
        counts = self.head.coding_.spike_counts(X)
        lines = np.maximum(np.hstack([counts, -counts]), 0)
        spikes = np.zeros((len(counts), STEPS + 1, lines.shape[1] + 1), bool)
        spikes[:, :STEPS, :-1] = even_spread(lines).transpose(1, 0, 2)
        spikes[:, STEPS, -1] = True
        return spikes

    def answering(self, X: Any) -> dict[Operation, float]:
        """Return how many operations an answer takes, on average."""
        n_columns = self._network.n_columns
        n_spikes = np.abs(self.head.coding_.spike_counts(X)).sum(axis=1).mean()
        return {
            SYNAPTIC_OPERATION: float(n_spikes * n_columns),
            NEURON_UPDATE: float(DISCHARGE_STEPS * n_columns),
        }

    def learning(self, X: Any) -> dict[Operation, float]:
        """Return how many operations a lesson takes, on average over the lessons of a block."""
        network = self._network
        n_inputs = network.n_inputs
        spikes = np.abs(self.head.coding_.spike_counts(X)).mean(axis=0)
        there = network.places < n_inputs
        sizes = there.sum(axis=1)
        arriving = network.arranged(spikes[None])[0].sum(axis=1)
        earlier = (BLOCK - 1) / 2
        n_learned = np.count_nonzero(network.counts)
        return {
            **self.answering(X),
            LATERAL_OPERATION: float(arriving @ (sizes + earlier)),
            TRACE_UPDATE: (earlier + 1) * n_inputs,
            WEIGHT_UPDATE: float((n_learned + 1) * n_inputs),
            LATERAL_UPDATE: float((sizes**2).sum()),
        }

    def _weights(self) -> NDArray[np.float64]:
        """Return the weights of all columns in whole steps, [column, input]."""
        network = self._network
        maps = [network.weight_map(column) for column in range(network.n_columns)]
        return np.array(maps) * UNIT

    def _metadata(self, halves: NDArray[np.float64]) -> dict[str, Any]:
        return {
            "steps": STEPS + 1,
            "scale": self._network.parameters.scale,
            "thresholds": 2 * halves / UNIT,
            "signed": "An activation x gives k = sign(x) floor(min(10 |x| / (scale rms), 10) + 1/2)"
            " spikes, where rms is the root mean square of the example's activations: on its input"
            f"'s on line where k > 0, on its off line where k < 0, spread over {STEPS} steps by an "
            f"accumulator that starts at 0 and grows by |k| / {STEPS} each step: a spike where it "
            "reaches 1, which is taken off.",
            "inputs": f"All on lines, all off lines, and one input that spikes at step {STEPS + 1} "
            "alone. Potentials start from 0.",
            "vote": f"The outputs are classes x {DISCHARGE_STEPS}: a class has as many OUT spikes "
            f"as neurons of its own spike, all at step {STEPS + 1}; the class with the most wins, "
            "and of equal ones the one with the most left of its potential, over the threshold.",
            "thresholds_unit": "Thresholds of the model, in the unit of the weights. The last "
            "weight of a class's neuron j is the layer's threshold less j - 1/2 of the model's.",
            "not_held": "Plasticity, and with it the lateral layer. The reset by subtraction, by "
            "which one neuron a class spikes up to ten times. The rule for equal OUT spikes.",
        }
