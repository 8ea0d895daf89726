"""One presentation, step by step, as one reads it in the paper: the truth for every fast engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, SpikeTrains
from spikehead.heads.colanet import rules
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import ALL_STEPS, DOPAMINE_STEP, LABEL_STEP, MEMORY


@dataclass(frozen=True)
class ResourceChange:
    """One change of a neuron's resources, for pictures and tests.

    Attributes
    ----------
    neuron : int
        The L neuron that learned.
    cause : str
        ``"anti-Hebbian"`` or ``"dopamine"``.
    active : ndarray of bool, shape (n_synapses,)
        The synapses that changed by `gain`: their inputs had spiked.
    gain : float
        What such a synapse gained, before renormalisation.
    given : float
        What every synapse gave in renormalisation.
    stability : float
        The neuron's stability afterwards.
    """

    neuron: int
    cause: str
    active: NDArray[np.bool_]
    gain: float
    given: float
    stability: float


@dataclass
class Presentation:
    """Everything that happened in one member during one presentation.

    Attributes
    ----------
    input : ndarray of bool, shape (STEPS, n_inputs)
        Input spikes.
    potentials : ndarray of int64, shape (15, n_neurons)
        Potentials of the L neurons after integrating, before a spike resets them, in steps of
        2**-12.
    thresholds : ndarray of int64, shape (n_neurons,)
        Thresholds, in the same unit.
    spikes : ndarray of bool, shape (15, n_neurons)
        Spikes of the L neurons, the forced one included.
    blocked : ndarray of bool, shape (15, n_neurons)
        Where a neuron neither integrated nor could fire.
    forced : int
        The L neuron that BIASGATE forced to fire, or -1.
    changes : list of ResourceChange
        What was learned.
    """

    input: NDArray[np.bool_]
    potentials: NDArray[np.int64]
    thresholds: NDArray[np.int64]
    spikes: NDArray[np.bool_]
    blocked: NDArray[np.bool_]
    forced: int = -1
    changes: list[ResourceChange] = field(default_factory=list)

    def out(self, microcolumns: int) -> NDArray[np.bool_]:
        """Return the spikes of each column's OUT neuron, shape (15, n_columns)."""
        return np.asarray(self.spikes.reshape(ALL_STEPS, -1, microcolumns).any(axis=2))

    def peaks(self, microcolumns: int) -> NDArray[np.float32]:
        """Return each column's highest potential over threshold while the input lasted."""
        highest = self.potentials[:STEPS].max(axis=0)
        ratios = highest.astype(np.float32) / self.thresholds.astype(np.float32)
        return np.asarray(ratios.reshape(-1, microcolumns).max(axis=1))


def run(
    network: Network, trains: SpikeTrains, labels: NDArray[np.int32] | None = None
) -> list[list[Presentation]]:
    """Present a stream to every member, and learn it where labels are given.

    Parameters
    ----------
    network : Network
        Changed in place by learning.
    trains : SpikeTrains
        The stream.
    labels : ndarray of int32, shape (n_presentations,), optional
        The column of each presentation's class. Without them nothing is learned, and every
        presentation is number 0, so that a prediction does not depend on the others.

    Returns
    -------
    list of list of Presentation
        For each presentation, what happened in each member.
    """
    happened = []
    if labels is not None:
        network.make_writable()
    for index in range(len(trains)):
        if labels is not None:
            network.presentations += 1
        number = 0 if labels is None else network.presentations
        label = None if labels is None else int(labels[index])
        members = range(network.n_members)
        happened.append([present(network, m, trains, index, number, label) for m in members])
    return happened


def present(
    network: Network,
    member: int,
    trains: SpikeTrains,
    index: int,
    number: int = 0,
    label: int | None = None,
) -> Presentation:
    """Present one example to one member: 10 steps of input, 5 of silence.

    Parameters
    ----------
    network : Network
        Its member's resources and stability change in place if there is a label.
    member : int
        Which member of the ensemble.
    trains : SpikeTrains
        The stream.
    index : int
        Which presentation of the stream.
    number : int, default=0
        The presentation's number in the life of the network, on which its noise depends.
    label : int, optional
        The column of the example's class.
    """
    size = network.parameters.microcolumns
    spikes_in = trains.raster(index, int(network.phases[member]))
    currents = _currents(network, member, spikes_in)
    noise = network.noise(number)[:, member]
    shape = (ALL_STEPS, network.n_neurons)
    thresholds = network.thresholds()[member].astype(np.int64)
    now = Presentation(
        spikes_in,
        np.zeros(shape, np.int64),
        thresholds,
        np.zeros(shape, bool),
        np.zeros(shape, bool),
    )

    potential = np.zeros(network.n_neurons, np.int64)
    block_end = np.full(network.n_neurons, -1)
    for step in range(ALL_STEPS):
        open_now = step > block_end
        drive = currents[step] + noise[step]
        potential = rules.integrate(potential, np.where(open_now, drive, 0))
        now.potentials[step] = potential
        now.blocked[step] = ~open_now
        for column in range(network.n_columns):
            neurons = np.arange(column * size, (column + 1) * size)
            able = neurons[(open_now & (potential > thresholds))[neurons]]
            if able.size:
                _fire(now, step, able[potential[able].argmax()], neurons, potential, block_end)
        if label is not None and step == LABEL_STEP:
            neurons = np.arange(label * size, (label + 1) * size)
            # BIASGATE: stays silent if OUT of the column spiked within the last 10 steps.
            if not now.spikes[step - MEMORY : step + 1, neurons].any():
                now.forced = int(neurons[potential[neurons].argmax()])
                _fire(now, step, now.forced, neurons, potential, block_end)

    if label is not None:
        _learn(network, member, now, label, block_end < DOPAMINE_STEP)
    return now


def _currents(network: Network, member: int, spikes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the input current of each neuron at each of the 15 steps."""
    weights = network.weights()[member].astype(np.int64)
    currents = np.zeros((ALL_STEPS, network.n_neurons), np.int64)
    for step in range(STEPS):
        currents[step] = (weights * spikes[step][network.synapses[member]]).sum(axis=1)
    return currents


def _fire(
    now: Presentation,
    step: int,
    winner: int,
    column: NDArray[Any],
    potential: NDArray[np.int64],
    block_end: NDArray[Any],
) -> None:
    """Let a neuron fire: it is reset, and blocks the others of its column for 10 steps."""
    now.spikes[step, winner] = True
    potential[winner] = 0
    block_end[column[column != winner]] = step + MEMORY


def _learn(
    network: Network,
    member: int,
    now: Presentation,
    label: int,
    open_to_dopamine: NDArray[np.bool_],
) -> None:
    """Apply a presentation's plasticity; it takes effect when the presentation is over."""
    p = network.parameters
    loss, gain = p.relative_depression * p.potentiation, p.potentiation
    fired = now.spikes.T @ (1 << np.arange(ALL_STEPS))
    labelled = range(label * p.microcolumns, (label + 1) * p.microcolumns)
    for neuron in np.flatnonzero(fired).tolist():
        train, forced = int(fired[neuron]), neuron == now.forced
        unforced = train & ~(1 << LABEL_STEP) if forced else train
        start = rules.first_spike(train)
        while unforced:
            begin, end = rules.first_spike(unforced), rules.tight_sequence_end(unforced)
            start = begin if begin <= DOPAMINE_STEP else start
            window = slice(end + 1)
            stability = -p.stability_rate * loss
            _change(network, member, now, neuron, "anti-Hebbian", window, -loss, stability)
            unforced = unforced >> (end + 1) << (end + 1)
        if neuron in labelled and open_to_dopamine[neuron] and train & rules.recent(DOPAMINE_STEP):
            window = slice(DOPAMINE_STEP - MEMORY, None)
            factor = -1.0 if forced else rules.dopamine_stability(DOPAMINE_STEP - start)
            stability = p.stability_rate * gain * factor
            _change(network, member, now, neuron, "dopamine", window, gain, stability)


def _change(
    network: Network,
    member: int,
    now: Presentation,
    neuron: int,
    cause: str,
    window: slice,
    amount: float,
    stability_change: float,
) -> None:
    """Change the resources of the synapses that spiked in a window of steps, and renormalise."""
    active = np.any(now.input[window], axis=0)[network.synapses[member, neuron]]
    stability = float(network.stability[member, neuron])
    gain = amount * rules.plasticity(stability)
    silent = network.parameters.silent_synapses
    given = rules.renormalisation(gain, int(active.sum()), network.n_synapses, silent)
    network.resources[member, neuron] += (gain * active - given).astype(np.float32)
    changed = active.sum() if silent < 0 else network.n_synapses
    network.resource_updates += int(changed)
    after = np.float32(rules.changed_stability(stability, stability_change))
    network.stability[member, neuron] = after
    now.changes.append(ResourceChange(neuron, cause, active, gain, given, float(after)))
