"""Lessons: what a model was taught since it was saved, each in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.models.arrays import packed, unpacked
from spikehead.names import MAX_LENGTH

_MOST_LABEL_BYTES = 4 * MAX_LENGTH
_LAST_SECOND = 253402300799  # of the year 9999
_ARRAYS = {
    "label": ("u1", 1),
    "taught_at": ("f8", 1),
    "digests": ("u1", 2),
    "activations": ("f4", 2),
}


@dataclass(frozen=True)
class StoredLesson:
    """Photos of one class that a model was taught after it was saved.

    Attributes
    ----------
    number : int
        From 1, in the order of teaching.
    label : str
        The class.
    taught_at : float
        When, in seconds since 1970 (UTC).
    digests : ndarray of uint8, shape (n_photos, 32)
        SHA-256 of each photo's file.
    activations : ndarray of float32, shape (n_photos, n_activations)
        What the encoder gave. No photo makes a lesson, too: it adds the class.
    """

    number: int
    label: str
    taught_at: float
    digests: NDArray[np.uint8]
    activations: NDArray[np.float32]

    def packed(self) -> bytes:
        """Return the content of its file, which all but the number is in."""
        return packed(
            {
                "label": np.frombuffer(self.label.encode(errors="surrogatepass"), np.uint8),
                "taught_at": np.array([self.taught_at]),
                "digests": self.digests,
                "activations": self.activations,
            }
        )

    @classmethod
    def unpacked(cls, number: int, path: Path, content: bytes, *, remedy: str) -> StoredLesson:
        """Return the lesson of a file.

        Parameters
        ----------
        number : int
            The lesson's.
        path : Path
            The file.
        content : bytes
            What is in it.
        remedy : str
            What to do where it is no lesson, for the error.

        Raises
        ------
        ValueError
            It is no lesson.
        """
        arrays = unpacked(path, content)
        if wrong := _wrong(arrays):
            raise ValueError(f"{path} is no lesson ({wrong}): {remedy}")
        return cls(
            number,
            arrays["label"].tobytes().decode(errors="surrogatepass"),
            float(arrays["taught_at"][0]),
            arrays["digests"],
            arrays["activations"],
        )


def _wrong(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return what keeps arrays from being a lesson; nothing where they are one."""
    for name, (kind, n_dims) in _ARRAYS.items():
        if name not in arrays:
            return f"it has no {name}"
        if arrays[name].dtype != kind or arrays[name].ndim != n_dims:
            return f"its {name} array has another type or shape"
    label, taught_at = arrays["label"], arrays["taught_at"]
    digests, activations = arrays["digests"], arrays["activations"]
    if len(label) > _MOST_LABEL_BYTES:
        return f"its class has a name of {len(label)} bytes"
    try:
        label.tobytes().decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return "the name of its class is not Unicode"
    if taught_at.shape != (1,) or not 0 <= taught_at[0] <= _LAST_SECOND:
        return "its time is none"
    if digests.shape != (len(activations), 32):
        return "its digests do not fit its activations"
    if not np.isfinite(activations).all():
        return "its activations are not finite"
    return ""
