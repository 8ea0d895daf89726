"""The sparse expansion against its definition, unit by unit and place by place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikehead.coding import signed_counts
from spikehead.expansion import SparseExpansion


def strongest(seen: list[int], synapses: list[list[int]], n_winners: int) -> list[int]:
    """Return how far each unit is above the strongest one that is silent, at one place."""
    drives = [
        sum(seen[i] for i in inputs[::2]) - sum(seen[i] for i in inputs[1::2])
        for inputs in synapses
    ]
    silent = max(sorted(drives, reverse=True)[n_winners], 0)
    return [max(drive - silent, 0) for drive in drives]


@given(
    grid=st.one_of(st.tuples(st.integers(9, 50)), st.tuples(st.integers(1, 9), st.integers(1, 9))),
    n_units=st.integers(2, 12),
    n_synapses=st.integers(1, 9),
    active=st.floats(0.01, 0.99),
    side=st.integers(3, 6),
    cells=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_the_strongest_units_of_each_place_win_and_are_summed_in_its_cell(
    grid: tuple[int, ...],
    n_units: int,
    n_synapses: int,
    active: float,
    side: int,
    cells: int,
    seed: int,
) -> None:
    expansion = SparseExpansion(
        grid,
        n_units,
        n_synapses=n_synapses,
        active=active,
        side=side,
        cells=cells,
        seed=seed % 7,
    )
    X = np.random.default_rng(seed).standard_normal((3, np.prod(grid)))
    X[0] = 0
    found = expansion.expand(X)
    assert found.shape == (3, expansion.n_outputs)
    synapses, n_winners = expansion.synapses.tolist(), max(int(active * n_units), 1)
    for counts, given_sums in zip(signed_counts(X, 4).tolist(), found.tolist(), strict=True):
        if len(grid) == 1:
            assert given_sums == strongest(counts, synapses, n_winners)
            continue
        (height, width), before = grid, side // 2
        rows, columns = min(cells, height), min(cells, width)
        sums = np.zeros((rows, columns, n_units), int)
        for row in range(height):
            for column in range(width):
                seen = [
                    counts[r * width + c] if 0 <= r < height and 0 <= c < width else 0
                    for r in range(row - before, row - before + side)
                    for c in range(column - before, column - before + side)
                ]
                cell = row * rows // height, column * columns // width
                sums[cell] += strongest(seen, synapses, n_winners)
        assert given_sums == sums.ravel().tolist()


def test_the_seed_decides_and_no_unit_sees_an_input_twice() -> None:
    one, same, other = (SparseExpansion((8, 8), 30, seed=seed) for seed in (0, 0, 1))
    assert (one.synapses == same.synapses).all()
    assert (one.synapses != other.synapses).any()
    assert all(len(set(inputs)) == 8 for inputs in one.synapses.tolist())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"grid": (2, 2, 2)}, "grid must be"),
        ({"grid": (0,)}, "grid must be"),
        ({"n_units": 1}, "two units at least"),
        ({"n_synapses": 26}, "each 1 to 25 synapses, not 128 and 26"),
        ({"active": 1.0}, "active must be above 0 and below 1"),
        ({"side": 0}, "side and cells must be 1 at least"),
    ],
)
def test_what_makes_no_expansion_is_refused(values: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SparseExpansion(**({"grid": (4, 4)} | values))


def test_inputs_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(n, 16\), not \(2, 15\)"):
        SparseExpansion((4, 4)).expand(np.zeros((2, 15)))
