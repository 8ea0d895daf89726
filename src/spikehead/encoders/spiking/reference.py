"""The event-driven engine: one neuron, one spike, one synapse. It says what the network does.

Layers follow each other. A layer hears the spikes of others step by step, the most significant
first: its membranes double at each step, and each spike adds the weight of each of its synapses.
Then its neurons read their membranes out, and send their own numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.compilation import compiled
from spikehead.encoders.spiking import neuron
from spikehead.encoders.spiking.network import (
    Gated,
    Largest,
    Layer,
    SpikingNetwork,
    Sums,
    Synapses,
)


@dataclass(frozen=True)
class Sent:
    """What a layer did for a photo.

    Attributes
    ----------
    numbers : ndarray of int64, shape (channels, height, width)
        What its neurons have sent; of the last layer, the membranes.
    spikes : ndarray of int8, shape (bits, channels, height, width)
        1 or -1 where a neuron spiked; no steps of the last layer.
    operations : int
        How often a spike has changed a membrane of the layer.
    """

    numbers: NDArray[np.int64]
    spikes: NDArray[np.int8]
    operations: int


def run(network: SpikingNetwork, codes: NDArray[np.int32]) -> dict[str, Sent]:
    """Show a photo to a network, and return what each layer did.

    Parameters
    ----------
    network : SpikingNetwork
        The network.
    codes : ndarray of int32, shape (channels, height, width)
        The numbers that the first layer sends: the photo.
    """
    first, *hidden, last = network.layers
    sent = {first.name: Sent(codes.astype(np.int64), neuron.trains(codes, first.bits), 0)}
    for layer in hidden:
        numbers, operations = _heard(layer, sent)
        sent[layer.name] = Sent(numbers, neuron.trains(numbers, layer.bits), operations)
    membranes, operations = _summed(network.last, sent)
    sent[last.name] = Sent(membranes, neuron.trains(membranes, 0), operations)
    return sent


def _heard(layer: Layer, sent: Mapping[str, Sent]) -> tuple[NDArray[np.int64], int]:
    """Return what the neurons of a layer are going to send, and the operations until then."""
    match layer:
        case Largest():
            return _largest(layer, sent[layer.source].spikes)
        case Gated():
            gate = sent[layer.gate].numbers
            membranes, operations = _gated(sent[layer.source].spikes, gate)
            half = np.int64(1) << layer.shift >> 1
            whole = membranes + half[:, None, None] >> layer.shift[:, None, None]
            return np.clip(whole, layer.low, layer.high), operations
        case Sums():
            membranes, operations = _summed(layer, sent)
            whole = membranes >> layer.shift[:, None, None]
            if layer.tables.size:
                places = np.clip(whole - layer.first, 0, layer.tables.shape[1] - 1)
                sent_on = layer.tables[layer.rows[:, None, None], places]
                return sent_on.astype(np.int64), operations
            return np.clip(whole, layer.low, layer.high), operations
    raise TypeError(f"there are no neurons for {layer}")


def _summed(layer: Sums, sent: Mapping[str, Sent]) -> tuple[NDArray[np.int64], int]:
    """Return membranes that add up what their neurons hear, step by step."""
    n_channels, height, width = layer.shape
    membranes = np.zeros((height, width, n_channels), np.int64)
    weights = [_by_source(each) for each in layer.synapses]
    steps = max(len(sent[each.source].spikes) for each in layer.synapses)
    operations = 0
    for step in range(steps):
        membranes *= 2
        for each, of_source in zip(layer.synapses, weights, strict=True):
            spikes = sent[each.source].spikes
            # All end together, so that the last spike of each counts one.
            if (now := step - steps + len(spikes)) >= 0:
                window = each.window
                operations += _hear(
                    np.ascontiguousarray(spikes[now].transpose(1, 2, 0)),
                    of_source,
                    each.groups,
                    window.strides,
                    window.pads[:2],
                    membranes,
                )
    return membranes.transpose(2, 0, 1) + layer.bias[:, None, None], operations


def _by_source(synapses: Synapses) -> NDArray[np.int32]:
    """Return weights, shape (n_source_channels, height, width, n_channels // groups)."""
    outer, inner = synapses.weights.shape[:2]
    kernel = synapses.window.kernel
    whole = np.broadcast_to(synapses.weights, (outer, inner, *kernel))
    grouped = whole.reshape(synapses.groups, outer // synapses.groups, inner, *kernel)
    turned = grouped.transpose(0, 2, 3, 4, 1)
    return np.ascontiguousarray(turned.reshape(-1, *kernel, outer // synapses.groups))


@compiled
def _hear(
    spikes: Any,
    weights: Any,
    groups: int,
    strides: tuple[int, int],
    pads: tuple[int, int],
    membranes: Any,
) -> int:
    """Add the weights of the spikes of a step; return how many were added."""
    n_sources, kernel_height, kernel_width, n_each = weights.shape
    height, width, _ = membranes.shape
    operations = 0
    for row, column, channel in zip(*np.nonzero(spikes)):  # noqa: B905 - Numba knows no strict
        sign = np.int64(spikes[row, column, channel])
        first = channel // (n_sources // groups) * n_each
        for down in range(kernel_height):
            to_row, between = divmod(row + pads[0] - down, strides[0])
            if between or not 0 <= to_row < height:
                continue
            for right in range(kernel_width):
                to_column, between = divmod(column + pads[1] - right, strides[1])
                if between or not 0 <= to_column < width:
                    continue
                heard = weights[channel, down, right]
                hearing = membranes[to_row, to_column, first : first + n_each]
                for each in range(n_each):
                    hearing[each] += sign * heard[each]
                operations += n_each
    return operations


def _gated(spikes: NDArray[np.int8], gate: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return membranes that add their channel's gate at each spike of the one neuron they hear."""
    membranes = np.zeros(spikes.shape[1:], np.int64)
    for signs in spikes:
        membranes *= 2
        membranes += signs * gate
    return membranes, int(np.count_nonzero(spikes))


def _largest(layer: Largest, spikes: NDArray[np.int8]) -> tuple[NDArray[np.int64], int]:
    """Return the largest sum of each window, where each neuron that is heard has its own."""
    sums = np.zeros(spikes.shape[1:], np.int64)
    for signs in spikes:
        sums *= 2
        sums += signs
    top, left, bottom, right = layer.window.pads
    around = ((0, 0), (top, bottom), (left, right))
    padded = np.pad(sums, around, constant_values=np.iinfo(np.int64).min)
    windows = np.lib.stride_tricks.sliding_window_view(padded, layer.window.kernel, axis=(1, 2))
    down, across = layer.window.strides
    fan_out = layer.window.fan_out(*spikes.shape[2:])
    operations = int((np.count_nonzero(spikes, axis=(0, 1)) * fan_out).sum())
    return windows[:, ::down, ::across].max(axis=(3, 4)), operations
