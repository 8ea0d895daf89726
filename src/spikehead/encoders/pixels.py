"""Grey pixels as activations: what small patches of them show, or the intensities as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.encoder import Encoder, fingerprint
from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.expansion import SparseExpansion
from spikehead.images import Preprocessing

_DEFAULT_SIDE = 28
_MAX_SIDE = 256


class Intensities:
    """The grey pixel intensities of a small square, as CoLaNET is used on MNIST.

    Each of the ``side * side`` pixels, row by row, is an activation from 0 (black) to 1 (white).

    Parameters
    ----------
    side : int, default=28
        Side of the square that a photo is made, from 1 to 256 pixels.

    Attributes
    ----------
    graph : str
        The encoder as ONNX operators, from `image` to `output`; `constants` are their values.

    Raises
    ------
    ValueError
        If the side is out of range.
    """

    kind = "intensities"
    layout, output = "NCHW", "activations"
    graph = "activations = Flatten (image)"

    def __init__(self, side: int = _DEFAULT_SIDE) -> None:
        if not 1 <= side <= _MAX_SIDE:
            raise ValueError(
                f"{self.kind}:{side} is out of range: choose a side from 1 to {_MAX_SIDE}"
            )
        self.name = self.kind if side == _DEFAULT_SIDE else f"{self.kind}:{side}"
        self.side = side
        self.n_activations = side * side
        self.saturation = 1.0
        self.files: dict[str, Path] = {}
        self.preprocessing = Preprocessing(side, side, mean=(0.0,), std=(1.0,), mode="L")
        self.fingerprint = fingerprint("pixels 1", self.preprocessing)

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore_encoder` needs."""
        return {"kind": self.kind, "side": self.side}

    def encode(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the activations, shape (n_photos, n_activations).

        Parameters
        ----------
        pixels : ndarray of float32, shape (n_photos, 1, side, side)
            Photos, as `preprocessing` makes them.
        """
        return pixels.reshape(len(pixels), -1)

    def constants(self) -> dict[str, Any]:
        """Return what the operators of `graph` need, by name."""
        return {}


class Pixels(Intensities):
    """What units that each see a few grey pixels of a small patch say, summed over a 4 x 4 grid.

    It is a `SparseExpansion` of `Intensities`: fixed, in whole numbers, and so local that small
    shifts change little.

    Parameters
    ----------
    side : int, default=28
        Side of the square that a photo is made, from 1 to 256 pixels.

    Attributes
    ----------
    expansion : SparseExpansion
        The units.

    Raises
    ------
    ValueError
        If the side is out of range.
    """

    kind = "pixels"
    output = "expanded"

    def __init__(self, side: int = _DEFAULT_SIDE) -> None:
        super().__init__(side)
        self.expansion = SparseExpansion((side, side))
        self.n_activations = self.expansion.n_outputs
        rows, columns = self.expansion.cells
        # A unit that is 2 above the others from each place of a cell.
        self.saturation = 2.0 * side * side / (rows * columns)
        self.graph = Intensities.graph + self.expansion.graph
        self.fingerprint = fingerprint("pixels 2", self.preprocessing)

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore_encoder` needs."""
        return {**super().to_dict(), "units": self.expansion.n_units}

    def encode(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the units say, shape (n_photos, n_activations).

        Parameters
        ----------
        pixels : ndarray of float32, shape (n_photos, 1, side, side)
            Photos, as `preprocessing` makes them.
        """
        return self.expansion.expand(super().encode(pixels))

    def constants(self) -> dict[str, Any]:
        """Return what the operators of `graph` need, by name."""
        return self.expansion.constants()


def _kind(form: type[Intensities], about: str, most: float | None) -> EncoderKind:
    def opened(side: str, *, n_threads: int | None) -> Encoder | None:  # noqa: ARG001
        if not side:
            return form()
        return form(int(side)) if side.isdecimal() else None

    def restored(
        description: Mapping[str, Any],
        files: Mapping[str, Path],  # noqa: ARG001
        *,
        n_threads: int | None,  # noqa: ARG001
    ) -> Encoder:
        # In models that were saved before there were units, pixels are intensities.
        return (form if "units" in description else Intensities)(description["side"])

    return EncoderKind(
        about=about,
        provenance=Provenance("computed, not trained", "none needed"),
        open=opened,
        restore=restored,
        arguments=("", "SIDE"),
        range=(0.0, most),
    )


PIXELS = _kind(Pixels, "what small patches of grey pixels show: for small pictures", None)
"""Patches of any side."""

INTENSITIES = _kind(Intensities, "grey pixel intensities", 1.0)
"""Intensities of any side."""
