"""What to learn next: the unlabelled examples that would teach most.

A label teaches most where columns are unsure, and where it tells of many other examples. How much
one example tells of another follows from the lateral layer alone, which knows no labels: so it can
be seen beforehand what learning the one would explain of the other. Of those that are unsure, the
one is taken that would explain most of the pool, then the one that would explain most of what is
left, and so on: examples that are alike are not taken twice. There is no chance in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import UNIT

CANDIDATES = 10
"""Examples among which each one is chosen: so many times what is asked for, the least sure ones."""

POOL = 800
"""Examples of the pool, spread evenly over it, that the chosen ones are to explain."""

_BATCH = 2048


def most_instructive(network: Network, counts: NDArray[np.int8], n: int) -> NDArray[np.intp]:
    """Choose the examples of a pool that would teach most.

    Parameters
    ----------
    network : Network
        What is known; it stays as it is.
    counts : ndarray of int8, shape (n_examples, n_inputs)
        Signed spike counts of the pool.
    n : int
        How many to choose.

    Returns
    -------
    ndarray of int, shape (min(n, n_examples),)
        Their places, those that teach most first.
    """
    unsure = np.argsort(_margins(network, counts), kind="stable")[: CANDIDATES * n]
    spread = np.linspace(0, len(counts), min(POOL, len(counts)), endpoint=False).astype(np.intp)
    candidates, pool = (_by_branch(network, counts[places]) for places in (unsure, spread))
    excited = candidates @ network.lateral()
    shared = excited @ pool.transpose(0, 2, 1)
    left = np.ones(len(unsure), np.bool_)
    chosen = []
    for _ in range(min(n, len(counts))):
        scales = network.power + (excited * candidates).sum(axis=2)
        explained = (shared**2 / scales[:, :, None]).sum(axis=(0, 2))
        best = int(np.where(left, explained, -np.inf).argmax())
        left[best] = False
        chosen.append(best)
        # As if it were learned, but in the lateral layer only.
        overlaps = (excited @ candidates[:, best, :, None]) / scales[:, best, None, None]
        shared -= overlaps * shared[:, best, None]
        excited -= overlaps * excited[:, best, None]
    return unsure[chosen]


def _margins(network: Network, counts: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return how far ahead of the next column the first one is, for each example.

    A response is measured by the root of the column's own energy; where there is none, it is zero.
    """
    known = np.flatnonzero(network.counts)
    sizes = np.sqrt(np.maximum(network.energies[known], 1.0) / UNIT)
    directions = network.weights[known] / UNIT / sizes[:, None, None]
    margins = np.empty(len(counts))
    for start in range(0, len(counts), _BATCH):
        part = slice(start, start + _BATCH)
        heard = np.tensordot(network.arranged(counts[part]), directions, ((1, 2), (1, 2)))
        heard.sort(axis=1)
        margins[part] = heard[:, -1:].sum(axis=1) - heard[:, -2:-1].sum(axis=1)
    return margins


def _by_branch(network: Network, counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return examples in the shape (n_branches, n_examples, n_places)."""
    return np.ascontiguousarray(network.arranged(counts).transpose(1, 0, 2), np.float64)
