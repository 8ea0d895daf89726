"""What takes the service time: cut into pieces, each within a budget, and done in turn."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

from starlette.exceptions import HTTPException

from spikehead.images import n_pixels
from spikehead.serve.turns import Turns

Result = TypeVar("Result")

REQUEST_PIXELS = 128_000_000
"""Pixels of all photos of a request at most, decoded."""

PIECE_PIXELS = 16_000_000
"""Pixels of a piece of quick work at most. A larger photo is decoded alone, one at a time in the
service as a whole: a pixel takes some 8 bytes."""

PIECE_PHOTOS = 8
"""Photos of a piece at most."""


class Work:
    """The work of one service, in lanes: what is long does not hold up what is quick.

    Attributes
    ----------
    quick : Turns
        Few and small photos.
    long : Turns
        Large photos, and whatever else takes seconds.
    changes : Turns
        What changes the model.
    """

    def __init__(self) -> None:
        self.quick = Turns(at_once=2, waiting=256)
        self.long = Turns()
        self.changes = Turns()

    async def on_photos(
        self, asker: Hashable, photos: Sequence[bytes], work: Callable[[Sequence[bytes]], Result]
    ) -> list[tuple[int, Result]]:
        """Do something with photos, piece by piece.

        Parameters
        ----------
        asker : hashable
            In whose name.
        photos : sequence of bytes
            The contents of photo files.
        work : callable
            Called with some of them at a time, in order.

        Returns
        -------
        list of (int, result)
            Where each piece begins, and what became of it.

        Raises
        ------
        HTTPException
            They have too many pixels (422), or too much waits already (503).
        """
        sizes: list[int] = []
        for start in range(0, len(photos), PIECE_PHOTOS):
            piece = photos[start : start + PIECE_PHOTOS]
            sizes += await self.quick(asker, lambda piece=piece: [n_pixels(p) for p in piece])
        if sum(sizes) > REQUEST_PIXELS:
            raise HTTPException(
                422,
                f"the photos have {sum(sizes) / 1e6:.0f} megapixels together, and a request may "
                f"have {REQUEST_PIXELS // 1_000_000}; send fewer at a time, or smaller ones",
            )
        results = []
        for start, stop in _pieces(sizes):
            lane = self.quick if sum(sizes[start:stop]) <= PIECE_PIXELS else self.long
            results.append((start, await lane(asker, work, photos[start:stop])))
        return results


def _pieces(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut photos of these sizes into pieces within the budget; give where each begins and ends."""
    start = 0
    for stop in range(1, len(sizes) + 1):
        if (
            stop == len(sizes)
            or stop - start == PIECE_PHOTOS
            or sum(sizes[start : stop + 1]) > PIECE_PIXELS
        ):
            yield start, stop
            start = stop
