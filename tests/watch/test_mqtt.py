"""Answers go to an MQTT broker, once it is there."""

import socket
import threading

import pytest

mqtt = pytest.importorskip("spikehead.watch.mqtt", exc_type=ImportError).mqtt


def packets(connection):
    """Yield the packets of a client: the first byte, and the rest after the length."""
    stream = connection.makefile("rb")
    while first := stream.read(1):
        length, shift = 0, 0
        while True:
            byte = stream.read(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        yield first[0], stream.read(length)


def serve_one(listener, met):
    """Be the broker of one client, by MQTT 3.1.1, as far as it is needed."""
    connection, _ = listener.accept()
    with connection:
        for first, body in packets(connection):
            if first >> 4 == 1:  # CONNECT
                met.append(body)
                connection.sendall(b"\x20\x02\x00\x00")
            elif first >> 4 == 3:  # PUBLISH, QoS 1
                length = int.from_bytes(body[:2], "big")
                met.append((first & 6, body[2 : 2 + length], body[4 + length :]))
                connection.sendall(b"\x40\x02" + body[2 + length : 4 + length])


def test_answers_wait_for_the_broker_and_are_published(troubles, told, monkeypatch):
    met = []
    refused = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    troubles.tell = lambda sentence: (told.append(sentence), refused.set())
    with mqtt(f"mqtt://me:a%20word@127.0.0.1:{port}/cups/answers", troubles) as send:
        send('{"class": "cup"}')
        assert refused.wait(60)
        listener = socket.create_server(("127.0.0.1", port))
        broker = threading.Thread(target=serve_one, args=(listener, met), daemon=True)
        broker.start()
        send('{"class": "hat"}')
    broker.join(60)
    listener.close()
    connect, *published = met
    assert connect.endswith(b"\x00\x02me\x00\x06a word")
    assert published == [
        (2, b"cups/answers", b'{"class": "cup"}'),
        (2, b"cups/answers", b'{"class": "hat"}'),
    ]
    assert told == ["the MQTT broker at 127.0.0.1 cannot be reached, and is tried again"]
