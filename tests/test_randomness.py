"""The counter-based random numbers are a good hash, and the same one wherever it is computed."""

from __future__ import annotations

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikehead.randomness import keys, mix

words = st.integers(0, 2**32 - 1)
WORD = 0xFFFFFFFF


def inverse(x: int) -> int:
    """Undo lowbias32 with the inverse that its author published."""
    x ^= x >> 16
    x = x * 0x43021123 & WORD
    x ^= x >> 15 ^ x >> 30
    x = x * 0x1D69E2A5 & WORD
    return x ^ x >> 16


@numba.njit
def compiled_mix(x: int) -> int:
    return mix(np.uint32(x))


@given(words)
def test_mix_is_lowbias32(word: int) -> None:
    hashed = mix(np.array([word], np.uint32))
    assert hashed.dtype == np.uint32
    assert inverse(int(hashed[0])) == word


@given(words)
def test_mix_is_the_same_compiled(word: int) -> None:
    assert compiled_mix(word) == mix(np.array([word], np.uint32))[0]


def test_mix_changes_half_of_the_bits() -> None:
    x = np.arange(20_000, dtype=np.uint32)
    for bit in range(32):
        flipped = mix(x) ^ mix(x ^ np.uint32(1 << bit))
        share = np.unpackbits(flipped.view(np.uint8)).mean()
        assert abs(share - 0.5) < 0.01


def test_keys_are_uniform_and_distinct() -> None:
    found = keys(7, np.arange(200)[:, None], np.arange(500))
    assert found.shape == (200, 500)
    counts = np.bincount((found >> np.uint32(26)).ravel(), minlength=64)
    expected = found.size / 64
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 120  # 63 degrees of freedom: 1 in 10**5
    # 10**5 draws of 2**32: 1.2 collisions are expected.
    assert np.unique(found).size > found.size - 10


def test_keys_depend_on_every_number_and_its_place() -> None:
    chains = [(), (0,), (0, 0), (1,), (1, 0), (0, 1), (1, 1), (2, 1), (1, 2), (0, 0, 0)]
    found = [int(keys(*chain)[0]) for chain in chains]
    assert len(set(found)) == len(chains)
    assert keys(3, 4).shape == (1,)
    assert keys(3, 4) == keys(np.array([1, 3]), 4)[1]
