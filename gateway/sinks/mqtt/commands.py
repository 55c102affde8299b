"""What the broker may ask for: to open a lane, to acknowledge an alarm. Below `<prefix>/<site>/`:

    command/lane/<lane>/open            {"reason": …, "at": …, "by": …}
    command/alarm/<id>/acknowledge      the same
    command/…/answer                    {"result": "done" | "refused", "why": …, "asked": …, "at": …}

Only what the plan lists is subscribed to, and each topic may do no more than its role. `reason` says why,
`at` when it was asked (ISO 8601 with its offset), `by` who asks, as far as the sender knows: the journal has
`mqtt/<sink>/<by>`. What has waited somewhere is not done: a command is refused if it was retained, if it is
older than `STALE`, or from before our start, and if it came already (QoS 1 may deliver it twice). Nothing
here closes a barrier, and in a fire it stays as the fire has it.

`why` of a refusal: `retained`, `unreadable`, `reason_needed`, `invalid`, `clock` (nobody knows here how late
it is), `stale`, `repeated`, `forbidden`, `no_such_lane`, `no_such_alarm`, `not_opened`, `not_acknowledged`,
`busy` (nobody knows whether it was done), `not_durable` (done, but the disk did not take the record).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from queue import Full, Queue
from threading import Thread

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from sitewarden.config.sinks import MqttPlan
from sitewarden.gateway.api.access import ALLOWED, Permission
from sitewarden.gateway.board import Board
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.sinks.mqtt.connection import BrokerError, Message
from sitewarden.gateway.sinks.mqtt.topics import level
from sitewarden.gateway.texts import REASON, TOKEN_NAME
from sitewarden.gateway.tokens import Role
from sitewarden.rules.model import Action, Effect, Operator

log = structlog.get_logger()

STALE = timedelta(seconds=30)
AHEAD = timedelta(seconds=5)  # that the sender's clock may be before ours
PATIENCE = 2.0  # s until the main loop must have taken a command
WAITING = 20  # commands at once; a person gives one
LONGEST = 2000  # bytes

Operate = Callable[[Operator], Future[Sequence[Effect]]]
Publish = Callable[[Sequence[Message]], None]

_ACTIONS: Mapping[tuple[str, str], tuple[Action, Permission]] = {
    ("lane", "open"): (Action.OPEN, Permission.OPEN),
    ("alarm", "acknowledge"): (Action.ACKNOWLEDGE, Permission.ACKNOWLEDGE),
}


class Refused(Exception):
    """Its one argument is the code of the reason."""


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", str_strip_whitespace=True)

    at: AwareDatetime
    reason: str = ""
    by: str = ""


class Commands:
    """A thread of its own, so that a command waits neither for telemetry nor for the broker."""

    def __init__(
        self,
        plan: MqttPlan,
        root: str,
        board: Callable[[], Board],
        clock: Clock,
        operate: Operate,
        publish: Publish,
    ) -> None:
        self._plan, self._root = plan, f"{root}/command/"
        self._board, self._clock, self._operate, self._publish = board, clock, operate, publish
        self._earliest = clock.now().wall
        self._done: dict[tuple[str, bytes], datetime] = {}
        self._inbox: Queue[tuple[str, bytes, bool] | None] = Queue(WAITING)
        self._thread = Thread(target=self._run, name=f"commands {plan.name}", daemon=True)

    @property
    def filters(self) -> list[str]:
        return [self._root + each.topic for each in self._plan.commands]

    def start(self) -> None:
        """If there is anything to wait for, and it was not started before."""
        if self._plan.commands and self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """One that is being done is done."""
        if self._thread.is_alive():
            self._inbox.put(None)

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """From the connection's thread."""
        try:
            self._inbox.put_nowait((topic, payload, retained))
        except Full:
            log.warning("command.flood", sink=self._plan.name)

    def _run(self) -> None:
        while message := self._inbox.get():
            topic, payload, retained = message
            if answer := self.answer(topic.removeprefix(self._root), payload, retained):
                try:
                    self._publish([Message(f"{topic}/answer", answer)])
                except BrokerError as error:
                    log.warning("command.unanswered", sink=self._plan.name, error=str(error))

    def answer(self, topic: str, payload: bytes, retained: bool) -> bytes | None:
        """Does what is asked below `command/`, or says why not. None: nobody was allowed to ask for that."""
        levels = topic.split("/")
        roles = [Role(each.role) for each in self._plan.commands if _fits(each.topic.split("/"), levels)]
        if not roles:
            return None
        now = self._clock.now().wall
        said: dict[str, str] = {"result": "done"}
        try:
            asked = self._read(payload, retained)
            said["asked"] = asked.at.isoformat()
            self._once(topic, payload, asked.at, now)
            self._obey(levels, roles, asked)
        except Refused as refused:
            said |= {"result": "refused", "why": str(refused)}
        log.info("command", sink=self._plan.name, topic=topic, **said)
        return json.dumps({**said, "at": now.isoformat()}, separators=(",", ":")).encode()

    def _read(self, payload: bytes, retained: bool) -> _Asked:
        if retained:
            raise Refused("retained")
        try:
            asked = _Asked.model_validate_json(payload[:LONGEST])
        except ValidationError:
            raise Refused("unreadable") from None
        if not asked.reason:
            raise Refused("reason_needed")
        if REASON.wrong(asked.reason) or (asked.by and TOKEN_NAME.wrong(asked.by)):
            raise Refused("invalid")
        return asked

    def _once(self, topic: str, payload: bytes, at: datetime, now: datetime) -> None:
        """What is too old to be remembered is too old to be done: what was done before a reload as well."""
        if not self._clock.trusted:
            raise Refused("clock")
        if at < max(now - STALE, self._earliest) or at > now + AHEAD:
            raise Refused("stale")
        self._done = {key: when for key, when in self._done.items() if when >= now - STALE}
        if (topic, payload) in self._done:
            raise Refused("repeated")
        self._done[topic, payload] = at

    def _obey(self, levels: Sequence[str], roles: Sequence[Role], asked: _Asked) -> None:
        kind, name, verb = levels
        action, permission = _ACTIONS[kind, verb]
        if not any(permission in ALLOWED[role] for role in roles):
            raise Refused("forbidden")
        by = f"mqtt/{self._plan.name}/{asked.by}" if asked.by else f"mqtt/{self._plan.name}"
        target = self._target(action, name)
        operator = Operator(action, target, by, self._clock.now(), asked.reason)
        try:
            effects = self._operate(operator).result(PATIENCE)
        except TimeoutError:
            raise Refused("busy") from None
        except Exception as error:
            log.exception("command.not_durable", sink=self._plan.name)
            raise Refused("not_durable") from error
        if operator not in effects:
            raise Refused("not_opened" if action is Action.OPEN else "not_acknowledged")

    def _target(self, action: Action, name: str) -> str:
        if action is Action.OPEN:
            if name not in self._board().lanes:
                raise Refused("no_such_lane")
            return name
        for alarm in self._board().alarms:
            if level(alarm) == name:
                return alarm
        raise Refused("no_such_alarm")


def _fits(pattern: Sequence[str], levels: Sequence[str]) -> bool:
    return len(pattern) == len(levels) and all(
        wanted in ("+", said) for wanted, said in zip(pattern, levels, strict=True)
    )
