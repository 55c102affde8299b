"""Another client of a broker, with a Sparkplug host application behind it."""

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.gateway.sparkplug_definition import PAYLOAD
from tests.gateway.sparkplug_host import REBIRTH, Host
from tests.servers import until


class Ear:
    def __init__(self, port: int, node: str = "cuihu") -> None:
        self.host = Host("sites", node)
        self._ready = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", 2)
        self._client.on_subscribe = lambda *_: setattr(self, "_ready", True)
        self._client.on_message = lambda _, __, it: self._hear(it)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert until(lambda: self._ready)

    def _hear(self, it: paho.MQTTMessage) -> None:
        if "/NCMD/" not in it.topic:
            self.host.hear(it.topic, bytes(it.payload), it.qos, it.retain)

    def command(self, payload: bytes, retain: bool = False) -> None:
        self._client.publish(f"spBv1.0/sites/NCMD/{self.host.node}", payload, 0, retain).wait_for_publish(5.0)

    def ask_for_birth(self, retain: bool = False) -> None:
        command = PAYLOAD(timestamp=1)
        command.metrics.add(name=REBIRTH, boolean_value=True)
        self.command(command.SerializeToString(), retain)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
