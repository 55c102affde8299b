"""The thread that tells an MQTT broker.

    <prefix>/<site>/status                      online, offline            retained, last will
    <prefix>/<site>/point/<device>/<point>      value, quality, reason, at     retained
    <prefix>/<site>/device/<device>             up, reason, at                 retained
    <prefix>/<site>/alarm/<id>                  code, state, severity, subject, params, raised, at   retained
    <prefix>/<site>/fire                        stage, panel, zone, at         retained
    <prefix>/<site>/decision/<lane>             verdict, why, direction, kind, card, at
    <prefix>/<site>/passage/<lane>              direction, kind, card, at

Payloads are JSON objects (`status` is a bare word), `at` is ISO 8601 in UTC, cards are masked and never
part of a topic. All is QoS 1. What is retained is state: while the broker is away only the newest of
each topic is kept for it, so nothing there grows, and each connection begins with all of it. What is no
more has its topic cleared by an empty payload: an alarm that is over, a device that a reload removed.
Decisions, passages and the end of an alarm are events: the last `EVENTS` of them wait, the oldest go
first and are counted.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from math import isfinite
from threading import Thread

import aiomqtt
import structlog

from sitewarden.config.sinks import MqttPlan
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Hub, Report
from sitewarden.gateway.mask import mask
from sitewarden.gateway.sinks.base import Backoff, SinkStatus
from sitewarden.gateway.tls import calling
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import (
    AlarmChange,
    AlarmState,
    Decision,
    Effect,
    FireChange,
    LinkChanged,
    Passage,
    Reading,
    Value,
)

log = structlog.get_logger()

WANTED = frozenset({Reading, LinkChanged, AlarmChange, FireChange, Decision, Passage})
QUEUE = 20_000  # effects between the main loop and this thread
EVENTS = 10_000
AT_ONCE = 64  # messages on their way to the broker without its PUBACK yet
ANSWER = 5.0  # s until a broker that does not answer counts as away
CONNECT = 1.5  # s
FAREWELL = 1.0  # s to say goodbye in
COLLECT = 0.05  # s between two looks at the hub's queue
KEEPALIVE = 15  # s; the last will comes after one and a half of it (MQTT 3.1.1, 3.1.2.10)
AWAY_AFTER = 5.0  # s until that is a trouble

_LEVEL = str.maketrans({"/": "_", "+": "_", "#": "_", "\0": "_"})

Payload = Mapping[str, Value | Mapping[str, Value] | None]
Present = Callable[[], Iterable[Effect]]
"""All that stands now, as if it had just been told. Any thread may ask."""


@dataclass(frozen=True, slots=True)
class Message:
    topic: str  # below <prefix>/<site>/
    payload: Payload | None  # None: an empty one, which clears what was retained
    retain: bool


def level(name: str) -> str:
    """One level of a topic: without its separators, its wildcards (MQTT 3.1.1, 4.7.1) and half characters
    (1.5.3)."""
    return name.translate(_LEVEL).encode("utf-8", "replace").decode()


def messages(effect: Effect) -> Iterable[Message]:
    """In this order; none: it is not for the broker."""
    if told := message(effect):
        yield told
        if isinstance(effect, AlarmChange) and not told.retain:
            yield Message(told.topic, None, True)


def message(effect: Effect) -> Message | None:
    match effect:
        case Reading(point, value, at, quality, reason):
            device, _, name = point.partition(".")
            if isinstance(value, float) and not isfinite(value):
                value = None  # JSON has no word for it
            body: Payload = {"value": value, "quality": quality, "reason": reason, "at": at.wall.isoformat()}
            return Message(f"point/{level(device)}/{level(name)}", body, True)
        case LinkChanged(device, up, at, reason):
            return Message(
                f"device/{level(device)}", {"up": up, "reason": reason, "at": at.wall.isoformat()}, True
            )
        case AlarmChange(alarm, _, at):
            body = {
                "code": alarm.code,
                "state": alarm.state,
                "severity": alarm.severity,
                "subject": alarm.subject,
                "params": dict(alarm.params),
                "raised": alarm.raised.wall.isoformat(),
                "at": at.wall.isoformat(),
            }
            return Message(f"alarm/{level(alarm.id)}", body, alarm.state is not AlarmState.NORMAL)
        case FireChange(_, after, at, panel, zone):
            body = {"stage": after, "panel": panel, "zone": zone, "at": at.wall.isoformat()}
            return Message("fire", body, True)
        case Decision(lane, card, verdict, why, at, direction, kind):
            body = {
                "verdict": verdict,
                "why": why,
                **_whose(card, kind, direction),
                "at": at.wall.isoformat(),
            }
            return Message(f"decision/{level(lane)}", body, False)
        case Passage(lane, card, direction, at, kind):
            return Message(
                f"passage/{level(lane)}", {**_whose(card, kind, direction), "at": at.wall.isoformat()}, False
            )
    return None


def _whose(card: str, kind: str | None, direction: str) -> Mapping[str, str]:
    return {"direction": direction, "kind": kind or "", "card": mask(card) if card else ""}


class Outbox:
    """What the broker does not have yet: the newest state of each topic, and events in order."""

    def __init__(self) -> None:
        self._latest: dict[str, Message] = {}
        self._states: dict[str, Message] = {}
        self._events: deque[Message] = deque(maxlen=EVENTS)
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._states) + len(self._events)

    def put(self, effects: Iterable[Effect]) -> None:
        for each in chain.from_iterable(map(messages, effects)):
            if each.retain:
                self._latest[each.topic] = self._states[each.topic] = each
            else:
                self.dropped += len(self._events) == EVENTS
                self._events.append(each)

    def batch(self, most: int) -> list[Message]:
        """Events first. They stay in the box until `sent`."""
        return list(islice(chain(self._events, self._states.values()), most))

    def sent(self, messages: Iterable[Message]) -> None:
        for each in messages:
            if not each.retain and self._events and self._events[0] is each:
                self._events.popleft()
            elif each.retain and self._states.get(each.topic) is each:  # else there is a newer one
                del self._states[each.topic]

    def stand(self, present: Iterable[Effect]) -> None:
        """`present` is all that stands: what was not told of it is, and what is not part of it is cleared.
        What was told stays as it was: it knows when that came about."""
        now = {each.topic: each for each in chain.from_iterable(map(messages, present))}
        told = {topic for topic, each in self._latest.items() if each.payload is not None}
        changed = {topic: now[topic] for topic in now.keys() - told}
        changed |= {topic: Message(topic, None, True) for topic in told - now.keys()}
        self._latest |= changed
        self._states |= changed

    def all_again(self) -> None:
        """A broker that was away may have forgotten what it retained."""
        self._states = dict(self._latest)


class MqttSink:
    """Trouble: `sink_away` (param: error)."""

    def __init__(
        self, plan: MqttPlan, site: str, hub: Hub, report: Report, clock: Clock, present: Present
    ) -> None:
        self.plan, self._clock, self._present = plan, clock, present
        self._root = f"{plan.prefix}/{level(site)}"
        self.troubles = Troubles(report, clock)
        self._outbox = Outbox()
        self._up = False
        self._away_since: float | None = None
        self._sent = 0
        self._loop = asyncio.new_event_loop()
        self._news, self._work, self._stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._subscription = hub.subscribe(f"mqtt {plan.name}", QUEUE, WANTED, self._notify)
        self._thread = Thread(target=self._run, name=f"sink {plan.name}", daemon=True)

    def start(self) -> None:
        self._outbox.stand(self._present())  # before the reload that made this sink removes anything
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        self._subscription.close()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout)

    def status(self) -> SinkStatus:
        waiting = len(self._outbox) + self._subscription.depth
        return SinkStatus(
            self.plan.name, self._up, self._sent, waiting, self._outbox.dropped + self._subscription.dropped
        )

    def site_changed(self) -> None:
        """By a reload; what is present knows of it already."""
        self._loop.call_soon_threadsafe(self._look)

    def _notify(self) -> None:
        self._loop.call_soon_threadsafe(self._news.set)

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        """Until it is told to stop; what ends before that is begun again."""
        stopping = asyncio.create_task(self._stopping.wait())
        while not stopping.done():
            tasks = [asyncio.create_task(self._collect()), asyncio.create_task(self._keep())]
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            ended, _ = await asyncio.wait(tasks, timeout=FAREWELL)
            for task in ended:
                if not task.cancelled() and (error := task.exception()):
                    log.error("mqtt.failed", sink=self.plan.name, exc_info=error)

    async def _collect(self) -> None:
        """Takes effects out of the hub's queue whether or not there is a broker."""
        while True:
            await self._news.wait()
            self._news.clear()
            self._take()
            await asyncio.sleep(COLLECT)

    def _take(self) -> None:
        self._outbox.put(self._subscription.take(0))
        self._work.set()

    def _look(self) -> None:
        """The queue first: what stands is at least as new as what was in it."""
        self._take()
        self._outbox.stand(self._present())

    async def _keep(self) -> None:
        """Connects again and again, at most 5 s apart, whatever the libraries raise: a name that cannot be
        resolved is no error of theirs, nor is a prefix with a wildcard in it."""
        backoff = Backoff()
        while True:
            try:
                await self._session(backoff)
            except* Exception as failed:  # noqa: BLE001 - as the docstring says
                first = failed.exceptions[0]
                self._away(str(first) or type(first).__name__)
            await asyncio.sleep(backoff.pause())

    async def _session(self, backoff: Backoff) -> None:
        status = f"{self._root}/status"
        client = self._client(status)
        try:
            async with client:
                client.pending_calls_threshold = AT_ONCE  # how many there may be before it complains
                await client.publish(status, "online", qos=1, retain=True)
                backoff.reset()
                self._there()
                await self._converse(client, status)
        finally:
            _let_go(client)

    async def _converse(self, client: aiomqtt.Client, status: str) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._deliver(client))
                group.create_task(_until_disconnected(client))
        except asyncio.CancelledError:
            await client.publish(status, "offline", qos=1, retain=True, timeout=FAREWELL / 2)
            raise

    def _client(self, status: str) -> aiomqtt.Client:
        plan = self.plan
        client = aiomqtt.Client(
            plan.host,
            plan.port,
            username=plan.username or None,
            password=plan.password or None,
            identifier=f"{self._root}/{plan.name}",
            will=aiomqtt.Will(status, "offline", qos=1, retain=True),
            timeout=ANSWER,
            keepalive=KEEPALIVE,
            tls_context=calling(plan.tls) if plan.tls else None,
        )
        # Connecting blocks a thread that the interpreter waits for at its end; the library has no word
        # for this.
        client._client.connect_timeout = CONNECT
        return client

    async def _deliver(self, client: aiomqtt.Client) -> None:
        while True:
            if not (batch := self._outbox.batch(AT_ONCE)):
                await self._work.wait()
                self._work.clear()
                continue
            await asyncio.gather(*(self._publish(client, each) for each in batch))
            self._outbox.sent(batch)
            self._sent += len(batch)

    async def _publish(self, client: aiomqtt.Client, each: Message) -> None:
        """Returns once the broker has acknowledged it."""
        payload = b""
        if each.payload is not None:
            text = json.dumps(each.payload, ensure_ascii=False, separators=(",", ":"))
            payload = text.encode("utf-8", "replace")
        await client.publish(f"{self._root}/{each.topic}", payload, qos=1, retain=each.retain)

    # -- how it goes -----------------------------------------------------------------------------

    def _there(self) -> None:
        self._up, self._away_since = True, None
        self._look()
        self._outbox.all_again()
        self.troubles.off("sink_away", self.plan.name)

    def _away(self, error: str) -> None:
        now = self._clock.now().mono
        self._up = False
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since >= AWAY_AFTER:
            self.troubles.on("sink_away", self.plan.name, {"error": error})


def _let_go(client: aiomqtt.Client) -> None:
    """A thread of the library may still be connecting: what comes of it must not reach a loop that has
    ended."""
    paho = client._client
    paho.on_socket_open = paho.on_socket_close = None
    paho.on_socket_register_write = paho.on_socket_unregister_write = None


async def _until_disconnected(client: aiomqtt.Client) -> None:
    """Raises MqttError when the connection is lost; nothing is subscribed to, so nothing comes."""
    async for _ in client.messages:
        pass
