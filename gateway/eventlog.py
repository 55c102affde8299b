"""What happens on the site, in the log: one line an event. Readings are telemetry and stay out of it."""

from threading import Thread

import structlog

from sitewarden.gateway.hub import Hub
from sitewarden.rules.model import (
    Action,
    AlarmChange,
    AlarmState,
    Command,
    Decision,
    Effect,
    FireChange,
    FireStage,
    Keep,
    LinkChanged,
    Operator,
    Outcome,
    Passage,
    Verdict,
    Write,
)

log = structlog.get_logger()

WANTED = frozenset({Decision, Passage, AlarmChange, FireChange, LinkChanged, Operator, Write})
MOST = 10_000  # events that a log which nobody reads may hold up


class EventLog:
    """A thread of its own: a blocked standard error must not block a barrier."""

    def __init__(self, hub: Hub) -> None:
        self._heard = hub.subscribe("log", MOST, WANTED)
        self._thread = Thread(target=self._run, name="event log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        self._heard.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._heard.closed or self._heard.depth:
            for effect in self._heard.take(None):
                event, fields = line(effect)
                said = {name: value for name, value in fields.items() if value not in ("", None)}
                (log.warning if is_wrong(effect) else log.info)(event, **said)


def line(effect: Effect) -> tuple[str, dict[str, object]]:
    """The event's name and its fields; what is personal is masked by the log's own processor."""
    at: dict[str, object] = {} if isinstance(effect, Command | Keep) else {"at": effect.at.wall.isoformat()}
    match effect:
        case Decision(lane, card, verdict, why, _, direction, kind, by, note):
            about = {"lane": lane, "card": card, "why": why, "direction": direction, "kind": kind}
            return f"swipe.{verdict}", at | about | {"by": by, "note": note}
        case Passage(lane, card, direction, _, kind):
            return "passage", at | {"lane": lane, "card": card, "direction": direction, "kind": kind}
        case AlarmChange(alarm, before, _, by):
            about = {"alarm": alarm.id, "severity": alarm.severity, "before": before, "by": by}
            return f"alarm.{alarm.state}", at | about | {"params": dict(alarm.params)}
        case FireChange(before, after, _, panel, zone, by):
            return f"fire.{after}", at | {"before": before, "panel": panel, "zone": zone, "by": by}
        case LinkChanged(device, up, _, reason):
            return f"device.{'up' if up else 'down'}", at | {"device": device, "reason": reason}
        case Operator(action, target, by, _, reason, value):
            key = "card" if action is Action.FORGIVE else "target"  # a card is masked
            return f"operator.{action}", at | {key: target, "by": by, "reason": reason, "value": value}
        case Write(point, value, by, outcome=outcome, read=read, reason=reason):
            return f"write.{outcome}", at | {
                "point": point,
                "value": value,
                "read": read,
                "by": by,
                "reason": reason,
            }
    raise TypeError(f"no line for {type(effect).__name__}")


def is_wrong(effect: Effect) -> bool:
    match effect:
        case Decision(verdict=Verdict.DENIED) | LinkChanged(up=False) | FireChange(after=FireStage.FIRE):
            return True
        case Write(outcome=outcome):
            return outcome not in (Outcome.VERIFIED, Outcome.SENT)
        case AlarmChange(alarm=alarm):
            return alarm.state is AlarmState.UNACKNOWLEDGED
    return False
