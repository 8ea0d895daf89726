"""A spiking encoder in the Neuromorphic Intermediate Representation (NIR).

NIR's neurons neither double their membranes nor have something taken off them by a spike. So the
time steps of a neuron are unrolled in space: for each of its spikes a Threshold, which spikes where
what is left of the membrane is above it, and a Scale, which takes the spike's value off.
"""

from __future__ import annotations

import json
from typing import Any, cast

import nir
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.encoders.spiking.network import (
    Gated,
    Largest,
    Layer,
    SpikingNetwork,
    Sums,
    Synapses,
    Window,
)


def missing(network: SpikingNetwork) -> str | None:
    """Return what NIR has no node for, or nothing where it can hold the network.

    Parameters
    ----------
    network : SpikingNetwork
        The encoder.
    """
    for layer in network.layers[1:]:
        match layer:
            case Gated():
                what = "products"
            case Largest():
                what = "the largest of several values"
            case Sums() if layer.tables.size:
                what = "SiLU and sigmoid"
            case Sums() if not all(map(_has_node, layer.synapses)):
                what = "convolutions in groups, with uneven padding, or of kernels not square"
            case _:
                continue
        return f"NIR has no node for {what}, as in {layer.name}"
    return None


def to_graph(network: SpikingNetwork) -> nir.NIRGraph:
    """Return a spiking encoder as a NIR graph, which gives the same numbers, all in one step.

    Its `input` takes the numbers that the first layer sends for a photo, and `output` gives the
    activations. The spikes are not quite the encoder's: digits without a sign, the largest first.

    Parameters
    ----------
    network : SpikingNetwork
        The encoder.

    Raises
    ------
    ValueError
        If NIR has no node for a part of it.
    """
    if reason := missing(network):
        raise ValueError(reason)
    return _Unrolled(network).graph()


class _Unrolled:
    """The nodes and edges of a network, which grow layer by layer."""

    def __init__(self, network: SpikingNetwork) -> None:
        self._network = network
        self._nodes: dict[str, Any] = {}
        self._edges: list[tuple[str, str]] = []
        # The nodes that together give what a layer sends.
        self._sent = {
            network.pixels.name: [self._node("input", nir.Input(np.array(network.pixels.shape)))]
        }
        for place, layer in enumerate(network.layers[1:], 1):
            self._sent[layer.name] = self._layer(f"{place}", cast(Sums, layer))

    def graph(self) -> nir.NIRGraph:
        """Return them as a graph."""
        last, about = self._network.last, self._network.about
        self._node("output", nir.Output(np.array(last.shape)), *self._sent[last.name])
        metadata = {
            "encoder": about["encoder"],
            "preprocessing": json.dumps(about["preprocessing"]),
            "zero": self._network.pixels.zero,
            "pixels": "The input is a photo, framed as the preprocessing says: levels from 0 to "
            "255, less the channel's zero.",
            "spikes": "Of a neuron's pairs of Threshold and Scale each stands for a spike, and "
            "sees what those before it have left of the membrane. All is in one step of time.",
        }
        return nir.NIRGraph(self._nodes, self._edges, metadata=metadata)

    def _layer(self, name: str, layer: Sums) -> list[str]:
        """Add a layer."""
        if layer is self._network.last:
            return self._activations(name, layer)
        heard = self._membranes(name, layer, layer.shift)
        # The number is the whole part of membrane and bias: at least n above n - grain, at most
        # -n below 1 - n. Thresholds take the bias upon them, so that they are as exact as weights.
        bias, grain = np.ldexp([layer.bias, np.ones_like(layer.bias)], -layer.shift)
        sent = [self._spikes(f"{name}.on", layer, layer.high, -bias - grain, heard)]
        if layer.low < 0:
            turned = self._scale(f"{name}.turned", -1, layer, *heard)
            sent.append(self._spikes(f"{name}.off", layer, layer.low, bias - 1, [turned]))
        return sent

    def _activations(self, name: str, last: Sums) -> list[str]:
        """Add the last layer, which sends nothing: its membranes are told."""
        unit = np.full_like(last.shift, self._network.exponent)
        membranes = self._membranes(name, last, unit)
        if not last.bias.any():
            return membranes
        threshold = nir.Threshold(_of_each(-np.inf, last))
        always = self._node(f"{name}.always", threshold, *membranes)
        bias = np.ldexp(last.bias.astype(np.float64), -unit)
        return [*membranes, self._scale(f"{name}.bias", bias, last, always)]

    def _spikes(
        self, name: str, layer: Layer, most: int, beyond: NDArray[np.float64], heard: list[str]
    ) -> str:
        """Add the spikes that numbers of one sign have, up to the most; return their sum."""
        taken: list[str] = []
        for place, value in enumerate(_values(abs(most))):
            threshold = nir.Threshold(_of_each(value + beyond, layer))
            spike = self._node(f"{name}.threshold{place}", threshold, *heard, *taken)
            taken.append(self._scale(f"{name}.scale{place}", -value, layer, spike))
        return self._scale(name, -np.sign(most), layer, *taken)

    def _membranes(self, name: str, layer: Sums, unit: NDArray[np.int64]) -> list[str]:
        """Add what membranes hear, over ``2 ** unit``; return the nodes that add up to it."""
        added = []
        for place, each in enumerate(layer.synapses):
            synapses, heard = f"{name}.synapses{place}", self._sent[each.source]
            weights = np.ldexp(each.weights.astype(np.float64), -unit[:, None, None, None])
            if not _is_own(each):
                size = self._network[each.source].shape[1:]
                added.append(self._node(synapses, _convolution(each, size, weights), *heard))
                continue
            if each.window != Window():
                heard = [self._node(f"{name}.pool{place}", _pool(each.window), *heard)]
            added.append(self._scale(synapses, weights.ravel(), layer, *heard))
        return added

    def _scale(self, name: str, values: ArrayLike, layer: Layer, *sources: str) -> str:
        return self._node(name, nir.Scale(_of_each(values, layer)), *sources)

    def _node(self, name: str, node: Any, *sources: str) -> str:
        self._nodes[name] = node
        self._edges.extend((source, name) for source in sources)
        return name


def _values(most: int) -> list[int]:
    """Return the values of spikes that add up to any number from 0 to the most, largest first."""
    values = []
    while most:
        values.append((most + 1) // 2)
        most -= values[-1]
    return values


def _of_each(values: ArrayLike, layer: Layer) -> NDArray[Any]:
    """Return values, one of each channel, for every neuron of a layer."""
    by_channel = np.asarray(values, np.float64)
    column = by_channel.reshape(-1, 1, 1) if by_channel.ndim else by_channel
    return np.broadcast_to(_exact(column), layer.shape)


def _exact(values: NDArray[np.float64]) -> NDArray[Any]:
    """Return values in single precision, if that holds them."""
    single = values.astype(np.float32)
    return single if np.array_equal(single, values) else values


def _is_own(synapses: Synapses) -> bool:
    """Return whether each channel hears the one in its place alone."""
    return synapses.even and len(synapses.weights) == synapses.groups


def _has_node(synapses: Synapses) -> bool:
    kernel, pads = synapses.window.kernel, synapses.window.pads
    even = kernel[0] == kernel[1] and pads[:2] == pads[2:]
    # What nir writes of convolutions in groups, it does not read again.
    return even and (synapses.groups == 1 or _is_own(synapses))


def _pool(window: Window) -> nir.SumPool2d:
    return nir.SumPool2d(*map(np.array, (window.kernel, window.strides, window.pads[:2])))


def _convolution(
    synapses: Synapses, size: tuple[int, ...], weights: NDArray[np.float64]
) -> nir.Conv2d:
    """Return a convolution of maps of a size."""
    window = synapses.window
    return nir.Conv2d(
        input_shape=size,
        weight=_exact(np.broadcast_to(weights, (*weights.shape[:2], *window.kernel))),
        stride=window.strides,
        padding=window.pads[:2],
        dilation=1,
        groups=1,
        bias=np.zeros(len(weights), np.float32),
    )
