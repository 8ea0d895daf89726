"""Work that is done a little at a time, in turn between those who ask for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException

Result = TypeVar("Result")


class Turns:
    """Lets a few pieces of work be done at once; who asks for much waits behind their own.

    The next turn is that of whoever has waited longest since their last one. Where too many wait,
    the last piece of whoever has the most is refused.

    Parameters
    ----------
    at_once : int, default=1
        Pieces that are done at the same time, each in a thread. The threads are always the same:
        memory that one has freed is of use to itself, and hardly to others.
    waiting : int, default=64
        Pieces that wait for a turn at most.
    """

    def __init__(self, at_once: int = 1, waiting: int = 64) -> None:
        self._threads = ThreadPoolExecutor(at_once)
        self._free = at_once
        self._room = waiting
        self._queues: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    async def __call__(
        self, asker: Hashable, work: Callable[..., Result], *arguments: object
    ) -> Result:
        """Do a piece of work when its turn has come, and return its result.

        Parameters
        ----------
        asker : hashable
            In whose name.
        work : callable
            Called with the arguments, in a thread.
        *arguments : object
            What it takes.

        Raises
        ------
        HTTPException
            Too much waits already; 503.
        """
        turn = self._line_up(asker)
        try:
            await turn
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._free += 1
                self._pass_on()

    def _line_up(self, asker: Hashable) -> asyncio.Future[None]:
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(asker, deque()).append(turn)
        self._pass_on()
        if sum(map(len, self._queues.values())) > self._room:
            last, longest = max(self._queues.items(), key=lambda queue: len(queue[1]))
            refused = longest.pop()
            if not longest:
                del self._queues[last]
            refused.set_exception(busy())
        return turn

    def _pass_on(self) -> None:
        """Give the free turns to those who wait."""
        while self._free and self._queues:
            asker, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[asker] = queue  # at the end: the others come first
            if not turn.cancelled():
                self._free -= 1
                turn.set_result(None)


def busy() -> HTTPException:
    """Return the refusal of what would have to wait for too long."""
    return HTTPException(503, "the service is busy; try again in a moment", {"Retry-After": "1"})
