"""Random numbers that can be repeated: each follows from what it is for.

Those of networks are counter-based, hashes that any engine can find again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray


@register_jitable
def mix(x: Any) -> Any:
    """Return a 32-bit hash of unsigned 32-bit integers: the finaliser "lowbias32" (C. Wellons).

    Takes NumPy arrays of uint32, and scalars where Numba compiles it.
    """
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


def chance(purpose: str, seed: int) -> np.random.Generator:
    """Return the random numbers of one purpose, which no other shares, whatever its seed.

    Parameters
    ----------
    purpose : str
        What they decide.
    seed : int
        From 0.
    """
    return np.random.default_rng([seed, *purpose.encode()])


def keys(*numbers: Any) -> NDArray[np.uint32]:
    """Return the hash of a chain of numbers.

    Parameters
    ----------
    *numbers : int or array of int
        Whole numbers, of which the lowest 32 bits count; arrays are broadcast against each other.

    Returns
    -------
    ndarray of uint32
        In the broadcast shape, with at least one dimension.
    """
    key = np.zeros(1, np.uint32)
    for number in numbers:
        low = number % 2**32 if isinstance(number, int) else number
        key = mix(key ^ np.asarray(low, np.uint32)) + np.uint32(0x9E3779B9)
    return key


def counted(first: int, n: int) -> NDArray[np.int64]:
    """Return `n` numbers for `keys`, counted up from `first`, however large that is."""
    return first % 2**32 + np.arange(n)
