"""The way of telemetry to an MQTT broker as JSON (topics.py)."""

from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Final

from sitewarden.config.plan import Site
from sitewarden.config.sinks import MqttPlan
from sitewarden.gateway.board import Board
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.records import micros
from sitewarden.gateway.sinks.answers import Answer, Kind
from sitewarden.gateway.sinks.base import Lane, Transport
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.mqtt.commands import Commands, Operate
from sitewarden.gateway.sinks.mqtt.connection import BrokerError, Connection, Message
from sitewarden.gateway.sinks.mqtt.discovery import BIRTH, Discovery
from sitewarden.gateway.sinks.mqtt.retained import Retained
from sitewarden.gateway.sinks.mqtt.topics import Topic, history, level, topic
from sitewarden.gateway.sinks.parse import Record, parse
from sitewarden.gateway.sinks.sieve import Sieve
from sitewarden.rules.model import Effect

CHUNK: Final = 500  # messages that the broker must have acknowledged within its time-out
LATE: Final = 60_000_000_000  # ns after which nothing has happened just now any more
TAKEN: Final = Answer(Kind.TAKEN)

Present = Callable[[], Iterable[Effect]]
"""All that stands now, as if it had just been told."""


class JsonTransport(Transport):
    """`present` is asked at once, before a reload that may be under way removes anything."""

    def __init__(
        self,
        plan: MqttPlan,
        site: Callable[[], Site],
        board: Callable[[], Board],
        present: Present,
        clock: Clock,
        operate: Operate,
    ) -> None:
        self._board, self._present, self._clock = board, present, clock
        self._site = site().id
        self._root = f"{plan.prefix}/{level(self._site)}"
        self._sieve = Sieve(plan.only)
        self._retained = Retained(self._standing())
        devices = {point.partition(".")[0] for point in board().points}
        self._discovery = Discovery(plan, self._root, site, devices)
        self._reborn, self._altered = Event(), Event()  # Home Assistant; the site, by a reload
        will = self._message("status", b"offline", retain=True)
        self._connection = Connection(plan, f"{self._root}/{plan.name}", will, False, self._received)
        self._commands = Commands(plan, self._root, board, clock, operate, self._connection.publish)

    # -- as the carrier calls it -----------------------------------------------------------------

    def prepare(self) -> Answer:
        """Connects, and tells all that stands."""
        self._commands.start()
        try:
            self._connection.connect()
            self._connection.subscribe([*self._commands.filters, *self._discovery.filters])
            self._stand()
            self._publish([self._message("status", b"online", retain=True)])
        except BrokerError as error:
            return _failed(error)
        return TAKEN

    def send(self, lines: Sequence[bytes], lane: Lane) -> Answer:
        try:
            records = [(record, topic(record)) for record in map(parse, lines)]
        except (ValueError, KeyError) as error:
            return Answer(Kind.MALFORMED, words=f"{type(error).__name__}: {error}")
        try:
            self._publish(
                self._live(records) if lane is Lane.LIVE else self._history(it for _, it in records)
            )
        except BrokerError as error:
            return _failed(error)
        self._retained.heard()
        return TAKEN

    def tend(self) -> Answer:
        """An idle connection that is lost would leave the broker with our last will."""
        if not self._connection.up:
            return Answer(Kind.LATER, words="the connection is lost")
        try:
            if self._altered.is_set():
                self._stand()
            elif self._reborn.is_set():
                self._announce()
        except BrokerError as error:
            return _failed(error)
        return TAKEN

    def site_changed(self) -> None:
        self._altered.set()

    def healthy(self) -> bool:
        return self._connection.up

    def close(self) -> None:
        self._commands.stop()
        self._connection.close([self._message("status", b"offline", retain=True)])

    # -- what is told ----------------------------------------------------------------------------

    def _stand(self) -> None:
        self._altered.clear()
        since = _ns(self._clock)
        stands = self._retained.stand(self._standing(), since)
        self._announce()
        self._publish([self._message(it.name, it.payload, retain=True) for it in stands])

    def _announce(self) -> None:
        self._reborn.clear()
        self._publish([Message(name, payload, retain=True) for name, payload in self._discovery.payloads()])

    def _standing(self) -> list[Topic]:
        lines = [line for _, line in Lines(self._site).format(self._present())]
        return [topic(parse(line)) for line in self._sieve.sift(lines)]

    def _live(self, records: Iterable[tuple[Record, Topic]]) -> list[Message]:
        now, board = _ns(self._clock), self._board()
        messages, late = list[Message](), list[Topic]()
        for record, it in records:
            if not self._is_news(record, it, board, now):
                late.append(it)
                continue
            messages.append(self._message(it.name, it.payload, retain=it.state))
            if it.over:
                messages.append(self._message(it.name, b"", retain=True))
        return [*messages, *self._history(late)]

    def _is_news(self, record: Record, it: Topic, board: Board, now: int) -> bool:
        if it.state or it.over:
            return _known(record, board) and self._retained.is_news(it, now)
        return it.ns > now - LATE

    def _history(self, topics: Iterable[Topic]) -> list[Message]:
        return [self._message(name, payload) for name, payload in history(topics)]

    def _message(self, name: str, payload: bytes, retain: bool = False) -> Message:
        return Message(f"{self._root}/{name}", payload, retain=retain)

    def _publish(self, messages: Sequence[Message]) -> None:
        for start in range(0, len(messages), CHUNK):
            self._connection.publish(messages[start : start + CHUNK])

    def _received(self, name: str, payload: bytes, retained: bool) -> None:
        if name not in self._discovery.filters:
            self._commands.received(name, payload, retained)
        elif payload == BIRTH and not retained:  # that it was born before we came is known
            self._reborn.set()


def _known(record: Record, board: Board) -> bool:
    """Not what was still on its way when a reload removed it."""
    match record.measurement:
        case "reading":
            return f"{record.tags['device']}.{record.tags['point']}" in board.latest
        case "device":
            return record.tags["device"] in board.devices
    return True


def _failed(error: BrokerError) -> Answer:
    return Answer(Kind.REFUSED if error.refused else Kind.LATER, words=str(error))


def _ns(clock: Clock) -> int:
    return micros(clock.now().wall) * 1000
