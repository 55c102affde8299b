"""One connection to an MQTT 3.1.1 broker, synchronous from outside.

paho speaks the protocol in a thread of its own. Whoever connects, subscribes or publishes waits for the
broker's own word, and no longer than the time-out for each; after any failure the connection is gone, and
`connect` makes another. Nothing is buffered: what was not acknowledged is the caller's to send again.
"""

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from socket import SHUT_RDWR, socket
from threading import Condition

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from sitewarden.config.sinks import MqttPlan
from sitewarden.drivers.plan import Tls
from sitewarden.gateway.tls import calling, why

CONNECT = 5.0  # s until TCP and TLS must stand
ANSWER = 5.0  # s until a broker that does not answer counts as away
LONGEST = 30.0  # s; until then what was published in vain may take twice as long the next time
FAREWELL = 0.5  # s to say goodbye in
KEEPALIVE = 15  # s; the last will comes after one and a half of it (MQTT 3.1.1, 3.1.2.10)
AT_ONCE = 100  # messages on their way without their PUBACK yet; hosted brokers throttle beyond it

_REFUSALS = frozenset({"Client identifier not valid", "Bad user name or password", "Not authorized"})
"""CONNACKs (3.2.2.3) that only a person can change."""

Received = Callable[[str, bytes, bool], None]
"""Topic, payload, and whether it was retained. Called in paho's thread: it neither waits nor raises."""


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes  # empty and retained: the topic is forgotten
    qos: int = 1
    retain: bool = False


class BrokerError(Exception):
    """The broker is not there, did not answer in time, or does not want us (`refused`)."""

    def __init__(self, words: str, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused


class Connection:
    """Any thread may call; `connect` and `close` one alone. Everything raises BrokerError and no other."""

    def __init__(
        self, plan: MqttPlan, client_id: str, will: Message | None, clean: bool, received: Received
    ) -> None:
        self._plan, self._client_id, self._will, self._clean = plan, client_id, will, clean
        self._received = received
        self._begun = False
        self._session: _Session | None = None
        self._patience = ANSWER  # s

    @property
    def up(self) -> bool:
        return self._session is not None and not self._session.lost

    def connect(self) -> None:
        """Again, if there was one. Returns once the broker has accepted us."""
        self._drop()
        if not (self._clean or self._begun):
            self._open(clean=True).leave()  # what an earlier configuration subscribed to is forgotten
            self._begun = True
        self._session = self._open(self._clean)

    def publish(self, messages: Sequence[Message], timeout: float | None = None) -> None:
        """In this order. Returns once each is acknowledged, those of QoS 0 once they are written. The broker
        may take its time, but not `timeout` s without acknowledging anything."""
        session = self._there()
        try:
            session.publish(messages, self._patience if timeout is None else timeout)
        except BrokerError:
            if not session.lost:  # a broker that is slow is told all of it again, and must be done some time
                self._patience = min(self._patience * 2, LONGEST)
            session.end()
            raise

    def subscribe(self, filters: Sequence[str]) -> None:
        """With QoS 1; no filter: there is nothing to do."""
        session = self._there()
        try:
            session.subscribe(filters)
        except BrokerError:
            session.end()
            raise

    def close(self, farewell: Sequence[Message] = ()) -> None:
        """Says goodbye, so that the last will is not sent; a broker that does not listen is left alone."""
        if self.up:
            with suppress(BrokerError):
                self.publish(farewell, FAREWELL)
                self._there().leave()
        self._drop()

    def _there(self) -> "_Session":
        if self._session is None:
            raise BrokerError("not connected")
        return self._session

    def _drop(self) -> None:
        if self._session:
            self._session.end()
            self._session = None

    def _open(self, clean: bool) -> "_Session":
        try:
            session = _Session(self._client(clean), self._received)
            session.open(self._plan.host, self._plan.port)
        except (OSError, ValueError) as error:  # ValueError: a host that no name can be, a port 0
            raise BrokerError(why(error)) from error
        return session

    def _client(self, clean: bool) -> paho.Client:
        plan = self._plan
        client = paho.Client(
            CallbackAPIVersion.VERSION2, self._client_id, clean_session=clean, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT
        client.max_inflight_messages = AT_ONCE
        if plan.username:
            client.username_pw_set(plan.username, plan.password or None)
        if will := self._will:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        if plan.tls:
            client.tls_set_context(_context(plan.tls))
        return client


class _Session:
    """One network connection from beginning to end."""

    def __init__(self, client: paho.Client, received: Received) -> None:
        self.lost = ""  # why it is no more
        self._client = client
        self._changed = Condition()
        self._welcome = self._refused = False
        self._acknowledged: set[int] = set()
        client.on_connect = lambda _, __, ___, reason, ____: self._connected(reason)
        client.on_disconnect = lambda _, __, ___, reason, ____: self._lose(str(reason))
        client.on_publish = lambda _, __, number, ___, ____: self._receipt(number)
        client.on_subscribe = lambda _, __, number, reasons, ___: self._subscribed(number, reasons)
        client.on_message = lambda _, __, it: received(it.topic, bytes(it.payload), it.retain)

    def open(self, host: str, port: int) -> None:
        self._client.connect(host, port, KEEPALIVE)
        self._client.loop_start()
        try:
            self._wait(lambda: self._welcome, ANSWER)
        except BrokerError:
            self.end()
            raise

    def publish(self, messages: Sequence[Message], timeout: float) -> None:
        numbers = [self._publish(each) for each in messages]
        for number in numbers:  # acknowledged in the order in which they were sent (4.6)
            self._wait_for(number, timeout)

    def subscribe(self, filters: Sequence[str]) -> None:
        if filters:
            code, number = self._client.subscribe([(each, 1) for each in filters])
            if code or number is None:
                raise BrokerError(paho.error_string(code))
            self._wait_for(number, ANSWER)

    def leave(self) -> None:
        """DISCONNECT: the broker forgets our will (3.14)."""
        self._client.disconnect()
        try:
            self._wait(lambda: bool(self.lost), FAREWELL)
        finally:
            self.end()

    def end(self) -> None:
        """Hangs up, whatever is still on its way; the thread ends with its socket."""
        wire = self._client.socket()
        if isinstance(wire, socket):
            with suppress(OSError):  # the other end, or paho, was first
                wire.shutdown(SHUT_RDWR)
        self._client.loop_stop()
        client = self._client  # has sockets to close when nobody refers to it any more
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_subscribe = client.on_message = None
        self._lose("the connection was closed")

    def _publish(self, message: Message) -> int:
        try:
            sent = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        except ValueError as error:
            raise BrokerError(f"{message.topic}: {error}") from error
        if sent.rc:
            raise BrokerError(self.lost or paho.error_string(sent.rc))
        return sent.mid

    def _wait_for(self, number: int, timeout: float) -> None:
        self._wait(lambda: number in self._acknowledged, timeout)
        self._acknowledged.discard(number)

    def _wait(self, done: Callable[[], bool], timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: done() or self.lost, timeout)
            if not done():
                raise BrokerError(self.lost or "no answer in time", self._refused)

    # -- what paho's thread tells ----------------------------------------------------------------

    def _connected(self, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._refused = reason.getName() in _REFUSALS
            self._lose(str(reason))
        else:
            with self._changed:
                self._welcome = True
                self._changed.notify_all()

    def _receipt(self, number: int) -> None:
        with self._changed:
            self._acknowledged.add(number)
            self._changed.notify_all()

    def _subscribed(self, number: int, reasons: Sequence[ReasonCode]) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refused = True
            self._lose("the broker refuses what we subscribe to")
        else:
            self._receipt(number)

    def _lose(self, words: str) -> None:
        with self._changed:
            self.lost = self.lost or words
            self._changed.notify_all()


def _context(tls: Tls) -> ssl.SSLContext:
    context = calling(tls)
    wrap = context.wrap_socket

    def wrap_socket(wire: socket, *, server_hostname: str, do_handshake_on_connect: bool) -> ssl.SSLSocket:
        return wrap(wire, server_hostname=tls.name or server_hostname)

    # paho knows no name but the host's, and when the handshake fails it leaves the socket open.
    context.wrap_socket = wrap_socket  # type: ignore[method-assign,assignment]
    return context
