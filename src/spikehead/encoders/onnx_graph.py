"""ONNX files written as they are defined, in protocol buffers: what a small network needs of them.

The numbers are those of the fields in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_IR_VERSION = 8
_OPSET = 17
_FLOAT, _FLOAT16 = 1, 10
_DATA_TYPES = {"<f4": _FLOAT, "<f2": _FLOAT16, "<f8": 11, "<i8": 7}
_INT, _INTS = 2, 7  # types of attributes


class Graph:
    """A network from photos to activations, built node by node.

    Nodes and constants are known by the names that they are given; the photos are ``image``.
    """

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an array of floats or of int64; those of float16 are computed with in float32."""
        values = values.astype(values.dtype.newbyteorder("<"))
        kind = _DATA_TYPES[values.dtype.str]
        stored = f"{name}.float16" if kind == _FLOAT16 else name
        self._constants.append(
            _field(
                5,
                *(_whole(1, size) for size in values.shape),
                _whole(2, kind),
                _field(8, stored),
                _field(9, values.tobytes()),
            )
        )
        return self.node("Cast", stored, output=name, to=_FLOAT) if kind == _FLOAT16 else name

    def node(
        self, operator: str, *inputs: str, output: str, **attributes: int | tuple[int, ...]
    ) -> str:
        """Add a node, and return the name of its output."""
        self._nodes.append(
            _field(
                1,
                *(_field(1, name) for name in inputs),
                _field(2, output),
                _field(4, operator),
                *(_attribute(name, value) for name, value in attributes.items()),
            )
        )
        return output

    def file(
        self,
        shape: tuple[int, int, int],
        outputs: Mapping[str, tuple[int, ...]],
        notice: str = "",
        output_type: DTypeLike = np.float32,
    ) -> bytes:
        """Return the ONNX file of the network.

        Parameters
        ----------
        shape : (int, int, int)
            Of a photo: channels, height and width.
        outputs : mapping of str to tuple of int
            The shape of what it gives for a photo, by the names of the nodes that give it.
        notice : str, optional
            What has to be said wherever the file goes.
        output_type : dtype, default=float32
            Of what it gives.
        """
        kind = _DATA_TYPES[np.dtype(output_type).newbyteorder("<").str]
        graph = (
            *self._nodes,
            _field(2, "encoder"),
            *self._constants,
            _value(11, "image", shape, _FLOAT),
            *(_value(12, name, sizes, kind) for name, sizes in outputs.items()),
        )
        return b"".join(
            (
                _whole(1, _IR_VERSION),
                _field(2, "spikehead"),
                _field(6, notice),
                _field(7, *graph),
                _field(8, _whole(2, _OPSET)),
            )
        )


def _field(number: int, *parts: str | bytes) -> bytes:
    """Return a field of what the parts make together, its length before it."""
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _whole(number: int, value: int) -> bytes:
    """Return a field of a whole number, which is not negative."""
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Return a number in base 128, the smallest digit first; all but the last have a mark."""
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def _attribute(name: str, value: int | tuple[int, ...]) -> bytes:
    if isinstance(value, int):
        return _field(5, _field(1, name), _whole(3, value), _whole(20, _INT))
    return _field(5, _field(1, name), *(_whole(8, item) for item in value), _whole(20, _INTS))


def _value(number: int, name: str, sizes: tuple[int, ...], kind: int) -> bytes:
    """Return what comes in or out: its type, and the sizes behind any number of photos."""
    batch = _field(1, _field(2, "batch"))
    shape = _field(2, batch, *(_field(1, _whole(1, size)) for size in sizes))
    return _field(number, _field(1, name), _field(2, _field(1, _whole(1, kind), shape)))
