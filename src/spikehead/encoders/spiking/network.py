"""A network of signed few-spikes neurons: layers of whole numbers, and the file that keeps them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any, cast

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

MEMBRANE_BITS = 24
"""Membranes hold whole numbers below ``2 ** 24``: single precision adds them exactly."""

POOLED_BITS = 31
"""Those that add up whole maps hold whole numbers below ``2 ** 31``."""

MAX_BITS = 12
"""The most time steps of a layer."""

_FORMAT = "spikehead spiking encoder 1"
_TYPES = {name: np.dtype(name) for name in ("int32", "int64", "float64")}


@dataclass(frozen=True)
class Window:
    """Which neurons of a map a neuron of the next one hears.

    Attributes
    ----------
    kernel, strides : (int, int)
        Height and width.
    pads : (int, int, int, int)
        Places without neurons above, to the left, below and to the right of the map.
    """

    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        """Check the sizes."""
        if min(*self.kernel, *self.strides) < 1 or min(self.pads) < 0:
            raise ValueError("kernels and strides are at least 1, and pads at least 0")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the next map."""
        top, left, bottom, right = self.pads
        return (
            (height + top + bottom - self.kernel[0]) // self.strides[0] + 1,
            (width + left + right - self.kernel[1]) // self.strides[1] + 1,
        )

    def fan_out(self, height: int, width: int) -> NDArray[np.int64]:
        """Return how many neurons of the next map hear each neuron of a map."""
        heard = []
        next_size = self.size(height, width)
        for axis, size in enumerate((height, width)):
            first = np.arange(next_size[axis])[:, None] * self.strides[axis] - self.pads[axis]
            places = (first + np.arange(self.kernel[axis])).ravel()
            heard.append(np.bincount(places[(places >= 0) & (places < size)], minlength=size))
        return np.multiply.outer(*heard)


@dataclass(frozen=True, eq=False)
class Synapses:
    """The synapses by which a layer hears another one: those of a convolution.

    Attributes
    ----------
    source : str
        The layer that is heard.
    weights : ndarray of int32, shape (n_channels, n_source_channels // groups, height, width)
        Height and width are those of the kernel, or 1 where a weight holds for the whole kernel.
    window : Window
        Which neurons of a channel are heard.
    groups : int
        Parts into which the channels of both layers are cut; each hears one part only.
    """

    source: str
    weights: NDArray[np.int32]
    window: Window = field(default_factory=Window)
    groups: int = 1

    @property
    def even(self) -> bool:
        """Whether a channel hears one other channel, with a single weight: relays and pooling."""
        return self.weights.shape[1:] == (1, 1, 1)

    def pools(self, source: Layer) -> bool:
        """Return whether they add up whole maps of the layer that is heard."""
        return self.even and self.window == Window(source.shape[1:]) != Window()

    def fits(self, source: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Return whether they lead from maps of one shape to maps of the other."""
        outer, inner, *kernel = self.weights.shape
        return (
            self.weights.dtype == np.int32
            and (outer, *self.window.size(*source[1:])) == shape
            and inner * self.groups == source[0]
            and outer % self.groups == 0
            and tuple(kernel) in ((1, 1), self.window.kernel)
        )


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of neurons; those of a channel are alike.

    Attributes
    ----------
    name : str
        That of what the neurons stand for, in the network that was converted.
    shape : (int, int, int)
        Channels, height and width.
    bits : int
        Time steps in which a neuron sends its number.
    low, high : int
        The least and the largest number that it sends.
    step : ndarray of float64, shape (n_channels,)
        What one stands for.
    """

    name: str
    shape: tuple[int, int, int]
    bits: int
    low: int
    high: int
    step: NDArray[np.float64]

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)

    @property
    def sources(self) -> tuple[str, ...]:
        """The layers that it hears."""
        return ()

    def fits(self, known: Mapping[str, Layer]) -> bool:  # noqa: ARG002
        """Return whether it is a layer upon known ones."""
        return (
            min(self.shape) >= 1
            and 1 <= self.bits <= MAX_BITS
            and -(1 << self.bits) < self.low <= self.high < 1 << self.bits
            and self.step.shape == self.shape[:1]
        )


@dataclass(frozen=True, eq=False)
class Pixels(Layer):
    """The photo: whole numbers from 0 to 255 to begin with, the channel's zero taken off.

    Attributes
    ----------
    zero : ndarray of int64, shape (n_channels,)
        The pixel that stands for nothing.
    """

    zero: NDArray[np.int64]

    def fits(self, known: Mapping[str, Layer]) -> bool:
        """Return whether it is a layer upon known ones."""
        return super().fits(known) and self.zero.shape == self.shape[:1]


@dataclass(frozen=True, eq=False)
class Sums(Layer):
    """Neurons whose membranes add up what they hear.

    Once all spikes have come, the number that a neuron sends is the whole part of its membrane over
    ``2 ** shift``, as far as `low` and `high` reach; or what a table has for it.

    Attributes
    ----------
    synapses : tuple of Synapses
        Of each layer that is heard.
    bias : ndarray of int64, shape (n_channels,)
        What a membrane has in itself; half of ``2 ** shift`` for rounding is in it.
    shift : ndarray of int64, shape (n_channels,)
        Logarithm of the threshold.
    tables : ndarray of int32, shape (n_tables, n_numbers)
        The numbers that are sent, by the whole part from `first` on; below and beyond as at the
        ends. Empty where the whole part itself is sent.
    rows : ndarray of int64, shape (n_channels,)
        The table of each channel. Empty where there is none.
    first : int
        The whole part that the tables begin with.
    """

    synapses: tuple[Synapses, ...]
    bias: NDArray[np.int64]
    shift: NDArray[np.int64]
    tables: NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 0), np.int32))
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    first: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """The layers that it hears."""
        return tuple(each.source for each in self.synapses)

    def limit(self, known: Mapping[str, Layer]) -> int:
        """Return what membranes stay below, whatever the layers that are heard send."""
        pools = all(each.pools(known[each.source]) for each in self.synapses)
        return 1 << (POOLED_BITS if pools else MEMBRANE_BITS)

    def extent(self, known: Mapping[str, Layer]) -> NDArray[np.float64]:
        """Return how far from zero the membranes of each channel can be."""
        reached = [extent(each.weights, each.window, known[each.source]) for each in self.synapses]
        return np.asarray(np.abs(self.bias) + np.sum(reached, axis=0))

    def fits(self, known: Mapping[str, Layer]) -> bool:
        """Return whether it is a layer upon known ones, whose membranes hold every sum."""
        return (
            super().fits(known)
            and self.bias.shape == self.shift.shape == self.shape[:1]
            and _between(0, self.shift, MEMBRANE_BITS)
            and self.tables.ndim == 2
            and self.rows.shape == (self.shape[:1] if self.tables.size else (0,))
            and _between(0, self.rows, len(self.tables) - 1)
            and all(each.fits(known[each.source].shape, self.shape) for each in self.synapses)
            and bool((self.extent(known) < self.limit(known)).all())
        )


@dataclass(frozen=True, eq=False)
class Gated(Layer):
    """Neurons that hear one neuron each, with a weight that another layer sets for the channel.

    The weight of a channel is the number that the gate's neuron sent; so a spike adds it, and what
    is sent on is the sum over ``2 ** shift``, rounded.

    Attributes
    ----------
    source : str
        The layer that is heard.
    gate : str
        The layer that sets the weights, of one neuron a channel.
    shift : ndarray of int64, shape (n_channels,)
        Logarithm of the threshold.
    """

    source: str
    gate: str
    shift: NDArray[np.int64]

    @property
    def sources(self) -> tuple[str, ...]:
        """The layers that it hears."""
        return self.source, self.gate

    def fits(self, known: Mapping[str, Layer]) -> bool:
        """Return whether it is a layer upon known ones."""
        return (
            super().fits(known)
            and self.shift.shape == self.shape[:1]
            and _between(0, self.shift, MEMBRANE_BITS)
            and known[self.source].shape == self.shape
            and known[self.gate].shape == (self.shape[0], 1, 1)
        )


@dataclass(frozen=True, eq=False)
class Largest(Layer):
    """Neurons that add up each neuron they hear by itself, and send on the largest sum.

    Attributes
    ----------
    source : str
        The layer that is heard.
    window : Window
        Which neurons of a channel are heard.
    """

    source: str
    window: Window

    @property
    def sources(self) -> tuple[str, ...]:
        """The layers that it hears."""
        return (self.source,)

    def fits(self, known: Mapping[str, Layer]) -> bool:
        """Return whether it is a layer upon known ones."""
        n_channels, *size = known[self.source].shape
        return super().fits(known) and (n_channels, *self.window.size(*size)) == self.shape


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    """Layers of neurons, each of which hears earlier ones.

    The first one holds the pixels. The last one sends nothing: its membranes are what the network
    gives.

    Attributes
    ----------
    layers : tuple of Layer
        In the order in which they are computed.
    exponent : int
        The last layer's membranes stand for activations of ``2 ** -exponent`` times their numbers.
    about : mapping
        What else is known, as JSON values.

    Raises
    ------
    ValueError
        If a layer does not fit those that it hears.
    """

    layers: tuple[Layer, ...]
    exponent: int
    about: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Check that the layers fit each other."""
        known: dict[str, Layer] = {}
        for layer in self.layers:
            heard = {name: known[name] for name in layer.sources if name in known}
            if layer.name in known or len(heard) < len({*layer.sources}) or not layer.fits(heard):
                raise ValueError(f"the layer {layer.name} does not fit those before it")
            known[layer.name] = layer
        pixels = [isinstance(layer, Pixels) for layer in self.layers]
        if pixels != [not place for place, _ in enumerate(pixels)] or not isinstance(
            self.layers[-1], Sums
        ):
            raise ValueError("a spiking network begins with pixels, and ends with sums")

    @property
    def pixels(self) -> Pixels:
        """The first layer."""
        return cast(Pixels, self.layers[0])

    @property
    def last(self) -> Sums:
        """The last layer."""
        return cast(Sums, self.layers[-1])

    def __getitem__(self, name: str) -> Layer:
        """Return a layer by its name."""
        return next(layer for layer in self.layers if layer.name == name)

    def fan_outs(self, layer: Layer) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield each layer that a layer hears, and how many of its neurons hear each place there.

        Parameters
        ----------
        layer : Layer
            One of the network.

        Yields
        ------
        str
            The layer that is heard.
        ndarray of int64, shape (height, width)
            Synapses from a neuron there to the layer; alike for all channels.
        """
        match layer:
            case Sums():
                for each in layer.synapses:
                    places = each.window.fan_out(*self[each.source].shape[1:])
                    yield each.source, places * (len(each.weights) // each.groups)
            case Gated():
                yield layer.source, Window().fan_out(*layer.shape[1:])
            case Largest():
                yield layer.source, layer.window.fan_out(*self[layer.source].shape[1:])

    def decoded(self, membranes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the activations that membranes of the last layer stand for, none rounded."""
        return np.ldexp(membranes.astype(np.float32), -self.exponent)

    def to_bytes(self) -> bytes:
        """Return the content of the file that keeps the network: safetensors."""
        arrays: dict[str, NDArray[Any]] = {}
        described = json.dumps(
            {
                "layers": _packed(self.layers, arrays),
                "exponent": self.exponent,
                "about": dict(self.about),
            }
        )
        return safetensors.numpy.save(arrays, {"format": _FORMAT, "network": described})

    @classmethod
    def from_bytes(cls, content: bytes) -> SpikingNetwork:
        """Return the network that a file keeps.

        Raises
        ------
        ValueError
            If it is not such a file.
        """
        try:
            arrays = safetensors.numpy.load(content)
            head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            metadata = head["__metadata__"]
            if metadata["format"] != _FORMAT:
                raise ValueError("it is of another version")
            described = json.loads(metadata["network"])
            layers = _unpacked(described["layers"], arrays)
            return cls(layers, int(described["exponent"]), described["about"])
        except (SafetensorError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"it is no spiking network ({error!r})") from error


def extent(weights: NDArray[Any], window: Window, source: Layer) -> NDArray[np.float64]:
    """Return how far from zero synapses can take a membrane, of each channel.

    Parameters
    ----------
    weights : ndarray, shape (n_channels, n_source_channels // groups, height, width)
        As of `Synapses`.
    window : Window
        Which neurons of a channel are heard.
    source : Layer
        The layer that is heard.
    """
    folds = math.prod(window.kernel) // math.prod(weights.shape[2:])
    up, down = (
        folds * np.maximum(sign * weights, 0).sum(axis=(1, 2, 3), dtype=np.float64)
        for sign in (1, -1)
    )
    low, high = source.low, source.high
    return np.asarray(np.maximum(up * high - down * low, down * high - up * low))


def _between(low: int, numbers: NDArray[Any], high: int) -> bool:
    return bool(((numbers >= low) & (numbers <= high)).all())


_KINDS = {kind.__name__: kind for kind in (Window, Synapses, Pixels, Sums, Gated, Largest)}


def _packed(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return a value as JSON values; its arrays go to the others, in as few bytes as hold them."""
    if isinstance(value, np.ndarray):
        place = f"{len(arrays)}"
        arrays[place] = np.ascontiguousarray(_narrow(value))
        return {"array": place, "type": value.dtype.name}
    if is_dataclass(value):
        fields = {name: _packed(each, arrays) for name, each in vars(value).items()}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_packed(each, arrays) for each in value]
    return value


def _unpacked(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return what was packed."""
    if isinstance(value, list):
        return tuple(_unpacked(each, arrays) for each in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]].astype(_TYPES[value["type"]])
    fields = {name: _unpacked(each, arrays) for name, each in value.items() if name != "kind"}
    return _KINDS[value["kind"]](**fields)


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers in as few bytes as hold them."""
    if array.dtype.kind != "i" or not array.size:
        return array
    largest = max(int(array.max()), -1 - int(array.min()))
    kinds = (np.int8, np.int16, np.int32, np.int64)
    return array.astype(next(kind for kind in kinds if largest <= np.iinfo(kind).max))
