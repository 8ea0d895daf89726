"""The engine for GPUs gives the spikes and resources of the reference, bit for bit.

Where there is no GPU, the first test runs the others in Numba's simulator, on tiny networks.
"""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import config, types
from numba.np.numpy_support import from_dtype

from spikehead import CoLaNETClassifier
from spikehead.coding import STEPS, SpikeTrains, bernoulli_trains, even_trains, event_trains
from spikehead.heads.colanet import reference
from spikehead.heads.colanet.cpu import CPUEngine, Response
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.tuning.activations import RankedActivations

engine = pytest.importorskip("spikehead.heads.colanet.cuda")

TUNING = Path(__file__).parents[2] / "tuning" / "test_gpu.py"
SIMULATED = bool(config.ENABLE_CUDASIM)
AVAILABLE = engine.cuda.is_available()

runs = pytest.mark.skipif(not AVAILABLE, reason="needs a GPU or its simulator")
needs_gpu = pytest.mark.skipif(SIMULATED or not AVAILABLE, reason="needs a GPU")

if SIMULATED:
    sys.setswitchinterval(1e-4)  # every thread of a GPU is a thread here, and they wait in turn
    engine.NEURONS, engine.THREADS, engine.WARP = 4, 4, 2

parameters = st.builds(
    CoLaNETParameters,
    potentiation=st.sampled_from([0.05, 0.5, 5.0]),
    relative_depression=st.sampled_from([0.0, 0.5, 1.3]),
    stability_rate=st.sampled_from([0.0, 0.06, 1.0, 5.0]),
    max_weight=st.sampled_from([1.2, 3.0, 7.99]),
    min_weight=st.sampled_from([0.3, 1.6, 7.99]),
    microcolumns=st.integers(1, 5),
    threshold_excess=st.sampled_from([0.0, 0.001, 0.05]),
    silent_synapses=st.sampled_from([-1, 1, 300]),
    stochastic_stimulation=st.sampled_from([0.0, 0.016, 2.0, 8.0]),
    max_synapses=st.just(12),
)


@pytest.mark.skipif(AVAILABLE, reason="runs the other tests where there is no GPU")
def test_in_the_simulator() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    found = subprocess.run(
        [*command, "-o", "filterwarnings=ignore", __file__, TUNING],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def coded(coding: str, seed: int, n_presentations: int, n_inputs: int) -> SpikeTrains:
    rng = np.random.default_rng(seed)
    X = np.minimum(rng.gamma(1.0, 1.5, (n_presentations, n_inputs)), 4).astype(np.float32)
    X *= rng.random(X.shape) < 0.6
    if coding == "even":
        return even_trains(X, 2.0)
    trains = bernoulli_trains(X, 2.0, seed=seed)
    if coding == "bernoulli":
        return trains
    return event_trains(np.array([trains.raster(index) for index in range(len(trains))]))


def awake(network: Network, seed: int) -> Network:
    """Let a network start anywhere, so that neurons fire, win, lose and wait from the first on."""
    rng = np.random.default_rng(seed)
    network.resources *= rng.gamma(2.0, 1.0, network.resources.shape).astype(np.float32)
    network.stability[:] = rng.choice([-0.5, 0, 0.3, 4], network.stability.shape)
    return network


def assert_same_state(one: Network, other: Network) -> None:
    for name in ("resources", "stability"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert np.array_equal(ours.view(np.int32), theirs.view(np.int32)), name
    assert one.presentations == other.presentations
    assert one.resource_updates == other.resource_updates


def assert_same_answer(response: Response, network: Network, trains: SpikeTrains) -> None:
    size = network.parameters.microcolumns
    for index, members in enumerate(reference.run(network, trains)):
        for member, now in enumerate(members):
            assert (response.spikes[index, member] == now.out(size).sum(axis=0)).all()
            assert (response.peaks[index, member] == now.peaks(size)).all()


@runs
@given(
    p=parameters,
    coding=st.sampled_from(["even", "bernoulli", "events"]),
    n_columns=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(
    max_examples=12 if SIMULATED else 100,
    derandomize=SIMULATED,
    suppress_health_check=list(HealthCheck),
)
def test_it_learns_and_answers_as_the_reference(
    p: CoLaNETParameters, coding: str, n_columns: int, seed: int
) -> None:
    slow = awake(Network(p, n_inputs=15, n_columns=n_columns, n_members=2, seed=seed), seed)
    fast = copy.deepcopy(slow)
    trains = coded(coding, seed, 5, 15)
    labels = np.random.default_rng(seed).integers(0, n_columns, 5).astype(np.int32)
    running = engine.CUDAEngine(fast)
    assert_same_answer(running.respond(trains), slow, trains)
    happened = reference.run(slow, trains, labels)
    response = running.learn(trains, labels)
    assert_same_state(fast, slow)
    seen = [[now.out(p.microcolumns)[:STEPS].sum(axis=0) for now in one] for one in happened]
    assert (response.spikes == seen).all()
    outs = [[now.out(p.microcolumns).T for now in one] for one in reference.run(slow, trains)]
    assert (running.out_spikes(trains) == outs).all()


@runs
def test_columns_can_be_added_while_it_learns() -> None:
    p = CoLaNETParameters(max_weight=3.0, potentiation=1.0, microcolumns=2)
    slow = Network(p, n_inputs=8, n_columns=1, n_members=1)
    fast = copy.deepcopy(slow)
    running, trains = engine.CUDAEngine(fast), coded("even", 0, 3, 8)
    for n_columns in (1, 3):
        labels = np.arange(3, dtype=np.int32) % n_columns
        reference.run(slow, trains, labels)
        running.learn(trains, labels)
        slow.add_columns(2)
        fast.add_columns(2)
    assert_same_answer(running.respond(trains), slow, trains)
    assert_same_state(fast, slow)


@runs
def test_a_population_is_its_networks() -> None:
    candidates = [
        CoLaNETParameters(max_weight=3.0, potentiation=1.0, saturation=2.0, microcolumns=3),
        CoLaNETParameters(max_weight=7.0, stability_rate=1.0, saturation=1.0, silent_synapses=-1),
        CoLaNETParameters(max_weight=5.0, saturation=3.0, microcolumns=2),
        CoLaNETParameters(max_weight=7.0, saturation=1.0),
    ]
    X = np.random.default_rng(1).gamma(1.0, 1.5, (7, 10)).astype(np.float32)
    ranked = RankedActivations.of(X)
    labels = np.random.default_rng(2).integers(0, 3, 7).astype(np.int32)
    heads = [
        CoLaNETClassifier(**p.to_dict(), members=1).partial_fit(X[:4], labels[:4], classes=range(3))
        for p in candidates
    ]
    common = Network(candidates[0], n_inputs=10, n_columns=3, n_members=1)
    population = engine.Population(common, candidates)
    population.learn([ranked[:4].trains(p.saturation) for p in candidates], labels[:4])
    tests = [ranked.trains(p.saturation) for p in candidates]
    assert (population.decide(tests) == [head.predict(X) for head in heads]).all()

    going = [0, 2, 3]
    population.keep(going)
    for index in going:
        heads[index].partial_fit(X[4:], labels[4:])
    population.learn([ranked[4:].trains(candidates[i].saturation) for i in going], labels[4:])
    decisions = population.decide([tests[index] for index in going])
    assert (decisions == [heads[index].predict(X) for index in going]).all()


@runs
def test_nothing_to_present() -> None:
    network = Network(CoLaNETParameters(), n_inputs=5, n_columns=2, n_members=1)
    before = copy.deepcopy(network)
    running = engine.CUDAEngine(network)
    nothing = coded("even", 0, 0, 5)
    assert running.learn(nothing, np.empty(0, np.int32)).spikes.shape == (0, 1, 2)
    assert_same_state(network, before)
    population = engine.Population(network, [network.parameters])
    assert population.decide([nothing]).shape == (1, 0)


@runs
def test_what_it_needs_is_what_it_takes() -> None:
    candidates = [CoLaNETParameters(microcolumns=size) for size in (1, 2, 7)]
    network = Network(candidates[-1], n_inputs=20, n_columns=3, n_members=1)
    population = engine.Population(network, candidates)
    trains = coded("even", 0, 2, 20)
    answers = population.respond([trains] * 3)
    state = population._state
    neurons = (state.resources, state.stability, state.thresholds)
    own = (state.weights, *neurons, *answers)
    taken = sum(array.nbytes for array in own) + 3 * trains.offsets.nbytes
    assert sum(engine.bytes_needed(candidates, 20, 3, 1, 2)) == taken


@pytest.mark.skipif(AVAILABLE, reason="there is a GPU")
def test_no_gpu() -> None:
    with pytest.raises(OSError, match="no NVIDIA GPU"):
        CoLaNETClassifier(device="cuda").fit(np.eye(4), [0, 1, 0, 1])


def test_a_device_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="device must be cpu or cuda, not 'tpu'"):
        CoLaNETClassifier(device="tpu").fit(np.eye(4), [0, 1, 0, 1])


@runs
def test_too_much_for_a_gpu() -> None:
    with pytest.raises(MemoryError, match="20000 inputs"):
        engine.CUDAEngine(Network(CoLaNETParameters(), n_inputs=20_000, n_columns=2, n_members=1))


@needs_gpu
@pytest.mark.parametrize("microcolumns", [1, 5, 30])
def test_at_full_width_it_equals_the_cpu(microcolumns: int) -> None:
    p = CoLaNETParameters(microcolumns=microcolumns, max_weight=3.0, max_synapses=700)
    one = Network(p, n_inputs=1536, n_columns=64, n_members=3)
    other = copy.deepcopy(one)
    trains = coded("even", 0, 500, 1536)
    labels = np.random.default_rng(0).integers(0, 64, 500).astype(np.int32)
    fast, known = engine.CUDAEngine(one), CPUEngine(other)
    fast.learn(trains, labels)
    known.learn(trains, labels)
    assert_same_state(one, other)
    for ours, theirs in zip(fast.respond(trains), known.respond(trains), strict=True):
        assert (ours == theirs).all()


def test_no_product_is_fused_with_a_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile for a GPU, which need not be there, and look for operations that round only once."""
    pytest.importorskip("numba_cuda", reason="needs numba-cuda and its compiler")
    if SIMULATED:
        pytest.skip("the simulator compiles nothing")
    device = SimpleNamespace(compute_capability=(9, 0))
    monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)

    def array(dtype: types.Type, n_dimensions: int) -> types.Array:
        return types.Array(dtype, n_dimensions, "C")

    blocks = array(from_dtype(engine._BLOCK), 1)
    stream = types.NamedTuple(
        [
            array(types.uint32, 1),
            array(types.uint64, 3),
            array(types.int32, 2),
            array(types.int32, 1),
            array(types.uint32, 2),
        ],
        engine._Stream,
    )
    state = types.NamedTuple(
        [
            array(types.int16, 3),
            array(types.int32, 3),
            array(types.float32, 2),
            array(types.float32, 1),
            array(types.int32, 1),
            array(types.int32, 1),
            array(types.int64, 1),
            array(types.int32, 2),
            array(types.uint32, 1),
        ],
        engine._State,
    )
    answers = types.NamedTuple(
        [array(types.uint16, 3), array(types.float32, 3)], engine.DeviceResponse
    )
    kernels = {
        engine._present: (blocks, stream, state, answers),
        engine._derive: (blocks, state),
        engine._decide: (answers, types.int64, array(types.int32, 2)),
    }
    for kernel, signature in kernels.items():
        ptx, _ = engine.cuda.compile_ptx(kernel.py_func, signature, device=False, cc=(9, 0))
        for operands in re.findall(r"fma\.\S+\s+(.*);", ptx):
            # Times a power of two is exact; then to round once is to round twice.
            factor = np.uint64(int(re.findall("0d([0-9A-F]{16})", operands)[0], 16))
            assert np.frexp(factor.view(np.float64))[0] == 0.5
        assert ".approx" not in ptx
        assert ".ftz" not in ptx
