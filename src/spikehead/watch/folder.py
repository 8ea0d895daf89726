"""New and changed photos of a folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from watchfiles import Change, watch

from spikehead.images import UnreadablePhoto, is_photo, named_photos, photo_bytes
from spikehead.watch.sources import Shot, Troubles, lasting

SETTLED = 0.5
"""Seconds for which a photo must not change until it is taken for whole."""

_TICK = 100  # milliseconds


def new_photos(
    folder: Path,
    stop: threading.Event,
    troubles: Troubles,
    *,
    existing: bool = False,
    but: Path | None = None,
) -> Iterator[Shot]:
    """Yield the photos that come into a folder or below it, or change there, once they are whole.

    A folder that goes away is waited for.

    Parameters
    ----------
    folder : Path
        The folder.
    stop : threading.Event
        Set when it shall end.
    troubles : Troubles
        Tells what goes wrong.
    existing : bool, default=False
        Whether the photos that are there already come first.
    but : Path, optional
        A folder whose photos do not count.

    Raises
    ------
    OSError
        The folder cannot be watched.
    """
    folder, but = folder.resolve(), but and but.resolve()

    def photos(path: Path) -> Iterator[Path]:
        """Yield what came with a path: of a folder that was moved here, nothing else is told."""
        with suppress(OSError):
            for photo in named_photos([path])[0] if path.is_dir() else [path]:
                if is_photo(photo.relative_to(folder)) and not (but and but in photo.parents):
                    yield photo

    def shots() -> Iterator[Shot | None]:
        nonlocal existing
        waiting: dict[Path, float] = {}  # since when each has not changed
        for changes in _changes(folder, stop):
            now = time.monotonic()
            if existing:
                changes = {(Change.added, str(folder)), *changes}
                existing = False
            for path, change in sorted((Path(name), change) for change, name in changes):
                waiting.pop(path, None)
                if change != Change.deleted:
                    waiting |= dict.fromkeys(photos(path), now)
            yield None
            for path in [path for path, since in waiting.items() if now - since >= SETTLED]:
                del waiting[path]
                try:
                    yield Shot(photo_bytes(path), time.time(), path)
                except UnreadablePhoto as problem:
                    if path.exists():
                        troubles.tell(f"{path}: {problem}")

    yield from filter(None, lasting(shots, str(folder), stop, troubles))


def _changes(folder: Path, stop: threading.Event) -> Iterator[set[tuple[Change, str]]]:
    """Yield what changes in a folder, and nothing several times a second."""
    events = watch(
        folder,
        watch_filter=None,
        debounce=_TICK,
        stop_event=stop,
        rust_timeout=_TICK,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    try:
        for changes in events:
            if not folder.is_dir():
                raise FileNotFoundError(f"{folder} is gone")
            yield changes
    except RuntimeError as error:  # of the library underneath
        raise OSError(f"{folder} cannot be watched: {error}") from error
