"""What attackers can do to the service, while somebody else asks it ten times a second.

Each attack meets a new service that may open 1,024 files, as on most systems. All comes over
loopback: the attackers from 127.0.0.2, whoever asks from 127.0.0.1.

    python benchmarks/attacks.py
"""

from __future__ import annotations

import argparse
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from service import Service, Watch, blank, form, photo
from tables import show

ATTACKER = "127.0.0.2"
SECONDS = 30
"""How long attacks by slow connections last."""


def main() -> None:
    """Attack, and print what became of the service."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="bundled")
    parser.add_argument("--attack", choices=[*ATTACKS], action="append", help="Default: all.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for name in options.attack or ATTACKS:
        print(name, flush=True)
        start = ["--encoder", options.encoder, "--rate", "20" if "forged" in name else "100000"]
        with Service(*start) as service:
            for seed in range(8):
                service.teach("ab"[seed % 2], photo(seed))
            with Watch(service, photo(100)) as watch:
                time.sleep(2)
                outcome = ATTACKS[name](service)
                time.sleep(2)
            lines, tracebacks = service.log_lines()
            rows.append(
                {
                    "attack": name,
                    **watch.row,
                    "peak memory, MB": round(service.megabytes(peak=True)),
                    "log lines": lines,
                    "tracebacks": tracebacks,
                    "what came of it": outcome,
                }
            )
            print(rows[-1], flush=True)
    show("The service under attack", rows, options.json)


def large_photos(service: Service) -> str:
    """Send twice 16 photos of 120 megapixels at once."""
    bomb = blank(10_954, 10_954)
    with ThreadPoolExecutor(2) as attackers:
        replies = list(
            attackers.map(lambda _: service.predict(*[bomb] * 16, address=ATTACKER), range(2))
        )
    return "; ".join(f"{reply.status} after {reply.seconds:.1f} s" for reply in replies)


def one_large_photo_each(service: Service) -> str:
    """Send photos of 120 megapixels from 8 clients at once, one each."""
    bomb = blank(10_954, 10_954)
    with ThreadPoolExecutor(8) as attackers:
        replies = list(
            attackers.map(lambda n: service.predict(bomb, address=f"127.0.0.{10 + n}"), range(8))
        )
    return "; ".join(f"{reply.status} after {reply.seconds:.1f} s" for reply in replies)


def half_open(head: bytes, drip: bytes) -> Callable[[Service], str]:
    """Keep 1,100 connections open that never finish what they send; open closed ones again."""

    def attack(service: Service) -> str:
        connections: list[socket.socket] = []
        opened, end = 0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            for connection in connections[:]:
                if not _sent(connection, drip):
                    connections.remove(connection)
            for _ in range(min(1100 - len(connections), 4 * 1100 - opened)):
                with suppress(OSError):
                    connection = socket.create_connection(
                        ("127.0.0.1", service.port), 1, (ATTACKER, 0)
                    )
                    connection.settimeout(0.1)
                    connections.append(connection)
                    opened += 1
                    connection.send(head)
            time.sleep(1)
        for connection in connections:
            connection.close()
        return f"{opened} connections opened in {SECONDS} s"

    return attack


def _sent(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.send(data)
    except OSError:
        connection.close()
        return False
    return True


def forged_addresses(service: Service) -> str:
    """Ask 400 times in a row, each time in the name of another client."""
    replies = [
        service.ask(
            "GET",
            "/api/model",
            headers={"X-Forwarded-For": f"10.0.{n >> 8}.{n & 255}"},
            address=ATTACKER,
        )
        for n in range(400)
    ]
    passed = sum(reply.status == 200 for reply in replies)
    return f"{passed} of 400 passed a limit of 20 a second"


def many_predictions(service: Service) -> str:
    """Ask for 1,000 predictions at once, and teach from the same address meanwhile."""
    body, headers = form(photo(7, 256))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = (
        f"POST /api/predictions HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    connections = []
    for _ in range(1000):
        with suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", service.port), 5, (ATTACKER, 0))
            connections.append(connection)
            connection.settimeout(5)
            connection.sendall(request)
    lesson = service.teach("ab", photo(8), address=ATTACKER)
    answers = 0
    for connection in connections:
        with suppress(OSError):
            connection.settimeout(30)
            answers += b" 200 " in connection.recv(4096)[:16]
        connection.close()
    return f"{lesson.status} for the lesson after {lesson.seconds:.1f} s; {answers} predictions"


def slow_downloads(service: Service) -> str:
    """Download the model 100 times at once without reading it."""
    request = b"GET /api/model.zip HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    connections = []
    for _ in range(100):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        with suppress(OSError):
            connection.bind((ATTACKER, 0))
            connection.connect(("127.0.0.1", service.port))
            connection.send(request)
        connections.append(connection)
    time.sleep(SECONDS)
    for connection in connections:
        connection.close()
    reply = service.ask("GET", "/api/model.zip", address=ATTACKER)
    return f"{reply.status} for a download after {SECONDS} s"


def behind_a_proxy(service: Service) -> str:
    """Teach from the service's own page, through a proxy that ends TLS and rewrites the host."""
    headers = {"Origin": "https://teach.example", "Sec-Fetch-Site": "same-origin"}
    own = service.teach("a", photo(9), **headers)
    other = service.teach("a", photo(10), **headers | {"Sec-Fetch-Site": "cross-site"})
    health = service.ask("HEAD", "/api/health")
    return f"own page: {own.status}, a page of another site: {other.status}; HEAD: {health.status}"


ATTACKS: dict[str, Callable[[Service], str]] = {
    "2 requests of 16 photos of 120 megapixels": large_photos,
    "8 clients with a photo of 120 megapixels": one_large_photo_each,
    "1,100 half-open connections, headers": half_open(b"GET / HTTP/1.1\r\nX: ", b"x"),
    "1,100 half-open connections, bodies": half_open(
        b"POST /api/lessons HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        b'Content-Disposition: form-data; name="photos"; filename="a"\r\n\r\n',
        b"x",
    ),
    "forged client addresses": forged_addresses,
    "a lesson beside 1,000 predictions": many_predictions,
    "100 downloads that nobody reads": slow_downloads,
    "a proxy that rewrites the host (no attack)": behind_a_proxy,
}


if __name__ == "__main__":
    main()
