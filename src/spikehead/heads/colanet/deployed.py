"""CoLaNET elsewhere: ONNX operators, NIR's leaky neurons, operations that cost energy."""

from __future__ import annotations

from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, even_spread
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import ALL_STEPS, MEMORY, TAU, UNIT
from spikehead.heads.colanet.rules import TIE
from spikehead.heads.deployed import Deployed, Operation, Operators, SpikingLayer

# A type is 1 (float), 6 (int32), 11 (double), or what holds every sum of weights exactly.
_FLOAT, _DOUBLE = 1, 11
_OPERATORS = Template("""
    # What the inputs of each count bring a neuron when they spike: section 7.
    by_level = Unsqueeze (counts, axis_1)
    is_level = Equal (by_level, levels)
    of_level = Cast <to = $exact> (is_level)
    exact_weights = Cast <to = $exact> (weights)
    sums = MatMul (of_level, exact_weights)
    whole_sums = Cast <to = 6> (sums)
    brought = Reshape (whole_sums, levels_and_neurons)

    # The presentation, step by step: section 3.
    shape = Shape (activations)
    batch_size = Gather (shape, axis_0)
    state = Concat <axis = 0> (batch_size, neurons)
    rest = Expand (zero, state)
    u_end, opens_end, spikes, peaks = Scan <num_scan_inputs = 3, body = step (
        int32[batch, $members, $columns, $size] u,
        int32[batch, $members, $columns, $size] opens,
        int32[batch, $members, $columns, $size] fired,
        int32[batch, $members, $columns, $size] peak,
        int32 now,
        int32[level, $members, 1, 1] spiking,
        int32[$members, $columns, $size] stimulation
    ) => (
        int32[batch, $members, $columns, $size] next_u,
        int32[batch, $members, $columns, $size] next_opens,
        int32[batch, $members, $columns, $size] next_fired,
        int32[batch, $members, $columns, $size] next_peak
    ) {
        bringing = Mul (brought, spiking)
        current = ReduceSum <keepdims = 0> (bringing, axis_1)
        drive = Add (current, stimulation)
        is_open = GreaterOrEqual (now, opens)
        felt = Where (is_open, drive, zero)
        leak = Div (u, tau)
        left = Sub (u, leak)
        risen = Add (left, felt)
        after = Max (risen, zero)

        higher = Max (peak, after)
        has_input = Less (now, input_steps)
        next_peak = Where (has_input, higher, peak)

        is_above = Greater (after, thresholds)
        is_able = And (is_open, is_above)
        candidate = Where (is_able, after, zero)
        highest, winner = TopK <axis = -1> (candidate, one)
        fires = Greater (highest, zero)
        is_winner = Equal (microcolumns, winner)
        is_loser = Not (is_winner)
        spike = And (is_winner, fires)
        is_blocked = And (is_loser, fires)
        next_u = Where (spike, zero, after)
        unblocked = Add (now, block)
        next_opens = Where (is_blocked, unblocked, opens)
        counted = Cast <to = 6> (spike)
        next_fired = Add (fired, counted)
    }> (rest, rest, rest, rest, steps, patterns, noise)

    # The vote: section 5.
    out = ReduceSum <keepdims = 0> (spikes, axis_3)
    total = ReduceSum (out, axis_2)
    divisor = Max (total, one_spike)
    precise_out = Cast <to = 11> (out)
    precise_divisor = Cast <to = 11> (divisor)
    shares = Div (precise_out, precise_divisor)
    share = ReduceSum <keepdims = 0> (shares, axis_1)
    mean_share = Div (share, members)
    in_ties = Div (mean_share, tie)
    whole_ties = Round (in_ties)
    rounded = Mul (whole_ties, tie)

    peak_float = Cast <to = 1> (peaks)
    threshold_float = Cast <to = 1> (thresholds)
    ratios = Div (peak_float, threshold_float)
    column_ratio, column_winner = TopK <axis = -1> (ratios, one)
    precise_ratio = Cast <to = 11> (column_ratio)
    reached = ReduceSum <keepdims = 0> (precise_ratio, axes_1_3)
    above_reached = Add (reached, certain)
    below_one = Div (reached, above_reached)
    below_tie = Mul (below_one, tie)
    votes = Add (rounded, below_tie)
    all_votes = ReduceSum (votes, axis_1)
    any_vote = Greater (all_votes, never)
    of_all = Div (votes, all_votes)
    confidences = Where (any_vote, of_all, even)

    # Familiar is what the winner spikes at, of all it could.
    of_members = ReduceSum <keepdims = 0> (out, axis_1)
    precise_members = Cast <to = 11> (of_members)
    most, most_column = TopK <axis = -1> (precise_members, one)
    winner_spikes = Squeeze (most, axis_1)
    familiarity = Div (winner_spikes, possible)
""")

SYNAPTIC_OPERATION = Operation(
    "synaptic operations", "a weight is added to a potential", adds=1, n_bytes=2
)
"""A spike reaches a synapse: its weight of 16 bits is read. Those that a blocked neuron ignores
count as well."""

NEURON_UPDATE = Operation(
    "neuron updates", "leak, noise, threshold", multiplies=1, adds=5, n_bytes=12
)
"""One step of an L neuron: the leak (a division by a constant is a multiplication, and a
subtraction), current and noise, comparisons with zero and the threshold; the potential is read and
written, the threshold read."""

RESOURCE_UPDATE = Operation(
    "resource updates",
    "only while learning; the mean over all photos learned",
    float_adds=4,
    float_multiplies=3,
    adds=1,
    n_bytes=10,
)
"""A change of a synapse's resource, and with it of its weight and its share in the threshold. The
division in the weight counts as a multiplication, for want of a figure; the resource is read and
written, the weight written."""


class DeployedCoLaNET(Deployed):
    """CoLaNET elsewhere.

    The ONNX operators keep its integer arithmetic. Of what NIR's equations cannot hold -
    plasticity, the floor of the potentials, integer arithmetic, the vote - the layer's metadata
    tell.
    """

    @property
    def n_neurons(self) -> int:
        """L neurons of all members."""
        return int(self._network.stability.size)

    @property
    def _network(self) -> Network:
        network: Network = self.head.network_
        return network

    def operators(self) -> Operators:
        """Return the ensemble and its vote as ONNX operators."""
        network = self._network
        n_members, n_columns = network.n_members, network.n_columns
        size = network.parameters.microcolumns
        neurons = n_members, n_columns, size
        maps = [network.weight_map(c, m) for m in range(n_members) for c in range(n_columns)]
        weights = np.concatenate(maps).T * np.float32(UNIT)
        levels = np.arange(1, STEPS + 1)
        # [step, level, member]
        patterns = np.zeros((ALL_STEPS, STEPS, n_members), np.int32)
        for member, phase in enumerate(network.phases.tolist()):
            patterns[:STEPS, :, member] = even_spread(levels, phase)
        constants = {
            "levels": levels.astype(np.float64)[:, None],
            "weights": weights.astype(np.int16),
            "levels_and_neurons": [0, STEPS, *neurons],
            "neurons": [*neurons],
            "steps": np.arange(ALL_STEPS, dtype=np.int32),
            "patterns": patterns[..., None, None],
            "noise": network.noise().reshape(ALL_STEPS, *neurons),
            "tau": np.int32(TAU),
            "input_steps": np.int32(STEPS),
            "thresholds": network.thresholds().reshape(neurons),
            "microcolumns": [*range(size)],
            "block": np.int32(MEMORY + 1),
            "members": np.float64(n_members),
            "possible": np.float64(n_members * ALL_STEPS),
            "never": np.float64(0),
            "even": np.float64(1 / n_columns),
            "tie": np.float64(TIE),
            "zero": np.int32(0),
            "one_spike": np.int32(1),
            "certain": np.float64(1),
            "one": [1],
            "axis_0": [0],
            "axis_1": [1],
            "axis_2": [2],
            "axis_3": [3],
            "axes_1_3": [1, 3],
        }
        # A float32 holds every whole number up to 2**24.
        small = np.abs(weights).sum(axis=0).max() <= 2**24
        text = _OPERATORS.substitute(
            exact=_FLOAT if small else _DOUBLE, members=n_members, columns=n_columns, size=size
        )
        return Operators(text, constants)

    def layer(self) -> SpikingLayer:
        """Return the L neurons of all members side by side, member after member.

        Potentials are in units of each neuron's threshold, since several simulators know one
        threshold a layer; the resistance is 1, so that the weights contain tau / dt = 9.

        Raises
        ------
        ValueError
            If there are several microcolumns.
        """
        microcolumns = self._network.parameters.microcolumns
        if microcolumns > 1:
            raise ValueError(
                f"NIR cannot hold a head of {microcolumns} microcolumns: where several neurons of "
                "a column reach their thresholds in one step, only the one with the highest "
                "potential may fire, and NIR's neurons cannot compare potentials; export it as "
                "ONNX, or learn with microcolumns=1"
            )
        return SpikingLayer(self._synapses(), TAU, 1.0, 1.0, self._metadata())

    def input_spikes(self, X: Any) -> NDArray[np.bool_]:
        """Return what the layer takes for some examples, (n_samples, 15, n_graph_inputs).

        For each distinct phase of the members' even spread, the spikes of every input; then 15
        inputs more, of which number ``t`` spikes at step ``t``: through them comes the noise of
        that step.

        Parameters
        ----------
        X : array or sparse matrix
            Examples, as the head takes them.
        """
        network, trains = self._network, self.head.coding_.to_answer(X)
        phases = np.unique(network.phases).tolist()
        shape = len(trains), ALL_STEPS, len(phases) * network.n_inputs + ALL_STEPS
        spikes = np.zeros(shape, bool)
        for index in range(len(trains)):
            rasters = [trains.raster(index, phase) for phase in phases]
            spikes[index, :STEPS, :-ALL_STEPS] = np.concatenate(rasters, axis=1)
        spikes[:, :, -ALL_STEPS:] = np.eye(ALL_STEPS, dtype=bool)
        return spikes

    def answering(self, X: Any) -> dict[Operation, float]:
        """Return how many operations the whole ensemble's answer takes, on average."""
        network, counts = self._network, self.head.coding_.spike_counts(X)
        synapses = np.bincount(network.synapses.ravel(), minlength=network.n_inputs)
        return {
            SYNAPTIC_OPERATION: float(counts.mean(axis=0) @ synapses),
            NEURON_UPDATE: float(ALL_STEPS * network.stability.size),
            RESOURCE_UPDATE: 0.0,
        }

    def learning(self, X: Any) -> dict[Operation, float]:
        """Return how many operations a lesson takes; resource updates are those of its life."""
        updates = self._network.resource_updates / max(self._network.presentations, 1)
        return {**self.answering(X), RESOURCE_UPDATE: updates}

    def _synapses(self) -> NDArray[np.float32]:
        """Return the weights of all neurons, [neuron, graph input]."""
        network = self._network
        n_inputs = network.n_inputs
        phases, phase_of = np.unique(network.phases, return_inverse=True)
        shape = network.n_members, network.n_columns, len(phases) * n_inputs + ALL_STEPS
        weights = np.zeros(shape, np.float32)
        for member, phase in enumerate(phase_of):
            inputs = slice(phase * n_inputs, (phase + 1) * n_inputs)
            for column in range(network.n_columns):
                (weights[member, column, inputs],) = network.weight_map(column, member)
        # The model's leak, u // 9, takes less than u / 9: on average by 4 / 9 of a step.
        rounding = (TAU - 1) / 2 / TAU
        weights[..., -ALL_STEPS:] = (np.moveaxis(network.noise(), 0, -1) + rounding) / UNIT
        # Whole potentials fire above whole thresholds: half a step leaves no tie to float
        # arithmetic.
        weights *= (TAU * UNIT / (network.thresholds() + 0.5)).astype(np.float32)[..., None]
        return weights.reshape(-1, shape[2])

    def _metadata(self) -> dict[str, Any]:
        network, coding = self._network, self.head.coding_
        return {
            "steps": ALL_STEPS,
            "members": network.n_members,
            "saturation": network.parameters.saturation,
            "gains": coding.constants().get("gains", np.ones(network.n_inputs)),
            "phases": np.unique(network.phases),
            "thresholds": network.thresholds().ravel(),
            "coding": self.head.coding,
            "even": "An activation times its input's gain, a, gives "
            f"k = floor({STEPS} min(a / saturation, 1) + 1/2) spikes, "
            f"spread over {STEPS} steps by an accumulator that starts at phase / {STEPS} and grows "
            f"by k / {STEPS} each step: a spike where it reaches 1, which is taken off.",
            "inputs": f"The spikes of all activations for each of the phases; then {ALL_STEPS} "
            "inputs that spike at one step each, with the noise of that step as weights. "
            "Potentials start from 0.",
            "vote": "The outputs are members x classes. A member's vote for a class is its share "
            "of the member's output spikes in all steps, none where there are none; the class with "
            "the highest sum of votes wins, and of equal ones the one whose potentials came "
            "highest.",
            "thresholds_unit": "Thresholds of the model in steps of 2**-12. A weight of the graph "
            "is the model's, times tau / dt, over the threshold plus half a step.",
            "not_held": "Plasticity. Potentials that never fall below 0. Integer arithmetic, by "
            "which a step's leak is u // 9. The rule for equal votes.",
        }
