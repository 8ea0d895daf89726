"""The fast engine for CPUs: the same spikes and resources as the reference, bit for bit.

Columns never interact while they learn, so the columns of all members are cut into blocks, each
an independent machine that reads one stream; threads take blocks. A block keeps its weights
input-major, so that each spiking input adds one contiguous row of them, and adds inputs that
share a spike pattern only once (specification, section 7). Learning rewrites the weights of a
neuron in place.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, SpikeTrains
from spikehead.compilation import compiled, thread_count
from spikehead.heads.colanet import rules
from spikehead.heads.colanet.entry import (
    check_draws,
    check_trains,
    checked_columns,
    read_only,
)
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import (
    ALL_STEPS,
    BASE_THRESHOLD,
    DOPAMINE_STEP,
    LABEL_STEP,
    MEMORY,
    TAU,
    UNIT,
)
from spikehead.randomness import counted, keys

BLOCK = 112
"""Neurons of a block at most, unless one column has more: its weights stay in a core's cache."""

LANES = 16
"""A block's neurons are padded to a multiple of this, so that loops over them vectorise."""

_NEVER = np.iinfo(np.int32).max  # the threshold of padding


class Response(NamedTuple):
    """What an ensemble answers to a stream.

    Attributes
    ----------
    spikes : ndarray of uint8, shape (n_presentations, n_members, n_columns)
        OUT spikes of each column.
    peaks : ndarray of float32, shape (n_presentations, n_members, n_columns)
        Highest potential over threshold in each column while the input lasted.
    """

    spikes: NDArray[np.uint8]
    peaks: NDArray[np.float32]


class _Block(NamedTuple):
    """Columns of one or more members, laid out for speed; lanes are their neurons in order."""

    column: int  # the first one, counted through all members
    n_columns: int
    weights: NDArray[np.int16]  # [input, lane]
    thresholds: NDArray[np.int32]
    noise_keys: NDArray[np.uint32]
    phases: NDArray[np.int64]  # of each lane's member


class _State(NamedTuple):
    """The network's own arrays, with the neurons of all members in a row."""

    resources: NDArray[np.float32]
    stability: NDArray[np.float32]
    synapses: NDArray[np.int32]


_NO_STATE = _State(
    np.empty((0, 0), np.float32),
    np.empty(0, np.float32),
    read_only(np.empty((0, 0), np.int32)),
)


class _Answers(NamedTuple):
    """What the columns did, with the columns of all members in a row: [presentation, column]."""

    spikes: NDArray[np.uint8]
    peaks: NDArray[np.float32]
    trains: NDArray[np.uint16]  # OUT spikes as bit masks


class _Constants(NamedTuple):
    n_columns: int  # of a member
    size: int  # neurons of a column
    noise: np.uint32
    gain: float
    loss: float
    stability_rate: float
    low: np.float32
    span: np.float32
    excess: float
    silent: int


class CPUEngine:
    """Runs a network on a CPU.

    Parameters
    ----------
    network : Network
        Its state; learning changes it in place. Columns may be added between calls.
    n_threads : int, optional
        Default: as many as this process may use. The result is the same for any number.
    """

    def __init__(self, network: Network, n_threads: int | None = None) -> None:
        self.network = network
        self.n_threads = thread_count(n_threads)
        self._lay_out()

    def learn(self, trains: SpikeTrains, labels: NDArray[np.int32]) -> Response:
        """Present a stream and learn it, each presentation once and in order.

        Parameters
        ----------
        trains : SpikeTrains
            The stream.
        labels : ndarray of int32, shape (n_presentations,)
            The column of each presentation's class.

        Returns
        -------
        Response
            What it answered to each presentation before it learned it: the spikes while the input
            lasted. The label comes afterwards, and plasticity takes effect at the end.

        Raises
        ------
        ValueError
            If the stream, the labels or the network's state do not fit each other.
        """
        net = self._checked(trains)
        columns = checked_columns(labels, trains, net)
        net.make_writable()
        numbers = counted(net.presentations + 1, len(trains))
        own = net.by_neuron()
        state = _State(**{**own, "synapses": read_only(own["synapses"])})
        answers, updates = self._run(trains, columns, numbers, state)
        net.presentations += len(trains)
        net.resource_updates += updates
        self._laid_out = net.stamp()
        return Response(answers.spikes, answers.peaks)

    def respond(self, trains: SpikeTrains) -> Response:
        """Present a stream without learning; every presentation is number 0."""
        answers = self._asked(trains)
        return Response(answers.spikes, answers.peaks)

    def out_spikes(self, trains: SpikeTrains) -> NDArray[np.bool_]:
        """Present a stream as `respond` does, and return when each column's OUT neuron spiked.

        Returns
        -------
        ndarray of bool, shape (n_presentations, n_members, n_columns, 15)
        """
        masks = self._asked(trains).trains
        return (masks[..., None] >> np.arange(ALL_STEPS) & 1).astype(bool)

    def _asked(self, trains: SpikeTrains) -> _Answers:
        self._checked(trains)
        numbers = np.zeros(len(trains), np.int64)
        return self._run(trains, np.empty(0, np.int32), numbers, _NO_STATE)[0]

    def _checked(self, trains: SpikeTrains) -> Network:
        """Return the network, laid out, if it and a stream are what compiled code can be given."""
        net = self.network
        net.check()
        check_trains(trains, net.n_inputs)
        if net.has_changed_since(self._laid_out):
            self._lay_out()
        return net

    def _lay_out(self) -> None:
        """Cut the columns of all members into blocks; derive weights and thresholds."""
        self.network.check()
        check_draws(self.network)
        net, size = self.network, self.network.parameters.microcolumns
        total = net.n_members * net.n_columns
        # Every thread gets equally many blocks.
        n_blocks = self.n_threads * max(-(-total * size // (self.n_threads * BLOCK)), 1)
        per_block = max(-(-total // n_blocks), 1)
        # An odd number of lane groups spreads a neuron's weights over all sets of the cache.
        width = (-(-per_block * size // LANES) | 1) * LANES
        neurons = net.n_members * net.n_neurons
        synapses = net.synapses.reshape(neurons, -1)
        weights = net.weights().reshape(neurons, -1)
        thresholds, noise_keys = net.thresholds().ravel(), net.noise_keys().ravel()
        phases = np.repeat(net.phases, net.n_neurons)
        self._blocks = []
        for first in range(0, total, per_block):
            n_columns = min(per_block, total - first)
            lanes = slice(first * size, (first + n_columns) * size)
            pad = (0, width - n_columns * size)
            dense = np.zeros((net.n_inputs, width), np.int16)
            dense[synapses[lanes].T, np.arange(n_columns * size)] = weights[lanes].T
            self._blocks.append(
                _Block(
                    first,
                    n_columns,
                    dense,
                    np.pad(thresholds[lanes], pad, constant_values=_NEVER),
                    np.pad(noise_keys[lanes], pad),
                    np.pad(phases[lanes], pad),
                )
            )
        net.synapses.flags.writeable = False  # checked once: nobody may change them now
        self._laid_out = net.stamp()

    def _run(
        self,
        trains: SpikeTrains,
        labels: NDArray[np.int32],
        numbers: NDArray[np.int64],
        state: _State,
    ) -> tuple[_Answers, int]:
        """Let every block run the stream; return also how often a resource was changed."""
        net, p = self.network, self.network.parameters
        constants = _Constants(
            n_columns=net.n_columns,
            size=p.microcolumns,
            noise=np.uint32(p.noise),
            gain=p.potentiation,
            loss=p.relative_depression * p.potentiation,
            stability_rate=p.stability_rate,
            low=np.float32(-p.min_weight),
            span=np.float32(p.max_weight + p.min_weight),
            excess=p.threshold_excess,
            silent=p.silent_synapses,
        )
        moments = keys(numbers[:, None], np.arange(ALL_STEPS))
        stream = (
            read_only(trains.inputs),
            read_only(trains.offsets),
            read_only(trains.patterns),
            labels,
            moments,
        )
        flat = len(trains), net.n_members * net.n_columns
        answers = _Answers(
            np.empty(flat, np.uint8), np.empty(flat, np.float32), np.empty(flat, np.uint16)
        )

        def run(block: _Block) -> int:
            return int(_present(block, *stream, state, constants, answers))

        if self.n_threads == 1 or len(trains) < 8:
            updates = sum(map(run, self._blocks))
        else:
            with ThreadPoolExecutor(self.n_threads) as pool:
                updates = sum(pool.map(run, self._blocks))
        shape = len(trains), net.n_members, net.n_columns
        spikes, peaks = answers.spikes.reshape(shape), answers.peaks.reshape(shape)
        return _Answers(spikes, peaks, answers.trains.reshape(shape)), updates


@compiled
def _present(
    block: Any,
    inputs: Any,
    offsets: Any,
    patterns: Any,
    labels: Any,
    moments: Any,
    state: Any,
    constants: Any,
    answers: Any,
) -> int:
    """Present a whole stream to one block, and learn it if there are labels.

    Return how often a resource was changed.
    """
    n_inputs, width = block.weights.shape
    learns = len(labels) > 0
    answers_until = STEPS if learns else ALL_STEPS
    noisy = constants.noise > BASE_THRESHOLD * UNIT / TAU
    lane_patterns = np.empty((patterns.shape[1], width), np.int32)
    for lane in range(width):
        for group in range(len(lane_patterns)):
            lane_patterns[group, lane] = patterns[block.phases[lane], group]
    total = np.empty(width, np.int32)
    currents = np.zeros((ALL_STEPS, width), np.int32)
    potential = np.empty(width, np.int32)
    peak = np.empty(width, np.int32)
    block_end = np.empty(width, np.int32)
    trains = np.empty(width, np.int32)
    forced = np.empty(width, np.bool_)
    groups = np.empty(n_inputs, np.uint16)
    mine = np.empty(state.synapses.shape[1], np.uint16)
    active = np.empty(state.synapses.shape[1], np.uint16)
    fresh = np.empty(state.synapses.shape[1], np.int16)
    updates = 0
    for index in range(len(offsets)):
        bounds = offsets[index]
        _sum_currents(inputs, bounds, lane_patterns, block.weights, total, currents)
        potential.fill(0)
        peak.fill(0)
        block_end.fill(-1)
        trains.fill(0)
        forced.fill(False)
        # In silence nothing fires, but by strong noise or where a loser kept a high potential.
        steps = ALL_STEPS if noisy else (LABEL_STEP + 1 if learns else STEPS)
        step = 0
        while step < steps:
            moment = moments[index, step]
            if _integrate(
                step, currents[step], moment, constants.noise, block, potential, peak, block_end
            ):
                _compete(step, constants.size, block, potential, block_end, trains)
            if learns and step == LABEL_STEP:
                _force(labels[index], constants, block, potential, block_end, trains, forced)
            step += 1
            if step == STEPS and _any_above(potential, block.thresholds):
                steps = ALL_STEPS
        _answer(index, constants.size, answers_until, block, peak, trains, answers)
        if learns:
            _mark(inputs, bounds, groups)
            label = labels[index]
            for lane in range(block.n_columns * constants.size):
                if trains[lane]:
                    updates += _learn(
                        lane,
                        label,
                        groups,
                        lane_patterns[:, lane],
                        mine,
                        active,
                        fresh,
                        constants,
                        block,
                        state,
                        block_end,
                        trains,
                        forced,
                    )
    return updates


@compiled
def _sum_currents(
    inputs: Any, bounds: Any, lane_patterns: Any, weights: Any, total: Any, currents: Any
) -> None:
    """Sum the weights of the inputs that spike, for each of the presentation steps."""
    width = len(total)
    currents.fill(0)
    for group in range(len(lane_patterns)):
        total.fill(0)
        place, end = bounds[group], bounds[group + 1]
        # Four rows at a time, or the loop waits for its own sums.
        while place + 4 <= end:
            a, b = weights[inputs[place]], weights[inputs[place + 1]]
            c, d = weights[inputs[place + 2]], weights[inputs[place + 3]]
            for lane in range(width):
                total[lane] += (
                    np.int32(a[lane]) + np.int32(b[lane]) + np.int32(c[lane]) + np.int32(d[lane])
                )
            place += 4
        while place < end:
            a = weights[inputs[place]]
            for lane in range(width):
                total[lane] += a[lane]
            place += 1
        pattern = lane_patterns[group]
        for step in range(STEPS):
            current = currents[step]
            for lane in range(width):
                current[lane] += total[lane] & -(pattern[lane] >> step & 1)


@compiled
def _integrate(
    step: Any,
    current: Any,
    moment: Any,
    amplitude: Any,
    block: Any,
    potential: Any,
    peak: Any,
    block_end: Any,
) -> bool:
    """Advance every neuron by one step, and tell whether any can fire."""
    hot = False
    thresholds, noise_keys = block.thresholds, block.noise_keys
    for lane in range(len(potential)):
        is_open = block_end[lane] < step
        drive = np.int32(current[lane] + rules.noise(noise_keys[lane], moment, amplitude))
        after = np.int32(rules.integrate(potential[lane], drive if is_open else np.int32(0)))
        potential[lane] = after
        peak[lane] = max(peak[lane], after if step < STEPS else np.int32(0))
        hot |= is_open & (after > thresholds[lane])
    return hot


@compiled
def _any_above(potential: Any, thresholds: Any) -> bool:
    above = False
    for lane in range(len(potential)):
        above |= potential[lane] > thresholds[lane]
    return above


@compiled
def _compete(step: int, size: int, block: Any, potential: Any, block_end: Any, trains: Any) -> None:
    """Let the neuron with the highest potential fire in each column that has one able to."""
    for column in range(block.n_columns):
        winner = -1
        for lane in range(column * size, (column + 1) * size):
            able = block_end[lane] < step and potential[lane] > block.thresholds[lane]
            if able and (winner < 0 or potential[lane] > potential[winner]):
                winner = lane
        if winner >= 0:
            _fire(step, winner, size, potential, block_end, trains)


@compiled
def _fire(step: int, winner: int, size: int, potential: Any, block_end: Any, trains: Any) -> None:
    """Let a neuron fire: it is reset, and blocks the others of its column."""
    trains[winner] |= 1 << step
    potential[winner] = 0
    first = winner // size * size
    for lane in range(first, first + size):
        if lane != winner:
            block_end[lane] = step + MEMORY


@compiled
def _force(
    label: int, constants: Any, block: Any, potential: Any, block_end: Any, trains: Any, forced: Any
) -> None:
    """Let BIASGATE force a neuron to fire in each column of the label that stayed silent."""
    size = constants.size
    first = (label - block.column) % constants.n_columns
    for column in range(first, block.n_columns, constants.n_columns):
        winner = column * size
        silent = True
        for lane in range(column * size, (column + 1) * size):
            silent &= trains[lane] == 0
            if potential[lane] > potential[winner]:
                winner = lane
        if silent:
            forced[winner] = True
            _fire(LABEL_STEP, winner, size, potential, block_end, trains)


@compiled
def _mark(inputs: Any, bounds: Any, groups: Any) -> None:
    """Note for each input the groups that it spikes with, as a bit mask."""
    groups.fill(0)
    for group in range(len(bounds) - 1):
        for place in range(bounds[group], bounds[group + 1]):
            groups[inputs[place]] |= np.uint16(1 << group)


@compiled
def _learn(
    lane: int,
    label: int,
    groups: Any,
    pattern: Any,
    mine: Any,
    active: Any,
    fresh: Any,
    constants: Any,
    block: Any,
    state: Any,
    block_end: Any,
    trains: Any,
    forced: Any,
) -> int:
    """Apply a presentation's plasticity to a neuron that fired, and rewrite its weights.

    Return how often a resource was changed.
    """
    updates = 0
    neuron = block.column * constants.size + lane
    synapses, resources = state.synapses[neuron], state.resources[neuron]
    for synapse in range(len(synapses)):
        mine[synapse] = groups[synapses[synapse]]
    train = trains[lane]
    unforced = train & ~(1 << LABEL_STEP) if forced[lane] else train
    start = rules.first_spike(train)
    while unforced:
        begin, end = rules.first_spike(unforced), rules.tight_sequence_end(unforced)
        start = begin if begin <= DOPAMINE_STEP else start
        _find_active((2 << end) - 1, pattern, mine, active)
        change = -constants.stability_rate * constants.loss
        updates += _change(neuron, -constants.loss, change, active, constants, state)
        unforced = unforced >> (end + 1) << (end + 1)
    labelled = (block.column + lane // constants.size) % constants.n_columns == label
    remembered = rules.recent(DOPAMINE_STEP)
    if labelled and block_end[lane] < DOPAMINE_STEP and train & remembered:
        _find_active(remembered, pattern, mine, active)
        factor = -1.0 if forced[lane] else rules.dopamine_stability(DOPAMINE_STEP - start)
        change = constants.stability_rate * constants.gain * factor
        updates += _change(neuron, constants.gain, change, active, constants, state)
    positive = 0
    for synapse in range(len(synapses)):
        fresh[synapse] = np.int16(rules.weight(resources[synapse], constants.low, constants.span))
    for synapse in range(len(synapses)):
        positive += max(fresh[synapse], 0)
    for synapse in range(len(synapses)):
        block.weights[synapses[synapse], lane] = fresh[synapse]
    block.thresholds[lane] = rules.threshold(constants.excess, positive)
    return updates


@compiled
def _find_active(window: int, pattern: Any, mine: Any, active: Any) -> None:
    """Find the synapses whose inputs spiked in a window, from the groups that they are in."""
    groups = 0
    for group in range(len(pattern)):
        groups |= (pattern[group] & window != 0) << group
    for synapse in range(len(mine)):
        active[synapse] = (mine[synapse] & np.uint16(groups)) != 0


@compiled
def _change(
    neuron: int, amount: float, stability_change: float, active: Any, constants: Any, state: Any
) -> int:
    """Change the resources of a neuron's active synapses, and renormalise; return how many."""
    resources = state.resources[neuron]
    stability = np.float64(state.stability[neuron])
    n_active = 0
    for synapse in range(len(resources)):
        n_active += active[synapse]
    gain = amount * rules.plasticity(stability)
    given = rules.renormalisation(gain, n_active, len(resources), constants.silent)
    for synapse in range(len(resources)):
        resources[synapse] += np.float32(gain * active[synapse] - given)
    state.stability[neuron] = rules.changed_stability(stability, stability_change)
    return n_active if constants.silent < 0 else len(resources)


@compiled
def _popcount(train: int) -> int:
    """Return the number of spikes of a train."""
    spikes = 0
    while train:
        train &= train - 1
        spikes += 1
    return spikes


@compiled
def _answer(
    index: int, size: int, until: int, block: Any, peak: Any, trains: Any, answers: Any
) -> None:
    """Write the OUT spikes up to a step and the highest potential of each column."""
    window = (1 << until) - 1
    for column in range(block.n_columns):
        spikes = 0
        highest = np.float32(0)
        out = 0
        for lane in range(column * size, (column + 1) * size):
            train = trains[lane] & window
            out |= train
            spikes += _popcount(train)
            highest = max(highest, np.float32(peak[lane]) / np.float32(block.thresholds[lane]))
        answers.spikes[index, block.column + column] = spikes
        answers.peaks[index, block.column + column] = highest
        answers.trains[index, block.column + column] = out
