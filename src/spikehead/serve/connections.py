"""Who is connected to the service, and how long it waits for them.

A server waits for its clients: until a whole request has come, and again while they take the
answer. Whoever is slow enough, often enough, keeps everybody else out. So there are limits on how
many are waited for, in all and from one address, on what they have sent meanwhile, and on how long
each may take; where there are too many, the one that has been waited for the longest is closed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_ONCE = 1024
"""Connections that may come in at once: more are not accepted yet."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How many connections are waited for, and for how long.

    Attributes
    ----------
    in_all, by_address : int
        Connections that are waited for at a time.
    bytes_held : int
        What all requests that have not been answered yet may have sent.
    patience : float
        Seconds to send a request, to take an answer, or to send the next request.
    pace : int
        Bytes that give a second more.
    """

    in_all: int = 256
    by_address: int = 64
    bytes_held: int = 256 << 20
    patience: float = 20.0
    pace: int = 16 << 10


@dataclass(eq=False)
class _Visit:
    """One connection."""

    connection: socket.socket
    host: str
    address: str
    deadline: float = 0.0
    held: int = 0  # bytes of a request that has not been answered yet
    is_open: bool = True


class Connections:
    """The connections of one service.

    Parameters
    ----------
    limits : Limits
        What is allowed.
    proxies : collection of str
        Addresses and networks of proxies: many clients come from there, so only the other limits
        hold for them.
    """

    def __init__(self, limits: Limits | None = None, proxies: Collection[str] = ()) -> None:
        self._limits = limits or Limits()
        self._proxies = [ip_network(proxy) for proxy in proxies]
        self._visits: dict[tuple[str, int], _Visit] = {}
        self._waiting: dict[_Visit, None] = {}  # the one that has been waited for longest first
        self._held = 0
        self._sweeping = False

    def listener(self, listening: socket.socket) -> socket.socket:
        """Return a listening socket in place of another, whose connections are watched."""
        return _Listener(listening, self)

    def watched(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that it is known whom it waits for."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            client = scope.get("client")
            visit = self._visits.get(tuple(client)) if client else None
            if scope["type"] != "http" or visit is None:
                return await app(scope, receive, send)

            async def received() -> Message:
                message = await receive()
                self._received(visit, len(message.get("body", b"")))
                if not message.get("more_body"):
                    self._work_for(visit)
                return message

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._wait_for(visit)
                await send(message)
                self._moved(visit, len(message.get("body", b"")))

            headers = Headers(scope=scope)
            if "content-length" not in headers and "transfer-encoding" not in headers:
                self._work_for(visit)
            try:
                return await app(scope, received, sent)
            finally:
                self._held -= visit.held
                visit.held = 0
                self._wait_for(visit)

        return watched

    def opened(self, connection: socket.socket, peer: tuple[Any, ...]) -> None:
        """Take note of a new connection."""
        visit = _Visit(connection, peer[0], household(peer[0]))
        self._visits[peer[:2]] = visit
        self._wait_for(visit)
        if not self._sweeping:
            self._sweep()

    def closed(self, peer: tuple[Any, ...]) -> None:
        """Take note that a connection is closed."""
        if visit := self._visits.pop(peer[:2], None):
            self._waiting.pop(visit, None)
            visit.is_open = False

    def _wait_for(self, visit: _Visit) -> None:
        if not visit.is_open:
            return
        visit.deadline = time.monotonic() + self._limits.patience
        self._waiting.pop(visit, None)
        self._waiting[visit] = None
        near = [other for other in self._waiting if other.address == visit.address]
        if len(near) > self._limits.by_address and not self._is_proxy(visit):
            self._close(near[0], f"it has more than {self._limits.by_address} connections")
        elif len(self._waiting) > self._limits.in_all:
            self._close(next(iter(self._waiting)), f"there are more than {self._limits.in_all}")

    def _work_for(self, visit: _Visit) -> None:
        self._waiting.pop(visit, None)

    def _moved(self, visit: _Visit, n_bytes: int) -> None:
        latest = time.monotonic() + self._limits.patience
        visit.deadline = min(visit.deadline + n_bytes / self._limits.pace, latest)

    def _received(self, visit: _Visit, n_bytes: int) -> None:
        self._moved(visit, n_bytes)
        visit.held += n_bytes
        self._held += n_bytes
        while self._held > self._limits.bytes_held:
            slowest = next((other for other in self._waiting if other.held), None)
            if slowest is None:
                break
            self._held -= slowest.held
            slowest.held = 0
            self._close(slowest, f"requests hold more than {self._limits.bytes_held >> 20} MiB")

    def _sweep(self) -> None:
        """Close whom the service has waited for long enough; look again in a second."""
        now = time.monotonic()
        for visit in [visit for visit in self._waiting if visit.deadline < now]:
            self._close(visit, f"it kept the service waiting for {self._limits.patience:g} s")
        self._sweeping = bool(self._visits)
        if self._sweeping:
            asyncio.get_running_loop().call_later(1, self._sweep)

    def _close(self, visit: _Visit, why: str) -> None:
        log.warning("closed a connection from %s: %s", visit.host, why)
        del self._waiting[visit]
        visit.is_open = False
        with suppress(OSError):  # it is closed already
            visit.connection.shutdown(socket.SHUT_RDWR)

    def _is_proxy(self, visit: _Visit) -> bool:
        address = _parsed(visit.host)
        return address is not None and any(address in proxy for proxy in self._proxies)


def household(host: str) -> str:
    """Return what stands for a client: its address, or of IPv6 the part that is not its own choice.

    Parameters
    ----------
    host : str
        An address; any other text stands for itself.
    """
    address = _parsed(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), 64), strict=False))
    return host


def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class _Listener(socket.socket):
    """A listening socket that tells of its connections.

    All that have come in are accepted at once, and those of them that are too many are closed
    before they cost the server anything.
    """

    def __init__(self, listening: socket.socket, connections: Connections) -> None:
        super().__init__(fileno=listening.detach())
        self._connections = connections
        self._arrived: deque[tuple[_Connection, tuple[Any, ...]]] | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        if self._arrived is None:
            self._arrived = self._arrivals()
        while self._arrived:
            connection, peer = self._arrived.popleft()
            if connection.fileno() >= 0:
                connection.is_served = True
                return connection, peer
        self._arrived = None
        raise BlockingIOError  # until others come

    def _arrivals(self) -> deque[tuple[_Connection, tuple[Any, ...]]]:
        arrived: deque[tuple[_Connection, tuple[Any, ...]]] = deque()
        try:
            while len(arrived) < AT_ONCE:
                plain, peer = super().accept()
                connection = _Connection(plain, partial(self._connections.closed, peer))
                arrived.append((connection, peer))
                self._connections.opened(connection, peer)
        except OSError:  # there is no more, or no room for more
            if not arrived:
                raise
        return arrived


class _Connection(socket.socket):
    """A connection that tells when it is closed."""

    def __init__(self, plain: socket.socket, on_close: Callable[[], None]) -> None:
        super().__init__(fileno=plain.detach())
        self._on_close = on_close
        self.is_served = False

    def close(self) -> None:
        super().close()
        self._on_close()

    def shutdown(self, how: int, /) -> None:
        super().shutdown(how)
        if not self.is_served:  # the server would see its end, and close it
            self.close()
