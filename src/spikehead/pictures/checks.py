"""What is refused to be drawn, each in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def table(values: ArrayLike, argument: str, shape: str) -> NDArray[Any]:
    """Return values as a two-dimensional array of finite numbers with something in it."""
    checked = np.asarray(values)
    if checked.ndim != 2 or 0 in checked.shape:
        raise ValueError(
            f"{argument} has the shape {checked.shape}: "
            f"give a table {shape} with at least one of each"
        )
    if not np.isfinite(checked).all():
        raise ValueError(f"{argument} contains a value that is not finite")
    return checked


def names(given: Sequence[str], n: int, argument: str) -> None:
    """Refuse names that are too few or too many."""
    if len(given) != n:
        raise ValueError(f"{argument} has {len(given)} entries: give {n}, one for each")


def index(given: int | None, n: int, what: str) -> None:
    """Refuse a number that is out of range; None is no number."""
    if given is not None and not 0 <= given < n:
        raise ValueError(f"{what} is {given}: give a number from 0 to {n - 1}")
