"""One presentation, step by step, as one reads it in the specification: the truth for engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, push_pull
from spikehead.heads.decorrelated import rules
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import (
    BLOCK,
    DISCHARGE_STEPS,
    LATERAL_UNIT,
    UNIT,
)


@dataclass
class Plasticity:
    """What a presentation changed, for pictures and tests.

    Attributes
    ----------
    rates : ndarray of float64, shape (n_branches,)
        The number that all synapses of a branch hear (eta).
    traces : ndarray of float64, shape (n_branches, n_places)
        What inputs keep: two of a branch inhibit each other more by the product of theirs.
    depression : ndarray of float64, shape (n_columns, n_branches, n_places)
        What each weight lost to its neuron's own potential.
    dopamine : ndarray of float64, shape (n_branches, n_places)
        What each weight of the labelled column then gained.
    """

    rates: NDArray[np.float64]
    traces: NDArray[np.float64]
    depression: NDArray[np.float64]
    dopamine: NDArray[np.float64]


@dataclass
class Presentation:
    """Everything that happened during one presentation.

    Attributes
    ----------
    input : ndarray of int8, shape (STEPS, n_inputs)
        Spikes of the inputs: 1 of an on line, -1 of an off line.
    excitation : ndarray of float64, shape (n_branches, n_places)
        What lateral inhibition left of the input, in steps of 1 / `UNIT`.
    energies : ndarray of float64, shape (n_branches,)
        Excitation times spikes, summed over each branch: how much of the example was new.
    branches : ndarray of float64, shape (n_columns, n_branches)
        Potential of each branch of each neuron at the end of the input, in steps of 1 / `UNIT`.
    potentials : ndarray of float64, shape (STEPS + DISCHARGE_STEPS, n_columns)
        Potentials of the neurons at each step, before a spike resets them, in the same unit.
    thresholds : ndarray of float64, shape (n_columns,)
        Thresholds, in the same unit.
    spikes : ndarray of bool, shape (STEPS + DISCHARGE_STEPS, n_columns)
        OUT spikes.
    residuals : ndarray of float64, shape (n_columns,)
        What is left of each potential, above where it started, over the threshold; minus infinity
        where the column has learned nothing.
    cosines : ndarray of float64, shape (n_columns,)
        How alike the example and each class are; likewise.
    lesson : Plasticity or None
        What was learned.
    """

    input: NDArray[np.int8]
    excitation: NDArray[np.float64]
    energies: NDArray[np.float64]
    branches: NDArray[np.float64]
    potentials: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    spikes: NDArray[np.bool_]
    residuals: NDArray[np.float64]
    cosines: NDArray[np.float64]
    lesson: Plasticity | None = None


def run(
    network: Network, counts: NDArray[np.int8], labels: NDArray[Any] | None = None
) -> list[Presentation]:
    """Present a stream, and learn it where labels are given.

    Parameters
    ----------
    network : Network
        Changed in place by learning.
    counts : ndarray of int8, shape (n_presentations, n_inputs)
        Signed spike counts.
    labels : ndarray of int, shape (n_presentations,), optional
        The column of each presentation's class.
    """
    happened = []
    for index, example in enumerate(counts):
        now = present(network, example)
        if labels is not None:
            now.lesson = learn(network, now, int(labels[index]))
        happened.append(now)
    return happened


def present(network: Network, counts: NDArray[np.int8]) -> Presentation:
    """Present one example: 10 steps of input, then 10 in which the columns answer.

    Parameters
    ----------
    network : Network
        Stays as it is.
    counts : ndarray of int8, shape (n_inputs,)
        Signed spike counts.
    """
    spikes_in = push_pull(counts)
    arriving = network.arranged(spikes_in).astype(np.float64)
    traces = network.traces[: network.n_traces]
    halves = network.half_thresholds()
    shape = STEPS + DISCHARGE_STEPS, network.n_columns
    potentials, spikes = np.zeros(shape), np.zeros(shape, bool)

    # Input: inhibition, the memory of the block's lessons and the columns integrate without leak.
    drive = np.zeros((network.n_branches, network.n_places))
    overlaps = np.zeros((len(traces), network.n_branches))
    branches = np.zeros((network.n_columns, network.n_branches))
    for step, now in enumerate(arriving):
        drive += LATERAL_UNIT * now - np.einsum("bij,bj->bi", network.inhibition, now)
        overlaps += (traces * now).sum(axis=2)
        branches += (network.weights * now).sum(axis=2)
        potentials[step] = halves + branches.sum(axis=1)
    recalled = rules.recalled(traces, overlaps[:, :, None]).sum(axis=0)
    excitation = rules.excitation(drive - recalled)
    energies = (excitation * arriving.sum(axis=0)).sum(axis=1)

    # Answer: each neuron fires off its potential, a threshold with each spike.
    potential = potentials[STEPS - 1].copy()
    for step in range(STEPS, STEPS + DISCHARGE_STEPS):
        potentials[step] = potential
        spikes[step] = potential >= 2 * halves
        potential -= 2 * halves * spikes[step]

    known = network.counts > 0
    energy = float(energies.sum())
    cosines = [
        rules.cosine(float(branch.sum()), float(own), energy)
        for branch, own in zip(branches, network.energies, strict=True)
    ]
    return Presentation(
        input=spikes_in,
        excitation=excitation,
        energies=energies,
        branches=branches,
        potentials=potentials,
        thresholds=2 * halves,
        spikes=spikes,
        residuals=np.where(known, (potential - halves) / (2 * halves), -np.inf),
        cosines=np.where(known, cosines, -np.inf),
    )


def learn(network: Network, now: Presentation, label: int) -> Plasticity:
    """Learn an example that was presented; all synapses change at once, at its end.

    Parameters
    ----------
    network : Network
        Changed in place.
    now : Presentation
        The network's last presentation.
    label : int
        The column of the example's class.
    """
    rules.note(now.cosines, label, *network.own_answers)
    rates = rules.rate(network.power, now.energies)
    traces = rules.trace(now.excitation, np.sqrt(rates)[:, None])
    network.traces[network.n_traces] = traces
    network.n_traces += 1

    # Anti-Hebbian: every neuron is depressed by its own potential, on each branch by that.
    before = network.weights
    steps = rates * now.branches / UNIT
    network.weights = rules.depressed(before, now.excitation, steps[:, :, None])
    for potential, step in zip(now.branches.T, steps.T, strict=True):
        network.energies = rules.depressed(network.energies, potential, step)
    depression = before - network.weights

    # Dopamine: the labelled neuron moves towards what of the example nothing explains yet.
    network.counts[label] += 1
    count = rules.remembered(float(network.counts[label]), network.parameters.horizon)
    gains = network.power * rates
    own = network.weights[label].copy()
    target = rules.left(now.excitation, gains[:, None])
    network.weights[label] = rules.moved(own, target, count)
    network.energies[label] = rules.moved_energy(
        network.energies[label],
        rules.left(now.branches[label], gains).sum(),
        rules.left(now.energies, gains).sum(),
        count,
    )

    # A full block of traces becomes lateral inhibition.
    if network.n_traces == BLOCK:
        left = rules.fading(network.counts, network.parameters.horizon)
        network.hold(rules.faded(network.consolidated(), left))
    return Plasticity(rates, traces, depression, network.weights[label] - own)
