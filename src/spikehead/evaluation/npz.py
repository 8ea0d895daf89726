"""Activations and labels in .npz files, whoever may have written them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ADVICE = "write it with np.savez(file, X=activations, y=labels)"


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read ``X`` and ``y`` from an .npz file, and ``X_test`` and ``y_test`` if they are there.

    Parameters
    ----------
    path : str or Path
        The file. Nothing in it is unpickled.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is missing, is no .npz file of arrays, or has no ``X`` or ``y``.
    MemoryError
        If its arrays do not fit into memory.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: {_ADVICE}")
    if not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{path} is not a file: {_ADVICE}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            there = list(archive)
            names = [name for name in ("X", "y", "X_test", "y_test") if name in there]
            arrays = {name: archive[name] for name in names}
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise TypeError("NumPy gives what is no array as bytes")
    except MemoryError:
        raise MemoryError(f"the arrays in {path} do not fit into memory") from None
    except PermissionError:
        raise
    except Exception:  # what is damaged raises whatever comes to NumPy and its unpackers
        raise ValueError(f"{path} is not an .npz file of arrays: {_ADVICE}") from None
    if missing := {"X", "y"} - arrays.keys():
        held = ", ".join(there) or "nothing"
        raise ValueError(f"{path} holds no {min(missing)}, but {held}: {_ADVICE}")
    return arrays
