"""What is watched: what it gives, how it is taken up again, and how trouble with it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a source that broke off is tried again: at first, and at most."""

_T = TypeVar("_T")


class Shot(NamedTuple):
    """A picture that a source gives.

    Attributes
    ----------
    content : bytes
        Of a photo file.
    time : float
        When it came, in seconds since 1970.
    photo : Path or None
        The file that it is; None of a frame.
    second : float or None
        Where in a video file the frame is; None of all else.
    """

    content: bytes
    time: float
    photo: Path | None = None
    second: float | None = None


class Troubles:
    """Tells what goes wrong once, and not again until it has gone well in between.

    Parameters
    ----------
    tell : callable
        Takes a sentence.

    Attributes
    ----------
    tell : callable
        Tells of what cannot come again.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self._told: set[str] = set()

    def met(self, kind: str, sentence: str) -> None:
        """Tell of a trouble, unless one of its kind was told of."""
        if kind not in self._told:
            self._told.add(kind)
            self.tell(sentence)

    def over(self, kind: str) -> None:
        """Take note that it goes well."""
        self._told.discard(kind)

    @contextmanager
    def costing_no_more(self, what: str, *errors: type[Exception]) -> Iterator[None]:
        """Let an error cost what is done in the block, and nothing else.

        Parameters
        ----------
        what : str
            What that means; it is told with the error.
        *errors : type
            Which ones.
        """
        try:
            yield
        except errors as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.met(what, f"{what}: {why}")
        else:
            self.over(what)


def lasting(
    source: Callable[[], Iterator[_T]], name: str, stop: threading.Event, troubles: Troubles
) -> Iterator[_T]:
    """Yield what a source gives; when it breaks off, or ends, take it up again.

    The pause in between grows from one second to one minute, as long as it is longer than the
    source lasts.

    Parameters
    ----------
    source : callable
        Opens it; whatever breaks it off is an ``OSError``.
    name : str
        What messages call it.
    stop : threading.Event
        Set when it shall not be taken up again.
    troubles : Troubles
        Tells that it broke off.

    Raises
    ------
    OSError
        It has never given anything.
    """
    seen, pause = False, SHORTEST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        try:
            for one in source():
                seen = True
                yield one
                if stop.is_set():
                    return
            why = "it ended"
            if not seen:
                raise OSError(f"{name} ended before it began")
        except OSError as error:
            if not seen:
                raise
            why = str(error)
        if stop.is_set():
            return
        lasted = time.monotonic() - began
        if lasted > LONGEST_PAUSE:
            troubles.over(name)
        troubles.met(name, f"{name} broke off ({why}); it is taken up again once it is back")
        pause = SHORTEST_PAUSE if lasted > pause else min(2 * pause, LONGEST_PAUSE)
        stop.wait(pause)
