"""Grey pixel intensities as activations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.encoder import fingerprint
from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.images import Preprocessing

_DEFAULT_SIDE = 28
_MAX_SIDE = 256


class Pixels:
    """The grey pixel intensities of a small square, as CoLaNET is used on MNIST.

    Each of the ``side * side`` pixels, row by row, is an activation from 0 (black) to 1 (white).

    Parameters
    ----------
    side : int, default=28
        Side of the square that a photo is made, from 1 to 256 pixels.

    Raises
    ------
    ValueError
        If the side is out of range.
    """

    def __init__(self, side: int = _DEFAULT_SIDE) -> None:
        if not 1 <= side <= _MAX_SIDE:
            raise ValueError(f"pixels:{side} is out of range: choose a side from 1 to {_MAX_SIDE}")
        self.name = "pixels" if side == _DEFAULT_SIDE else f"pixels:{side}"
        self.side = side
        self.n_activations = side * side
        self.saturation = 1.0
        self.files: dict[str, Path] = {}
        self.preprocessing = Preprocessing(side, side, mean=(0.0,), std=(1.0,), mode="L")
        self.fingerprint = fingerprint("pixels 1", self.preprocessing)

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore_encoder` needs."""
        return {"kind": "pixels", "side": self.side}

    def encode(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the intensities, shape (n_photos, side * side).

        Parameters
        ----------
        pixels : ndarray of float32, shape (n_photos, 1, side, side)
            Photos, as `preprocessing` makes them.
        """
        return pixels.reshape(len(pixels), self.n_activations)


def _open(side: str, *, n_threads: int | None) -> Pixels | None:  # noqa: ARG001
    if not side:
        return Pixels()
    return Pixels(int(side)) if side.isdecimal() else None


def _restore(
    description: Mapping[str, Any],
    files: Mapping[str, Path],  # noqa: ARG001
    *,
    n_threads: int | None,  # noqa: ARG001
) -> Pixels:
    return Pixels(description["side"])


KIND = EncoderKind(
    about="grey pixel intensities",
    provenance=Provenance("computed, not trained", "none needed"),
    open=_open,
    restore=_restore,
    arguments=("", "SIDE"),
    range=(0.0, 1.0),
)
"""Pixels of any side."""
