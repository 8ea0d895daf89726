"""The signed few-spikes neuron: how a whole number is sent in a few steps, and what that costs.

A neuron stands for a whole number of at most `bits` bits and a sign. It sends it in `bits` time
steps, the most significant first: a spike at step ``j`` counts ``2 ** (bits - 1 - j)``, with the
spike's sign. A receiving neuron doubles its membrane at each step, and adds the plain weight of
each spike.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def spikes(rest: Any, value: int) -> Any:
    """Return the sign of the spike that a neuron sends at a step, or 0 where it is silent.

    It spikes where more than two thirds of a spike's value is left to be sent. So two neighbours in
    a row of steps hardly ever spike (the non-adjacent form of the number, wherever that has a place
    in these steps), and after the last step nothing is left.

    Parameters
    ----------
    rest : ndarray of int
        What is left to be sent.
    value : int
        What a spike counts at this step: a power of two.
    """
    return np.sign(rest) * (3 * np.abs(rest) > 2 * value)


def trains(codes: NDArray[Any], bits: int) -> NDArray[np.int8]:
    """Return the spikes with which neurons send their numbers, shape (bits, ...).

    Parameters
    ----------
    codes : ndarray of int, any shape
        Of at most `bits` bits and a sign.
    bits : int
        Time steps.

    Returns
    -------
    ndarray of int8
        1 or -1 where there is a spike of this sign, else 0.
    """
    rest = np.asarray(codes, np.int32)
    sent = np.empty((bits, *rest.shape), np.int8)
    for step in range(bits):
        value = 1 << (bits - 1 - step)
        sent[step] = spikes(rest, value)
        rest = rest - value * sent[step].astype(np.int32)
    return sent


def n_spikes(codes: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return how many spikes each neuron sends; parameters as of `trains`."""
    counts: NDArray[np.uint8] = _counts(bits)[np.abs(codes).astype(np.intp)]
    return counts


@lru_cache
def _counts(bits: int) -> NDArray[np.uint8]:
    return np.asarray(np.count_nonzero(trains(np.arange(1 << bits), bits), axis=0), np.uint8)
