"""Activations become the spikes that the specification describes, whichever form they take."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from spikehead.coding import (
    STEPS,
    Bernoulli,
    Even,
    Events,
    Signed,
    bernoulli_trains,
    coded_shares,
    even_spread,
    even_trains,
    event_trains,
    raster,
    signed_counts,
    spike_counts,
)

phases = st.integers(0, STEPS - 1)
rasters = hnp.arrays(
    bool, st.tuples(st.integers(1, 4), st.just(STEPS), st.integers(1, 12)), fill=st.nothing()
)


def activations(elements: st.SearchStrategy[float]) -> st.SearchStrategy[NDArray[Any]]:
    shape = st.tuples(st.integers(0, 5), st.integers(1, 30))
    return hnp.arrays(np.float32, shape, elements=elements, fill=st.nothing())


# ---------------------------------------------------------------- counts


@pytest.mark.parametrize(
    ("activation", "count"),
    [
        (-1e30, 0),
        (-0.1, 0),
        (0.0, 0),
        (0.24, 0),
        (0.25, 1),  # 0.5 spikes, rounded half up
        (0.74, 1),
        (0.75, 2),  # 1.5: half to even would also say 2
        (1.25, 3),  # 2.5: half to even would say 2
        (2.5, 5),
        (4.74, 9),
        (4.75, 10),
        (5.0, 10),
        (1e30, 10),
    ],
)
def test_counts_by_hand(activation: float, count: int) -> None:
    assert spike_counts(activation, 5.0) == count
    assert spike_counts(np.float32(activation), 5.0) == count


@given(
    sixty_fourths=hnp.arrays(np.int64, 20, elements=st.integers(-100, 2000)),
    saturation=st.sampled_from([0.625, 1.25, 2.5, 5.0, 10.0, 20.0]),
)
def test_counts_are_the_rounded_fractions(sixty_fourths: Any, saturation: float) -> None:
    # Everything here is exact in binary, so that halves are halves.
    expected = [
        math.floor(min(max(STEPS * Fraction(int(n), 64) / Fraction(saturation), 0), STEPS) + 0.5)
        for n in sixty_fourths
    ]
    found = spike_counts(sixty_fourths / 64, saturation)
    assert found.dtype == np.uint8
    assert found.tolist() == expected
    trains = even_trains(sixty_fourths[None] / 64, saturation)
    assert trains.raster(0).sum(axis=0).tolist() == expected


@given(activations(st.floats(-10, 1e6, width=32)), st.floats(1e-3, 1e4))
def test_counts_are_within_half_a_spike(X: NDArray[Any], saturation: float) -> None:
    exact = np.clip(STEPS * X.astype(np.float64) / saturation, 0, STEPS)
    assert (np.abs(spike_counts(X, saturation) - exact) <= 0.5 + 1e-9).all()


# ---------------------------------------------------------------- what is lost


def test_coded_shares_by_hand() -> None:
    X = np.array([[3.0, -4.0, 0.0, 0.2], [0.0, 0.0, 0.0, 0.0], [9.0, 1.0, 5.0, 0.25]])
    clipped, silent, full = coded_shares(X, spike_counts(X, 5.0))
    assert clipped == pytest.approx(16 / 25.04 / 3)
    assert silent == pytest.approx(7 / 12)
    assert full == pytest.approx(2 / 12)
    assert coded_shares(X[:0], spike_counts(X[:0], 5.0)) == (0, 0, 0)


@given(activations(st.floats(-1e6, 1e6, width=32)), st.floats(1e-3, 1e4))
def test_coded_shares_are_those_of_the_spikes(X: NDArray[Any], saturation: float) -> None:
    counts = spike_counts(X, saturation)
    shares = coded_shares(X, counts)
    assert all(0 <= share <= 1 for share in shares)
    if len(X):
        assert shares.silent == pytest.approx(np.mean(counts == 0))
        assert shares.full == pytest.approx(np.mean(counts == STEPS))
        assert (shares.clipped > 0) == (X < 0).any() or np.abs(X[X < 0]).max() < 1e-6
        # Of examples alike, the mean is that of each; of the same with all signs turned, the rest.
        tripled = coded_shares(np.tile(X, (3, 1)), np.tile(counts, (3, 1)))
        assert tripled == pytest.approx(shares)
        some = np.abs(X).max(axis=1) > 0
        both = shares.clipped + coded_shares(-X, counts).clipped
        assert both == pytest.approx(some.mean())


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_coded_shares_of_any_size(scale: float) -> None:
    X = np.array([[3.0, -4.0, 0.0]]) * scale
    assert coded_shares(X, spike_counts(X, 5.0)).clipped == pytest.approx(16 / 25)


# ---------------------------------------------------------------- even spread


@given(count=st.integers(0, STEPS), phase=phases)
def test_even_spread_is_an_accumulator(count: int, phase: int) -> None:
    level, expected = Fraction(phase, 10), []
    for _ in range(STEPS):
        level += Fraction(count, STEPS)
        expected.append(level >= 1)
        if level >= 1:
            level -= 1
    assert even_spread([count], phase)[:, 0].tolist() == expected


@given(phase=phases)
def test_even_spread_keeps_the_count_and_the_distance(phase: int) -> None:
    spikes = even_spread(range(STEPS + 1), phase)
    assert spikes.sum(axis=0).tolist() == list(range(STEPS + 1))
    for count in range(2, STEPS + 1):
        gaps = np.diff(np.flatnonzero(spikes[:, count]))
        assert set(gaps) <= {STEPS // count, -(-STEPS // count)}


@given(X=activations(st.floats(-1, 3, width=32)), saturation=st.floats(0.1, 10), phase=phases)
def test_even_trains_are_the_even_spread_of_the_counts(
    X: NDArray[Any], saturation: float, phase: int
) -> None:
    counts = spike_counts(X, saturation)
    for array in (X, X.astype(np.float64), np.asfortranarray(X)):
        trains = even_trains(array, saturation)
        assert (len(trains), trains.n_inputs) == X.shape
        for index in range(len(X)):
            found = trains.raster(index, phase)
            assert (found == even_spread(counts[index], phase)).all()
            assert (found.sum(axis=0) == counts[index]).all()


# ---------------------------------------------------------------- Bernoulli


def _rasters(X: NDArray[Any], **options: Any) -> NDArray[np.bool_]:
    trains = bernoulli_trains(X, 2.0, **options)
    return np.array([trains.raster(index) for index in range(len(trains))])


def test_bernoulli_has_the_rate_of_the_activation() -> None:
    probability = np.linspace(0, 1, 21)
    n = 2000 * STEPS
    spikes = _rasters(np.tile(2 * probability, (2000, 1)))
    deviation = np.abs(spikes.sum(axis=(0, 1)) - n * probability)
    assert (deviation <= 5 * np.sqrt(n * probability * (1 - probability))).all()
    # Every step has the same rate, and neighbours in time and among inputs are independent.
    half = _rasters(np.ones((2000, 20)))
    bound = 5 * 0.5 / math.sqrt(2000 * 20)
    assert (np.abs(half.mean(axis=(0, 2)) - 0.5) < bound).all()
    for axis in range(3):
        equal = ~np.diff(half, axis=axis)
        assert abs(equal.mean() - 0.5) < 5 * 0.5 / math.sqrt(equal.size)


def test_bernoulli_certainties() -> None:
    spikes = _rasters(np.tile([-1.0, 0.0, 2.0, 3.0], (500, 1)))
    assert not spikes[..., :2].any()
    assert spikes[..., 2:].all()


def test_bernoulli_repeats_with_its_seed_and_number() -> None:
    X = np.random.default_rng(0).random((12, 9))
    spikes = _rasters(X, seed=5, first=3)
    assert (_rasters(X, seed=5, first=3) == spikes).all()
    assert (_rasters(X[7:], seed=5, first=10) == spikes[7:]).all()
    assert (_rasters(X, seed=6, first=3) != spikes).any()
    assert (_rasters(X, seed=5, first=4) != spikes).any()


def test_a_bernoulli_answer_does_not_depend_on_the_place_in_the_batch() -> None:
    X = np.random.default_rng(1).random((6, 9))
    coding = Bernoulli(9, 2.0, seed=5)

    def rasters(X: NDArray[Any]) -> NDArray[np.bool_]:
        trains = coding.to_answer(X)
        return np.array([trains.raster(index) for index in range(len(trains))])

    spikes = rasters(X)
    assert (rasters(X[::-1]) == spikes[::-1]).all()
    assert (rasters(X[4:5]) == spikes[4:5]).all()
    assert (spikes[:1] == _rasters(X[:1], seed=5, first=0)).all()


# ---------------------------------------------------------------- codings


@pytest.mark.parametrize(("kind", "trains"), [(Even, even_trains), (Bernoulli, bernoulli_trains)])
def test_a_coding_gives_the_trains_of_its_functions(kind: type[Even], trains: Any) -> None:
    X = np.random.default_rng(2).gamma(1.0, 1.5, (20, 9))
    coding = kind(9, 2.0)
    options = {} if kind is Even else {"first": 4}
    assert (coding.to_learn(X, 4).inputs == trains(X, 2.0, **options).inputs).all()
    assert (coding.to_answer(X[:1]).inputs == trains(X[:1], 2.0).inputs).all()
    assert (coding.spike_counts(X) == spike_counts(X, 2.0)).all()
    assert coding.shares(X - 1) == coded_shares(X - 1, coding.spike_counts(X - 1))


def test_events_are_taken_as_they_are() -> None:
    spikes = np.random.default_rng(0).random((2, STEPS, 3)) < 0.5
    assert (Events(3).to_learn(spikes, 1).raster(1) == spikes[1]).all()
    assert (Events(3).spike_counts(spikes) == spikes.sum(axis=1)).all()


def test_signed_counts_lose_neither_sign() -> None:
    X = np.random.default_rng(0).normal(size=(5, 40))
    coding = Signed(40, 4.0)
    assert (coding.to_answer(X) == signed_counts(X, 4.0)).all()
    assert (coding.spike_counts(-X) == -coding.to_learn(X, 1)).all()
    assert coding.shares(X).clipped == 0
    assert coding.losses(coding.shares(X), "it") == ""


# ---------------------------------------------------------------- events


@given(spikes=rasters, phase=phases)
@settings(max_examples=50)
def test_events_come_back_as_they_were(spikes: NDArray[np.bool_], phase: int) -> None:
    trains = event_trains(spikes)
    assert (len(trains), trains.n_inputs) == (len(spikes), spikes.shape[2])
    for index, one in enumerate(spikes):
        assert (trains.raster(index, phase) == one).all()
        events = np.random.default_rng(0).permutation(np.argwhere(one))
        assert (raster(events, spikes.shape[2]) == one).all()
        assert (raster([*events.tolist(), *events.tolist()], spikes.shape[2]) == one).all()


def test_no_events_and_no_presentations() -> None:
    assert not raster([], 4).any()
    assert raster([], 4).shape == (STEPS, 4)
    assert len(event_trains(np.zeros((0, STEPS, 4), bool))) == 0
    assert not event_trains(np.zeros((2, STEPS, 4), bool)).raster(1).any()


@pytest.mark.parametrize("event", [(10, 2), (0, 3), (-1, 0), (3, -1)])
def test_an_event_outside_is_refused(event: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"^event ") as error:
        raster([(0, 0), event, (99, 99)], 3)
    step, number = event
    assert str(error.value) == (
        f"event (step {step}, input {number}) lies outside the 10 steps and 3 inputs"
    )
