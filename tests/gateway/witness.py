"""Another client of a broker: what it was told, in order."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import Peer, until


class Witness:
    """`lasting`: the broker keeps for it what comes while it is away."""

    def __init__(self, port: int, topics: str, lasting: str = "") -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._subscribed = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, lasting, clean_session=not lasting)
        self._client.on_connect = lambda client, *_: client.subscribe(topics, 1)
        self._client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self._client.on_message = lambda _, __, it: self.heard.append(
            (it.topic, bytes(it.payload), it.retain)
        )
        self._client.reconnect_delay_set(0.1, 0.2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert until(lambda: self._subscribed)

    def has(self, topic: str, payload: bytes | None = None) -> bool:
        return any(it[0].endswith(f"/{topic}") and payload in (None, it[1]) for it in self.heard)

    def said(self, topic: str) -> list[bytes]:
        return [it[1] for it in self.heard if it[0].endswith(f"/{topic}")]

    def last(self, topic: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.said(topic)[-1])
        return found

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(5.0)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def witness(peer: Peer, topics: str = "sitewarden/#", lasting: str = "") -> Iterator[Witness]:
    it = Witness(peer.port, topics, lasting)
    try:
        yield it
    finally:
        it.close()
