"""Arrays by name, as bytes and back: safetensors, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError


def packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as the content of a safetensors file.

    Raises
    ------
    ValueError
        One is of another type than booleans, integers or floats of up to 64 bits.
    """
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise ValueError(
                f"array {name!r} has the type {array.dtype}, which a model cannot store: "
                "use booleans, integers or floats"
            )
    return safetensors.numpy.save(
        {name: np.asarray(array, order="C") for name, array in arrays.items()}
    )


def unpacked(path: Path, content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file; the caller owns them.

    Parameters
    ----------
    path : Path
        The file, for the error.
    content : bytes
        What is in it.

    Raises
    ------
    ValueError
        It is no such file.
    """
    try:
        arrays = safetensors.numpy.load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a safetensors file of arrays: {error}") from error
    return {name: np.array(array) for name, array in arrays.items()}
