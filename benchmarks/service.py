"""A service to be measured: started as a user starts it, asked over loopback, and watched."""

from __future__ import annotations

import http.client
import io
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from PIL import Image

OPEN_FILES = 1024
"""What most systems allow a process."""

PATIENCE = 60
"""Seconds after which an answer is given up."""


class Reply(NamedTuple):
    """What the service answered; a status of 0: nothing."""

    status: int
    seconds: float
    headers: dict[str, str]
    body: bytes


class Client:
    """Asks a service on this machine.

    Parameters
    ----------
    port : int
        Where it is.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> Reply:
        """Ask over a connection of its own."""
        started = perf_counter()
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=PATIENCE, source_address=(address, 0)
        )
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            content = response.read()
            return Reply(response.status, perf_counter() - started, dict(response.headers), content)
        except (OSError, http.client.HTTPException):
            return Reply(0, perf_counter() - started, {}, b"")
        finally:
            connection.close()

    def teach(self, label: str, *photos: bytes, address: str = "127.0.0.1", **more: str) -> Reply:
        """Teach photos of a class; more are headers."""
        body, headers = form(*photos, **{"class": label})
        return self.ask("POST", "/api/lessons", body, headers | more, address)

    def predict(self, *photos: bytes, address: str = "127.0.0.1", **more: str) -> Reply:
        """Ask what is on photos; more are headers."""
        body, headers = form(*photos)
        return self.ask("POST", "/api/predictions", body, headers | more, address)


class Service(Client):
    """``spikehead serve`` as a process of its own, with a new model; stopped on leaving.

    Parameters
    ----------
    *options : str
        Of the command.
    """

    def __init__(self, *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._options = options

    def __enter__(self) -> Service:
        model = Path(self._folder.name, "model")
        self.log = Path(self._folder.name, "log")
        start = "from spikehead.cli import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", start, "serve", model, "--port", "0", *self._options],
            stdout=subprocess.PIPE,
            stderr=self.log.open("wb"),
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES,) * 2),
        )
        line = self._process.stdout.readline()
        super().__init__(int(re.search(r":(\d+)/", line)[1]))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def megabytes(self, peak: bool = False) -> float:
        """Return the memory that it holds, or held at most."""
        name = "VmHWM" if peak else "VmRSS"
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1000

    def log_lines(self) -> tuple[int, int]:
        """Return how many lines and how many tracebacks it has printed."""
        text = self.log.read_bytes()
        return text.count(b"\n"), text.count(b"Traceback")


class Watch:
    """Asks for a prediction ten times a second, from a process of its own, while it is entered."""

    def __init__(self, service: Service, photo: bytes) -> None:
        here = multiprocessing.get_context("spawn")
        self._begun, self._over, self._replies = here.Event(), here.Event(), here.SimpleQueue()
        arguments = service.port, photo, self._begun, self._over, self._replies
        self._process = here.Process(target=_watch, args=arguments)

    def __enter__(self) -> Watch:
        self._process.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        replies: list[Reply] = self._replies.get()
        self._process.join()
        self.row = {
            "predictions asked for": len(replies),
            "not answered": sum(reply.status != 200 for reply in replies),
            "slowest, s": max(reply.seconds for reply in replies),
        }


def _watch(
    port: int, photo: bytes, begun: Event, over: Event, replies: SimpleQueue[list[Reply]]
) -> None:
    client, seen = Client(port), []
    begun.set()
    while not over.wait(0.1):
        seen.append(client.predict(photo)._replace(body=b""))
    replies.put(seen)


def form(*photos: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form."""
    edge = "an-edge-that-no-photo-holds"
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in fields.items()
    ] + [
        f'Content-Disposition: form-data; name="photos"; filename="{n}.png"\r\n\r\n'.encode()
        + photo
        for n, photo in enumerate(photos)
    ]
    body = b"".join(b"--%s\r\n%s\r\n" % (edge.encode(), part) for part in parts)
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    return body + b"--%s--\r\n" % edge.encode(), headers


def photo(seed: int, side: int = 64) -> bytes:
    """Return a PNG photo of noise, another for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def blank(width: int, height: int) -> bytes:
    """Return a PNG file of transparent pixels: small, and large when it is decoded."""
    file = io.BytesIO()
    Image.new("RGBA", (width, height)).save(file, "PNG")
    return file.getvalue()
