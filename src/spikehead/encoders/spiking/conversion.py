"""From an ONNX file to a network of signed few-spikes neurons, without training.

Each neuron of the network becomes a spiking neuron that stands for the same value, as a whole
number of steps. What has to be found are ranges, since clipping is the main error: activation
functions and batch normalisation bound them, and where they do not, some photos show them.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from spikehead.encoders.kind import Norms
from spikehead.encoders.onnx_encoder import OnnxEncoder
from spikehead.encoders.spiking.network import (
    MAX_BITS,
    MEMBRANE_BITS,
    POOLED_BITS,
    Gated,
    Largest,
    Layer,
    Pixels,
    SpikingNetwork,
    Sums,
    Synapses,
    Window,
    extent,
)
from spikehead.files import read_file
from spikehead.images import Preprocessing
from spikehead.names import first_line

_DEVIATIONS = 8.0  # how far values of a normalised channel reach
_MARGIN, _LEAST = 2.0, 0.3  # over the largest value on some photos; a channel's share of the layer
_POOLED_MARGIN = 1.5
_TABLES = 4  # for channels of ranges between one and its double
_LONGEST = 256  # a table's numbers on either side of zero, over 2 ** bits
_FLAT = 32.0  # from where on SiLU and sigmoid are what they are at infinity
_LEVELS = 255


def spike(
    encoder: OnnxEncoder,
    *,
    bits: int = 8,
    norms: Norms | None = None,
    photos: NDArray[np.float32] | None = None,
) -> SpikingNetwork:
    """Convert an encoder, without training, into a network of spiking neurons.

    Parameters
    ----------
    encoder : OnnxEncoder
        The encoder.
    bits : int, default=8
        Time steps of a layer (K), from 2 to 12; the pixels have 8.
    norms : mapping, optional
        What batch normalisation that is folded into convolutions tells of their ranges.
    photos : ndarray of float32, shape (n_photos, channels, height, width), optional
        Preprocessed photos, from which the ranges are taken that nothing else bounds.

    Raises
    ------
    ValueError
        If the network has an operator for which there are no such neurons, or a range that is not
        known without photos.
    """
    if not 2 <= bits <= MAX_BITS:
        raise ValueError(f"bits must be from 2 to {MAX_BITS}, not {bits}")
    (file,) = encoder.files.values()
    tidied = _tidied(read_file(file), encoder.preprocessing)
    largest = {} if photos is None else _largest(tidied, photos)
    conversion = _Conversion(tidied.graph, encoder.preprocessing, bits, norms or {}, largest)
    for node in tidied.graph.node:
        conversion.add(node)
    layers, exponent = conversion.finished(encoder.output)
    about = {
        "encoder": encoder.name,
        "preprocessing": encoder.preprocessing.to_dict(),
        "saturation": encoder.saturation,
    }
    return SpikingNetwork(layers, exponent, about)


def _tidied(model: bytes, preprocessing: Preprocessing) -> Any:
    """Return the network for a single photo, with all computed that does not depend on it."""
    read = onnx.load_from_string(model)
    given = read.graph.input[0].type.tensor_type.shape.dim
    for place, size in zip(given, (1, *preprocessing.shape), strict=True):
        place.dim_value = size
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what ONNX Runtime would log, it also raises
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tidied.onnx"
        options.optimized_model_filepath = str(file)
        try:
            onnxruntime.InferenceSession(
                read.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
                # Batch normalisation tells ranges as long as it is not folded.
                disabled_optimizers=["ConvBNFusion", "ConvMulFusion", "ConvAddFusion"],
            )
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise ValueError(f"it cannot be run on one photo: {first_line(error)}") from error
        return onnx.load(str(file))


@dataclass(frozen=True)
class _Branch:
    """What a membrane hears of one layer, in floats: a convolution of the layer's values."""

    source: Layer
    weights: NDArray[np.float64]
    window: Window = field(default_factory=Window)
    groups: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.weights), *self.window.size(*self.source.shape[1:]))

    def in_steps(self) -> NDArray[np.float64]:
        """Return the weights of numbers of steps, and no longer of values."""
        inner = self.weights.shape[1]
        channels = self.source.step.reshape(self.groups, inner)
        of_each = np.repeat(channels, len(self.weights) // self.groups, axis=0)
        return self.weights * of_each[:, :, None, None]

    def extent(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far from zero such weights of numbers can take a membrane."""
        return extent(weights, self.window, self.source)


@dataclass(frozen=True)
class _Sum:
    """What membranes add up: branches and a bias; with mean and variance where they are known."""

    branches: tuple[_Branch, ...]
    bias: NDArray[np.float64]
    norm: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.branches[0].shape

    @property
    def pools(self) -> bool:
        """Whether it adds up whole maps, and nothing else."""
        return all(
            each.weights.shape[1:] == (1, 1, 1)
            and each.window == Window(each.source.shape[1:]) != Window()
            for each in self.branches
        )

    @property
    def is_negative(self) -> bool:
        """Whether it can be below zero."""
        return bool((self.bias < 0).any()) or any(
            each.source.low < 0 or bool((each.weights < 0).any()) for each in self.branches
        )

    def scaled(self, scale: NDArray[Any], shift: NDArray[Any]) -> _Sum:
        """Return it times a scale, plus a shift, of each channel."""
        branches = tuple(
            replace(each, weights=each.weights * scale[:, None, None, None])
            for each in self.branches
        )
        return _Sum(branches, self.bias * scale + shift)


@dataclass(frozen=True)
class _Photo:
    """The pixels from 0 to 255, times a scale, plus a shift, of each channel."""

    size: tuple[int, int]
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.scale), *self.size)

    def scaled(self, scale: NDArray[Any], shift: NDArray[Any]) -> _Photo:
        """Return it times a scale, plus a shift, of each channel."""
        return _Photo(self.size, self.scale * scale, self.shift * scale + shift)


@dataclass(frozen=True)
class _Padded:
    """A value with zeros around its maps."""

    name: str
    pads: tuple[int, int, int, int]


@dataclass(frozen=True)
class _Sigmoid:
    """The sigmoid of a value: a gate, or half of a SiLU."""

    name: str


class _Conversion:
    """A network that is converted node by node."""

    def __init__(
        self,
        graph: Any,
        preprocessing: Preprocessing,
        bits: int,
        norms: Norms,
        largest: Mapping[str, NDArray[np.float64]],
    ) -> None:
        self.layers: list[Layer] = []
        self._bits = bits
        self._norms = norms
        self._constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self._heard = Counter(name for node in graph.node for name in node.input)
        self._heard.update(each.name for each in graph.output)
        self._largest = largest
        mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
        # What the pixels' zeros are off, since they are whole numbers.
        self._rest = np.zeros(len(mean))
        self._sent: dict[str, Any] = {}  # mean and variance of what layers send
        self._values: dict[str, Any] = {
            graph.input[0].name: _Photo(preprocessing.shape[1:], 1 / (_LEVELS * std), -mean / std)
        }

    def add(self, node: Any) -> None:
        """Convert a node."""
        convert = self._operators.get(node.op_type)
        if convert is None or node.domain not in ("", "ai.onnx"):
            known = ", ".join(sorted(self._operators))
            raise ValueError(
                f"there are no spiking neurons for the operator {node.op_type}, which gives "
                f"{node.output[0]}: there are some for {known}"
            )
        options = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        self._values[node.output[0]] = convert(self, node, options)

    def finished(self, output: str) -> tuple[tuple[Layer, ...], int]:
        """Return the layers, and the logarithm of what stands for one in the last membranes."""
        total = self._sum(output)
        unit = np.ones(total.shape[0])
        exponent = _shift(output, total, unit, MEMBRANE_BITS).min()
        last = self._rounded(f"{output} (membranes)", total, unit, np.full(len(unit), exponent))
        return (*self.layers, replace(last, shift=0 * last.shift)), int(exponent)

    # ------------------------------------------------------------ operators

    def _conv(self, node: Any, options: Mapping[str, Any]) -> _Sum:
        weights = self._constant(node, 1).astype(np.float64)
        if {*options.get("dilations", (1,))} != {1} or weights.ndim != 4:
            raise self._refused(node, "its kernel has gaps or is not of two dimensions")
        name, pads = node.input[0], self._pads(node, options)
        if isinstance(value := self._values[name], _Padded):
            name = value.name
            pads = tuple(a + b for a, b in zip(pads, value.pads, strict=True))  # type: ignore[assignment]
        window = Window(weights.shape[2:], tuple(options.get("strides", (1, 1))), pads)
        bias = self._constant(node, 2) if len(node.input) > 2 else np.zeros(len(weights))
        return self._weighted(node, name, weights, bias, window, options.get("group", 1))

    def _gemm(self, node: Any, options: Mapping[str, Any]) -> _Sum:
        weights = self._constant(node, 1).astype(np.float64)
        if options.get("transA"):
            raise self._refused(node, "its input is transposed")
        weights = weights if options.get("transB") else weights.T
        source = self._layer(node.input[0])
        weights = options.get("alpha", 1.0) * weights.reshape(-1, *source.shape)
        bias = np.zeros(len(weights))
        if len(node.input) > 2:
            bias = options.get("beta", 1.0) * self._constant(node, 2)
        return self._weighted(node, node.input[0], weights, bias, Window(source.shape[1:]), 1)

    def _weighted(
        self,
        node: Any,
        name: str,
        weights: NDArray[np.float64],
        bias: NDArray[Any],
        window: Window,
        groups: int,
    ) -> _Sum:
        source = self._layer(name)
        rest = self._rest_of(source).reshape(groups, -1)
        shared = np.repeat(rest, len(weights) // groups, axis=0)
        bias = bias + (weights.sum(axis=(2, 3)) * shared).sum(axis=1)
        norm = None
        if found := self._norms.get(node.output[0]):
            norm = found[0].astype(np.float64), found[1].astype(np.float64) ** 2
        return _Sum((_Branch(source, weights, window, groups),), bias, norm)

    def _normalised(self, node: Any, options: Mapping[str, Any]) -> _Sum:
        gamma, beta, mean, variance = (
            self._constant(node, place).astype(np.float64) for place in range(1, 5)
        )
        scale = gamma / np.sqrt(variance + options.get("epsilon", 1e-5))
        found = self._sum(node.input[0]).scaled(scale, beta - mean * scale)
        return replace(found, norm=(beta, gamma**2))

    def _add(self, node: Any, _: Mapping[str, Any]) -> Any:
        if (constant := self._constant_of(node)) is not None:
            return self._affine(node, 1.0, constant)
        first, second = map(self._sum, node.input)
        if first.shape != second.shape:
            raise self._refused(node, "it adds maps of different sizes")
        norm = None
        if first.norm and second.norm:
            norm = first.norm[0] + second.norm[0], first.norm[1] + second.norm[1]
        return _Sum(first.branches + second.branches, first.bias + second.bias, norm)

    def _subtract(self, node: Any, _: Mapping[str, Any]) -> Any:
        return self._affine(node, 1.0, -self._constant(node, 1))

    def _divide(self, node: Any, _: Mapping[str, Any]) -> Any:
        return self._affine(node, 1 / self._constant(node, 1), 0.0)

    def _multiply(self, node: Any, _: Mapping[str, Any]) -> Any:
        if (constant := self._constant_of(node)) is not None:
            return self._affine(node, constant, 0.0)
        for name, other in (node.input, reversed(node.input)):
            value = self._values[other]
            if isinstance(value, _Sigmoid) and value.name == name:
                return self._silu(node, name)
        return self._gated(node)

    def _silu(self, node: Any, name: str) -> Layer:
        value = self._values[name]
        total = value if isinstance(value, _Sum) else self._sum(name)
        name = node.output[0]
        top = self._range(name, total)
        # Channels of about the same range share a table.
        rough = np.exp2(-np.floor(_TABLES * np.log2(top.max() / top)) / _TABLES)
        step = top.max() / self._most * rough
        return self._by_table(name, total, lambda x: x / (1 + np.exp(-x)), step, step.min() / 4)

    def _gated(self, node: Any) -> Layer:
        source, gate = map(self._layer, node.input)
        if gate.n_neurons > source.n_neurons:
            source, gate = gate, source
        if gate.shape != (source.shape[0], 1, 1) or gate.low < 0:
            raise self._refused(node, "it multiplies maps, and not maps by a gate of each channel")
        name = node.output[0]
        one = source.step * gate.step  # what one stands for in a membrane
        if name in self._largest:
            wanted = _shown(self._largest[name]) / (one * self._most)
            shift = np.clip(np.rint(np.log2(wanted)), 0, self._bits).astype(np.int64)
        else:
            shift = np.full(len(one), self._bits)
        low = -self._most if source.low < 0 else 0
        return self._grown(
            Gated(
                name,
                source.shape,
                self._bits,
                low,
                self._most,
                np.ldexp(one, shift),
                source.name,
                gate.name,
                shift,
            )
        )

    def _sigmoid(self, node: Any, _: Mapping[str, Any]) -> _Sigmoid:
        return _Sigmoid(node.input[0])

    def _relu(self, node: Any, _: Mapping[str, Any]) -> Layer:
        return self._linear(node.output[0], self._sum(node.input[0]), low=0)

    def _clip(self, node: Any, _: Mapping[str, Any]) -> Layer:
        low, high = (float(self._constant(node, place)) for place in (1, 2))
        if low != 0 or not np.isfinite(high):
            raise self._refused(node, f"it clips to {low:g} and {high:g}, and not from zero")
        total = self._sum(node.input[0])
        # Many neurons are at the bound: three spikes say so, where the largest number takes K.
        most = 7 << self._bits >> 3
        layer = self._whole(node.output[0], total, np.full(total.shape[0], high / most))
        return self._grown(replace(layer, low=0, high=most))

    def _global_average(self, node: Any, _: Mapping[str, Any]) -> _Sum:
        source = self._layer(node.input[0])
        return self._average(source, Window(source.shape[1:]))

    def _mean(self, node: Any, options: Mapping[str, Any]) -> _Sum:
        axes = options.get("axes")
        if axes is None and len(node.input) > 1:
            axes = self._constant(node, 1).tolist()
        if sorted(axis % 4 for axis in axes or ()) != [2, 3]:
            raise self._refused(node, "it is not the mean over maps")
        return self._global_average(node, options)

    def _average_pool(self, node: Any, options: Mapping[str, Any]) -> _Sum:
        window = self._window(node, options)
        if any(window.pads) and not options.get("count_include_pad"):
            raise self._refused(node, "it leaves out what it pads")
        return self._average(self._layer(node.input[0]), window)

    def _average(self, source: Layer, window: Window) -> _Sum:
        n_channels = source.shape[0]
        weights = np.full((n_channels, 1, 1, 1), 1 / np.prod(window.kernel))
        return _Sum((_Branch(source, weights, window, n_channels),), self._rest_of(source))

    def _max_pool(self, node: Any, options: Mapping[str, Any]) -> Layer:
        source, window = self._layer(node.input[0]), self._window(node, options)
        return self._grown(
            Largest(
                node.output[0],
                (source.shape[0], *window.size(*source.shape[1:])),
                source.bits,
                source.low,
                source.high,
                source.step,
                source.name,
                window,
            )
        )

    def _pad(self, node: Any, options: Mapping[str, Any]) -> _Padded:
        pads = self._constant(node, 1).tolist()
        value = float(self._constant(node, 2)) if len(node.input) > 2 and node.input[2] else 0.0
        if options.get("mode", b"constant") != b"constant" or value:
            raise self._refused(node, "it pads with something else than zeros")
        if len(pads) != 8 or any(pads[:2] + pads[4:6]) or min(pads) < 0:
            raise self._refused(node, "it pads something else than maps")
        return _Padded(node.input[0], (pads[2], pads[3], pads[6], pads[7]))

    def _passed(self, node: Any, _: Mapping[str, Any]) -> Any:
        """Return the value as it is: a layer has its shape whatever shape that has in ONNX."""
        return self._values[node.input[0]]

    def _reshaped(self, node: Any, _: Mapping[str, Any]) -> Any:
        value = self._values[node.input[0]]
        if not isinstance(value, _Sum):
            value = self._layer(node.input[0])
        if value.shape[1:] != (1, 1):
            raise self._refused(node, "it reshapes maps")
        return value

    _operators: Mapping[str, Callable[[_Conversion, Any, Mapping[str, Any]], Any]] = {
        "Add": _add,
        "AveragePool": _average_pool,
        "BatchNormalization": _normalised,
        "Clip": _clip,
        "Conv": _conv,
        "Div": _divide,
        "Flatten": _passed,
        "Gemm": _gemm,
        "GlobalAveragePool": _global_average,
        "Identity": _passed,
        "MatMul": _gemm,
        "MaxPool": _max_pool,
        "Mul": _multiply,
        "Pad": _pad,
        "ReduceMean": _mean,
        "Relu": _relu,
        "Reshape": _reshaped,
        "Sigmoid": _sigmoid,
        "Squeeze": _reshaped,
        "Sub": _subtract,
        "Unsqueeze": _reshaped,
    }

    # ------------------------------------------------------------ values

    def _refused(self, node: Any, why: str) -> ValueError:
        return ValueError(
            f"there are no spiking neurons for the {node.op_type} that gives {node.output[0]}: "
            f"{why}"
        )

    def _constant(self, node: Any, place: int) -> NDArray[Any]:
        name = node.input[place] if place < len(node.input) else ""
        if name not in self._constants:
            raise self._refused(node, f"its input {place + 1} is not a constant")
        return self._constants[name]

    def _constant_of(self, node: Any) -> NDArray[Any] | None:
        """Return the constant that is one of two inputs, where there is one."""
        return next((self._constants[name] for name in node.input if name in self._constants), None)

    def _affine(self, node: Any, scale: Any, shift: Any) -> _Sum | _Photo:
        """Return the other input times a scale, plus a shift: numbers, or one of each channel."""
        (name,) = (name for name in node.input if name not in self._constants)
        given = self._values[name]
        value = given if isinstance(given, _Photo) else self._sum(name)
        n_channels, *size = value.shape
        by_channel = []
        for each in (scale, shift):
            found = np.asarray(each, np.float64)
            axis = -3 if found.ndim >= 3 or size != [1, 1] else -1
            of_each = found.size == n_channels and found.ndim >= -axis
            if found.size > 1 and not (of_each and found.shape[axis] == n_channels):
                raise self._refused(node, "its constant is not one of each channel")
            by_channel.append(np.broadcast_to(found.ravel(), n_channels))
        return value.scaled(*by_channel)

    def _pads(self, node: Any, options: Mapping[str, Any]) -> tuple[int, int, int, int]:
        if options.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise self._refused(node, "its padding depends on the photo")
        top, left, bottom, right = options.get("pads", (0, 0, 0, 0))
        return top, left, bottom, right

    def _window(self, node: Any, options: Mapping[str, Any]) -> Window:
        if {*options.get("dilations", (1,))} != {1} or options.get("ceil_mode"):
            raise self._refused(node, "its kernel has gaps, or goes beyond the map")
        strides = tuple(options.get("strides", (1, 1)))
        return Window(tuple(options["kernel_shape"]), strides, self._pads(node, options))

    def _sum(self, name: str) -> _Sum:
        """Return a value as something to add to: what only this hears need not be sent."""
        value = self._values[name]
        if isinstance(value, _Sum) and self._heard[name] == 1:
            return value
        layer = self._layer(name)
        n_channels = layer.shape[0]
        branch = _Branch(layer, np.ones((n_channels, 1, 1, 1)), groups=n_channels)
        norm = value.norm if isinstance(value, _Sum) else self._sent.get(layer.name)
        return _Sum((branch,), self._rest_of(layer), norm)

    def _rest_of(self, layer: Layer) -> NDArray[np.float64]:
        """Return by how much the values of a layer differ from what its numbers stand for."""
        return self._rest if isinstance(layer, Pixels) else np.zeros(layer.shape[0])

    def _layer(self, name: str) -> Layer:
        """Return the layer that sends a value."""
        value: Any = self._values[name]
        if isinstance(value, _Photo):
            value = self._photo(name, value)
        elif isinstance(value, _Sigmoid):
            total = self._sum(value.name)
            step = np.full(total.shape[0], 1 / (1 << self._bits))
            value = self._by_table(name, total, lambda x: 1 / (1 + np.exp(-x)), step, step[0])
        elif isinstance(value, _Sum):
            value = self._linear(name, value, low=-self._most if value.is_negative else 0)
        elif isinstance(value, _Padded):
            raise ValueError(f"there are no spiking neurons for what is padded in {name}")
        layer: Layer = value
        self._values[name] = layer
        return layer

    # ------------------------------------------------------------ layers

    @property
    def _most(self) -> int:
        return (1 << self._bits) - 1

    def _grown(self, layer: Layer) -> Layer:
        self.layers.append(layer)
        return layer

    def _photo(self, name: str, photo: _Photo) -> Layer:
        if (photo.scale <= 0).any():
            raise ValueError(f"there are no spiking neurons for {name}: it turns pixels around")
        zero = np.clip(np.rint(-photo.shift / photo.scale), 0, _LEVELS).astype(np.int64)
        self._rest = photo.scale * zero + photo.shift
        low, high = -int(zero.max()), _LEVELS - int(zero.min())
        return self._grown(Pixels(name, photo.shape, 8, low, high, photo.scale, zero))

    def _linear(self, name: str, total: _Sum, *, low: int) -> Layer:
        """Add neurons that send their membrane, from `low` on."""
        if total.norm and low < 0:
            self._sent[name] = total.norm
        layer = self._whole(name, total, self._range(name, total) / self._most)
        return self._grown(replace(layer, low=low))

    def _by_table(
        self,
        name: str,
        total: _Sum,
        function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        step: NDArray[np.float64],
        unit: float,
    ) -> Layer:
        """Add neurons that send a function of their membrane, which a table gives in these units.

        Parameters
        ----------
        step : ndarray of float64, shape (n_channels,)
            What one stands for.
        """
        reach = np.ceil(max(_FLAT, step.max() * self._most) / unit)
        reach = min(int(reach), _LONGEST << self._bits)
        places = np.arange(-reach, reach + 1)
        steps, rows = np.unique(step, return_inverse=True)
        table = np.rint(function(unit * places.astype(np.float64)) / steps[:, None])
        table = np.clip(table, -self._most, self._most).astype(np.int32)
        changes = np.flatnonzero(np.diff(table).any(axis=0))
        table = table[:, changes[0] : changes[-1] + 2]
        layer = self._whole(name, total, np.full(total.shape[0], unit))
        return self._grown(
            replace(
                layer,
                low=int(table.min()),
                high=int(table.max()),
                step=step,
                tables=table,
                rows=rows.astype(np.int64),
                first=int(places[changes[0]]),
            )
        )

    def _range(self, name: str, total: _Sum) -> NDArray[np.float64]:
        """Return the largest value of each channel for which there are numbers."""
        if total.norm:
            found = np.abs(total.norm[0]) + _DEVIATIONS * np.sqrt(total.norm[1])
            return _at_least(found, 1e-3)
        if name not in self._largest:
            raise ValueError(
                f"nothing bounds what {name} gives: give some typical photos, which show its range"
            )
        largest = self._largest[name]
        if total.pools:
            return np.full(len(largest), _POOLED_MARGIN * (largest.max() or 1.0))
        return _shown(largest)

    def _whole(self, name: str, total: _Sum, unit: NDArray[np.float64]) -> Sums:
        """Return neurons whose number grows by one for each unit, with weights as fine as can be.

        Parameters
        ----------
        unit : ndarray of float64, shape (n_channels,)
            Of their membranes' values.
        """
        # Half of a threshold is added, too.
        shift = _shift(name, total, unit, POOLED_BITS if total.pools else MEMBRANE_BITS, 0.5)
        shift = np.minimum(shift, MEMBRANE_BITS)
        if (shift < 0).any():
            raise ValueError(f"the sums of {name} do not fit into membranes: take fewer bits")
        layer = self._rounded(name, total, unit, shift)
        return replace(layer, bias=layer.bias + (np.int64(1) << shift >> 1))

    def _rounded(
        self, name: str, total: _Sum, unit: NDArray[np.float64], shift: NDArray[np.int64]
    ) -> Sums:
        """Return neurons whose membranes have the value of a unit at ``2 ** shift``."""
        scale = np.ldexp(1 / unit, shift)
        synapses = tuple(
            Synapses(
                each.source.name,
                np.rint(each.in_steps() * scale[:, None, None, None]).astype(np.int32),
                each.window,
                each.groups,
            )
            for each in total.branches
        )
        bias = np.rint(total.bias * scale).astype(np.int64)
        most = self._most
        return Sums(name, total.shape, self._bits, -most, most, unit, synapses, bias, shift)


def _shift(
    name: str, total: _Sum, unit: NDArray[np.float64], bits: int, more: float = 0.0
) -> NDArray[np.int64]:
    """Return the logarithm of the largest threshold with which no sum outgrows a membrane."""
    largest, rounding = more + np.abs(total.bias / unit), 1.0
    for each in total.branches:
        weights = each.in_steps() / unit[:, None, None, None]
        largest = largest + each.extent(weights)
        rounding += each.extent(np.full_like(weights, 0.5)).max()
    if rounding >= 1 << bits:
        raise ValueError(f"the sums of {name} do not fit into membranes: take fewer bits")
    # Channels that hear nothing have no say.
    largest = np.maximum(largest, np.finfo(np.float32).tiny)
    shift = np.floor(np.log2(((1 << bits) - rounding) / largest))
    return np.asarray(shift, np.int64)


def _at_least(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return values, but none below a share of the largest, or 1 if all are zero."""
    return np.maximum(values, share * values.max()) if values.any() else np.ones_like(values)


def _shown(largest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the range of channels of which some photos have shown the largest values."""
    return _MARGIN * _at_least(largest, _LEAST)


def _largest(model: Any, photos: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return the largest magnitude of each channel on some photos, of whatever nodes give."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    graph = watched.graph
    names = [name for node in graph.node for name in node.output if name]
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found: dict[str, NDArray[np.float64]] = {}
    for photo in photos:
        for name, value in zip(
            names, session.run(names, {graph.input[0].name: photo[None]}), strict=True
        ):
            if value.ndim >= 2:
                by_channel = np.abs(value[0].reshape(value.shape[1], -1)).max(axis=1)
                found[name] = np.maximum(found.get(name, 0.0), by_channel.astype(np.float64))
    return found
