"""What becomes of lessons afterwards: heads and classes are merged, lessons are taken back.

A network holds no examples, only what follows from three sums over them. The inverse of the
specification's A is the identity plus a sum of whole numbers, over a constant; and a column's
weights are A times the mean of its examples. So the sums can be had back, by rounding as long as
the network's own rounding stays below that, and those of two networks be added.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.heads.decorrelated import rules
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import (
    BLOCK,
    LATERAL_UNIT,
    UNIT,
    DecorrelatedParameters,
)
from spikehead.interrupts import uninterrupted

_TOLERANCE = 1e-4  # far above what rounding does, of what is at most one

_NEVER_LEARNED = (
    "the example cannot be taken back, since this head cannot have learned it in this class"
)


@dataclass(frozen=True)
class Sums:
    """Sums over all examples that a network has learned; whole numbers in float64.

    Attributes
    ----------
    products : ndarray of float64, shape (n_branches, n_places, n_places)
        Of the products of the spike counts of any two inputs of a branch.
    totals : ndarray of float64, shape (n_columns, n_branches, n_places)
        Of the spike counts of each input, over the examples of each column.
    counts : ndarray of int64, shape (n_columns,)
        Examples of each column.
    """

    products: NDArray[np.float64]
    totals: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, network: Network) -> Sums:
        """Have the sums back from a network.

        They are exact up to some ten thousand examples of a thousand inputs; beyond, they differ
        by what the network has rounded.

        Raises
        ------
        ValueError
            If the network has a horizon.
        """
        check_horizon(network)
        inverse = np.linalg.inv(network.lateral())
        means = np.einsum("cbi,bij->cbj", network.weights / UNIT, inverse, optimize=True)
        return cls(
            np.rint(network.power * (inverse - np.eye(network.n_places))),
            np.rint(network.counts[:, None, None] * means),
            network.counts.copy(),
        )

    def network(self, parameters: DecorrelatedParameters, n_inputs: int) -> Network:
        """Return the network that has learned examples with these sums."""
        network = Network(parameters, n_inputs, len(self.counts))
        identity = np.eye(network.n_places)
        lateral = np.linalg.inv(identity + self.products / network.power)
        lateral = (lateral + lateral.transpose(0, 2, 1)) / 2
        means = self.totals / np.maximum(self.counts, 1)[:, None, None]
        weights = np.einsum("cbi,bij->cbj", means, lateral, optimize=True)
        network.inhibition = np.rint((identity - lateral) * LATERAL_UNIT)
        network.weights = np.rint(weights * UNIT)
        network.energies = np.rint((means * weights).sum(axis=(1, 2)) * UNIT)
        network.counts = self.counts.copy()
        return network


def merged(one: Network, other: Network, columns: NDArray[Any]) -> Network:
    """Return the network that has seen both streams, up to rounding; both stay as they are.

    Parameters
    ----------
    one, other : Network
        With the same inputs and hyperparameters.
    columns : ndarray of int, shape (other.n_columns,)
        The column of the result for each of `other`'s; those of `one` keep their number. Numbers
        from ``one.n_columns`` on are new columns.

    Raises
    ------
    ValueError
        If the networks differ or have a horizon, or two columns of one network would become one.
    """
    if one.n_inputs != other.n_inputs:
        raise ValueError(
            f"heads of {one.n_inputs} and of {other.n_inputs} inputs cannot be merged: both must "
            "come from one encoder"
        )
    ours, theirs = one.parameters.to_dict(), other.parameters.to_dict()
    for name, value in ours.items():
        if value != theirs[name]:
            raise ValueError(
                f"heads with {name} {value:g} and {theirs[name]:g} cannot be merged: both must "
                "have the same hyperparameters"
            )
    if (
        columns.shape != other.counts.shape
        or len(np.unique(columns)) < len(columns)
        or columns.min(initial=0) < 0
    ):
        raise ValueError(
            f"columns must be {other.n_columns} different ones, one for each of the other head"
        )
    first, second = Sums.of(one), Sums.of(other)
    n_columns = max(one.n_columns, int(columns.max(initial=-1)) + 1)
    totals = np.zeros((n_columns, *first.totals.shape[1:]))
    counts = np.zeros(n_columns, np.int64)
    totals[: one.n_columns], counts[: one.n_columns] = first.totals, first.counts
    totals[columns] += second.totals
    counts[columns] += second.counts
    sums = Sums(first.products + second.products, totals, counts)
    whole = sums.network(one.parameters, one.n_inputs)
    _join_answers(whole, one, other)
    return whole


def _join_answers(whole: Network, one: Network, other: Network) -> None:
    """Keep what two networks kept of their answers, as if their streams had run side by side.

    The temperature lies between theirs, nearer to the one that has learned more of it.
    """
    networks = [network for network in (one, other) if network.answered]
    if not networks:
        return
    answered = sum(int(network.answered) for network in networks)
    apart = rules.spacing(answered)
    parts = []
    for network in networks:
        step = apart // rules.spacing(int(network.answered))
        parts.append(
            np.stack([network.familiarities, network.chances])[:, : network.latest.stop : step]
        )
    places = [(np.arange(part.shape[1]) + 0.5) / part.shape[1] for part in parts]
    kept = np.concatenate(parts, axis=1)[:, np.argsort(np.concatenate(places), kind="stable")]
    whole.answered[...] = min(answered, kept.shape[1] * apart)
    n = whole.latest.stop
    whole.familiarities[:n], whole.chances[:n] = kept[:, :n]
    gains = [float(network.slopes) - 1 for network in networks]
    whole.slopes[...] = 1 + sum(gains)
    temperatures = [float(network.log_temperature) for network in networks]
    whole.log_temperature[...] = rules.rounded(
        np.average(temperatures, weights=gains if any(gains) else None)
    )


def joined(network: Network, column: int, into: int) -> Network:
    """Return the network in which two columns are one, as if it had learned the examples of both.

    Counts and means add up; the lateral layer never knew which example was whose.

    Parameters
    ----------
    network : Network
        Stays as it is.
    column : int
        The column that goes; those after it move up.
    into : int
        The column that is both.

    Raises
    ------
    ValueError
        If the network has a horizon.
    """
    check_horizon(network)
    columns = [into, column]
    counts, weights = network.counts[columns], network.weights[columns]
    parts = counts / max(counts.sum(), 1)
    mean = np.linalg.solve(network.lateral(), np.tensordot(parts, weights, 1)[..., None])[..., 0]
    whole = copy.copy(network)
    whole.weights, whole.energies = network.weights.copy(), network.energies.copy()
    whole.counts = network.counts.copy()
    whole.counts[into] = counts.sum()
    whole.weights[into] = np.rint(np.tensordot(parts, weights, 1))
    whole.energies[into] = np.rint((mean * whole.weights[into]).sum() / UNIT)
    return whole.without_column(column)


def unlearn(network: Network, counts: NDArray[np.int8], labels: NDArray[Any]) -> None:
    """Take lessons back: the network becomes, up to rounding, one that has never learned them.

    Nothing tells a network which examples it has learned, and of one that it has not it would
    forget what it never knew. Refused is what its sums cannot contain: an example of which some
    direction was never heard (as any new one has that comes among fewer examples than inputs), and
    where a class has learned a single example, any other. What cannot be known: whether an example
    that the others could make up was among them, and of which class it was.

    Parameters
    ----------
    network : Network
        Changed in place.
    counts : ndarray of int8, shape (n, n_inputs)
        Signed spike counts of the examples.
    labels : ndarray of int, shape (n,)
        The column in which each was learned.

    Raises
    ------
    ValueError
        If a column has learned nothing, an example cannot have been learned, or the network has a
        horizon; nothing is changed.
    """
    check_horizon(network)
    network.check_counts(counts)
    network.check_lessons(counts, labels)
    left = copy.copy(network)
    left.inhibition = network.consolidated()
    left.counts = network.counts.copy()
    for start in range(0, len(counts), BLOCK):
        part = slice(start, start + BLOCK)
        _take_back(left, network.arranged(counts[part]).astype(np.float64), labels[part])
    # Inhibition only goes down, so that it is enough to look at the end.
    if not _inhibits(left.inhibition):
        raise ValueError(_NEVER_LEARNED)
    with uninterrupted():
        network.hold(left.inhibition)
        network.weights, network.energies, network.counts = left.weights, left.energies, left.counts


def _take_back(network: Network, spikes: NDArray[np.float64], labels: NDArray[Any]) -> None:
    """Take some lessons back, each after the one before, where no trace of others is pending."""
    heard = (network.inhibition @ spikes.transpose(1, 2, 0)).transpose(2, 0, 1)
    traces = np.zeros_like(spikes)
    for place, (now, drive, label) in enumerate(
        zip(spikes, LATERAL_UNIT * spikes - heard, labels.tolist(), strict=True)
    ):
        overlaps = (traces[:place] * now).sum(axis=2)
        freed = rules.recalled(traces[:place], overlaps[:, :, None]).sum(axis=0)
        excited = rules.excitation(drive + freed)
        left = _take_from_columns(network, now, excited, label)
        traces[place] = rules.trace(excited, np.sqrt(1 / left)[:, None])
    products = traces.transpose(1, 2, 0) @ traces.transpose(1, 0, 2)
    network.inhibition -= rules.consolidated(0.0, products)


def _take_from_columns(
    network: Network, spikes: NDArray[np.float64], excited: NDArray[np.float64], label: int
) -> NDArray[np.float64]:
    """Take a lesson out of the columns; return what of each branch's power others explain."""
    energies = (excited * spikes).sum(axis=1)
    left: NDArray[np.float64] = network.power - energies / UNIT
    n = float(network.counts[label])
    own = network.weights[label]
    alone = n == 1 and np.allclose(own, excited, rtol=0, atol=_TOLERANCE * np.abs(excited).max())
    if not (n > 1 or alone) or (left <= 0).any():
        raise ValueError(_NEVER_LEARNED)
    # As in a lesson, with the opposite sign.
    potentials = (network.weights * spikes).sum(axis=2)
    steps = -potentials / left / UNIT
    weights, energy = rules.depressed(network.weights, excited, steps[:, :, None]), network.energies
    for potential, step in zip(potentials.T, steps.T, strict=True):
        energy = rules.depressed(energy, potential, step)
    # And out of the mean of its own class, of which it was one part in n.
    if n == 1:
        weights[label], energy[label] = 0, 0
    else:
        gains = network.power / left
        target = rules.left(excited, gains[:, None])
        new = rules.left(energies, gains).sum()
        change = (2 * n - 1) * energy[label] - 2 * n * (weights[label] * spikes).sum() + new
        weights[label] += rules.nearest((weights[label] - target) / (n - 1))
        energy[label] += rules.nearest(change / (n - 1) ** 2)
    network.weights, network.energies = weights, energy
    network.counts[label] -= 1
    return left


def check_horizon(network: Network) -> None:
    """Refuse a network that forgets."""
    if network.parameters.horizon:
        raise ValueError(
            f"a head with a horizon, here {network.parameters.horizon}, has forgotten a part of "
            "its lessons: it can neither be merged nor take one back"
        )


def _inhibits(inhibition: NDArray[np.float64]) -> bool:
    """Return whether lateral weights are such as lessons make: no pattern excites itself."""
    floor = _TOLERANCE * LATERAL_UNIT * np.eye(inhibition.shape[-1])
    try:
        np.linalg.cholesky(inhibition + floor)
    except np.linalg.LinAlgError:
        return False
    return True
