"""Answers as messages to an MQTT broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from paho.mqtt.client import MQTT_ERR_QUEUE_SIZE, Client
from paho.mqtt.enums import CallbackAPIVersion

from spikehead.watch.outlets import PATIENCE, WAITING, Send, address
from spikehead.watch.sources import LONGEST_PAUSE, SHORTEST_PAUSE, Troubles

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@contextmanager
def mqtt(url: str, troubles: Troubles) -> Iterator[Send]:
    """Publish JSON documents under a topic; those that cannot be sent yet wait, up to a hundred.

    Each is sent at least once (QoS 1). A broker that cannot be reached is tried again.

    Parameters
    ----------
    url : str
        ``mqtt://user:password@host:port/topic``, or ``mqtts`` for TLS; all but host and topic may
        be left out.
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
    parts = address(url, *_PORTS)
    host, topic = str(parts.hostname), unquote(parts.path.removeprefix("/"))
    if not topic or any(sign in topic for sign in "+#\0"):
        raise ValueError("it must name a topic after the host, as mqtt://example.org/cups")

    name = f"the MQTT broker at {host}"

    def told(*event: Any) -> None:
        reason = event[3]
        if reason.is_failure:
            troubles.met("mqtt", f"{name} is lost ({reason}), and tried again")
        else:
            troubles.over("mqtt")

    under_way, change = 0, threading.Condition()

    def count(more: int) -> None:
        nonlocal under_way
        with change:
            under_way += more
            change.notify()

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_publish = lambda *_: count(-1)
    client.on_connect = client.on_disconnect = told
    client.on_connect_fail = lambda *_: troubles.met(
        "mqtt", f"{name} cannot be reached, and is tried again"
    )
    if parts.username is not None:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    if parts.scheme == "mqtts":
        client.tls_set()
    client.max_queued_messages_set(WAITING)
    client.reconnect_delay_set(int(SHORTEST_PAUSE), int(LONGEST_PAUSE))
    client.connect_async(host, parts.port or _PORTS[parts.scheme])
    client.loop_start()

    def send(line: str) -> None:
        count(1)
        if client.publish(topic, line, qos=1).rc == MQTT_ERR_QUEUE_SIZE:
            count(-1)
            troubles.met("full", f"too many answers wait for {name}: some are lost")
        else:
            troubles.over("full")

    try:
        yield send
    finally:
        with change:
            change.wait_for(lambda: not under_way, PATIENCE)
        client.disconnect()
        client.loop_stop()
