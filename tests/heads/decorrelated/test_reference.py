"""The reference against presentations computed by hand, and against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikehead.heads.decorrelated import reference
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import (
    BLOCK,
    LATERAL_UNIT,
    TRACE_UNIT,
    UNIT,
    DecorrelatedParameters,
)
from spikehead.heads.decorrelated.reference import Presentation


def counts_of(*examples: list[int]) -> NDArray[np.int8]:
    return np.array(examples, np.int8)


def stream(seed: int, n: int, n_inputs: int, n_columns: int) -> tuple[NDArray[np.int8], Any]:
    rng = np.random.default_rng(seed)
    counts = rng.integers(-10, 11, (n, n_inputs)) * (rng.random((n, n_inputs)) < 0.7)
    counts[:, 0] += counts[:, 0] == 0
    return counts.astype(np.int8), rng.integers(0, n_columns, n)


def neuron(weights: list[float], energy: float, **parameters: Any) -> Network:
    """Return a network of one column with the given weights and energy."""
    network = Network(DecorrelatedParameters(**parameters), len(weights), 1)
    network.weights[0, 0] = np.array(weights) * UNIT
    network.energies[0] = energy * UNIT
    network.counts[0] = 1
    return network


# ---------------------------------------------------------------- a presentation


def test_an_untaught_network_hears_and_says_nothing() -> None:
    now = reference.present(Network(DecorrelatedParameters(), 4, 2), counts_of([3, -2, 0, 10])[0])
    assert (now.excitation == np.array([[3, -2, 0, 10]]) * UNIT).all()
    assert now.energies == (9 + 4 + 100) * UNIT
    assert not now.spikes.any()
    assert (now.residuals == -np.inf).all()
    assert (now.cosines == -np.inf).all()


def test_a_neuron_integrates_and_fires_off_its_potential_by_hand() -> None:
    # Threshold .2 * sqrt(25) * sqrt(25) = 5; it starts from 2.5.
    now = reference.present(neuron([2.0, -1.0], 25.0), counts_of([10, 4])[0])
    assert now.thresholds == 5 * UNIT
    # The first input spikes at each step, the second at steps 2, 4, 7 and 9.
    drives = [2, 2, 1, 2, 1, 2, 2, 1, 2, 1]
    assert now.potentials[:10, 0].tolist() == (2.5 * UNIT + np.cumsum(drives) * UNIT).tolist()
    assert now.branches == 16 * UNIT
    # 18.5: three spikes of 5 each leave 3.5, which is 1 above the start.
    assert np.flatnonzero(now.spikes[:, 0]).tolist() == [10, 11, 12]
    assert now.potentials[10:, 0].tolist() == [x * UNIT for x in (18.5, 13.5, 8.5, *[3.5] * 7)]
    assert now.residuals == 0.2
    # Cosine: 16 / sqrt(25 * 116), with nothing inhibited yet.
    assert now.cosines == pytest.approx(16 / np.sqrt(25 * 116))


@pytest.mark.parametrize(
    ("potential", "spikes", "rest"),
    [(2, 0, 0.4), (2.5, 1, -0.5), (-30, 0, -6), (47.5, 10, -0.5), (100, 10, 10)],
)
def test_spikes_are_the_potential_over_the_threshold_rounded(
    potential: float, spikes: int, rest: float
) -> None:
    now = reference.present(neuron([potential], 25.0), counts_of([1])[0])
    assert now.spikes.sum() == spikes
    assert now.residuals == rest


def test_off_lines_have_the_opposite_sign() -> None:
    network = neuron([1.5, -2.0, 0.5], 9.0)
    one = reference.present(network, counts_of([4, -3, 7])[0])
    other = reference.present(network, counts_of([-4, 3, -7])[0])
    assert (one.branches == -other.branches).all()
    assert (one.cosines == -other.cosines).all()


def test_all_thresholds_share_one_tone() -> None:
    network = Network(DecorrelatedParameters(threshold=0.5), 2, 3)
    network.energies[:] = np.array([4, 16, 0]) * UNIT
    network.counts[:] = 1, 5, 0
    now = reference.present(network, counts_of([1, 1])[0])
    # .5 * sqrt(q) * (2 + 4) / 2, the last at least two steps.
    assert now.thresholds.tolist() == [3 * UNIT, 6 * UNIT, 2]


def test_an_example_without_spikes_is_answered() -> None:
    network = neuron([2.0, -1.0], 25.0)
    now = reference.present(network, counts_of([0, 0])[0])
    assert not now.spikes.any()
    assert now.residuals == 0
    assert now.cosines == 0


# ---------------------------------------------------------------- a lesson


def test_a_first_lesson_by_hand() -> None:
    # l0 = 2 * 6.25; e = 25, so eta = 1 / 37.5 and l0 eta = 1 / 3.
    network = Network(DecorrelatedParameters(), 2, 2)
    now = reference.run(network, counts_of([3, -4]), np.array([1]))[0]
    assert now.lesson is not None
    assert now.lesson.rates == pytest.approx(1 / 37.5)
    assert network.weights[1, 0] / UNIT == pytest.approx(np.array([1, -4 / 3]), abs=1e-8)
    assert network.energies / UNIT == pytest.approx(np.array([0, 25 / 3]), abs=1e-8)
    assert network.counts.tolist() == [0, 1]
    assert not network.weights[0].any()
    # What the lateral layer keeps is the trace, until the block is full.
    assert not network.inhibition.any()
    trace = network.traces[0, 0] / TRACE_UNIT
    assert trace == pytest.approx(np.array([3, -4]) / np.sqrt(37.5), abs=1e-8)
    # The same again: (A k = k / 3, e = 25 / 3, eta = 1 / (12.5 + 25 / 3)).
    now = reference.present(network, counts_of([3, -4])[0])
    assert now.excitation / UNIT == pytest.approx(np.array([[1, -4 / 3]]), abs=1e-7)
    assert now.cosines[1] == pytest.approx(1, abs=1e-7)
    lesson = reference.learn(network, now, 0)
    assert lesson.rates == pytest.approx(1 / (12.5 + 25 / 3), abs=1e-8)
    # Anti-Hebbian: eta * (25 / 3) * (1, -4/3) comes off; both columns then have the same mean.
    lost = 25 / 3 / (12.5 + 25 / 3) * np.array([1, -4 / 3])
    assert lesson.depression[1, 0] / UNIT == pytest.approx(lost, abs=1e-7)
    assert not lesson.depression[0].any()
    assert network.weights[0, 0] / UNIT == pytest.approx(network.weights[1, 0] / UNIT, abs=1e-7)


def test_a_mean_moves_ever_more_slowly() -> None:
    network = Network(DecorrelatedParameters(lam=1000), 3, 1)  # hardly any inhibition
    examples = counts_of([10, 0, 2], [4, 6, 2], [1, 3, -10])
    for n, now in enumerate(reference.run(network, examples, np.zeros(3, int)), start=1):
        assert now.lesson is not None
        assert network.counts == 3
        gained = now.lesson.dopamine[0] / UNIT
        before = examples[: n - 1].mean(axis=0) if n > 1 else np.zeros(3)
        assert gained == pytest.approx((examples[n - 1] - before) / n, abs=0.1)


def test_inhibition_grows_between_inputs_that_are_active_together() -> None:
    network = Network(DecorrelatedParameters(), 3, 1)
    examples = np.tile(counts_of([5, 5, 0], [5, 4, 0]), (BLOCK // 2, 1))
    reference.run(network, examples, np.zeros(BLOCK, int))
    inhibition = network.inhibition[0]
    assert network.n_traces == 0
    assert not network.traces.any()
    assert inhibition[0, 1] > 0.3 * LATERAL_UNIT
    assert (inhibition == inhibition.T).all()
    assert not inhibition[2].any()


# ---------------------------------------------------------------- the specification anew


@given(
    seed=st.integers(0, 2**32 - 1),
    n_inputs=st.integers(1, 6),
    n=st.integers(1, 12),
    lam=st.sampled_from([0.25, 1.0, 4.0]),
)
@settings(max_examples=30, deadline=None)
def test_it_is_the_specification_in_fractions(seed: int, n_inputs: int, n: int, lam: float) -> None:
    """Follow section 2 and 3 literally, without any rounding."""
    counts, labels = stream(seed, n, n_inputs, 3)
    network = Network(DecorrelatedParameters(lam=lam), n_inputs, 3)
    happened = reference.run(network, counts, labels)

    l0 = Fraction(lam) * n_inputs * Fraction(25, 4)
    A = [[Fraction(int(i == j)) for j in range(n_inputs)] for i in range(n_inputs)]
    w = [[Fraction(0)] * n_inputs for _ in range(3)]
    q, learned = [Fraction(0)] * 3, [0] * 3
    for example, y, now in zip(counts.tolist(), labels.tolist(), happened, strict=True):
        xt = [dot(row, example) for row in A]
        e = dot(example, xt)
        eta = 1 / (l0 + e)
        a = [dot(row, example) for row in w]
        assert_near(now.excitation[0] / UNIT, xt)
        assert_near(now.branches[:, 0] / UNIT, a)
        for i in range(n_inputs):
            for j in range(n_inputs):
                A[i][j] -= eta * xt[i] * xt[j]
        for c in range(3):
            if learned[c]:
                w[c] = [value - eta * a[c] * x for value, x in zip(w[c], xt, strict=True)]
                q[c] -= eta * a[c] ** 2
        learned[y] += 1
        r = Fraction(1, learned[y])
        w[y] = [value + r * (l0 * eta * x - value) for value, x in zip(w[y], xt, strict=True)]
        q[y] = (1 - r) ** 2 * q[y] + 2 * r * (1 - r) * a[y] * l0 * eta + r**2 * e * l0 * eta
    assert network.counts.tolist() == learned
    assert_near(network.energies / UNIT, q)
    for c in range(3):
        assert_near(network.weights[c, 0] / UNIT, w[c])


def dot(one: list[Any], other: list[Any]) -> Fraction:
    return sum((x * y for x, y in zip(one, other, strict=True)), Fraction(0))


def assert_near(ours: NDArray[Any], exact: list[Fraction]) -> None:
    assert ours == pytest.approx(np.array([float(value) for value in exact]), abs=3e-6)


def test_what_is_recorded_adds_up() -> None:
    counts, labels = stream(0, 50, 8, 3)
    network = Network(DecorrelatedParameters(width=5), 8, 3)
    for example, label in zip(counts, labels, strict=True):
        before = network.weights.copy()
        now = reference.present(network, example)
        assert isinstance(now, Presentation)
        lesson = reference.learn(network, now, int(label))
        change = -lesson.depression
        change[label] += lesson.dopamine
        assert (network.weights - before == change).all()
        assert (now.input.sum(axis=0) == example).all()
        halves = now.thresholds / 2
        assert (now.potentials[9] == halves + now.branches.sum(axis=1)).all()
        fired = now.spikes.sum(axis=0) * now.thresholds
        assert not now.spikes[:10].any()
        assert (fired <= now.potentials[9].clip(min=0)).all()
