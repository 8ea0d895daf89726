"""Photos -> activations, batch by batch and in order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.cache import ActivationCache
from spikehead.encoders.encoder import Encoder, usable_cpus
from spikehead.images import UnreadablePhoto, photo_bytes, read_photo

if TYPE_CHECKING:
    from spikehead.cluster import Cluster


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
    cluster: Cluster | None = None,
) -> Iterator[EncodedBatch]:
    """Encode photos in the order given; one that cannot be read is left out, with the reason.

    The next batch is read while one is encoded, and no more than two are in memory: two for each
    CPU, of a cluster. What is in the cache is not encoded again, and a batch is kept there before
    it is given.

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
    cluster : Cluster, optional
        Decodes and encodes what is read here, a batch a task. Default: this process does.

    Yields
    ------
    EncodedBatch
        Each of the next `batch_size` photos, or of those that remain.

    Raises
    ------
    OSError
        If the cache or the cluster cannot be used.
    ValueError
        If the encoder gives activations that are not finite.
    """
    readers = ThreadPoolExecutor(n_threads or usable_cpus())

    def submit(start: int) -> list[Future[_Prepared | UnreadablePhoto]]:
        batch = photos[start : start + batch_size]
        return [readers.submit(_prepare, photo, encoder, cache) for photo in batch]

    try:
        if cluster:
            yield from _encode_on(cluster, photos, encoder, cache, batch_size, readers)
            return
        ahead = submit(0)
        for start in range(0, len(photos), batch_size):
            now, ahead = ahead, submit(start + batch_size)
            yield _encoded(start, [future.result() for future in now], encoder, cache)
    finally:
        readers.shutdown(cancel_futures=True)


class _Prepared(NamedTuple):
    """A photo that was read: its activations if they are known, else its pixels."""

    digest: bytes
    activations: NDArray[np.float32] | None
    pixels: NDArray[np.float32] | None


_Found = _Prepared | UnreadablePhoto | bytes
"""A photo that the cache has, that cannot be read, or its content."""


def _look_up(photo: str | Path | bytes, cache: ActivationCache | None) -> _Found:
    """Return the activations of a photo if the cache has them, else its content."""
    try:
        content = photo if isinstance(photo, bytes) else photo_bytes(photo)
    except UnreadablePhoto as problem:
        return problem
    if cache is not None:
        digest = hashlib.sha256(content).digest()
        if (known := cache.get(digest)) is not None:
            return _Prepared(digest, known, None)
    return content


def _prepare(
    photo: str | Path | bytes, encoder: Encoder, cache: ActivationCache | None
) -> _Prepared | UnreadablePhoto:
    found = _look_up(photo, cache)
    if not isinstance(found, bytes):
        return found
    try:
        pixels = encoder.preprocessing(read_photo(found))
    except UnreadablePhoto as problem:
        return problem
    return _Prepared(hashlib.sha256(found).digest(), None, pixels)


def _encode_on(
    cluster: Cluster,
    photos: Sequence[str | Path | bytes],
    encoder: Encoder,
    cache: ActivationCache | None,
    batch_size: int,
    readers: ThreadPoolExecutor,
) -> Iterator[EncodedBatch]:
    """Let a task encode what the cache lacks of each batch; give the batches in order."""
    shared = cluster.share(encoder)
    under_way: deque[tuple[int, list[_Found], Future[EncodedBatch]]] = deque()

    def finished() -> EncodedBatch:
        start, found, task = under_way.popleft()
        fresh = task.result()
        if cache is not None:
            cache.put(dict(zip(fresh.digests, fresh.activations, strict=True)))
        return _encoded(start, _filled(found, fresh), encoder, cache)

    try:
        for start in range(0, len(photos), batch_size):
            batch = photos[start : start + batch_size]
            found = list(readers.map(partial(_look_up, cache=cache), batch))
            new = [photo for photo in found if isinstance(photo, bytes)]
            under_way.append((start, found, cluster.submit(_encode_contents, shared, new)))
            if len(under_way) >= 2 * cluster.n_cpus:
                yield finished()
        while under_way:
            yield finished()
    finally:
        for _, _, task in under_way:
            task.cancel()


def _encode_contents(encoder: Encoder, contents: list[bytes]) -> EncodedBatch:
    return _encoded(0, [_prepare(content, encoder, None) for content in contents], encoder, None)


def _filled(found: list[_Found], fresh: EncodedBatch) -> list[_Prepared | UnreadablePhoto]:
    """Put what became of the contents in their places."""
    became: dict[int, _Prepared | UnreadablePhoto] = {
        index: UnreadablePhoto(problem) for index, problem in fresh.problems.items()
    }
    for index, digest, row in zip(fresh.indices, fresh.digests, fresh.activations, strict=True):
        became[index] = _Prepared(digest, row, None)
    answers = iter([became[index] for index in sorted(became)])
    return [next(answers) if isinstance(photo, bytes) else photo for photo in found]


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
