"""Which photos a model has learned, and as what: it remembers hashes, not photos."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.models.lessons import StoredLesson

_BYTES = 32  # of a SHA-256


class LearnedPhotos:
    """The photos that a model has learned, in which columns and how often, in order of learning.

    A photo is the SHA-256 of its file.
    """

    def __init__(self) -> None:
        self._times: dict[tuple[bytes, int], int] = {}
        # The names of each column's classes when an older version marked photos by them.
        self._names: dict[int, list[str]] = {}

    @classmethod
    def unpacked(cls, arrays: Mapping[str, NDArray[Any]], classes: Sequence[str]) -> LearnedPhotos:
        """Return what `packed` has put among the arrays of a model.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The arrays.
        classes : sequence of str
            The model's classes, by column: older versions marked photos by their names.
        """
        photos, columns = cls(), arrays["columns"].tolist()
        if "learned" in arrays:
            marks = map(_padded, map(bytes, arrays["learned"]))
            photos._times = dict.fromkeys(zip(marks, columns, strict=True), 1)
            photos._names = {column: [name] for column, name in enumerate(classes)}
            return photos
        entries = zip(map(bytes, arrays["photos"]), columns, strict=True)
        photos._times = dict(zip(entries, arrays["times"].tolist(), strict=True))
        names = json.loads(arrays["older_names"].tobytes())
        photos._names = {int(column): known for column, known in names.items()}
        return photos

    def packed(self) -> dict[str, NDArray[Any]]:
        """Return them as arrays, for a model folder."""
        marks = np.frombuffer(b"".join(mark for mark, _ in self._times), np.uint8)
        return {
            "photos": marks.reshape(-1, _BYTES),
            "columns": self._by_column(np.int32),
            "times": np.fromiter(self._times.values(), np.int32, len(self)),
            "older_names": np.frombuffer(json.dumps(self._names).encode(), np.uint8),
        }

    def copy(self) -> LearnedPhotos:
        """Return a copy that goes its own way."""
        return self._moved(lambda column: column)

    def merged(self, other: LearnedPhotos, columns: Sequence[int]) -> LearnedPhotos:
        """Return the photos of both; `columns` is where each of the other's columns is now."""
        whole = self.copy()
        whole._take_in(other, columns.__getitem__)
        return whole

    def without_column(self, column: int, into: int | None = None) -> LearnedPhotos:
        """Return them where a column is gone, and those after it have moved up.

        Parameters
        ----------
        column : int
            The column.
        into : int, optional
            The column that has its photos now. Default: they are no longer known.
        """

        def place(one: int) -> int | None:
            now = into if one == column else one
            return now if now is None or now < column else now - 1

        return self._moved(place)

    def add(self, photos: Iterable[bytes], columns: Iterable[int]) -> None:
        """Take in photos that were learned, and the columns of their classes."""
        for entry in zip(photos, columns, strict=True):
            self._times[entry] = self._times.get(entry, 0) + 1

    def take_out(self, photo: bytes, n_classes: int) -> list[int]:
        """Forget a photo; return the column of each time that it was learned."""
        return [
            column
            for column in range(n_classes)
            for mark in self._marks(photo, column)
            for _ in range(self._times.pop((mark, column), 0))
        ]

    def stream(self) -> list[tuple[bytes, int]]:
        """Return each photo and its column, as often as it was learned."""
        return [entry for entry, times in self._times.items() for _ in range(times)]

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """Iterate over photos and their columns, in the order of learning."""
        return iter(self._times)

    def __len__(self) -> int:
        """Return how many there are; a photo of several classes counts in each."""
        return len(self._times)

    def __contains__(self, entry: tuple[bytes, int]) -> bool:
        """Return whether a photo was learned in a column."""
        photo, column = entry
        return any((mark, column) in self._times for mark in self._marks(photo, column))

    def has_column(self, column: int) -> bool:
        """Return whether a photo was learned in a column."""
        return any(one == column for _, one in reversed(self._times))

    def counts(self, n_classes: int) -> list[int]:
        """Return how many photos of each class were learned, column by column."""
        counts: list[int] = np.bincount(self._by_column(np.intp), minlength=n_classes).tolist()
        return counts

    def _by_column(self, kind: type[np.integer[Any]]) -> NDArray[Any]:
        return np.fromiter((column for _, column in self._times), kind, len(self))

    def _marks(self, photo: bytes, column: int) -> Iterator[bytes]:
        """Yield by what a photo of a column may be known."""
        yield photo
        for name in self._names.get(column, ()):
            yield _padded(hashlib.blake2b(photo + os.fsencode(name), digest_size=16).digest())

    def _moved(self, place: Callable[[int], int | None]) -> LearnedPhotos:
        moved = LearnedPhotos()
        moved._take_in(self, place)
        return moved

    def _take_in(self, other: LearnedPhotos, place: Callable[[int], int | None]) -> None:
        """Take in the photos of columns that have a place here."""
        for (mark, column), times in other._times.items():
            if (now := place(column)) is not None:
                self._times[mark, now] = self._times.get((mark, now), 0) + times
        for column, names in other._names.items():
            if (now := place(column)) is not None:
                self._names[now] = [*self._names.get(now, ()), *names]


def known_after(
    lessons: Iterable[StoredLesson], classes: Sequence[str], photos: LearnedPhotos
) -> tuple[list[str], LearnedPhotos, bytes]:
    """Return which classes and photos a model knows after lessons; no head has to learn for that.

    The third is the record of those photos that are new (`spikehead.models.record`).

    Parameters
    ----------
    lessons : iterable of StoredLesson
        In order.
    classes : sequence of str
        What it knew before, by column.
    photos : LearnedPhotos
        Likewise; stays as it is.
    """
    names, photos, record = list(classes), photos.copy(), bytearray()
    for lesson in lessons:
        if not lesson.corrects and lesson.label not in names:
            names.append(lesson.label)
        column = names.index(lesson.label)
        if lesson.action == "rename":
            names[column] = lesson.into
        elif lesson.corrects:
            into = names.index(lesson.into) if lesson.action == "merge" else None
            photos = photos.without_column(column, into)
            del names[column]
        for place, photo in enumerate(map(bytes, lesson.digests)):
            if (photo, column) not in photos:
                photos.add([photo], [column])
                if lesson.record is not None:
                    record.append(lesson.record[place])
    return names, photos, bytes(record)


def _padded(mark: bytes) -> bytes:
    """Return the mark of an older version at the length of a SHA-256."""
    return mark.ljust(_BYTES, b"\0")
