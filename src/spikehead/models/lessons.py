"""Lessons: what a model was taught since it was saved, each in a file of its own.

What a class was renamed to, or merged with, is kept like a lesson, and undone like one.
"""

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
_OPTIONAL = {"record": ("u1", 1)}
_OF_CORRECTIONS = {"action": ("u1", 1), "into": ("u1", 1)}

LEARN = "learn"
"""What a lesson does that is no correction."""

CORRECTIONS = ("rename", "merge", "remove")
"""What else it may do, to a class."""


@dataclass(frozen=True)
class StoredLesson:
    """Photos of one class that a model was taught after it was saved; or what became of a class.

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
    record : ndarray of uint8, shape (n_photos,), optional
        How each photo was answered before it was taught (`spikehead.models.record`); older versions
        did not keep it.
    action : str, default="learn"
        Or one of `CORRECTIONS`; then there is no photo.
    into : str
        The class's name from now on, where it was renamed; the other class, where it was merged.
    """

    number: int
    label: str
    taught_at: float
    digests: NDArray[np.uint8]
    activations: NDArray[np.float32]
    action: str = LEARN
    into: str = ""
    record: NDArray[np.uint8] | None = None

    @property
    def identity(self) -> tuple[int, float]:
        """What tells it from all other lessons of a model."""
        return self.number, self.taught_at

    @property
    def corrects(self) -> bool:
        """Whether it is a correction."""
        return self.action != LEARN

    def packed(self) -> bytes:
        """Return the content of its file, which all but the number is in."""
        correction = {"action": _bytes(self.action), "into": _bytes(self.into)}
        return packed(
            {
                "label": _bytes(self.label),
                "taught_at": np.array([self.taught_at]),
                "digests": self.digests,
                "activations": self.activations,
                **({} if self.record is None else {"record": self.record}),
                **(correction if self.corrects else {}),
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
            _text(arrays["label"]),
            float(arrays["taught_at"][0]),
            arrays["digests"],
            arrays["activations"],
            record=arrays.get("record"),
            **{name: _text(arrays[name]) for name in _OF_CORRECTIONS if name in arrays},
        )


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(errors="surrogatepass"), np.uint8)


def _text(array: NDArray[np.uint8]) -> str:
    return array.tobytes().decode(errors="surrogatepass")


def _wrong(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return what keeps arrays from being a lesson; nothing where they are one."""
    corrects = "action" in arrays
    optional = {name: form for name, form in _OPTIONAL.items() if name in arrays}
    needed = _ARRAYS | optional | (_OF_CORRECTIONS if corrects else {})
    for name, (kind, n_dims) in needed.items():
        if name not in arrays:
            return f"it has no {name}"
        if arrays[name].dtype != kind or arrays[name].ndim != n_dims:
            return f"its {name} array has another type or shape"
    label, taught_at = arrays["label"], arrays["taught_at"]
    digests, activations = arrays["digests"], arrays["activations"]
    for text in (label, *(arrays[name] for name in _OF_CORRECTIONS if corrects)):
        if len(text) > _MOST_LABEL_BYTES:
            return f"its class has a name of {len(text)} bytes"
        try:
            _text(text)
        except UnicodeDecodeError:
            return "the name of its class is not Unicode"
    if corrects and (_text(arrays["action"]) not in CORRECTIONS or len(digests)):
        return "its action is none"
    if taught_at.shape != (1,) or not 0 <= taught_at[0] <= _LAST_SECOND:
        return "its time is none"
    if digests.shape != (len(activations), 32):
        return "its digests do not fit its activations"
    if "record" in arrays and len(arrays["record"]) != len(digests):
        return "its record does not fit its digests"
    if not np.isfinite(activations).all():
        return "its activations are not finite"
    return ""
