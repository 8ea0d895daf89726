"""Nobody keeps others out by being slow."""

import asyncio
import logging
import shutil
import socket
import subprocess
import threading
from contextlib import ExitStack, suppress

import pytest

from spikehead.serve.app import create_app
from spikehead.serve.connections import Connections, Limits, household

HEADERS = b"GET / HTTP/1.1\r\nX: "
BODY = (
    b"POST /api/lessons HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
)
PHOTO = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a"\r\n\r\n'


@pytest.fixture
def opened(client):
    """Return a function that opens a connection to the client's service, and sends something."""
    with ExitStack() as connections:

        def opened(sent: bytes) -> socket.socket:
            port = int(client.url.rpartition(":")[2])
            connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            connections.enter_context(connection)
            connection.sendall(sent)
            return connection

        yield opened


def is_closed(connection: socket.socket) -> bool:
    """Wait until the service says something, or closes the connection."""
    with suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


@pytest.fixture
def client(serve, request):
    return serve(limits=request.param)


@pytest.mark.parametrize("client", [Limits(by_address=4), Limits(in_all=4)], indirect=True)
@pytest.mark.parametrize("sent", [b"", HEADERS, BODY, BODY + PHOTO])
def test_the_slowest_give_way(client, opened, picture, caplog, sent):
    slow = [opened(sent) for _ in range(12)]
    assert client.teach("disc", picture("disc", 0)).ok
    assert all(is_closed(connection) for connection in slow[:8])
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) >= 8
    for line in lines:
        assert line.startswith("closed a connection from 127.0.0.1: ")
        assert "\n" not in line


@pytest.mark.parametrize("client", [Limits(patience=0.2)], indirect=True)
@pytest.mark.parametrize("sent", [b"", HEADERS, BODY, BODY + PHOTO])
def test_who_does_not_go_on_is_closed(client, opened, sent):
    assert is_closed(opened(sent))


@pytest.mark.parametrize("client", [Limits(patience=0.2)], indirect=True)
def test_who_does_not_take_the_answer_is_closed(client, teacher, opened, monkeypatch):
    monkeypatch.setattr(teacher, "write_archive", lambda path: path.write_bytes(bytes(64 << 20)))
    connection = opened(b"GET /api/model.zip HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    received = 0
    while not received or client("GET", "/metrics").text.count('model.zip",status="200"} 1.0') < 1:
        received += len(connection.recv(1))
    threading.Event().wait(3)
    with suppress(ConnectionResetError):
        while piece := connection.recv(1 << 20):
            received += len(piece)
    assert received < 64 << 20


@pytest.mark.parametrize("client", [Limits(bytes_held=100_000)], indirect=True)
def test_what_all_have_sent_is_limited(client, opened, picture):
    slow = [opened(BODY + PHOTO + bytes(40_000)) for _ in range(3)]
    assert client.teach("disc", picture("disc", 0), picture("disc", 1)).ok
    assert is_closed(slow[0])
    assert client.teach("disc", picture("disc", 2)).ok


@pytest.mark.parametrize("client", [Limits(patience=1.0)], indirect=True)
def test_who_waits_for_the_service_is_not_closed(client, teacher, opened, picture, monkeypatch):
    client.teach("disc", picture("disc", 0))
    over, recognise = threading.Event(), teacher.recognise
    monkeypatch.setattr(teacher, "recognise", lambda photos: over.wait() and recognise(photos))
    answers = []
    asking = [
        threading.Thread(target=lambda: answers.append(client.predict(picture("disc", 1))))
        for _ in range(6)
    ]
    for thread in asking:
        thread.start()
    assert is_closed(opened(b""))  # when the patience with them would have ended too
    over.set()
    for thread in asking:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 6


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for a certificate")
def test_tls_that_is_never_begun_gives_way(run, teacher, tmp_path):
    files = "-keyout", "key.pem", "-out", "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", *files],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    url = run(
        create_app(teacher, rate=1000.0),
        limits=Limits(by_address=4),
        certificate=tmp_path / "cert.pem",
        key=tmp_path / "key.pem",
    )
    address = "127.0.0.1", int(url.rpartition(":")[2])
    with ExitStack() as connections:
        slow = [socket.create_connection(address, timeout=60) for _ in range(12)]
        for connection in slow:
            connections.enter_context(connection)
        assert all(is_closed(connection) for connection in slow[:8])


@pytest.mark.parametrize("proxies", [["10.0.0.0/8"], []])
def test_many_come_from_a_proxy(proxies):
    async def visit() -> list[bool]:
        connections = Connections(Limits(by_address=2, in_all=4), proxies)
        with ExitStack() as sockets:
            pairs = [socket.socketpair() for _ in range(6)]
            for number, (ours, theirs) in enumerate(pairs):
                sockets.enter_context(ours)
                sockets.enter_context(theirs)
                connections.opened(ours, ("10.1.2.3", number))
                theirs.settimeout(0.05)
            return [is_open(theirs) for _, theirs in pairs]

    def is_open(connection: socket.socket) -> bool:
        try:
            return connection.recv(1) != b""
        except TimeoutError:
            return True

    last = 4 if proxies else 2
    assert asyncio.run(visit()) == [False] * (6 - last) + [True] * last


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a name", "a name"),
    ],
)
def test_a_client_of_ipv6_has_many_addresses(host, client):
    assert household(host) == client
