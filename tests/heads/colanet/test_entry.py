"""What is not sound is refused at the entry of an engine, before compiled code reads it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikehead.coding import (
    STEPS,
    SpikeTrains,
    bernoulli_trains,
    even_trains,
    event_trains,
    spike_counts,
)
from spikehead.heads.colanet import reference
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters

P = CoLaNETParameters(max_weight=3.0, potentiation=1.0, max_synapses=5)
STATE = ("resources", "stability")


def network(p: CoLaNETParameters = P) -> Network:
    return Network(p, n_inputs=8, n_columns=3, n_members=2)


def trains(n: int = 12) -> SpikeTrains:
    return even_trains(np.random.default_rng(0).gamma(1.0, 1.5, (n, 8)), 2.0)


def labels(n: int = 12) -> Any:
    return (np.arange(n) % 3).astype(np.int32)


def spoil(name: str, change: Callable[[Any], Any]) -> SpikeTrains:
    sound = trains()
    return replace(sound, **{name: change(getattr(sound, name).copy())})


def put(place: Any, value: int) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[place] = value
        return array

    return change


SPOILED = {
    "other inputs": replace(trains(), n_inputs=9),
    "an input below": spoil("inputs", put(3, -1)),
    "an input above": spoil("inputs", put(-1, 8)),
    "inputs of another type": spoil("inputs", lambda a: a.astype(np.int64)),
    "inputs in a table": spoil("inputs", lambda a: a[None]),
    "every other input": spoil("inputs", lambda a: a.repeat(2)[::2]),
    "an offset below": spoil("offsets", put((0, 0), -1)),
    "an offset above": spoil("offsets", put((-1, -1), 10**9)),
    "offsets that fall": spoil("offsets", put((2, 5), 0)),
    "offsets of another type": spoil("offsets", lambda a: a.astype(np.int32)),
    "an offset too few": spoil("offsets", lambda a: a[:, :-1].copy()),
    "offsets in a row": spoil("offsets", lambda a: a.ravel()),
    "a pattern beyond the steps": spoil("patterns", put((0, 0), 1 << STEPS)),
    "a pattern below": spoil("patterns", put((0, 0), -1)),
    "patterns of few phases": spoil("patterns", lambda a: a[:3].copy()),
    "patterns of another type": spoil("patterns", lambda a: a.astype(np.int64)),
    "too many groups": SpikeTrains(
        np.arange(3, dtype=np.int32),
        np.zeros((4, STEPS + 2), np.int64),
        np.ones((STEPS, STEPS + 1), np.int32),
        8,
    ),
}


def assert_unchanged(one: Network, before: Network) -> None:
    for name in STATE:
        assert getattr(one, name).tobytes() == getattr(before, name).tobytes()
    assert (one.presentations, one.resource_updates) == (
        before.presentations,
        before.resource_updates,
    )


@pytest.mark.parametrize("spoiled", SPOILED.values(), ids=SPOILED.keys())
def test_unsound_spike_trains_are_refused(spoiled: SpikeTrains) -> None:
    one = network()
    engine = CPUEngine(one, 2)
    engine.learn(trains(), labels())
    before = copy.deepcopy(one)
    n = len(spoiled)
    for ask in (
        lambda: engine.learn(spoiled, labels(n)),
        lambda: engine.respond(spoiled),
        lambda: engine.out_spikes(spoiled),
    ):
        with pytest.raises(ValueError, match=r"^(spike trains must|a network of 8 inputs)"):
            ask()
    assert_unchanged(one, before)


@pytest.mark.parametrize(
    "wrong",
    [
        labels(11),
        labels(13),
        labels()[:, None],
        np.full(12, 3, np.int32),
        np.full(12, -1, np.int32),
        np.full(12, 2**32, np.int64),
        labels().astype(float),
    ],
)
def test_labels_that_name_no_column_are_refused(wrong: Any) -> None:
    one = network()
    before = copy.deepcopy(one)
    with pytest.raises(ValueError, match=r"^labels must be whole numbers, one for each of the 12"):
        CPUEngine(one, 1).learn(trains(), wrong)
    assert_unchanged(one, before)


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("resources", lambda a: a[:, :, :-1]),
        ("resources", lambda a: a.astype(np.float64)),
        ("resources", lambda a: a[:, :-1]),
        ("stability", lambda a: a[:, :-1]),
        ("stability", lambda a: a.astype(np.float16)),
        ("synapses", lambda a: a[:, :, :-1]),
        ("synapses", lambda a: a + 8),
        ("synapses", lambda a: a - 8),
        ("synapses", lambda a: a.astype(np.int64)),
        ("phases", lambda a: a + STEPS),
        ("phases", lambda a: a - STEPS),
        ("phases", lambda a: a[:1]),
        ("n_members", lambda n: n + 1),
        ("n_synapses", lambda n: n + 1),
        ("n_inputs", lambda n: n - 5),
        ("parameters", lambda p: replace(p, microcolumns=2)),
    ],
)
def test_a_network_that_is_not_what_it_says_is_refused(name: str, change: Any, late: bool) -> None:
    one = network()
    engine = CPUEngine(one, 1) if late else None
    setattr(one, name, change(getattr(one, name)))
    with pytest.raises(ValueError, match=r"(of the network|^a network of|could not)"):
        (engine or CPUEngine(one, 1)).respond(trains())


def test_what_was_checked_once_cannot_be_changed_later() -> None:
    one = network()
    CPUEngine(one, 1)
    with pytest.raises(ValueError, match="read-only"):
        one.synapses[0, 0, 0] = 10**6
    one.synapses = one.synapses[:, :, ::-1].copy()
    CPUEngine(one, 1).respond(trains())


def test_arrays_put_in_by_hand_are_learned_in() -> None:
    plain, turned = network(), network()
    turned.resources = np.asfortranarray(turned.resources)
    turned.stability.flags.writeable = False
    for one in (plain, turned):
        CPUEngine(one, 1).learn(trains(), labels())
    assert_unchanged(turned, plain)
    assert plain.stability.any()


@pytest.mark.parametrize("presentations", [2**31 - 3, 2**32 - 5, 2**63 - 3, 10**30])
def test_counters_do_not_overflow(presentations: int) -> None:
    slow = network(replace(P, stochastic_stimulation=2.0))
    slow.presentations, slow.resource_updates = presentations, 2**63 - 1
    fast, early = copy.deepcopy(slow), copy.deepcopy(slow)
    early.presentations = presentations % 2**32
    reference.run(slow, trains(), labels())
    CPUEngine(fast, 2).learn(trains(), labels())
    CPUEngine(early, 1).learn(trains(), labels())
    assert_unchanged(fast, slow)
    assert fast.presentations == presentations + 12
    assert fast.resource_updates > 2**63
    assert (fast.resources == early.resources).all()  # the lowest 32 bits decide the noise
    again = network(replace(P, stochastic_stimulation=2.0))
    again.restore(fast.state())
    assert_unchanged(again, fast)
    X = np.full((3, 8), 1.0)
    late, soon = (
        bernoulli_trains(X, 2.0, first=first) for first in (presentations, presentations % 2**32)
    )
    assert (late.inputs == soon.inputs).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_activations_that_are_no_numbers_are_refused(kind: Any) -> None:
    X = np.ones((20, 30), kind)
    X[11, 13] = np.nan
    for code in (even_trains, bernoulli_trains, spike_counts):
        with pytest.raises(ValueError, match=r"^activations must be numbers, and some are NaN$"):
            code(X, 2.0)
    with pytest.raises(ValueError, match=r"^activations must have the shape"):
        even_trains(np.ones(30, kind), 2.0)


def test_infinity_is_full_rate() -> None:
    X = np.array([[np.inf, -np.inf, 1.0]])
    assert even_trains(X, 2.0).raster(0).sum(axis=0).tolist() == [STEPS, 0, STEPS // 2]


def test_sound_streams_of_every_coding_are_read() -> None:
    X = np.random.default_rng(1).gamma(1.0, 1.5, (4, 8))
    rasters = np.array([bernoulli_trains(X, 2.0).raster(index) for index in range(4)])
    engine = CPUEngine(network(), 1)
    for stream in (even_trains(X, 2.0), bernoulli_trains(X, 2.0), event_trains(rasters)):
        assert engine.respond(stream).spikes.shape == (4, 2, 3)
        assert engine.learn(stream, labels(4)).spikes.shape == (4, 2, 3)
