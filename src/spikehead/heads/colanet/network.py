"""The state of an ensemble of CoLaNET networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS
from spikehead.heads.colanet.parameters import ALL_STEPS, UNIT, CoLaNETParameters
from spikehead.heads.colanet.rules import initial_resource, noise, threshold, weight
from spikehead.heads.head import ColumnarNetwork
from spikehead.randomness import keys, mix
from spikehead.state import Variable, whole_number

_NOISE, _SYNAPSES = 1, 2  # what a random key is for

_NEURONS = "n_members", "n_neurons"

STATE = (
    # Weights are finite within these limits.
    Variable(
        "resources",
        np.float32,
        (*_NEURONS, "n_synapses"),
        (-1e30, 1e30),
        lambda net, _: initial_resource(net.parameters.max_weight, net.parameters.min_weight),
    ),
    Variable("stability", np.float32, _NEURONS),
    Variable(
        "lots",
        np.int64,
        ("n_columns",),
        (0, 2**31),
        lambda net, columns: net.fresh(columns),
        optional=True,
    ),
    Variable("presentations", int),
    Variable("resource_updates", int),
    Variable(
        "synapses",
        np.int32,
        (*_NEURONS, "n_synapses"),
        initial=lambda net, neurons: net.drawn_synapses(
            net.fresh(neurons, net.parameters.microcolumns)
        ),
        saved=False,
    ),
    Variable(
        "phases",
        np.int64,
        ("n_members",),
        initial=lambda net, _: np.arange(net.n_members) * STEPS // net.n_members,
        saved=False,
    ),
)
"""What learning changes, and what was drawn by lot."""


class Network(ColumnarNetwork):
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
    lots : ndarray of int64, shape (n_columns,)
        The number by which each column draws noise and synapses: its own, unless a column before
        it was taken out; so that the others stay as they are.
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

    variables = STATE
    parameters: CoLaNETParameters
    resources: NDArray[np.float32]
    stability: NDArray[np.float32]
    lots: NDArray[np.int64]
    synapses: NDArray[np.int32]
    phases: NDArray[np.int64]
    resource_updates: int

    def __init__(
        self,
        parameters: CoLaNETParameters,
        n_inputs: int,
        n_columns: int = 0,
        n_members: int = 15,
        seed: int = 0,
    ) -> None:
        self.parameters = parameters
        self.n_members = whole_number("n_members", n_members, 1)
        self.seed = whole_number("seed", seed, 0, 2**32 - 1)
        n_inputs = whole_number("n_inputs", n_inputs, 1, 2**31 - 1)
        self.n_synapses = min(n_inputs, parameters.max_synapses)
        parameters.check_overflow(self.n_synapses)
        super().__init__(n_inputs, n_columns)

    @property
    def n_neurons(self) -> int:
        """Number of L neurons of a member."""
        return self.n_columns * self.parameters.microcolumns

    def fresh(self, new: range, size: int = 1) -> NDArray[np.int64]:
        """Return the numbers by which new columns, or their neurons, draw.

        Parameters
        ----------
        new : range
            The columns, or the neurons.
        size : int, default=1
            How many of them a column has.
        """
        lots = getattr(self, "lots", np.empty(0, np.int64))
        gone = int(lots.max(initial=-1)) + 1 - len(lots)
        return np.array(new, np.int64) + size * gone

    def drawing(self) -> NDArray[np.int64]:
        """Return the number by which each neuron draws, shape (n_neurons,)."""
        size = self.parameters.microcolumns
        return np.asarray(size * self.lots[:, None] + np.arange(size)).ravel()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up an earlier state, as `Stateful.restore` does."""
        lots = self.lots
        super().restore(state)
        if not np.array_equal(lots, self.lots):
            self.synapses = self.drawn_synapses(self.drawing())

    def by_neuron(self) -> dict[str, NDArray[Any]]:
        """Return what each neuron has, by name, with the neurons of all members in a row: views."""
        return {
            variable.name: getattr(self, variable.name).reshape(-1, *shape[2:])
            for variable in self.variables
            if variable.axes[:2] == _NEURONS and (shape := self._shape(variable))
        }

    def stamp(self) -> tuple[Any, ...]:
        """Return what `has_changed_since` takes: the network as it is now."""
        drawn = self.parameters, self.n_inputs, self.n_members, self.synapses, self.phases
        return *drawn, self.resources, self.presentations

    def has_changed_since(self, stamp: tuple[Any, ...]) -> bool:
        """Return whether it has been changed: by another engine, by `restore`, or by growing.

        What an engine derives from it, weights for one, is then derived anew.
        """
        return any(old is not new for old, new in zip(stamp, self.stamp(), strict=True))

    def noise_keys(self) -> NDArray[np.uint32]:
        """Return the key of each neuron's noise, shape (n_members, n_neurons)."""
        return self._keys(_NOISE, self.drawing())

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

    def drawn_synapses(self, numbers: NDArray[np.int64]) -> NDArray[np.int32]:
        """Draw the inputs of neurons with these numbers: the lowest hashes, in ascending order."""
        inputs = np.arange(self.n_inputs, dtype=np.uint64)
        if self.n_synapses == self.n_inputs:
            shape = (self.n_members, len(numbers), self.n_inputs)
            return np.broadcast_to(inputs.astype(np.int32), shape)
        neuron_keys = self._keys(_SYNAPSES, numbers)
        drawn = np.empty((*neuron_keys.shape, self.n_synapses), np.int32)
        hashes = keys(inputs)
        for place, key in np.ndenumerate(neuron_keys):
            lot = mix(hashes ^ key).astype(np.uint64) << np.uint64(32) | inputs
            drawn[place] = np.sort(np.argpartition(lot, self.n_synapses - 1)[: self.n_synapses])
        return drawn
