"""Recordings of a link: every byte with its instant, run again later through the same driver and rules.

A recording is a text file, one JSON object a line. The first (`Head`) holds all that the replay needs, so
that a fault seen on a site becomes a test anywhere. Then come, in order, what the link's `Line` was told
and what it said to that, a driver that raised included; before a card, what the rules knew of it just then:

    {"told": "received", "wall": "2026-03-01T08:00:00+00:00", "mono": 12.5, "bytes": "0203"}
    {"known": "01000734E0", "permit": {"kind": "monthly", …}, "cells": {"inside/01000734E0": …}}
    {"said": {"CardRead": {"reader": "reader-in", "card": "01000734E0", "at": …}}}
    {"said": {"Failed": "KeyError: 'bug'"}}
    {"ended": "a reload altered or removed the link"}     when nobody asked for the end

A replay compares what the line says. What the rules decided is not in it: live, they also heard of other
links, operators, new permits and the clock. The replay decides anew, by the rules on this link's own
devices.

It holds the numbers of the cards that were swiped, with their days, lanes, space and whether they were
inside, and nothing of whose they are: treat it as personal data. Of other cards it holds nothing, and of
operators no name. So a driver that is mended since and reads a card that it did not read then meets an
unknown one.
"""

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from sitewarden.drivers.base import Output
from sitewarden.drivers.line import Call, Failed, Line, Stood, Told
from sitewarden.drivers.plan import LinkPlan, build
from sitewarden.rules import cells
from sitewarden.rules.core import Core
from sitewarden.rules.model import Alarm, CardRead, Command, Effect, Event, Permit, Reason, Stamp, Tick
from sitewarden.rules.parking.discreet import others, plain, unnamed
from sitewarden.rules.plan import Barrier, SitePlan

VERSION = 3
LAST = 500  # bytes that hold the last line, when it says why the recording ended


@dataclass(frozen=True, slots=True)
class Head:
    """The link and the rules on its devices, with the core's cells and the outputs as they were: but for
    what they say of people, and for other devices' alarms."""

    at: Stamp
    link: LinkPlan
    plan: SitePlan
    cells: Mapping[str, object]
    stood: tuple[Stood, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the line was told."""

    call: Call
    at: Stamp
    told: Told


@dataclass(frozen=True, slots=True)
class Known:
    """What a decision on the card hung on when it was read."""

    card: str
    permit: Permit | None
    cells: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ended:
    why: str


Entry = Head | Heard | Known | Output | Failed | Ended

_HEAD, _COMMAND, _PERMIT = TypeAdapter(Head), TypeAdapter(Command), TypeAdapter(Permit | None)
_CELLS: TypeAdapter[dict[str, object]] = TypeAdapter(dict[str, object])
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Recording:
    """A `Tap` that makes entries. `write` is called in the main loop and must not block; `core` is the one
    that is about to hear what the line says."""

    def __init__(
        self, write: Callable[[Entry], None], link: LinkPlan, plan: SitePlan, core: Callable[[], Core]
    ) -> None:
        self._write, self._link, self._core = write, link, core
        self._plan = narrowed(plan, link.devices)

    def began(self, stood: Sequence[Stood], at: Stamp) -> None:
        cells = self._core().save()
        known = _told(others(cells), self._link, self._plan) | unnamed(cells, self._plan.parking.lanes)
        self._write(Head(at, self._link, self._plan, known, tuple(stood)))

    def told(self, call: Call, at: Stamp, told: Told) -> None:
        self._write(Heard(call, at, told))

    def said(self, output: Output | Failed) -> None:
        if isinstance(output, CardRead):
            self._write(self._known(output.card))
        self._write(output)

    def _known(self, card: str) -> Known:
        core = self._core()
        permit = next((plain(permit) for permit in core.permits if permit.card == card), None)
        return Known(card, permit, unnamed(core.save(), self._plan.parking.lanes, card, permit))


def _told(known: Mapping[str, object], link: LinkPlan, plan: SitePlan) -> dict[str, object]:
    """The same with the alarms of this link alone, and not who acknowledged them; nor who writes what. An
    arm that no device of it sees is not waited for."""
    ours = {"", link.name, *link.devices, *(it.id for it in plan.parking.lanes if it.reader in link.devices)}
    ours |= {line.panel for line in plan.fire}
    told = {key: cell for key, cell in known.items() if not isinstance(cell, Alarm | cells.Writing)}
    for key, cell in known.items():
        if isinstance(cell, Alarm) and cell.subject.partition(".")[0] in ours:
            told[key] = replace(cell, by="")
    for lane in plan.parking.lanes:
        arm = told.get(f"arm/{lane.id}")
        if isinstance(arm, cells.Arm) and not lane.barrier.opened:
            told[f"arm/{lane.id}"] = replace(arm, due=None)
    return told


def narrowed(plan: SitePlan, devices: Collection[str]) -> SitePlan:
    """The rules on these devices: others would see nothing but silence. Where one of them is a lane's
    reader, all lanes are there, since the cars at each count for the others; a lane has of its barrier what
    these devices report."""

    def ours(point: str) -> bool:
        return point.partition(".")[0] in devices

    def seen(barrier: Barrier) -> Barrier:
        return replace(
            barrier,
            loop_under=barrier.loop_under if ours(barrier.loop_under) else "",
            loop_before=barrier.loop_before if ours(barrier.loop_before) else "",
            opened=barrier.opened if ours(barrier.opened) else "",
            closed=barrier.closed if ours(barrier.closed) else "",
        )

    read = any(lane.reader in devices for lane in plan.parking.lanes)
    lanes = plan.parking.lanes if read else ()
    return replace(
        plan,
        devices=plan.devices & frozenset(devices),
        parking=replace(
            plan.parking, lanes=tuple(replace(lane, barrier=seen(lane.barrier)) for lane in lanes)
        ),
        fire=tuple(line for line in plan.fire if ours(line.point)),
        conditions=tuple(rule for rule in plan.conditions if ours(rule.point)),
        stale=tuple(rule for rule in plan.stale if ours(rule.point)),
    )


# -- writing -------------------------------------------------------------------------------------


def dump(entry: Entry) -> str:
    return json.dumps(_dumped(entry), ensure_ascii=False)


def _dumped(entry: Entry) -> dict[str, object]:
    match entry:
        case Head():
            head: dict[str, object] = _HEAD.dump_python(entry, mode="json", exclude={"cells"})
            return {"recording": VERSION, **head, "cells": _stored(entry.cells)}
        case Heard(call, at, told):
            return {"told": call, "wall": at.wall.isoformat(), "mono": at.mono, **_words(told)}
        case Known(card, permit, known):
            dumped = _PERMIT.dump_python(permit, mode="json")
            return {"known": card, "permit": dumped, "cells": _stored(known)}
        case Failed(_, error):
            return {"said": {"Failed": f"{type(error).__name__}: {error}"}}
        case Ended(why):
            return {"ended": why}
        case bytes():
            return {"said": entry.hex()}
        case event:
            return {"said": {type(event).__name__: _EVENT.dump_python(event, mode="json")}}


def _stored(known: Mapping[str, object]) -> dict[str, str]:
    return {key: cells.dump(cell) for key, cell in known.items()}


def _words(told: Told) -> dict[str, object]:
    match told:
        case bytes():
            return {"bytes": told.hex()}
        case Command():
            return {"command": _COMMAND.dump_python(told, mode="json")}
        case Reason():
            return {"reason": told}
        case None:
            return {}


def ended(path: Path) -> str:
    """Why the recording ended without being asked to; empty if it did not. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LAST))
        last = re.search(rb'^{"ended": .*}\n\Z', file.read(), re.MULTILINE)
    return str(json.loads(last[0])["ended"]) if last else ""


# -- replay --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replayed:
    """One call of the line: what it said then and says now. `effects` is what the rules make of the
    latter, and of the time before it."""

    at: Stamp
    call: Call
    then: tuple[str, ...]
    now: tuple[str, ...]
    effects: tuple[Effect, ...]

    @property
    def same(self) -> bool:
        return self.then == self.now


def replay(lines: Iterable[str]) -> Iterator[Replayed]:
    """Runs a recording through a new line and a core as it was then, in virtual time. A driver that
    raises is set aside and built anew as it is live.

    Raises ValueError (with the line's number) for what is not a recording.
    """
    numbered = enumerate(lines, 1)
    line, plan, core = _begun(*next(numbered, (1, "")))
    for heard, then, known in _calls(numbered):
        effects = list(_ticks(core, heard.at))
        now = []
        for said in line.tell(heard.call, heard.at, heard.told):
            now.append(dump(said))
            if isinstance(said, CardRead) and said.card in known:
                core = _knowing(plan, core, known.pop(said.card))
            if not isinstance(said, bytes | Failed):
                effects += core.step(said)
        yield Replayed(heard.at, heard.call, then, tuple(now), tuple(effects))


def _begun(number: int, first: str) -> tuple[Line, SitePlan, Core]:
    expected = "the head of a recording"
    found = _object(number, first, expected)
    version = found.get("recording")
    if version not in (None, VERSION):
        raise ValueError(f"line {number}: found a recording of version {version}, expected {VERSION}")
    try:
        head = _HEAD.validate_python(found)
        known = _loaded(head.cells)
        standing = {(stood.command.device, stood.command.output): stood for stood in head.stood}
        line = Line(head.link.name, partial(build, head.link), standing)
    except (KeyError, ValueError) as error:
        raise _wrong(number, first, expected) from error
    core = Core(head.plan, (), known)
    core.step(Tick(head.at))  # ends what rules on other links have left behind, and tells nobody
    return line, head.plan, core


def _calls(
    numbered: Iterable[tuple[int, str]],
) -> Iterator[tuple[Heard, tuple[str, ...], dict[str, Known]]]:
    """What was told, each with what was said to it and what was known of the cards in that."""
    heard: Heard | None = None
    said: list[str] = []
    known: dict[str, Known] = {}
    for number, line in numbered:
        found = _object(number, line, "what a line was told or said")
        if "ended" in found:
            break
        if heard and "said" in found:
            said.append(line.rstrip("\n"))
        elif heard and "known" in found:
            card = _known(number, line, found)
            known.setdefault(card.card, card)
        else:
            if heard:
                yield heard, tuple(said), known
            heard, said, known = _heard(number, line, found), [], {}
    if heard:
        yield heard, tuple(said), known


def _knowing(plan: SitePlan, core: Core, known: Known) -> Core:
    """The same core, but for what it knows of cards."""
    permits = (known.permit,) if known.permit else ()
    return Core(plan, permits, others(core.save()) | dict(known.cells))


def _ticks(core: Core, until: Stamp) -> Iterator[Effect]:
    """What time alone brings about before `until`."""
    while core.wake_at is not None and core.wake_at <= until.mono:
        due = core.wake_at
        yield from core.step(Tick(Stamp(until.wall - timedelta(seconds=until.mono - due), due)))


def _wrong(number: int, line: str, expected: str) -> ValueError:
    found = repr(line[:40].rstrip("\n")) if line else "nothing"
    return ValueError(f"line {number}: found {found}, expected {expected}")


def _object(number: int, line: str, expected: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _wrong(number, line, expected) from error
    if not isinstance(found, dict):
        raise _wrong(number, line, expected)
    return found


def _known(number: int, line: str, found: Mapping[str, object]) -> Known:
    try:
        permit, stored = _PERMIT.validate_python(found["permit"]), _CELLS.validate_python(found["cells"])
        return Known(str(found["known"]), permit, _loaded(stored))
    except (KeyError, ValueError) as error:
        raise _wrong(number, line, "what was known of a card") from error


def _loaded(stored: Mapping[str, object]) -> dict[str, object]:
    return {key: cells.load(key, str(text)) for key, text in stored.items()}


def _heard(number: int, line: str, found: Mapping[str, object]) -> Heard:
    try:
        call = Call(str(found["told"]))
        at = Stamp(datetime.fromisoformat(str(found["wall"])), float(str(found["mono"])))
        told: Told = None
        match call:
            case Call.RECEIVED:
                told = bytes.fromhex(str(found["bytes"]))
            case Call.COMMAND:
                told = _COMMAND.validate_python(found["command"])
            case Call.LOST:
                told = Reason(str(found["reason"]))
        return Heard(call, at, told)
    except (KeyError, ValueError) as error:
        raise _wrong(number, line, "what a line was told or said") from error
