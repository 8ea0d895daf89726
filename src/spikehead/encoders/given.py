"""Activations that were made elsewhere: of photos by another program, of sounds, of texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.encoder import fingerprint
from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.images import Preprocessing

NAME = "activations"


class Given:
    """No encoder, but what stands for one where activations are given.

    Parameters
    ----------
    n_activations : int
        How many an example has.
    """

    def __init__(self, n_activations: int) -> None:
        self.name = f"{NAME}:{n_activations}"
        self.n_activations = n_activations
        self.saturation: float | None = None
        self.files: dict[str, Path] = {}
        self.fingerprint = fingerprint(f"{self.name} 1")

    @property
    def preprocessing(self) -> Preprocessing:
        """There is none.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            f"the model takes {self.n_activations} activations an example, and no photos: give a "
            "file of activations (.npz, .npy or .parquet)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore_encoder` needs."""
        return {"kind": NAME, "n": self.n_activations}

    def encode(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is given."""
        return pixels


def _open(n_activations: str, *, n_threads: int | None) -> Given | None:  # noqa: ARG001
    return Given(int(n_activations)) if n_activations.isdecimal() else None


def _restore(
    description: Mapping[str, Any],
    files: Mapping[str, Path],  # noqa: ARG001
    *,
    n_threads: int | None,  # noqa: ARG001
) -> Given:
    return Given(description["n"])


KIND = EncoderKind(
    about="made elsewhere, and given in files; taken by itself where such a file is learned",
    provenance=Provenance("made elsewhere", "that of their maker"),
    open=_open,
    restore=_restore,
    arguments=("N",),
)
"""Activations of any number."""
