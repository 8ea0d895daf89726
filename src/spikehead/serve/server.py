"""The server under the service: uvicorn, with limits on connections."""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from spikehead.serve.connections import AT_ONCE, Connections, Limits

GRACE = 5
"""Seconds that requests have to end when the service is stopped."""


class Server(uvicorn.Server):
    """Serves an application until Ctrl-C.

    Parameters
    ----------
    app : ASGI application
        What is served.
    listening : socket
        Where; it belongs to the server from now on.
    limits : Limits, optional
        On connections.
    proxies : collection of str
        Addresses and networks of the proxies in front of it.
    certificate, key : Path, optional
        For TLS.
    """

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        *,
        limits: Limits | None = None,
        proxies: Collection[str] = (),
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        logging.getLogger("python_multipart").setLevel(logging.ERROR)  # the client is told
        connections = Connections(limits, proxies)
        self._listener = connections.listener(listening)
        super().__init__(
            uvicorn.Config(
                connections.watched(app),
                loop="asyncio:SelectorEventLoop",  # which accepts by the listener
                http="h11",
                ws="none",
                backlog=AT_ONCE + 1,
                proxy_headers=False,  # the application knows whom to believe
                log_level="warning",
                access_log=False,
                server_header=False,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                timeout_graceful_shutdown=GRACE,
            )
        )

    def serve_until_stopped(self) -> None:
        """Serve."""
        self.run([self._listener])
