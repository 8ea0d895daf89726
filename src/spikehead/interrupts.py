"""Ctrl-C, and SIGTERM, which means the same: when they may come, and what they do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM until the block is done, so that nothing is left half-done."""
    came: list[int] = []
    with _handled_by(lambda number, _: came.append(number)):
        yield
    if came:
        signal.raise_signal(came[0])


@contextmanager
def stopping_once() -> Iterator[list[int]]:
    """Let the first Ctrl-C or SIGTERM raise `KeyboardInterrupt`, and ignore those after it.

    So what is done because of the first, to save for one, is done to the end.

    Yields
    ------
    list of int
        The signals that came.
    """
    came: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt

    with _handled_by(stop):
        yield came


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Let the first Ctrl-C or SIGTERM only ask to stop, as the way in which endless work ends.

    Those after it raise `KeyboardInterrupt`, for work that does not listen.

    Yields
    ------
    threading.Event
        It is set once it was asked.
    """
    asked = threading.Event()

    def ask(*_: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    with _handled_by(ask):
        yield asked


@contextmanager
def _handled_by(handler: signal._HANDLER) -> Iterator[None]:
    # Only the main thread is ever interrupted.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, handler)
        for number in _SIGNALS
        if signal.getsignal(number) != signal.SIG_IGN  # as of a job in the background
    }
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former or signal.SIG_DFL)
