"""Photos -> activations, batch by batch and in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.cache import ActivationCache
from spikehead.encoders.encoder import Encoder, usable_cpus
from spikehead.images import UnreadablePhoto, photo_bytes, read_photo


@dataclass(frozen=True)
class EncodedBatch:
    """The activations of some photos.

    Attributes
    ----------
    indices : list of int
        Positions of the encoded photos among those that were given, rising.
    digests : list of bytes
        SHA-256 of each one's file, 32 bytes.
    activations : ndarray of float32, shape (n_encoded, n_activations)
        What the encoder gave.
    problems : dict of int to str
        Why the other photos of the batch could not be read, by position.
    """

    indices: list[int]
    digests: list[bytes]
    activations: NDArray[np.float32]
    problems: dict[int, str]


def encode_photos(
    photos: Sequence[str | Path | bytes],
    encoder: Encoder,
    cache: ActivationCache | None = None,
    *,
    batch_size: int = 32,
    n_threads: int | None = None,
) -> Iterator[EncodedBatch]:
    """Encode photos in the order given; one that cannot be read is left out, with the reason.

    The next batch is read while one is encoded, and no more than two are in memory. What is in the
    cache is not encoded again, and a batch is kept there before it is given.

    Parameters
    ----------
    photos : sequence of paths or bytes
        Photo files, or their contents.
    encoder : Encoder
        Encodes them.
    cache : ActivationCache, optional
        The cache of this encoder. Default: none.
    batch_size : int, default=32
        Photos in a batch.
    n_threads : int, optional
        Photos that are read at the same time. Default: as many as this process may use CPUs.

    Yields
    ------
    EncodedBatch
        Each of the next `batch_size` photos, or of those that remain.

    Raises
    ------
    OSError
        If the cache cannot be used.
    ValueError
        If the encoder gives activations that are not finite.
    """
    readers = ThreadPoolExecutor(n_threads or usable_cpus())

    def submit(start: int) -> list[Future[_Prepared | UnreadablePhoto]]:
        batch = photos[start : start + batch_size]
        return [readers.submit(_prepare, photo, encoder, cache) for photo in batch]

    try:
        ahead = submit(0)
        for start in range(0, len(photos), batch_size):
            now, ahead = ahead, submit(start + batch_size)
            yield _encoded(start, [future.result() for future in now], encoder, cache)
    finally:
        readers.shutdown(cancel_futures=True)


class _Prepared(NamedTuple):
    """A photo that was read: its activations if the cache had them, else its pixels."""

    digest: bytes
    activations: NDArray[np.float32] | None
    pixels: NDArray[np.float32] | None


def _prepare(
    photo: str | Path | bytes, encoder: Encoder, cache: ActivationCache | None
) -> _Prepared | UnreadablePhoto:
    try:
        content = photo if isinstance(photo, bytes) else photo_bytes(photo)
        digest = hashlib.sha256(content).digest()
        if cache is not None and (known := cache.get(digest)) is not None:
            return _Prepared(digest, known, None)
        return _Prepared(digest, None, encoder.preprocessing(read_photo(content)))
    except UnreadablePhoto as problem:
        return problem


def _encoded(
    start: int,
    photos: Sequence[_Prepared | UnreadablePhoto],
    encoder: Encoder,
    cache: ActivationCache | None,
) -> EncodedBatch:
    """Return the batch that begins at `start`."""
    read: dict[int, _Prepared] = {}
    problems: dict[int, str] = {}
    for index, photo in enumerate(photos, start):
        if isinstance(photo, UnreadablePhoto):
            problems[index] = str(photo)
        else:
            read[index] = photo
    digests = [photo.digest for photo in read.values()]
    activations = np.empty((len(read), encoder.n_activations), np.float32)
    new: dict[int, NDArray[np.float32]] = {}
    for row, photo in enumerate(read.values()):
        if photo.activations is not None:
            activations[row] = photo.activations
        elif photo.pixels is not None:
            new[row] = photo.pixels
    if new:
        activations[list(new)] = encoder.encode(np.stack(list(new.values())))
        if cache is not None:
            cache.put({digests[row]: activations[row] for row in new})
    return EncodedBatch(list(read), digests, activations, problems)
