"""Photos -> activations, batch by batch and in order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from spikehead.encoders.cache import ActivationCache
from spikehead.encoders.encoder import Encoder
from spikehead.images import UnreadablePhoto, photo_bytes, read_photo

if TYPE_CHECKING:
    from spikehead.cluster import Cluster

Content = str | Path | bytes | NDArray[np.float32]
"""A photo: its file, its content, or what an encoder gave of it."""


@dataclass(frozen=True)
class EncodedBatch:
    """The activations of some photos.

    Attributes
    ----------
    indices : list of int
        Positions of the encoded photos among those that were given, rising.
    digests : list of bytes
        SHA-256 of each one's file, 32 bytes.
    given : ndarray of float32, shape (n_encoded, n_activations)
        What the encoder gave, of either sign; what is heard of it is up to the head.
    problems : dict of int to str
        Why the other photos of the batch could not be read, by position.
    """

    indices: list[int]
    digests: list[bytes]
    given: NDArray[np.float32]
    problems: dict[int, str]

    def only(self, kept: NDArray[np.bool_], problem: str) -> EncodedBatch:
        """Return some of the encoded photos; the others have a problem.

        Parameters
        ----------
        kept : ndarray of bool, shape (n_encoded,)
            Which ones.
        problem : str
            That of the others.
        """
        rows = np.flatnonzero(kept).tolist()
        dropped = np.flatnonzero(~kept).tolist()
        return EncodedBatch(
            [self.indices[row] for row in rows],
            [self.digests[row] for row in rows],
            self.given[rows],
            self.problems | {self.indices[row]: problem for row in dropped},
        )

    @classmethod
    def joined(cls, batches: Sequence[EncodedBatch]) -> EncodedBatch:
        """Return batches as one, in their order."""
        return cls(
            [index for batch in batches for index in batch.indices],
            [digest for batch in batches for digest in batch.digests],
            np.concatenate([batch.given for batch in batches]),
            {index: why for batch in batches for index, why in batch.problems.items()},
        )


def encode_photos(
    photos: Sequence[Content],
    encoder: Encoder,
    cache: ActivationCache | None = None,
    *,
    batch_size: int = 32,
    n_threads: int | None = None,
    cluster: Cluster | None = None,
) -> Iterator[EncodedBatch]:
    """Encode photos in the order given; one that cannot be read is left out, with the reason.

    The next batch is read while one is encoded, and no more than two are in memory; of a cluster,
    two for each CPU. What is in the cache is not encoded again, and a batch is kept there before
    it is given.

    Parameters
    ----------
    photos : sequence of paths, bytes or ndarrays
        Photo files, or their contents; or activations, float32, which are handed on as they are.
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
    with ThreadPoolExecutor(n_threads or cpu_count()) as readers:
        if cluster:
            yield from _encode_there(cluster, photos, encoder, cache, batch_size, readers)
        else:
            yield from _encode_here(photos, encoder, cache, batch_size, readers)


class _Encoded(NamedTuple):
    """A photo whose activations are known."""

    digest: bytes
    activations: NDArray[np.float32]


class _Decoded(NamedTuple):
    """A photo that is yet to be encoded."""

    digest: bytes
    pixels: NDArray[np.float32]


_Outcome = _Encoded | UnreadablePhoto


def _encode_here(
    photos: Sequence[Content],
    encoder: Encoder,
    cache: ActivationCache | None,
    batch_size: int,
    readers: ThreadPoolExecutor,
) -> Iterator[EncodedBatch]:
    def submit(start: int) -> list[Future[_Decoded | _Outcome]]:
        batch = photos[start : start + batch_size]
        return [readers.submit(_prepare, photo, encoder, cache) for photo in batch]

    ahead = submit(0)
    try:
        for start in range(0, len(photos), batch_size):
            now, ahead = ahead, submit(start + batch_size)
            prepared = [future.result() for future in now]
            yield _batch(start, prepared, _encode(prepared, encoder), encoder, cache)
    finally:
        for future in ahead:
            future.cancel()


def _encode_there(
    cluster: Cluster,
    photos: Sequence[Content],
    encoder: Encoder,
    cache: ActivationCache | None,
    batch_size: int,
    readers: ThreadPoolExecutor,
) -> Iterator[EncodedBatch]:
    shared = cluster.share(encoder)
    under_way: deque[tuple[int, list[bytes | _Outcome], Future[list[_Outcome]]]] = deque()

    def finished() -> EncodedBatch:
        start, found, task = under_way.popleft()
        return _batch(start, found, task.result(), encoder, cache)

    try:
        for start in range(0, len(photos), batch_size):
            batch = photos[start : start + batch_size]
            found = list(readers.map(partial(_look_up, cache=cache), batch))
            contents = [photo for photo in found if isinstance(photo, bytes)]
            under_way.append((start, found, cluster.submit(_encode_contents, shared, contents)))
            if len(under_way) >= 2 * cluster.n_cpus:
                yield finished()
        while under_way:
            yield finished()
    finally:
        for _, _, task in under_way:
            task.cancel()


def _look_up(photo: Content, cache: ActivationCache | None) -> bytes | _Outcome:
    """Return the activations of a photo where they are known, else its content."""
    if isinstance(photo, np.ndarray):
        return _Encoded(hashlib.sha256(photo.tobytes()).digest(), photo)
    try:
        content = photo if isinstance(photo, bytes) else photo_bytes(photo)
    except UnreadablePhoto as problem:
        return problem
    if cache is not None:
        digest = hashlib.sha256(content).digest()
        if (known := cache.get(digest)) is not None:
            return _Encoded(digest, known)
    return content


def _decode(content: bytes, encoder: Encoder) -> _Decoded | UnreadablePhoto:
    try:
        pixels = encoder.preprocessing(read_photo(content))
    except UnreadablePhoto as problem:
        return problem
    return _Decoded(hashlib.sha256(content).digest(), pixels)


def _prepare(
    photo: Content, encoder: Encoder, cache: ActivationCache | None
) -> _Decoded | _Outcome:
    found = _look_up(photo, cache)
    return _decode(found, encoder) if isinstance(found, bytes) else found


def _encode(photos: Sequence[_Decoded | _Outcome], encoder: Encoder) -> list[_Encoded]:
    """Encode those photos that are not encoded yet."""
    decoded = [photo for photo in photos if isinstance(photo, _Decoded)]
    if not decoded:
        return []
    rows = encoder.encode(np.stack([photo.pixels for photo in decoded]))
    return [_Encoded(photo.digest, row) for photo, row in zip(decoded, rows, strict=True)]


def _encode_contents(encoder: Encoder, contents: Sequence[bytes]) -> list[_Outcome]:
    decoded = [_decode(content, encoder) for content in contents]
    return _filled(decoded, _encode(decoded, encoder))


def _filled(
    photos: Sequence[bytes | _Decoded | _Outcome], fresh: Iterable[_Outcome]
) -> list[_Outcome]:
    """Put what became of the photos that were still to be encoded in their places."""
    rest = iter(fresh)
    return [
        photo if isinstance(photo, (_Encoded, UnreadablePhoto)) else next(rest) for photo in photos
    ]


def _batch(
    start: int,
    photos: Sequence[bytes | _Decoded | _Outcome],
    fresh: Sequence[_Outcome],
    encoder: Encoder,
    cache: ActivationCache | None,
) -> EncodedBatch:
    """Return the batch that begins at `start`, once what is fresh is in the cache."""
    if cache is not None:
        new = [photo for photo in fresh if isinstance(photo, _Encoded)]
        cache.put({photo.digest: photo.activations for photo in new})
    outcomes = dict(enumerate(_filled(photos, fresh), start))
    encoded = {i: photo for i, photo in outcomes.items() if isinstance(photo, _Encoded)}
    given = np.empty((len(encoded), encoder.n_activations), np.float32)
    for row, photo in zip(given, encoded.values(), strict=True):
        row[:] = photo.activations
    return EncodedBatch(
        list(encoded),
        [photo.digest for photo in encoded.values()],
        given,
        {i: str(photo) for i, photo in outcomes.items() if isinstance(photo, UnreadablePhoto)},
    )
