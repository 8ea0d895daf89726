"""The state of an ensemble of CoLaNET networks."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import (
    STEPS,
    STRONGEST,
    SpikeTrains,
    adapt,
    even_trains,
    gains,
    spike_counts,
)
from spikehead.heads.colanet.parameters import (
    ALL_STEPS,
    MOST_DEPRESSIONS,
    UNIT,
    CoLaNETParameters,
)
from spikehead.heads.colanet.rules import initial_resource, noise, threshold, weight
from spikehead.heads.parameters import whole_number
from spikehead.randomness import keys, mix

_NOISE, _SYNAPSES = 1, 2  # what a random key is for

# What learning changes, and between which values: weights and gains are finite within these.
_STATE = {
    "resources": (-1e30, 1e30),
    "stability": (-np.inf, np.inf),
    "depressions": (0, MOST_DEPRESSIONS),
    "power": (0, STRONGEST),
}


class Network:
    """An ensemble of CoLaNET networks, each with one column a class: what learning changes.

    Weights and thresholds follow from the resources and are not kept. A neuron's number is
    ``column * microcolumns + microcolumn``, so that adding classes moves none.

    Parameters
    ----------
    parameters : CoLaNETParameters
        Hyperparameters, the same for every member.
    n_inputs : int
        Number of inputs.
    n_columns : int, default=0
        Number of columns, one a class.
    n_members : int, default=15
        Networks in the ensemble; they see the same stream and learn independently.
    seed : int, default=0
        From 0 to 2**32 - 1: decides noise and synapses.

    Raises
    ------
    ValueError
        If a number is outside its range, or integer membranes could overflow.

    Attributes
    ----------
    resources : ndarray of float32, shape (n_members, n_neurons, n_synapses)
        Synaptic resources.
    stability : ndarray of float32, shape (n_members, n_neurons)
        Stability of each L neuron.
    depressions : ndarray of int32, shape (n_members, n_neurons)
        Anti-Hebbian changes of each L neuron since dopamine last reached it.
    power : ndarray of float64, shape (n_inputs,)
        Sum of the squares of each input's activations so far; zero without `homeostasis`.
    synapses : ndarray of int32, shape (n_members, n_neurons, n_synapses)
        Input of each synapse, ascending.
    phases : ndarray of int64, shape (n_members,)
        Where each member's even spread starts, in tenths of a spike.
    presentations : int
        Presentations learned so far; the next one is number ``presentations + 1``, of which the
        lowest 32 bits decide its noise.
    resource_updates : int
        How often learning has changed a synapse's resource, and with it its weight, so far:
        with renormalisation, all those of a neuron at once.
    """

    def __init__(
        self,
        parameters: CoLaNETParameters,
        n_inputs: int,
        n_columns: int = 0,
        n_members: int = 15,
        seed: int = 0,
    ) -> None:
        self.parameters = parameters
        self.n_inputs = whole_number("n_inputs", n_inputs, 1, 2**31 - 1)
        self.n_members = whole_number("n_members", n_members, 1)
        self.seed = whole_number("seed", seed, 0, 2**32 - 1)
        self.n_synapses = min(self.n_inputs, parameters.max_synapses)
        parameters.check_overflow(self.n_synapses)
        self.presentations = 0
        self.resource_updates = 0
        self.phases = np.arange(self.n_members) * STEPS // self.n_members
        shape = self.n_members, 0, self.n_synapses
        self.resources = np.empty(shape, np.float32)
        self.stability = np.empty(shape[:2], np.float32)
        self.depressions = np.empty(shape[:2], np.int32)
        self.power = np.zeros(self.n_inputs)
        self.synapses = np.empty(shape, np.int32)
        self.add_columns(n_columns)

    @property
    def n_neurons(self) -> int:
        """Number of L neurons of a member."""
        return int(self.resources.shape[1])

    @property
    def n_columns(self) -> int:
        """Number of columns of a member, one a class."""
        return self.n_neurons // self.parameters.microcolumns

    def add_columns(self, n_columns: int) -> None:
        """Add columns that know nothing yet; what was learned stays as it is."""
        n_columns = whole_number("n_columns", n_columns, 0)
        neurons = range(self.n_neurons, self.n_neurons + n_columns * self.parameters.microcolumns)
        shape = (self.n_members, len(neurons), self.n_synapses)
        start = initial_resource(self.parameters.max_weight, self.parameters.min_weight)
        new: dict[str, NDArray[Any]] = {
            "resources": np.full(shape, start, np.float32),
            "stability": np.zeros(shape[:2], np.float32),
            "depressions": np.zeros(shape[:2], np.int32),
            "synapses": self._drawn_synapses(neurons),
        }
        # All at once: where memory runs out in between, nothing is added.
        vars(self).update(
            {
                name: np.concatenate([getattr(self, name), more], axis=1)
                for name, more in new.items()
            }
        )

    def grown(self, n_columns: int) -> Network:
        """Return a network with more columns, which know nothing yet; this one stays as it is."""
        other = copy.copy(self)
        other.power = self.power.copy()
        other.add_columns(n_columns)
        return other

    def restore(
        self,
        resources: NDArray[np.float32],
        stability: NDArray[np.float32],
        depressions: NDArray[np.int32],
        power: NDArray[np.float64],
        presentations: int,
        resource_updates: int,
    ) -> None:
        """Take up an earlier state.

        Parameters
        ----------
        resources, stability, depressions, power : ndarray
            In the shapes and types of the attributes; copied.
        presentations, resource_updates : int
            Those of the attributes.

        Raises
        ------
        ValueError
            If the shapes are not those of this network, or a value is not one that learning can
            give; then nothing is taken up.
        """
        given = resources, stability, depressions, power
        state = {
            name: _checked(name, new, getattr(self, name), *bounds)
            for new, (name, bounds) in zip(given, _STATE.items(), strict=True)
        }
        counters = {
            "presentations": whole_number("presentations", presentations, 0),
            "resource_updates": whole_number("resource_updates", resource_updates, 0),
        }
        vars(self).update(state | counters)

    def make_writable(self) -> None:
        """Copy what lies in a file or cannot be written, as joblib gives it to its workers."""
        for name in _STATE:
            array = getattr(self, name)
            if type(array) is not np.ndarray or not array.flags.carray:
                setattr(self, name, np.array(array, order="C"))

    def adapt(self, activations: NDArray[Any]) -> NDArray[Any]:
        """Return activations as inputs hear them that are to be learned; gains adapt to them.

        Parameters
        ----------
        activations : ndarray of float, shape (n_presentations, n_inputs)
            Not negative, in the order in which they are learned.
        """
        if not self.parameters.homeostasis:
            return activations
        self.make_writable()
        return adapt(activations, self.power)

    def amplified(self, activations: NDArray[Any]) -> NDArray[Any]:
        """Return activations as inputs hear them that are to be answered."""
        if not self.parameters.homeostasis:
            return activations
        if activations.shape[-1:] != (self.n_inputs,) or not np.isfinite(activations).all():
            raise ValueError(
                f"activations must be finite, and of {self.n_inputs} inputs, not in the shape "
                f"{activations.shape}"
            )
        return activations * gains(self.power)

    def spike_counts(self, activations: NDArray[Any]) -> NDArray[np.uint8]:
        """Return how often each input spikes for activations that are to be answered."""
        return spike_counts(self.amplified(activations), self.parameters.saturation)

    def even_trains(self, activations: NDArray[Any]) -> SpikeTrains:
        """Return the even spike trains of activations that are to be answered."""
        return even_trains(self.amplified(activations), self.parameters.saturation)

    def noise_keys(self) -> NDArray[np.uint32]:
        """Return the key of each neuron's noise, shape (n_members, n_neurons)."""
        return self._keys(_NOISE, np.arange(self.n_neurons))

    def noise(self, presentation: int = 0) -> NDArray[np.int32]:
        """Return the noise of each step and neuron, shape (15, n_members, n_neurons).

        Parameters
        ----------
        presentation : int, default=0
            The presentation's number in the life of the network; 0 where it only answers.
        """
        moments = keys(presentation, np.arange(ALL_STEPS))[:, None, None]
        amplitude = np.uint32(self.parameters.noise)
        return np.asarray(noise(self.noise_keys(), moments, amplitude), np.int32)

    def weights(self) -> NDArray[np.int16]:
        """Return the weights in steps of 2**-12, in the shape of `resources`."""
        return self._weights_of(self.resources)

    def thresholds(self) -> NDArray[np.int32]:
        """Return the thresholds in steps of 2**-12, shape (n_members, n_neurons)."""
        positive = np.maximum(self.weights(), 0).sum(axis=2, dtype=np.int64)
        excess = self.parameters.threshold_excess
        found = [threshold(excess, int(total)) for total in positive.flat]
        return np.asarray(np.reshape(found, self.stability.shape), np.int32)

    def weight_map(self, column: int, member: int = 0) -> NDArray[np.float32]:
        """Return the weights of a column's L neurons from every input, in plain numbers.

        Parameters
        ----------
        column : int
            Which column.
        member : int, default=0
            Which member of the ensemble.

        Returns
        -------
        ndarray of float32, shape (microcolumns, n_inputs)
            Zero where a neuron has no synapse.
        """
        column = whole_number("column", column, 0, self.n_columns - 1)
        member = whole_number("member", member, 0, self.n_members - 1)
        size = self.parameters.microcolumns
        neurons = slice(column * size, (column + 1) * size)
        dense = np.zeros((size, self.n_inputs), np.float32)
        weights = self._weights_of(self.resources[member, neurons]) / np.float32(UNIT)
        np.put_along_axis(dense, self.synapses[member, neurons], weights, axis=1)
        return dense

    def _weights_of(self, resources: NDArray[np.float32]) -> NDArray[np.int16]:
        low = np.float32(-self.parameters.min_weight)
        span = np.float32(self.parameters.max_weight + self.parameters.min_weight)
        return np.asarray(weight(resources, low, span), np.int16)

    def _keys(self, purpose: int, neurons: NDArray[Any]) -> NDArray[np.uint32]:
        return keys(self.seed, purpose, np.arange(self.n_members)[:, None], neurons)

    def _drawn_synapses(self, neurons: range) -> NDArray[np.int32]:
        """Draw each neuron's inputs: those with the lowest hashes, in ascending order."""
        inputs = np.arange(self.n_inputs, dtype=np.uint64)
        if self.n_synapses == self.n_inputs:
            shape = (self.n_members, len(neurons), self.n_inputs)
            return np.broadcast_to(inputs.astype(np.int32), shape)
        neuron_keys = self._keys(_SYNAPSES, np.array(neurons))
        drawn = np.empty((*neuron_keys.shape, self.n_synapses), np.int32)
        numbers = keys(inputs)
        for place, key in np.ndenumerate(neuron_keys):
            lot = mix(numbers ^ key).astype(np.uint64) << np.uint64(32) | inputs
            drawn[place] = np.sort(np.argpartition(lot, self.n_synapses - 1)[: self.n_synapses])
        return drawn


def _checked(name: str, new: Any, old: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """Return a copy of what takes the place of a part of the state, if it can."""
    alike = isinstance(new, np.ndarray) and new.shape == old.shape and new.dtype == old.dtype
    if not alike or not np.isfinite(new).all():
        raise ValueError(f"{name} must be finite {old.dtype} values in the shape {old.shape}")
    if new.size and (new.min() < low or new.max() > high):
        raise ValueError(
            f"{name} must be from {low:g} to {high:g}, and some are {new.min():g} or {new.max():g}"
        )
    return np.array(new, order="C")
