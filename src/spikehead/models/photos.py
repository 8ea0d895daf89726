"""Which photos a model has learned: it remembers hashes, not photos."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.models.lessons import StoredLesson

_KEY_BYTES = 16


def photo_key(digest: bytes, label: str) -> bytes:
    """Return what a photo and its label are remembered by.

    Parameters
    ----------
    digest : bytes
        SHA-256 of the photo's file.
    label : str
        Its class.
    """
    return hashlib.blake2b(digest + os.fsencode(label), digest_size=_KEY_BYTES).digest()


def lesson_keys(lesson: StoredLesson) -> list[bytes]:
    """Return what the photos of a lesson are remembered by, in order."""
    return [photo_key(digest.tobytes(), lesson.label) for digest in lesson.digests]


class LearnedPhotos:
    """The photos that a model has learned, each by its `photo_key`, and the column of its class.

    Parameters
    ----------
    columns : mapping of bytes to int, optional
        Column by key, in the order of learning. Default: none was learned.
    """

    def __init__(self, columns: Mapping[bytes, int] | None = None) -> None:
        self._columns = dict(columns or {})

    @classmethod
    def unpacked(cls, arrays: Mapping[str, NDArray[Any]]) -> LearnedPhotos:
        """Return what `packed` has put among the arrays of a model."""
        keys = map(bytes, arrays["learned"])
        return cls(dict(zip(keys, arrays["columns"].tolist(), strict=True)))

    def packed(self) -> dict[str, NDArray[Any]]:
        """Return them as arrays, for a model folder."""
        keys = np.frombuffer(b"".join(self._columns), np.uint8)
        return {"learned": keys.reshape(-1, _KEY_BYTES), "columns": self._by_column(np.int32)}

    def copy(self) -> LearnedPhotos:
        """Return a copy that goes its own way."""
        return LearnedPhotos(self._columns)

    def merged(self, other: LearnedPhotos, columns: Sequence[int]) -> LearnedPhotos:
        """Return the photos of both; `columns` is where each of the other's columns is now."""
        theirs = {key: columns[column] for key, column in other._columns.items()}
        return LearnedPhotos({**self._columns, **theirs})

    def add(self, keys: Iterable[bytes], columns: Iterable[int]) -> None:
        """Take in photos that were learned, and the columns of their classes."""
        self._columns.update(zip(keys, columns, strict=True))

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the keys, in the order of learning."""
        return iter(self._columns)

    def __contains__(self, key: bytes) -> bool:
        return key in self._columns

    def has_all(self, keys: Collection[bytes]) -> bool:
        """Return whether all of some photos have been learned."""
        return self._columns.keys() >= set(keys)

    def counts(self, n_classes: int) -> list[int]:
        """Return how many photos of each class were learned, column by column."""
        counts: list[int] = np.bincount(self._by_column(np.intp), minlength=n_classes).tolist()
        return counts

    def _by_column(self, kind: type[np.integer[Any]]) -> NDArray[Any]:
        return np.fromiter(self._columns.values(), kind, len(self._columns))
