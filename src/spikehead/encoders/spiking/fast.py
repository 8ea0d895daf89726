"""The fast engine: the numbers of all spikes of a photo in one pass of ONNX Runtime.

K steps of spikes add up to the same membranes as one convolution of the numbers that they send.
These and all their sums are whole and below ``2 ** 24``, so that single precision computes with
them exactly, in any order; thresholds are powers of two, which weights can be divided by. Sums over
whole maps are larger: double precision holds them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from spikehead.encoders import onnx_encoder
from spikehead.encoders.onnx_graph import Graph
from spikehead.encoders.spiking.network import (
    Gated,
    Largest,
    Layer,
    SpikingNetwork,
    Sums,
    Synapses,
    Window,
)

_FLOAT, _INT32, _DOUBLE = 1, 6, 11  # types, as ONNX numbers them


class FastEngine:
    """A spiking network that is run on a photo, and tells what its neurons have sent.

    Parameters
    ----------
    network : SpikingNetwork
        What is run.
    watched : bool, default=False
        Whether the numbers that each layer sends are told, and not the last membranes alone.
    n_threads : int, default=1
        Threads to compute with; the results do not depend on it.
    """

    def __init__(
        self, network: SpikingNetwork, *, watched: bool = False, n_threads: int = 1
    ) -> None:
        self._network = network
        self._told = [layer.name for layer in network.layers[1 if watched else -1 :]]
        self._session = onnx_encoder.session(_Writer(network).file(self._told), n_threads)

    def membranes(self, codes: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the membranes of the last layer, shape (n_outputs,).

        Parameters
        ----------
        codes : ndarray of int32, shape (channels, height, width)
            The numbers that the first layer sends: a photo.
        """
        return self.sent(codes)[self._told[-1]].ravel()

    def sent(self, codes: NDArray[np.int32]) -> dict[str, NDArray[np.int64]]:
        """Return the numbers that neurons send, by layer; of the last layer, the membranes.

        Parameters
        ----------
        codes : ndarray of int32, shape (channels, height, width)
            The numbers that the first layer sends: a photo.
        """
        told = self._session.run(None, {"image": codes[None].astype(np.float32)})
        return {
            name: numbers[0].astype(np.int64)
            for name, numbers in zip(self._told, told, strict=True)
        }


class _Writer:
    """The ONNX graph of a network."""

    def __init__(self, network: SpikingNetwork) -> None:
        self._network = network
        self._graph = Graph()
        self._n_names = 0
        self._sent = {network.pixels.name: "image"}
        for layer in network.layers[1:]:
            self._sent[layer.name] = self._added(layer)

    def file(self, layers: list[str]) -> bytes:
        """Return the ONNX file, which tells what these layers send."""
        outputs = {
            self._node("Cast", self._sent[name], to=_DOUBLE): self._network[name].shape
            for name in layers
        }
        return self._graph.file(self._network.pixels.shape, outputs, output_type=np.float64)

    def _added(self, layer: Layer) -> str:
        match layer:
            case Gated():
                return self._gated(layer)
            case Largest():
                return self._pooled(layer)
            case Sums() if layer is self._network.last:
                return self._summed(layer)
            case Sums():
                return self._read(layer, self._summed(layer))
        raise TypeError(f"there is no operator for {layer}")

    def _summed(self, layer: Sums) -> str:
        """Return the membranes of a layer over its thresholds."""
        bias = np.ldexp(layer.bias.astype(np.float64), -layer.shift)
        wide = any(map(self._is_pooled, layer.synapses))
        total = ""
        for each in layer.synapses:
            source = self._sent[each.source]
            weights = np.ldexp(each.weights.astype(np.float64), -layer.shift[:, None, None, None])
            if self._is_pooled(each):
                term = self._scaled(self._added_up(source), weights[..., 0], wide=True)
            elif each.even and each.window == Window():
                term = self._scaled(source, weights[..., 0])
            else:
                term, bias = self._convolved(source, each, weights, bias), 0 * bias
            if wide and not self._is_pooled(each):
                term = self._node("Cast", term, to=_DOUBLE)
            total = self._node("Add", total, term) if total else term
        if bias.any():
            kind = np.float64 if wide else np.float32
            total = self._node("Add", total, self._constant(bias[:, None, None], kind))
        return total

    def _is_pooled(self, synapses: Synapses) -> bool:
        return synapses.pools(self._network[synapses.source])

    def _added_up(self, source: str) -> str:
        rows = self._node("ReduceSum", source, self._constant([3], np.int64), keepdims=1)
        wide = self._node("Cast", rows, to=_DOUBLE)
        return self._node("ReduceSum", wide, self._constant([2], np.int64), keepdims=1)

    def _scaled(self, source: str, weights: NDArray[np.float64], *, wide: bool = False) -> str:
        if (weights == 1).all():
            return source
        kind = np.float64 if wide else np.float32
        return self._node("Mul", source, self._constant(weights, kind))

    def _convolved(
        self,
        source: str,
        synapses: Synapses,
        weights: NDArray[np.float64],
        bias: NDArray[np.float64],
    ) -> str:
        window = synapses.window
        weights = np.broadcast_to(weights, (*weights.shape[:2], *window.kernel))
        return self._node(
            "Conv",
            source,
            self._constant(weights),
            self._constant(bias),
            group=synapses.groups,
            strides=window.strides,
            pads=window.pads,
        )

    def _read(self, layer: Sums, membranes: str) -> str:
        """Return the numbers that neurons send, of their membranes over their thresholds."""
        wide = any(map(self._is_pooled, layer.synapses))
        if layer.tables.size:
            n_numbers = layer.tables.shape[1]
            last = layer.first + n_numbers - 1
            places = self._whole(membranes, layer.first, last, wide)
            begins = layer.rows * n_numbers - layer.first
            moved = self._node("Add", places, self._constant(begins[:, None, None]))
            whole = self._node("Cast", moved, to=_INT32)
            return self._node("Gather", self._constant(layer.tables.ravel()), whole)
        return self._whole(membranes, layer.low, layer.high, wide)

    def _whole(self, values: str, low: int, high: int, wide: bool = False) -> str:
        """Return the whole part, as far as it lies within bounds."""
        kind = np.float64 if wide else np.float32
        bounds = self._constant(low, kind), self._constant(high, kind)
        whole = self._node("Floor", self._node("Clip", values, *bounds))
        return self._node("Cast", whole, to=_FLOAT) if wide else whole

    def _gated(self, layer: Gated) -> str:
        product = self._node("Mul", self._sent[layer.source], self._sent[layer.gate])
        thresholds = np.ldexp(1.0, -layer.shift)[:, None, None]
        halved = self._node("Mul", product, self._constant(thresholds))
        raised = self._node("Add", halved, self._constant(np.where(thresholds < 1, 0.5, 0)))
        return self._whole(raised, layer.low, layer.high)

    def _pooled(self, layer: Largest) -> str:
        window = layer.window
        return self._node(
            "MaxPool",
            self._sent[layer.source],
            kernel_shape=window.kernel,
            strides=window.strides,
            pads=window.pads,
        )

    def _constant(self, values: ArrayLike, kind: DTypeLike = np.float32) -> str:
        return self._graph.constant(self._name(), np.asarray(values, kind))

    def _node(self, operator: str, *inputs: str, **attributes: int | tuple[int, ...]) -> str:
        return self._graph.node(operator, *inputs, output=self._name(), **attributes)

    def _name(self) -> str:
        self._n_names += 1
        return f"{self._n_names}"
