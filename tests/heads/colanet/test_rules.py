"""Every equation of CoLaNET against a hand computation or a naive version of itself."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikehead.heads.colanet import rules
from spikehead.randomness import keys

max_weights, min_weights = st.floats(1e-3, 7.99), st.floats(0, 7.99)


def weight(resource: Any, max_weight: float, min_weight: float) -> Any:
    span = np.float32(max_weight + min_weight)
    return rules.weight(np.float32(resource), np.float32(-min_weight), span)


# ---------------------------------------------------------------- the membrane


@given(potential=st.integers(0, 2**30), drive=st.integers(-(2**30), 2**30))
def test_integrate_leaks_a_ninth_and_has_a_floor(potential: int, drive: int) -> None:
    expected = max(0, math.ceil(potential * Fraction(8, 9)) + drive)
    assert rules.integrate(potential, drive) == expected
    assert rules.integrate(np.array([potential]), np.array([drive])) == [expected]


def test_threshold_by_hand() -> None:
    # 8.531 * 4096 = 34942.976; Table 1's excess times 100 weights of 1.0 adds 0.19573.
    assert rules.threshold(0.0019573, 0) == 34943
    assert rules.threshold(0.0019573, 100 * 4096) == 35745  # 8.72673 * 4096 = 35744.686
    assert rules.threshold(0.5, 3) == 34944  # 34944.476


# ---------------------------------------------------------------- chance


@pytest.mark.parametrize("amplitude", [1, 2, 66, 4096, 32768])
def test_noise_is_uniform_below_its_amplitude(amplitude: int) -> None:
    key, moment = keys(np.arange(200)[:, None]), keys(np.arange(500))
    found = rules.noise(key, moment, np.uint32(amplitude)).astype(np.int64)
    assert found.min() == 0
    assert found.max() == amplitude - 1
    deviation = math.sqrt((amplitude**2 - 1) / 12 / found.size)
    assert abs(found.mean() - (amplitude - 1) / 2) <= 5 * deviation
    assert not rules.noise(key, moment, np.uint32(0)).any()


# ---------------------------------------------------------------- spike trains


def spikes_of(train: int) -> list[int]:
    return [step for step in range(15) if train & 1 << step]


@pytest.mark.parametrize("step", range(15))
def test_recent_is_the_step_and_ten_before(step: int) -> None:
    assert spikes_of(rules.recent(step)) == [t for t in range(15) if 0 <= step - t <= 10]


def test_all_trains_have_the_first_spike_and_the_tight_sequence_of_a_naive_search() -> None:
    for train in range(1, 2**15):
        spikes = spikes_of(train)
        sequence = [spikes[0]]
        for spike in spikes[1:]:
            if spike - sequence[-1] > 10:
                break
            sequence.append(spike)
        assert rules.first_spike(train) == spikes[0]
        assert rules.tight_sequence_end(train) == sequence[-1]


# ---------------------------------------------------------------- weights


def test_weight_by_hand() -> None:
    # D = 3: w = -1 + 3 * 6 / (3 + 6) = 1.
    assert weight(6.0, max_weight=2.0, min_weight=1.0) == 4096
    assert weight(0.0, max_weight=2.0, min_weight=1.0) == -4096
    assert weight(-5.0, max_weight=2.0, min_weight=1.0) == -4096
    # D = 2.83918: w = -1.65234 + 2.83918 * 10 / 12.83918 = 0.55900.
    assert weight(10.0, max_weight=1.18684, min_weight=1.65234) == pytest.approx(
        0.55900 * 4096, abs=1
    )


@given(max_weights, min_weights, st.floats(-10, 1e6, width=32))
def test_weight_is_the_equation_within_its_bounds(high: float, low: float, resource: float) -> None:
    span, held = Fraction(high) + Fraction(low), Fraction(max(resource, 0))
    exact = -Fraction(low) + span * held / (span + held)
    found = weight(resource, high, low)
    assert abs(Fraction(float(found)) - exact * 4096) <= 0.5 + 0.02  # float32 rounding
    assert -low - 1 / 4096 <= found / 4096 <= high + 1 / 4096
    assert -(2**15) <= found < 2**15


@given(max_weights, min_weights, st.lists(st.floats(-10, 1e4, width=32), min_size=2))
def test_weight_never_falls_as_the_resource_grows(
    high: float, low: float, resources: list[float]
) -> None:
    assert (np.diff(weight(np.sort(resources), high, low)) >= 0).all()


@given(max_weights, min_weights)
def test_synapses_start_with_a_weight_of_zero(high: float, low: float) -> None:
    start = rules.initial_resource(high, low)
    span = Fraction(high) + Fraction(low)
    assert start == pytest.approx(float(Fraction(low) * span / Fraction(high)))
    assert weight(start, high, low) == 0


# ---------------------------------------------------------------- plasticity


@given(st.floats(-50, 1100))
def test_plasticity_is_the_power(stability: float) -> None:
    exact = min(math.pow(2.0, -stability), 1.0)
    assert abs(rules.plasticity(stability) - exact) < 1e-9
    assert rules.plasticity(stability) == pytest.approx(exact, rel=1e-8, abs=1e-300)


def test_plasticity_of_whole_stabilities_is_exact() -> None:
    assert [rules.plasticity(s) for s in (-3, 0, 1, 2, 10)] == [1, 1, 0.5, 0.25, 2**-10]


@pytest.mark.parametrize(
    ("stability", "change", "after"),
    [
        (0.0, -0.5, 0.0),
        (0.0, 0.5, 0.5),
        (-0.25, -0.5, -0.25),
        (-0.25, 0.5, 0.25),
        (0.25, -0.5, -0.25),
        (0.25, 0.5, 0.75),
    ],
)
def test_a_stability_that_is_not_positive_can_only_grow(
    stability: float, change: float, after: float
) -> None:
    assert rules.changed_stability(stability, change) == after


@pytest.mark.parametrize(
    ("age", "factor"), [(0, 1.0), (2, 1.2), (5, 1.5), (10, 2.0), (13, 1.7), (40, -1.0), (99, -1.0)]
)
def test_dopamine_stability_by_hand(age: int, factor: float) -> None:
    assert rules.dopamine_stability(age) == pytest.approx(factor)


@given(
    change=st.floats(-10, 10),
    n_synapses=st.integers(1, 2000),
    n_silent=st.integers(1, 3000),
    data=st.data(),
)
def test_renormalisation_keeps_the_total_of_synapses_and_reservoir(
    change: float, n_synapses: int, n_silent: int, data: st.DataObject
) -> None:
    shares = data.draw(st.integers(0, 10 * n_synapses))
    given_up = rules.renormalisation(change, shares, n_synapses, n_silent)
    connected = change * shares - given_up * n_synapses
    reservoir = -given_up * n_silent
    assert connected + reservoir == pytest.approx(0, abs=1e-9)


def test_renormalisation_by_hand() -> None:
    assert rules.renormalisation(0.6, n_active=2, n_synapses=4, n_silent=8) == pytest.approx(0.1)
    assert rules.renormalisation(0.6, n_active=2, n_synapses=4, n_silent=-1) == 0
