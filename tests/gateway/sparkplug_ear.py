"""Other clients of a broker, with a Sparkplug host application behind them."""

import json
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.gateway.sparkplug_definition import PAYLOAD
from tests.gateway.sparkplug_host import REBIRTH, Host
from tests.servers import until


class Ear:
    """`primary`: the id of the host that the node waits for."""

    def __init__(self, port: int, node: str = "cuihu", primary: str = "") -> None:
        self.host = Host("sites", node, primary)
        self._ready = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", 2)
        self._client.on_subscribe = lambda *_: setattr(self, "_ready", True)
        self._client.on_message = lambda _, __, it: self._hear(it)
        self._client.reconnect_delay_set(1, 1)
        self._prepare()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert until(lambda: self._ready)

    def _prepare(self) -> None:
        """Before it connects."""

    def _hear(self, it: paho.MQTTMessage) -> None:
        if "/NCMD/" not in it.topic:
            self.host.hear(it.topic, bytes(it.payload), it.qos, it.retain)

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos, retain).wait_for_publish(5.0)

    def command(self, payload: bytes, retain: bool = False) -> None:
        self.publish(f"spBv1.0/sites/NCMD/{self.host.node}", payload, 0, retain)

    def ask_for_birth(self, retain: bool = False) -> None:
        command = PAYLOAD(timestamp=1)
        command.metrics.add(name=REBIRTH, boolean_value=True)
        self.command(command.SerializeToString(), retain)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def state(online: bool, at: int) -> bytes:
    """`at`: ms since 1970."""
    return json.dumps({"online": online, "timestamp": at}).encode()


class Primary(Ear):
    """A primary host application (5.2, 6.4.25 "STATE"), from its STATE online to its `close` or `crash`."""

    def __init__(self, port: int, node: str = "cuihu", host_id: str = "scada") -> None:
        self.topic = f"spBv1.0/STATE/{host_id}"
        self.at = time.time_ns() // 1_000_000
        super().__init__(port, node, host_id)
        self._here = True
        self.publish(self.topic, state(True, self.at), 1, True)

    def _prepare(self) -> None:
        self._here = False
        self._client.will_set(self.topic, state(False, self.at), 1, True)

    def _hear(self, it: paho.MQTTMessage) -> None:
        """[tck-id-message-flow-hid-sparkplug-state-message-delivered]"""
        if it.topic == self.topic and self._here and not json.loads(it.payload)["online"]:
            self._client.publish(self.topic, state(True, self.at), 1, True)
        super()._hear(it)

    def close(self) -> None:
        """[tck-id-host-topic-phid-death-payload-timestamp-disconnect-clean]"""
        if self._here:
            self._here = False
            self.publish(self.topic, state(False, time.time_ns() // 1_000_000), 1, True)
        super().close()

    def crash(self) -> None:
        """Without a word: the broker has its will."""
        self._here = False
        self._client.loop_stop()
        wire = self._client.socket()
        assert wire
        wire.close()
