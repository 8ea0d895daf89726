"""What an encoder is to the rest of the package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikehead.images import Preprocessing


class Encoder(Protocol):
    """A frozen encoder: turns photos into activations, the same ones each time."""

    @property
    def name(self) -> str:
        """How a user names it: what `open_encoder` was given."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of all that decides its activations."""
        ...

    @property
    def n_activations(self) -> int:
        """Number of activations."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """How it takes photos."""
        ...

    @property
    def saturation(self) -> float | None:
        """The activation that counts as full rate; None where the encoder does not know it."""
        ...

    @property
    def files(self) -> Mapping[str, Path]:
        """The files that a model must hold to have the encoder again, by the role they play."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore_encoder` needs beside `files`, ready for JSON."""
        ...

    def encode(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the activations, shape (n_photos, n_activations); finite, of either sign.

        Parameters
        ----------
        pixels : ndarray of float32, shape (n_photos, channels, height, width)
            Photos, as `preprocessing` makes them.
        """
        ...


def fingerprint(kind: str, preprocessing: Preprocessing | None = None, model: bytes = b"") -> str:
    """Return the fingerprint of an encoder.

    Parameters
    ----------
    kind : str
        How the encoder computes; another word whenever it computes differently.
    preprocessing : Preprocessing, optional
        How it takes photos, if it does.
    model : bytes, optional
        The content of its file.
    """
    taken = preprocessing.to_dict() if preprocessing else None
    settings = json.dumps([kind, taken], sort_keys=True)
    return hashlib.sha256(settings.encode() + b"\n" + model).hexdigest()
