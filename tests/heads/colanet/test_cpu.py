"""The fast engine gives the spikes and resources of the reference, bit for bit."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikehead.coding import STEPS, SpikeTrains, bernoulli_trains, even_trains, event_trains
from spikehead.heads.colanet import reference
from spikehead.heads.colanet.cpu import BLOCK, CPUEngine, Response
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import ALL_STEPS, CoLaNETParameters

CODINGS = ("even", "bernoulli", "events")

# Small values learn and fire little, large ones much; zeros and bounds are the edges.
parameters = st.builds(
    CoLaNETParameters,
    potentiation=st.sampled_from([0.0, 0.05, 0.5, 5.0]),
    relative_depression=st.sampled_from([0.0, 0.5, 1.3]),
    stability_rate=st.sampled_from([0.0, 0.06, 1.0, 5.0]),
    max_weight=st.sampled_from([0.3, 1.2, 3.0, 7.99]),
    min_weight=st.sampled_from([0.0, 0.3, 1.6, 7.99]),
    microcolumns=st.integers(1, 6) | st.sampled_from([17, 40]),
    threshold_excess=st.sampled_from([0.0, 0.001, 0.05]),
    silent_synapses=st.sampled_from([-1, 1, 300]),
    stochastic_stimulation=st.sampled_from([0.0, 0.016, 0.5, 0.947, 0.95, 2.0, 8.0]),
    max_synapses=st.integers(1, 80),
)


def activations(
    rng: np.random.Generator, n_presentations: int, n_inputs: int, density: float
) -> NDArray[np.float32]:
    """Return activations up to about twice the saturation of 2, silent or saturated at the ends."""
    X = np.minimum(rng.gamma(1.0, 1.5, (n_presentations, n_inputs)), 4)
    if density == 1:
        X[:] = 2
    return (X * (rng.random(X.shape) < density)).astype(np.float32)


def coded(X: NDArray[Any], coding: str, **numbering: Any) -> SpikeTrains:
    if coding == "even":
        return even_trains(X, 2.0)
    trains = bernoulli_trains(X, 2.0, **numbering)
    if coding == "bernoulli":
        return trains
    return event_trains(np.array([trains.raster(index) for index in range(len(trains))]))


def assert_same_state(one: Network, other: Network) -> None:
    for name in ("resources", "stability"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert np.array_equal(ours.view(np.int32), theirs.view(np.int32)), name
    assert one.presentations == other.presentations
    assert one.resource_updates == other.resource_updates


def assert_same_answer(engine: CPUEngine, network: Network, trains: SpikeTrains) -> None:
    happened = reference.run(network, trains)
    assert_recorded(engine.respond(trains), happened, network)
    size = network.parameters.microcolumns
    for members, spikes in zip(happened, engine.out_spikes(trains), strict=True):
        assert (spikes == [now.out(size).T for now in members]).all()


def assert_recorded(
    response: Response, happened: list[list[Any]], network: Network, steps: int = ALL_STEPS
) -> None:
    size = network.parameters.microcolumns
    for index, members in enumerate(happened):
        for member, now in enumerate(members):
            assert (response.spikes[index, member] == now.out(size)[:steps].sum(axis=0)).all()
            assert (response.peaks[index, member] == now.peaks(size)).all()


def learning(seed: int, *, n_presentations: int = 60, **changes: Any) -> tuple[Network, Any, Any]:
    """Return a network whose neurons fire soon, and a stream with labels for it."""
    plain: dict[str, Any] = {"max_weight": 3.0, "potentiation": 1.0, "max_synapses": 20}
    rng = np.random.default_rng(seed)
    network = Network(CoLaNETParameters(**(plain | changes)), 30, 5, n_members=3, seed=seed)
    X = activations(rng, n_presentations, 30, 0.5)
    return network, X, rng.integers(0, 5, n_presentations).astype(np.int32)


@given(
    p=parameters,
    coding=st.sampled_from(CODINGS),
    n_inputs=st.integers(1, 60),
    n_columns=st.integers(1, 5),
    n_members=st.integers(1, 3),
    n_presentations=st.integers(1, 14),
    density=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    n_threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100)
@example(CoLaNETParameters(), "even", 1, 1, 1, 9, 1.0, 2, 0)
@example(CoLaNETParameters(microcolumns=200), "even", 30, 2, 2, 9, 0.5, 3, 0)
def test_it_learns_and_answers_as_the_reference(
    p: CoLaNETParameters,
    coding: str,
    n_inputs: int,
    n_columns: int,
    n_members: int,
    n_presentations: int,
    density: float,
    n_threads: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    trains = coded(activations(rng, n_presentations, n_inputs, density), coding, seed=seed)
    labels = rng.integers(0, n_columns, n_presentations).astype(np.int32)
    slow = Network(p, n_inputs, n_columns, n_members, seed)
    # Start anywhere, so that neurons fire, win, lose and wait from the first presentation on.
    slow.resources *= rng.gamma(2.0, 1.0, slow.resources.shape).astype(np.float32)
    slow.resources -= np.float32(0.1) * (rng.random(slow.resources.shape) < 0.1)
    slow.stability[:] = rng.choice([-0.5, 0, 0.3, 4], slow.stability.shape)
    fast = copy.deepcopy(slow)

    engine = CPUEngine(fast, n_threads)
    assert_same_answer(engine, slow, trains)
    happened = reference.run(slow, trains, labels)
    changes = [change for members in happened for now in members for change in now.changes]
    renormalised = p.silent_synapses > 0
    assert slow.resource_updates == sum(
        len(change.active) if renormalised else change.active.sum() for change in changes
    )
    # What it answers while it learns is what it answered before the label came.
    assert_recorded(engine.learn(trains, labels), happened, slow, STEPS)
    assert_same_state(fast, slow)
    assert_same_answer(engine, slow, trains)


def test_such_networks_do_everything_there_is_to_do() -> None:
    """See that the property above meets what could differ."""
    network, X, labels = learning(0, microcolumns=4, stochastic_stimulation=0.5)
    happened = reference.run(network, coded(X, "even"), labels)
    seen = {
        event
        for label, members in zip(labels, happened, strict=True)
        for now in members
        for event, found in {
            "missed": now.forced >= 0,
            "right": now.out(4)[:, label].any() and now.forced < 0,
            "wrong": np.delete(now.out(4), label, axis=1).any(),
            "repeated": now.spikes.sum(axis=0).max() > 1,
            "blocked": now.blocked.any(),
        }.items()
        if found
    }
    assert seen == {"missed", "right", "wrong", "repeated", "blocked"}


def test_one_column_or_many_blocks_share_the_work() -> None:
    p = CoLaNETParameters(microcolumns=BLOCK // 2 + 1, max_weight=3.0, potentiation=1.0)
    slow = Network(p, n_inputs=20, n_columns=3, n_members=2)
    fast = copy.deepcopy(slow)
    rng = np.random.default_rng(0)
    trains = coded(activations(rng, 12, 20, 0.5), "even")
    labels = rng.integers(0, 3, 12).astype(np.int32)
    reference.run(slow, trains, labels)
    engine = CPUEngine(fast, 2)
    engine.learn(trains, labels)
    assert_same_state(fast, slow)
    assert_same_answer(engine, slow, trains)


@pytest.mark.parametrize("coding", CODINGS)
def test_the_number_of_threads_does_not_matter(coding: str) -> None:
    network, X, labels = learning(1, microcolumns=3)
    trains = coded(X, coding)
    networks = [copy.deepcopy(network) for _ in range(4)]
    responses = []
    for n_threads, one in zip((1, 2, 3, 50), networks, strict=True):
        engine = CPUEngine(one, n_threads)
        engine.learn(trains, labels)
        responses.append(engine.respond(trains))
    for one, response in zip(networks[1:], responses[1:], strict=True):
        assert_same_state(one, networks[0])
        assert (response.spikes == responses[0].spikes).all()
        assert (response.peaks == responses[0].peaks).all()
    assert responses[0].spikes.any()


@given(
    cuts=st.sets(st.integers(1, 59), max_size=6),
    coding=st.sampled_from(CODINGS),
    restart=st.booleans(),
)
@settings(max_examples=25)
def test_learning_in_pieces_is_learning_at_once(cuts: set[int], coding: str, restart: bool) -> None:
    whole, X, labels = learning(2, stochastic_stimulation=0.5)
    pieces = copy.deepcopy(whole)
    CPUEngine(whole, 1).learn(coded(X, coding), labels)
    engine = CPUEngine(pieces, 2)
    bounds = [0, *sorted(cuts), 60]
    for first, last in pairwise(bounds):
        engine.learn(coded(X[first:last], coding, first=first), labels[first:last])
        engine.respond(coded(X[:9], coding))  # asking in between changes nothing
        if restart:
            engine = CPUEngine(pieces, 2)
    assert_same_state(pieces, whole)


@given(added=st.integers(1, 4), n_threads=st.integers(1, 3))
@settings(max_examples=8)
def test_columns_can_be_added_while_it_learns(added: int, n_threads: int) -> None:
    slow, X, labels = learning(3, n_presentations=25)
    fast = copy.deepcopy(slow)
    engine = CPUEngine(fast, n_threads)
    trains = coded(X, "even")
    for network in (slow, fast):
        run = engine.learn if network is fast else lambda *args: reference.run(slow, *args)
        run(trains, labels)
        network.add_columns(added)
        run(trains, labels + np.int32(added))
    assert_same_state(fast, slow)
    assert_same_answer(engine, slow, trains)


@pytest.mark.parametrize("learns", [True, False])
def test_a_loser_that_is_still_high_fires_in_silence(learns: bool) -> None:
    # Both get about 50 in the first step; the loser keeps 14 until its block ends at step 11.
    p = CoLaNETParameters(microcolumns=2, max_weight=7.0, stochastic_stimulation=0.0)
    slow = Network(p, n_inputs=8, n_columns=2, n_members=1)
    slow.resources[0, 0], slow.resources[0, 1] = 110, 120
    fast = copy.deepcopy(slow)
    spikes = np.zeros((1, STEPS, 8), bool)
    spikes[0, 0] = True
    trains, label = event_trains(spikes), np.array([0], np.int32)
    now = reference.run(slow, trains, label if learns else None)[0][0]
    assert np.argwhere(now.spikes).tolist() == [[0, 1], [11, 0]]
    engine = CPUEngine(fast, 1)
    if learns:
        engine.learn(trains, label)
        assert_same_state(fast, slow)
    assert_same_answer(engine, slow, trains)


def test_age_counts_from_the_sequence_that_dopamine_meets() -> None:
    # Inhibited after its spike at step 3, the neuron may fire again by noise alone, at step 14.
    p = CoLaNETParameters(max_weight=7.0, min_weight=1.0, stochastic_stimulation=2.5)
    start = Network(p, n_inputs=22, n_columns=1, n_members=1)
    start.resources[0, 0] = [1e5] * 2 + [0.0] * 20
    spikes = np.zeros((1, STEPS, 22), bool)
    spikes[0, 3, :2] = spikes[0, 4:, 2:] = True
    trains, label = event_trains(spikes), np.array([0], np.int32)
    for start.presentations in range(1000):
        slow = copy.deepcopy(start)
        now = reference.run(slow, trains, label)[0][0]
        if np.flatnonzero(now.spikes).tolist() == [3, 14]:
            break
    else:
        pytest.fail("no noise gave the spikes that this test is about")
    CPUEngine(start, 1).learn(trains, label)
    assert_same_state(start, slow)


def test_an_answer_does_not_depend_on_the_others() -> None:
    network, X, labels = learning(4, stochastic_stimulation=2.0)
    engine = CPUEngine(network, 2)
    engine.learn(coded(X, "even"), labels)
    state = copy.deepcopy(network)
    together = engine.respond(coded(X, "even"))
    backwards = engine.respond(coded(X[::-1].copy(), "even"))
    assert (together.spikes == backwards.spikes[::-1]).all()
    assert (together.peaks == backwards.peaks[::-1]).all()
    for index in range(0, 60, 7):
        alone = engine.respond(coded(X[index : index + 1], "even"))
        assert (alone.spikes[0] == together.spikes[index]).all()
        assert (alone.peaks[0] == together.peaks[index]).all()
    assert_same_state(network, state)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_only_neurons_that_fire_learn(n_threads: int) -> None:
    # Three columns a member, of three neurons, which neither fill their lanes nor their blocks.
    p = CoLaNETParameters(microcolumns=3)
    network = Network(p, n_inputs=6, n_columns=3, n_members=2)
    before = copy.deepcopy(network)
    trains = coded(np.full((9, 6), 2.0), "even")
    CPUEngine(network, n_threads).learn(trains, np.ones(9, np.int32))
    changed = (network.resources != before.resources).any(axis=2).reshape(2, 3, 3)
    assert not changed[:, [0, 2]].any()
    assert changed[:, 1].any(axis=1).all()
    assert not network.stability[:, [0, 1, 2, 6, 7, 8]].any()


def test_nothing_to_present() -> None:
    network, X, labels = learning(5)
    before = copy.deepcopy(network)
    engine = CPUEngine(network)
    engine.learn(coded(X[:0], "even"), labels[:0])
    assert_same_state(network, before)
    response = engine.respond(coded(X[:0], "even"))
    assert response.spikes.shape == response.peaks.shape == (0, 3, 5)
    assert not engine.respond(event_trains(np.zeros((2, STEPS, 30), bool))).spikes.any()


def test_an_engine_sees_what_others_have_changed():
    network = Network(CoLaNETParameters(potentiation=5.0), 20, 3, n_members=2)
    trains = even_trains(activations(np.random.default_rng(0), 12, 20, 0.7), 2.0)
    engine, state = CPUEngine(network), network.state()
    CPUEngine(network).learn(trains, np.arange(12, dtype=np.int32) % 3)
    assert_same_answer(engine, network, trains)
    network.restore(state)
    assert_same_answer(engine, network, trains)
