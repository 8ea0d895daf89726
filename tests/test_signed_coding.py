"""Signed spike counts are the specification's, whatever the scale, and the same everywhere."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spikehead.coding import push_pull, signed_counts

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def exact_count(x: float, row: list[float], scale: float) -> Fraction:
    """Return 10 |x| / (s rms) + 1/2, squared where it needs a root, in fractions."""
    power = sum(Fraction(value) ** 2 for value in row) / len(row)
    return 100 * Fraction(x) ** 2 / (Fraction(scale) ** 2 * power)


@given(
    row=arrays.arrays(np.float64, st.integers(1, 30), elements=finite),
    scale=st.sampled_from([0.5, 1.0, 4.0, 7.3]),
)
def test_counts_are_those_of_the_specification(row: np.ndarray, scale: float) -> None:
    counts = signed_counts(row[None], scale)[0]
    if not row.any():
        assert not counts.any()
        return
    for x, count in zip(row.tolist(), counts.tolist(), strict=True):
        assert count == 0 or (count > 0) == (x > 0)
        # |count| - 1/2 <= 10 |x| / (s rms) < |count| + 1/2, as squares, within rounding.
        square = exact_count(x, row.tolist(), scale)
        tiny = Fraction(1, 10**12)
        if abs(count) < 10:
            assert square < (abs(count) + Fraction(1, 2) + tiny) ** 2
        if count:
            assert square >= (abs(count) - Fraction(1, 2) - tiny) ** 2


def test_counts_by_hand() -> None:
    # The root mean square is 5, and an input spikes at every step from 4 of them on.
    row = np.array([[5.0, -5.0, 5.0, 5.0]])
    assert signed_counts(row, 4.0).tolist() == [[3, -3, 3, 3]]  # 2.5, rounded up
    row = np.array([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    assert signed_counts(row, 4.0).tolist() == [[8, 0, 0, 0, 0, 0, 0, 0, 0]]  # 3 of 4: 7.5
    assert signed_counts(row, 2.0)[0, 0] == 10


@given(
    row=arrays.arrays(
        np.float64, 12, elements=st.floats(-100, 100).filter(lambda x: x == 0 or abs(x) > 1e-3)
    ),
    exponent=st.integers(-1000, 1000),
)
def test_neither_scale_nor_neighbours_matter(row: np.ndarray, exponent: int) -> None:
    alone = signed_counts(row[None], 4.0)
    assert (signed_counts(np.ldexp(row, exponent)[None], 4.0) == alone).all()
    assert (signed_counts(-row[None], 4.0) == -alone).all()
    among = np.stack([np.ones(12), row, np.full(12, 1e300), np.full(12, 5e-324)])
    assert (signed_counts(among, 4.0)[1] == alone).all()
    assert (signed_counts(among.astype(np.float64, order="F"), 4.0)[1] == alone).all()


def test_any_real_type_is_taken() -> None:
    X = np.random.default_rng(0).integers(-9, 10, (5, 8))
    expected = signed_counts(X.astype(np.float64), 4.0)
    for dtype in (np.int8, np.int64, np.float32):
        assert (signed_counts(X.astype(dtype), 4.0) == expected).all()
    assert signed_counts(np.empty((0, 8)), 4.0).shape == (0, 8)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    X = np.ones((4, 6))
    X[2, 3] = value
    with pytest.raises(ValueError, match=r"example 2 has the activation -?(nan|inf) at input 3;"):
        signed_counts(X, 4.0)


@settings(max_examples=20)
@given(counts=arrays.arrays(np.int8, 9, elements=st.integers(-10, 10)))
def test_push_pull_spikes_add_up_to_the_counts(counts: np.ndarray) -> None:
    spikes = push_pull(counts)
    assert spikes.shape == (10, 9)
    assert (spikes.sum(axis=0) == counts).all()
    assert (abs(spikes) <= 1).all()
    # One line of an input is silent.
    assert (spikes * np.sign(counts) >= 0).all()
