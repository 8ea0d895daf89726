"""Where answers go besides the output. Nothing there stops the watching, or lets memory grow."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from urllib.parse import SplitResult, urlsplit
from urllib.request import Request, urlopen

from spikehead.watch.sources import Troubles

WAITING = 100
"""Answers that wait for an outlet at most; further ones are lost to it."""

PATIENCE = 5.0
"""Seconds that it may take for an answer, and that those which wait are given at the end."""

Send = Callable[[str], None]
"""What takes a JSON document, and does not wait."""


def address(url: str, *schemes: str) -> SplitResult:
    """Return the parts of an address.

    Parameters
    ----------
    url : str
        The address.
    *schemes : str
        Those that are possible.

    Raises
    ------
    ValueError
        It is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"it must be an address such as {schemes[0]}://example.org/cups")
    parts.port  # noqa: B018 - says so if it is none
    return parts


@contextmanager
def webhook(url: str, troubles: Troubles) -> Iterator[Send]:
    """Post JSON documents to an address, one after the other; one that it does not take is lost.

    Parameters
    ----------
    url : str
        The address, by HTTP or HTTPS.
    troubles : Troubles
        Tells what goes wrong.

    Yields
    ------
    callable
        Takes a document.

    Raises
    ------
    ValueError
        It is no such address.
    """
    name = f"the webhook at {address(url, 'http', 'https').hostname}"
    waiting: queue.Queue[str | None] = queue.Queue(WAITING)

    def post() -> None:
        while (line := waiting.get()) is not None:
            request = Request(url, line.encode(), {"Content-Type": "application/json"})  # noqa: S310
            with troubles.costing_no_more(f"{name} takes no answers", OSError, HTTPException):
                urlopen(request, timeout=PATIENCE).close()  # noqa: S310

    def send(line: str) -> None:
        with troubles.costing_no_more(f"{name} is too slow: answers are lost to it", queue.Full):
            waiting.put_nowait(line)

    thread = threading.Thread(target=post, name="webhook", daemon=True)
    thread.start()
    try:
        yield send
    finally:
        with suppress(queue.Full):
            waiting.put(None, timeout=PATIENCE)
        thread.join(PATIENCE)
