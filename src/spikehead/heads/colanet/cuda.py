"""The engine for GPUs: the same spikes and resources as the reference, for whole populations.

Columns never interact while they learn, so a block of threads takes some columns of one member of
one network through a whole stream, and no block ever waits for another. Each neuron has a thread,
which keeps its potential in registers; to sum currents and to learn, all threads of the block work
together. Weights are input-major, so that neighbouring threads read neighbouring weights.

Currents are integers, whose sums are exact in any order, and a floating-point product is rounded
before it is added to anything: so the GPU computes the very bits that the CPU computes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import config, types
from numba.extending import overload
from numpy.typing import NDArray

from spikehead.coding import STEPS, SpikeTrains
from spikehead.heads.colanet import rules
from spikehead.heads.colanet.cpu import Response
from spikehead.heads.colanet.entry import (
    check_draws,
    check_inputs,
    check_trains,
    checked_columns,
)
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import (
    ALL_STEPS,
    DOPAMINE_STEP,
    LABEL_STEP,
    MEMORY,
    CoLaNETParameters,
)
from spikehead.randomness import counted, keys

try:
    from numba import cuda
    from numba.cuda import libdevice
except ImportError:
    raise ImportError(
        "computing on a GPU needs numba-cuda; install it with: pip install 'spikehead[gpu]'"
    ) from None

NEURONS = 64
"""Neurons of a block at most, unless one column has more."""

THREADS = 320
"""Threads of a block at most, unless it has more neurons: for each group of inputs a thread to two
neurons."""

WARP = 32
"""A block's neurons are padded to a multiple of this, so that rows of weights are aligned."""

SHARED_BYTES = 48 * 1024 - 256
"""Memory that the threads of a block can share on every GPU, less that of a few numbers."""

# With 64 registers a thread, a block may have 1024 threads, and three usual ones fit on a
# multiprocessor at a time. The simulator has no such option.
_options = {} if config.ENABLE_CUDASIM else {"max_registers": 64}  # type: ignore[attr-defined]
_kernel: Callable[[Any], Any] = cuda.jit(**_options)
_device: Callable[[Any], Any] = cuda.jit(device=True)

_BLOCK = np.dtype(
    [
        ("network", np.int32),  # whose stream it reads, and whose answers it writes
        ("column", np.int32),  # its first column
        ("n_columns", np.int32),
        ("microcolumns", np.int32),
        ("answer", np.int32),  # its first column, counted through all members
        ("place", np.int32),  # where its weights are
        ("neuron", np.int64),  # its first neuron, counted through all networks
        ("draw", np.int64),  # where that neuron's synapses and noise key are
        ("phase", np.int32),
        ("noise", np.uint32),
        ("silent", np.int32),
        ("start", np.float32),  # resource of a synapse that has learned nothing
        ("low", np.float32),
        ("span", np.float32),
        ("excess", np.float64),
        ("gain", np.float64),
        ("loss", np.float64),
        ("stability_rate", np.float64),
    ],
    align=True,
)


class _Stream(NamedTuple):
    """What is presented."""

    inputs: Any
    offsets: Any  # [network, presentation, group]
    patterns: Any
    labels: Any
    moments: Any


class _State(NamedTuple):
    """What learning changes, and the draws that all networks share."""

    weights: Any  # int16 [block, input, lane]; lanes are a block's neurons in order
    pairs: Any  # the same memory as int32, two lanes at a time
    resources: Any  # float32 [neuron, synapse]
    stability: Any  # float32 [neuron]
    thresholds: Any  # int32 [neuron]
    updates: Any  # int64 [block]: how often a resource was changed
    synapses: Any  # int32 [draw, synapse]
    noise_keys: Any  # uint32 [draw]


class _Lesson(NamedTuple):
    """What the threads of a block share while a neuron learns."""

    spikes: Any  # int32 [input]: the steps at which it spikes, as a bit mask
    firing: Any  # int32 [3]: the neuron's own spikes, whether it was forced, whether rewarded
    sums: Any  # int32 [1]: what the threads add up; zero in between
    changes: Any  # float32 [2]: what the resource of a silent and of an active synapse gains


class DeviceResponse(NamedTuple):
    """What a population answers to a stream; it stays on the GPU.

    Attributes
    ----------
    outs : device array of uint16, shape (n_networks, n_presentations, n_members * n_columns)
        OUT spikes of each column as a bit mask (bit ``t``: step ``t``).
    peaks : device array of float32, of the same shape
        Highest potential over threshold in each column while the input lasted.
    """

    outs: Any
    peaks: Any


def check_gpu() -> None:
    """Raise an `OSError` where there is no GPU to compute on."""
    if not cuda.is_available():
        raise OSError(
            "there is no NVIDIA GPU to compute on, or its driver or numba-cuda is missing "
            "(pip install 'spikehead[gpu]'); compute on the CPU instead"
        )


class Population:
    """Networks on a GPU that differ in their hyperparameters only.

    They start knowing nothing.

    Parameters
    ----------
    network : Network
        What all have in common: inputs, columns, members and draws. It is not changed.
    candidates : sequence of CoLaNETParameters
        Hyperparameters of each, with the synapses of `network` and no more microcolumns than it.

    Raises
    ------
    OSError
        If there is no GPU.
    MemoryError
        If a network has too many inputs or microcolumns for one.
    """

    def __init__(self, network: Network, candidates: Sequence[CoLaNETParameters]) -> None:
        check_gpu()
        network.check()
        check_draws(network)
        for p in candidates:
            synapses = min(network.n_inputs, p.max_synapses)
            if synapses != network.n_synapses or p.microcolumns > network.parameters.microcolumns:
                raise ValueError(
                    f"a candidate of {synapses} synapses and {p.microcolumns} microcolumns cannot "
                    f"share the draws of a network of {network.n_synapses} and "
                    f"{network.parameters.microcolumns}"
                )
        self._network = network
        self._n_members, self._n_columns = network.n_members, network.n_columns
        self._presentations = self._updates = 0
        self._inputs: tuple[Any, Any] = None, None
        self._blocks = _cut(network, candidates)
        n_blocks, width = len(self._blocks), _width(candidates, network.n_columns)
        if _shared_bytes(network.n_inputs, width) > SHARED_BYTES:
            raise MemoryError(
                f"{network.n_inputs} inputs and columns of {width} neurons are too many for the "
                "shared memory of a GPU; compute on the CPU instead"
            )
        n_neurons = network.n_members * network.n_columns * sum(p.microcolumns for p in candidates)
        weights = cuda.device_array((n_blocks, network.n_inputs, width), np.int16)
        self._state = _State(
            weights,
            weights.view(np.int32),
            cuda.device_array((n_neurons, network.n_synapses), np.float32),
            cuda.device_array(n_neurons, np.float32),
            cuda.device_array(n_neurons, np.int32),
            cuda.to_device(np.zeros(n_blocks, np.int64)),
            cuda.to_device(network.synapses.reshape(-1, network.n_synapses)),
            cuda.to_device(network.noise_keys().ravel()),
        )
        self._launch(_forget, self._state)
        self._launch(_derive, self._state)

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on with some of the networks only; `chosen` ascends."""
        blocks = self._blocks[np.isin(self._blocks["network"], chosen)]
        blocks["network"] = np.searchsorted(chosen, blocks["network"])
        self._blocks = blocks

    def learn(self, trains: Sequence[SpikeTrains], labels: NDArray[np.int32]) -> DeviceResponse:
        """Present a stream and learn it, each presentation once and in order.

        Parameters
        ----------
        trains : sequence of SpikeTrains
            The stream as each network reads it. They have their `inputs` in common; where the
            next call brings the same, these are still on the GPU.
        labels : ndarray of int32, shape (n_presentations,)
            The column of each presentation's class.

        Returns
        -------
        DeviceResponse
            To each presentation before it was learned: the spikes while the input lasted.

        Raises
        ------
        ValueError
            If a stream or the labels do not fit the networks.
        """
        columns = checked_columns(labels, trains[0], self._network)
        answers = self._present(trains, columns, counted(self._presentations + 1, len(columns)))
        self._presentations += len(columns)
        return answers

    def respond(self, trains: Sequence[SpikeTrains]) -> DeviceResponse:
        """Present a stream without learning; every presentation is number 0."""
        return self._present(trains, np.empty(0, np.int32), np.zeros(len(trains[0]), np.int64))

    def decide(self, trains: Sequence[SpikeTrains]) -> NDArray[np.int32]:
        """Return the column that each network decides for, shape (n_networks, n_presentations)."""
        answers = self.respond(trains)
        columns = cuda.device_array(answers.outs.shape[:2], np.int32)
        if columns.size:
            shared = 8 * (self._n_members + self._n_columns)
            configured = _configured(_decide, columns.shape[::-1], 2 * WARP, shared)
            configured(answers, self._n_members, columns)
        return np.asarray(columns.copy_to_host())

    def upload(self, network: Network) -> None:
        """Take up the state of a network, the only one of the population."""
        self._presentations, self._updates = network.presentations, network.resource_updates
        self._state.updates.copy_to_device(np.zeros(len(self._blocks), np.int64))
        for name, array in network.by_neuron().items():
            getattr(self._state, name).copy_to_device(array)
        self._launch(_derive, self._state)

    def download(self, network: Network) -> None:
        """Give a network the state of the only one of the population."""
        network.presentations = self._presentations
        network.resource_updates = self._updates + int(self._state.updates.copy_to_host().sum())
        for name in network.by_neuron().keys() - {"synapses"}:
            found = getattr(self._state, name).copy_to_host()
            setattr(network, name, found.reshape(getattr(network, name).shape))

    def _present(
        self, trains: Sequence[SpikeTrains], labels: NDArray[np.int32], numbers: NDArray[np.int64]
    ) -> DeviceResponse:
        first = trains[0]
        if len(trains) != 1 + self._blocks["network"].max(initial=len(trains) - 1):
            raise ValueError("there must be spike trains for each network")
        for one in trains:
            if one.inputs is not first.inputs or one.offsets.shape != first.offsets.shape:
                raise ValueError(
                    "the spike trains of all networks must have their inputs in common"
                )
            check_trains(one, self._network.n_inputs, known=True)
        if first.inputs is not self._inputs[0]:
            check_inputs(first.inputs, self._network.n_inputs)
            self._inputs = first.inputs, cuda.to_device(first.inputs.view(np.uint32))
        shape = len(trains), len(first), self._n_members * self._n_columns
        answers = DeviceResponse(
            cuda.device_array(shape, np.uint16), cuda.device_array(shape, np.float32)
        )
        stream = _Stream(
            self._inputs[1],
            cuda.to_device(np.stack([one.offsets for one in trains]).view(np.uint64)),
            cuda.to_device(first.patterns),
            cuda.to_device(labels),
            cuda.to_device(keys(numbers[:, None], np.arange(ALL_STEPS))),
        )
        self._launch(_present, stream, self._state, answers)
        return answers

    def _launch(self, kernel: Any, *arguments: Any) -> None:
        """Run a kernel on every block."""
        _, n_inputs, width = self._state.weights.shape
        threads = max(min(THREADS, STEPS * width // 2) // width, 1) * width
        configured = _configured(kernel, len(self._blocks), threads, _shared_bytes(n_inputs, width))
        configured(cuda.to_device(self._blocks), *arguments)


class CUDAEngine:
    """Runs a network on a GPU.

    Parameters
    ----------
    network : Network
        Its state; learning changes it in place. Columns may be added between calls.

    Raises
    ------
    OSError
        If there is no GPU.
    MemoryError
        If the network has too many inputs or microcolumns for one.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._upload()

    def learn(self, trains: SpikeTrains, labels: NDArray[np.int32]) -> Response:
        """Present a stream and learn it, as `CPUEngine.learn`."""
        population = self._at_hand()
        answers = population.learn([trains], labels)
        population.download(self.network)
        self._uploaded = self.network.stamp()
        return self._response(answers)

    def respond(self, trains: SpikeTrains) -> Response:
        """Present a stream without learning, as `CPUEngine.respond`."""
        return self._response(self._at_hand().respond([trains]))

    def out_spikes(self, trains: SpikeTrains) -> NDArray[np.bool_]:
        """Present a stream as `respond` does, as `CPUEngine.out_spikes`."""
        return self._spikes(self._at_hand().respond([trains]))

    def _upload(self) -> None:
        self._population = Population(self.network, [self.network.parameters])
        self._population.upload(self.network)
        self.network.synapses.flags.writeable = False  # checked once: nobody may change them now
        self._uploaded = self.network.stamp()

    def _at_hand(self) -> Population:
        self.network.check()
        if self.network.has_changed_since(self._uploaded):
            self._upload()
        return self._population

    def _response(self, answers: DeviceResponse) -> Response:
        spikes = self._spikes(answers).sum(axis=3, dtype=np.uint8)
        return Response(spikes, answers.peaks.copy_to_host().reshape(spikes.shape))

    def _spikes(self, answers: DeviceResponse) -> NDArray[np.bool_]:
        shape = -1, self.network.n_members, self.network.n_columns, 1
        masks = answers.outs.copy_to_host().reshape(shape)
        return np.asarray(masks >> np.arange(ALL_STEPS) & 1, bool)


def _configured(kernel: Any, blocks: int | tuple[int, ...], threads: int, shared: int) -> Any:
    with warnings.catch_warnings():
        # A single network does not fill a GPU; that is no fault of the user.
        warnings.filterwarnings("ignore", "Grid size")
        return kernel[blocks, threads, 0, shared]


def bytes_needed(
    candidates: Sequence[CoLaNETParameters],
    n_inputs: int,
    n_columns: int,
    n_members: int,
    n_presentations: int,
) -> list[int]:
    """Return what each network of a population needs on the GPU.

    Parameters
    ----------
    candidates : sequence of CoLaNETParameters
        Hyperparameters of each.
    n_inputs, n_columns, n_members : int
        As of `Network`.
    n_presentations : int
        Presentations of one call.
    """
    width = _width(candidates, n_columns)
    stream = n_presentations * (8 * (STEPS + 1) + (2 + 4) * n_members * n_columns)
    found = []
    for p in candidates:
        n_blocks = -(-n_columns // _columns(p)) * n_members
        weights = 2 * n_blocks * n_inputs * width
        neurons = n_members * n_columns * p.microcolumns
        found.append(stream + weights + neurons * 4 * (min(n_inputs, p.max_synapses) + 2))
    return found


def free_bytes() -> int | float:
    """Return how much memory of the GPU is free."""
    check_gpu()
    return cuda.current_context().get_memory_info().free  # type: ignore[no-any-return]


def _columns(parameters: CoLaNETParameters) -> int:
    """Return how many columns a block takes at most."""
    return max(NEURONS // parameters.microcolumns, 1)


def _width(candidates: Sequence[CoLaNETParameters], n_columns: int) -> int:
    """Return the lanes of a block."""
    most = max(min(_columns(p), n_columns) * p.microcolumns for p in candidates)
    return -(-most // WARP) * WARP


def _shared_bytes(n_inputs: int, width: int) -> int:
    """Return the memory that the threads of a block share, beside a few numbers."""
    return 4 * (n_inputs + (STEPS + 3) * width)


def _cut(network: Network, candidates: Sequence[CoLaNETParameters]) -> NDArray[Any]:
    """Cut the columns of all members of all networks into blocks."""
    parts = []
    first_neuron = 0
    for number, p in enumerate(candidates):
        firsts = np.arange(0, network.n_columns, _columns(p))
        member, column = np.divmod(np.arange(network.n_members * len(firsts)), len(firsts))
        column = firsts[column]
        part = np.zeros(len(column), _BLOCK)
        part["network"] = number
        part["column"] = column
        part["n_columns"] = np.minimum(_columns(p), network.n_columns - column)
        part["microcolumns"] = p.microcolumns
        part["answer"] = member * network.n_columns + column
        part["neuron"] = first_neuron + part["answer"] * p.microcolumns
        part["draw"] = member * network.n_neurons + column * p.microcolumns
        part["phase"] = network.phases[member]
        part["noise"] = p.noise
        part["silent"] = p.silent_synapses
        part["start"] = rules.initial_resource(p.max_weight, p.min_weight)
        part["low"] = -p.min_weight
        part["span"] = p.max_weight + p.min_weight
        part["excess"] = p.threshold_excess
        part["gain"] = p.potentiation
        part["loss"] = p.relative_depression * p.potentiation
        part["stability_rate"] = p.stability_rate
        parts.append(part)
        first_neuron += network.n_members * network.n_columns * p.microcolumns
    blocks = np.concatenate(parts)
    blocks["place"] = np.arange(len(blocks))
    return blocks


@overload(rules.product, target="cuda", strict=False)
def _rounded_product(a: Any, b: Any) -> Any:  # noqa: ARG001
    return lambda a, b: libdevice.dmul_rn(a, b)


@overload(rules.nearest, target="cuda", strict=False)
def _nearest(x: Any) -> Any:
    if x == types.float32:
        return lambda x: libdevice.rintf(x)
    return lambda x: libdevice.rint(x)


# ---------------------------------------------------------------- on the GPU


@_kernel
def _forget(blocks: Any, state: Any) -> None:
    """Give every synapse the resource from which it starts."""
    block = blocks[cuda.blockIdx.x]
    thread, n_threads = cuda.threadIdx.x, cuda.blockDim.x
    for lane in range(block.n_columns * block.microcolumns):
        neuron = block.neuron + lane
        resources = state.resources[neuron]
        for synapse in range(thread, len(resources), n_threads):
            resources[synapse] = block.start
        if thread == 0:
            state.stability[neuron] = 0


@_kernel
def _derive(blocks: Any, state: Any) -> None:
    """Derive weights and thresholds from the resources."""
    block = blocks[cuda.blockIdx.x]
    thread, n_threads = cuda.threadIdx.x, cuda.blockDim.x
    sums = cuda.shared.array(1, types.int32)
    weights = state.weights[block.place]
    n_inputs, width = weights.shape
    for cell in range(thread, n_inputs * width, n_threads):
        weights[cell // width, cell % width] = 0
    if thread == 0:
        sums[0] = 0
    cuda.syncthreads()
    for lane in range(block.n_columns * block.microcolumns):
        _rewrite(lane, block, state, sums)


@_kernel
def _present(blocks: Any, stream: Any, state: Any, answers: Any) -> None:
    """Present a whole stream to each block, and learn it if there are labels."""
    block = blocks[cuda.blockIdx.x]
    thread = cuda.threadIdx.x
    n_inputs, width = state.weights.shape[1], state.weights.shape[2]
    lane = thread % width
    column = lane // block.microcolumns
    is_neuron = thread < block.n_columns * block.microcolumns
    key = state.noise_keys[block.draw + lane] if is_neuron else np.uint32(0)
    learns = len(stream.labels) > 0
    answers_until = STEPS if learns else ALL_STEPS
    patterns = stream.patterns[block.phase]

    integers = cuda.shared.array(0, types.int32)
    ratios = cuda.shared.array(0, types.float32)[n_inputs + (STEPS + 2) * width :]
    totals = integers[n_inputs : n_inputs + STEPS * width]
    contenders = integers[n_inputs + STEPS * width : n_inputs + (STEPS + 1) * width]
    fired = integers[n_inputs + (STEPS + 1) * width : n_inputs + (STEPS + 2) * width]
    n_fired = cuda.shared.array(1, types.int32)
    lesson = _Lesson(
        integers[:n_inputs],
        cuda.shared.array(3, types.int32),
        cuda.shared.array(1, types.int32),
        cuda.shared.array(2, types.float32),
    )
    if thread == 0:
        lesson.sums[0] = 0

    for index in range(stream.offsets.shape[1]):
        bounds = stream.offsets[block.network, index]
        moments = stream.moments[index]
        labelled = stream.labels[index] - block.column if learns else -1
        _sum_currents(stream.inputs, bounds, state.pairs[block.place], totals)
        if thread == 0:
            n_fired[0] = 0
        cuda.syncthreads()

        threshold = state.thresholds[block.neuron + lane] if is_neuron else np.int32(0)
        potential = peak = np.int32(0)
        block_end = -1
        train = out = 0  # spikes of this neuron, and of its column
        forced = False
        for step in range(ALL_STEPS):
            contender = np.int32(-1)
            if is_neuron:
                drive = np.int32(0)
                if block_end < step:
                    noise = rules.noise(key, moments[step], block.noise)
                    drive = np.int32(_current(step, patterns, totals, width) + np.int32(noise))
                potential = np.int32(rules.integrate(potential, drive))
                if step < STEPS:
                    peak = max(peak, potential)
                if block_end < step and potential > threshold:
                    contender = potential
                contenders[lane] = contender
            if cuda.syncthreads_or(np.int32(contender >= 0)):
                if is_neuron:
                    winner = _winner(contenders, lane, block.microcolumns)
                    if winner >= 0:
                        out |= 1 << step
                        if winner == lane:
                            train |= 1 << step
                            potential = np.int32(0)
                        else:
                            block_end = step + MEMORY
                cuda.syncthreads()
            if step == LABEL_STEP and 0 <= labelled < block.n_columns:
                # BIASGATE: without a spike of the column, the highest neuron is forced.
                if is_neuron:
                    contenders[lane] = potential
                cuda.syncthreads()
                if is_neuron and column == labelled and not out:
                    forced = _winner(contenders, lane, block.microcolumns) == lane
                    out |= 1 << step
                    if forced:
                        train |= 1 << step
                        potential = np.int32(0)
                    else:
                        block_end = step + MEMORY
                cuda.syncthreads()

        if is_neuron:
            ratios[lane] = np.float32(peak) / np.float32(threshold)
            if train:
                fired[cuda.atomic.add(n_fired, 0, 1)] = lane
        cuda.syncthreads()
        if is_neuron and lane == column * block.microcolumns:
            place = block.answer + column
            answers.outs[block.network, index, place] = out & (1 << answers_until) - 1
            answers.peaks[block.network, index, place] = _highest(ratios, lane, block.microcolumns)
        if learns and n_fired[0]:
            _mark(stream.inputs, bounds, patterns, lesson.spikes)
            for number in range(n_fired[0]):
                if is_neuron and lane == fired[number]:
                    lesson.firing[0] = train
                    lesson.firing[1] = forced
                    lesson.firing[2] = column == labelled and block_end < DOPAMINE_STEP
                cuda.syncthreads()
                _learn(fired[number], lesson, block, state)
        cuda.syncthreads()


@_device
def _sum_currents(inputs: Any, bounds: Any, pairs: Any, totals: Any) -> None:
    """Sum the weights of each group's inputs, two lanes a thread."""
    half = pairs.shape[1]
    lane = cuda.threadIdx.x % half
    for group in range(cuda.threadIdx.x // half, len(bounds) - 1, cuda.blockDim.x // half):
        low = high = np.int32(0)
        place, end = bounds[group], bounds[group + 1]
        while place < end:
            pair = pairs[inputs[place], lane]
            low = np.int32(low + np.int16(pair))
            high = np.int32(high + (pair >> 16))
            place += np.uint64(1)
        totals[2 * (group * half + lane)] = low
        totals[2 * (group * half + lane) + 1] = high


@_device
def _current(step: int, patterns: Any, totals: Any, width: int) -> Any:
    """Return the sum of the groups that spike at a step, for this thread's neuron."""
    current = np.int32(0)
    for group in range(len(patterns)):
        if patterns[group] >> step & 1:
            current = np.int32(current + totals[group * width + cuda.threadIdx.x])
    return current


@_device
def _winner(contenders: Any, lane: int, size: int) -> int:
    """Return the contender with the highest potential in a lane's column, or -1."""
    first = lane - lane % size
    winner = -1
    highest = np.int32(-1)
    for other in range(first, first + size):
        if contenders[other] > highest:
            highest = contenders[other]
            winner = other
    return winner


@_device
def _highest(ratios: Any, first: int, size: int) -> Any:
    highest = np.float32(0)
    for lane in range(first, first + size):
        highest = max(highest, ratios[lane])
    return highest


@_device
def _mark(inputs: Any, bounds: Any, patterns: Any, spikes: Any) -> None:
    """Note for each input the steps at which it spikes, as a bit mask."""
    for number in range(cuda.threadIdx.x, len(spikes), cuda.blockDim.x):
        spikes[number] = 0
    cuda.syncthreads()
    for group in range(len(patterns)):
        place = bounds[group] + np.uint64(cuda.threadIdx.x)
        while place < bounds[group + 1]:
            cuda.atomic.or_(spikes, inputs[place], patterns[group])
            place += np.uint64(cuda.blockDim.x)
    cuda.syncthreads()


@_device
def _learn(lane: int, lesson: Any, block: Any, state: Any) -> None:
    """Apply a presentation's plasticity to a neuron that fired, and rewrite its weights."""
    train, forced, rewarded = lesson.firing[0], lesson.firing[1], lesson.firing[2]
    unforced = train & ~(1 << LABEL_STEP) if forced else train
    start = rules.first_spike(train)
    while unforced:
        begin, end = rules.first_spike(unforced), rules.tight_sequence_end(unforced)
        start = begin if begin <= DOPAMINE_STEP else start
        change = -rules.product(block.stability_rate, block.loss)
        _change(lane, -block.loss, change, (2 << end) - 1, lesson, block, state)
        unforced = unforced >> (end + 1) << (end + 1)
    remembered = rules.recent(DOPAMINE_STEP)
    if rewarded and train & remembered:
        factor = -1.0 if forced else rules.dopamine_stability(DOPAMINE_STEP - start)
        change = rules.product(block.stability_rate * block.gain, factor)
        _change(lane, block.gain, change, remembered, lesson, block, state)
    _rewrite(lane, block, state, lesson.sums)


@_device
def _change(
    lane: int,
    amount: float,
    stability_change: float,
    window: int,
    lesson: Any,
    block: Any,
    state: Any,
) -> None:
    """Change the resources of a neuron's active synapses, and renormalise."""
    neuron = block.neuron + lane
    synapses, resources = state.synapses[block.draw + lane], state.resources[neuron]
    spikes, sums, changes = lesson.spikes, lesson.sums, lesson.changes
    n_active = 0
    for synapse in range(cuda.threadIdx.x, len(synapses), cuda.blockDim.x):
        n_active += 1 if spikes[synapses[synapse]] & window else 0
    cuda.atomic.add(sums, 0, n_active)
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        stability = np.float64(state.stability[neuron])
        gain = rules.product(amount, rules.plasticity(stability))
        given = rules.renormalisation(gain, sums[0], len(synapses), block.silent)
        changes[0] = -given
        changes[1] = gain - given
        state.stability[neuron] = rules.changed_stability(stability, stability_change)
        state.updates[block.place] += sums[0] if block.silent < 0 else len(synapses)
        sums[0] = 0
    cuda.syncthreads()
    for synapse in range(cuda.threadIdx.x, len(synapses), cuda.blockDim.x):
        resources[synapse] += changes[1 if spikes[synapses[synapse]] & window else 0]


@_device
def _rewrite(lane: int, block: Any, state: Any, sums: Any) -> None:
    """Derive a neuron's weights and threshold from its resources."""
    neuron = block.neuron + lane
    synapses, resources = state.synapses[block.draw + lane], state.resources[neuron]
    weights = state.weights[block.place]
    positive = 0
    for synapse in range(cuda.threadIdx.x, len(synapses), cuda.blockDim.x):
        weight = np.int32(rules.weight(resources[synapse], block.low, block.span))
        weights[synapses[synapse], lane] = weight
        positive += max(weight, 0)
    cuda.atomic.add(sums, 0, positive)
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        state.thresholds[neuron] = rules.threshold(block.excess, sums[0])
        sums[0] = 0
    cuda.syncthreads()


@_kernel
def _decide(answers: Any, n_members: int, columns: Any) -> None:
    """Find the column with the highest score of the members' votes in each presentation."""
    network, index = cuda.blockIdx.y, cuda.blockIdx.x
    outs, peaks = answers.outs[network, index], answers.peaks[network, index]
    n_columns = len(outs) // n_members
    numbers = cuda.shared.array(0, types.float64)
    totals, scores = numbers[:n_members], numbers[n_members:]
    for member in range(cuda.threadIdx.x, n_members, cuda.blockDim.x):
        total = 0
        for place in range(member * n_columns, (member + 1) * n_columns):
            total += cuda.popc(outs[place])
        totals[member] = max(total, 1)
    cuda.syncthreads()
    for column in range(cuda.threadIdx.x, n_columns, cuda.blockDim.x):
        share = peak = 0.0
        for member in range(n_members):
            place = member * n_columns + column
            share += cuda.popc(outs[place]) / totals[member]
            peak += peaks[place]
        scores[column] = rules.score(share / n_members, peak)
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        best = 0
        for column in range(1, n_columns):
            if scores[column] > scores[best]:
                best = column
        columns[network, index] = best
