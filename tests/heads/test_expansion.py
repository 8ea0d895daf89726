"""The sparse expansion against its definition, unit by unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikehead.heads.expansion import SparseExpansion


@given(
    grid=st.one_of(
        st.tuples(st.integers(1, 50)), st.tuples(st.integers(1, 12), st.integers(1, 12))
    ),
    n_units=st.integers(2, 40),
    n_synapses=st.integers(1, 12),
    active=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_units_are_driven_by_their_inputs_and_the_strongest_win(
    grid: tuple[int, ...], n_units: int, n_synapses: int, active: float, seed: int
) -> None:
    expansion = SparseExpansion(grid, n_units, n_synapses=n_synapses, active=active, seed=seed % 7)
    counts = np.random.default_rng(seed).integers(-10, 11, (5, np.prod(grid)), np.int8)
    found = expansion.expand(counts)
    for example, units in zip(counts.tolist(), found.tolist(), strict=True):
        drives = [
            sum(example[i] for i in inputs[::2]) - sum(example[i] for i in inputs[1::2])
            for inputs in expansion.synapses.tolist()
        ]
        strongest_silent = sorted(drives, reverse=True)[max(int(active * n_units), 1)]
        assert units == [max(drive - strongest_silent, 0) for drive in drives]
    assert (np.count_nonzero(found, axis=1) <= max(active * n_units, 1)).all()


def test_on_a_grid_a_unit_sees_one_place() -> None:
    expansion = SparseExpansion((20, 30), 500, n_synapses=60, sides=(4, 7))
    rows, columns = expansion.synapses // 30, expansion.synapses % 30
    for axis, length in ((rows, 20), (columns, 30)):
        extent = axis.max(axis=1) - axis.min(axis=1) + 1
        assert extent.max() == 7
        assert axis.min() == 0
        assert axis.max() == length - 1
    assert len(np.unique(expansion.synapses)) > 500
    everywhere = SparseExpansion((600,), 50, n_synapses=60)
    assert (everywhere.synapses.max(axis=1) - everywhere.synapses.min(axis=1)).min() > 400


def test_the_seed_decides_and_a_small_grid_is_seen_whole() -> None:
    one, same, other = (SparseExpansion((8, 8), 30, seed=seed) for seed in (0, 0, 1))
    assert (one.synapses == same.synapses).all()
    assert (one.synapses != other.synapses).any()
    assert SparseExpansion((3, 2), 10).synapses.max() < 6


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"grid": (2, 2, 2)}, "grid must be"),
        ({"grid": (0,)}, "grid must be"),
        ({"n_units": 1}, "two units at least"),
        ({"n_synapses": 0}, "1 to 1000 synapses each, not 4096 and 0"),
        ({"active": 1.0}, "active must be above 0 and below 1"),
        ({"sides": (5, 3)}, "sides must be two whole numbers from 1, in order"),
    ],
)
def test_what_makes_no_expansion_is_refused(values: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SparseExpansion(**({"grid": (4, 4)} | values))


def test_inputs_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(n, 16\), not \(2, 15\)"):
        SparseExpansion((4, 4), 10).expand(np.zeros((2, 15), np.int8))
