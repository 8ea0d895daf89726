"""Tensors in files of PyTorch's older form, read without PyTorch and without running code."""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
_COUNT = np.dtype("<i8")


def read_tensors(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors by name in what ``torch.save`` wrote before version 1.6.

    Five pickles (a magic number, a version, facts about the system, the tensors as views of
    storages, the keys of the storages), and then each storage, its length before it.

    Parameters
    ----------
    content : bytes
        Of the file. Tensors are of float32 or int64, in a dict.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        It is no such file, or damaged; or it holds something else than tensors.
    """
    try:
        return _read(content)
    except Exception as error:  # unpickling a wrong file raises nearly every type
        raise ValueError(
            "this is no file of tensors by name in PyTorch's older form, or it is damaged"
        ) from error


def _read(content: bytes) -> dict[str, NDArray[Any]]:
    file = BytesIO(content)
    reader = _Unpickler(file)
    magic, version, system, tensors, keys = (reader.load() for _ in range(5))
    if (magic, version, system["little_endian"]) != (_MAGIC, _VERSION, True):
        raise ValueError("another form")
    for key in keys:
        storage = reader.storages[key]
        if np.frombuffer(file.read(_COUNT.itemsize), _COUNT) != [len(storage)]:
            raise ValueError("a storage of another length")
        storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
    if file.read(1) or set(keys) != set(reader.storages):
        raise ValueError("storages too many or too few")
    if not all(
        isinstance(name, str) and isinstance(tensor, np.ndarray) for name, tensor in tensors.items()
    ):
        raise ValueError("no tensors by name")
    return dict(tensors)


class _Unpickler(pickle.Unpickler):
    """Makes views of storages, which are zero until they are read, and nothing else."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, NDArray[Any]] = {}
        self._room = file.getbuffer().nbytes

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise ValueError(f"{module}.{name} is not for tensors")

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        kind, dtype, key, _, length, whole = pid
        if kind != "storage" or whole is not None or dtype not in _STORAGES.values():
            raise ValueError("another kind of storage")
        if key not in self.storages:
            if not 0 <= length * np.dtype(dtype).itemsize <= self._room:
                raise ValueError("a storage larger than the file")
            self.storages[key] = np.zeros(length, dtype)
        return self.storages[key]


def _view(
    storage: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """Return a tensor, whose strides are counted in elements; NumPy checks that it fits in."""
    if math.prod(shape) > len(storage):
        raise ValueError("a tensor larger than its storage")
    size = storage.itemsize
    steps = tuple(size * stride for stride in strides)
    tensor: NDArray[Any] = np.ndarray(shape, storage.dtype, storage.data, size * offset, steps)
    return tensor
