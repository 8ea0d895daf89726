"""What would be said of an example that was learned, if it had not been: leave-one-out.

No head is taught anew: what taking an example out of the lateral layer and out of the mean of its
class changes in the answers to the example itself follows from what columns and layer hear of it
now (Sherman and Morrison's identity, as in learning, with the opposite sign).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import UNIT
from spikehead.heads.decorrelated.revision import check_horizon

_BATCH = 2048


def left_out_cosines(
    network: Network, counts: NDArray[np.int8], labels: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return how alike each example and each class are to a network that has not learned it.

    Parameters
    ----------
    network : Network
        It has learned the examples; it stays as it is.
    counts : ndarray of int8, shape (n_examples, n_inputs)
        Their signed spike counts.
    labels : ndarray of int, shape (n_examples,)
        The column in which each was learned.

    Returns
    -------
    ndarray of float64, shape (n_examples, n_columns)
        From -1 to 1, as `rules.cosine`; the largest answers. NaN where the column knows no other
        example, or the example has no spikes; minus infinity where the column knows none.

    Raises
    ------
    ValueError
        If the network has a horizon.
    """
    check_horizon(network)
    found = np.empty((len(counts), network.n_columns))
    lateral, weights = network.lateral(), network.weights / UNIT
    for start in range(0, len(counts), _BATCH):
        part = slice(start, start + _BATCH)
        spikes = network.arranged(counts[part]).astype(np.float64).transpose(1, 0, 2)
        energies = ((spikes @ lateral) * spikes).sum(axis=2)
        potentials = spikes @ weights.transpose(1, 2, 0)
        found[part] = _without(network, energies, potentials, labels[part])
    return found


def _without(
    network: Network,
    energies: NDArray[np.float64],
    potentials: NDArray[np.float64],
    labels: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the cosines without each example; what is heard with it is given branch by branch."""
    rest = network.power - energies
    gains = network.power / rest
    heard = (potentials * gains[:, :, None]).sum(axis=0)
    sizes = network.energies / UNIT + (potentials**2 / rest[:, :, None]).sum(axis=0)
    # The mean of its own class loses it, too.
    own = np.arange(len(labels)), labels
    n, mine = network.counts[labels].astype(np.float64), potentials[:, own[0], own[1]]
    others = n * mine - energies
    size = n**2 * network.energies[labels] / UNIT - (2 * n * mine - energies).sum(axis=0)
    size += (others**2 / rest).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        heard[own] = (gains * others).sum(axis=0) / (n - 1)
        sizes[own] = size / (n - 1) ** 2
        cosines = heard / np.sqrt(sizes * (gains * energies).sum(axis=0)[:, None])
    cosines[:, network.counts == 0] = -np.inf
    cosines[own] = np.where(n > 1, cosines[own], np.nan)
    return np.asarray(cosines)
