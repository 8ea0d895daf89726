"""What a photo costs in a spiking network: spikes and synaptic operations, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.spiking import neuron
from spikehead.encoders.spiking.fast import FastEngine
from spikehead.encoders.spiking.network import Layer, SpikingNetwork, Sums


@dataclass(frozen=True)
class Activity:
    """What a layer does for a photo.

    Attributes
    ----------
    layer : Layer
        The layer.
    spikes : int
        How many spikes its neurons send.
    operations : int
        How often a spike changes one of its membranes: additions.
    multiply_adds : int
        What the convolution would take that it stands for; none for pools and sums.
    """

    layer: Layer
    spikes: int
    operations: int
    multiply_adds: int


def activities(
    network: SpikingNetwork, codes: NDArray[np.int32], sent: Mapping[str, NDArray[np.int64]]
) -> Iterator[Activity]:
    """Yield what each layer does for a photo.

    Parameters
    ----------
    network : SpikingNetwork
        The network.
    codes : ndarray of int32, shape (channels, height, width)
        The photo.
    sent : mapping of str to ndarray
        What each layer sends for it, as a watched engine tells.
    """
    spikes: dict[str, NDArray[np.uint8]] = {}
    for layer in network.layers:
        heard = network.fan_outs(layer)
        operations = sum(int((spikes[name].sum(axis=0) * places).sum()) for name, places in heard)
        if layer is not network.last:
            numbers = codes if layer is network.pixels else sent[layer.name]
            spikes[layer.name] = neuron.n_spikes(numbers, layer.bits)
        n_spikes = int(spikes[layer.name].sum()) if layer.name in spikes else 0
        yield Activity(layer, n_spikes, operations, multiply_adds(network, layer))


def cost(network: SpikingNetwork, photos: Iterable[NDArray[np.int32]]) -> dict[str, float]:
    """Return what a photo costs, on average.

    Parameters
    ----------
    network : SpikingNetwork
        The network.
    photos : iterable of ndarray of int32, shape (channels, height, width)
        As numbers that its first layer sends.

    Returns
    -------
    dict of float
        ``neurons``, and ``spikes_a_neuron``; ``operations``, additions of a weight to a membrane,
        and how many there are for each of the ``multiply_adds`` of the network that was converted;
        ``steps``, layer after layer.
    """
    engine = FastEngine(network, watched=True)
    layers = [found for codes in photos for found in activities(network, codes, engine.sent(codes))]
    sending = network.layers[:-1]
    n_photos = len(layers) / len(network.layers)
    neurons = sum(layer.n_neurons for layer in sending)
    operations = sum(each.operations for each in layers) / n_photos
    additions = sum(multiply_adds(network, layer) for layer in network.layers)
    return {
        "neurons": neurons,
        "spikes_a_neuron": sum(each.spikes for each in layers) / n_photos / neurons,
        "operations": operations,
        "multiply_adds": additions,
        "operations_a_multiply_add": operations / additions,
        "steps": sum(layer.bits for layer in sending),
    }


def multiply_adds(network: SpikingNetwork, layer: Layer) -> int:
    """Return the multiply-adds of the convolutions that a layer stands for."""
    if not isinstance(layer, Sums):
        return 0
    return sum(
        int(places.sum()) * network[name].shape[0]
        for each, (name, places) in zip(layer.synapses, network.fan_outs(layer), strict=True)
        if not each.even
    )
