"""Recordings of a link: every byte with its instant, run again later through the same driver and rules.

A recording is a text file, one JSON object a line. The first (`Head`) holds all that the replay needs, so
that a fault seen on a site becomes a test anywhere. Then come, in order, what the link's `Line` was told
and what it said to that, a driver that raised included:

    {"told": "received", "wall": "2026-03-01T08:00:00+00:00", "mono": 12.5, "bytes": "0203"}
    {"said": {"CardRead": {"reader": "reader-in", "card": "01000734E0", "at": …}}}
    {"said": {"Failed": "KeyError: 'bug'"}}
    {"ended": "a reload altered or removed the link"}     when nobody asked for the end

A replay compares what the line says. What the rules decided is not in it: live, they also heard of other
links, operators, new permits and the clock. The replay decides anew, by the rules on this link's own
devices.

It holds card numbers as the wire carried them: treat it as personal data.
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
from sitewarden.rules.model import Command, Effect, Event, Permit, Reason, Stamp, Tick
from sitewarden.rules.plan import Barrier, SitePlan

VERSION = 2
LAST = 500  # bytes that hold the last line, when it says why the recording ended


@dataclass(frozen=True, slots=True)
class Head:
    """The link and the rules on its devices, with the core's cells and the outputs as they were."""

    at: Stamp
    link: LinkPlan
    plan: SitePlan
    permits: tuple[Permit, ...]
    cells: Mapping[str, object]
    stood: tuple[Stood, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the line was told."""

    call: Call
    at: Stamp
    told: Told


@dataclass(frozen=True, slots=True)
class Ended:
    why: str


Entry = Head | Heard | Output | Failed | Ended

_HEAD, _COMMAND = TypeAdapter(Head), TypeAdapter(Command)
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Recording:
    """A `Tap` that makes entries. `write` is called in the main loop and must not block."""

    def __init__(self, write: Callable[[Entry], None], link: LinkPlan, plan: SitePlan, core: Core) -> None:
        self._write, self._link, self._plan, self._core = write, link, plan, core

    def began(self, stood: Sequence[Stood], at: Stamp) -> None:
        plan = narrowed(self._plan, self._link.devices)
        permits = self._core.permits if plan.parking.lanes else ()
        self._write(Head(at, self._link, plan, permits, self._core.save(), tuple(stood)))

    def told(self, call: Call, at: Stamp, told: Told) -> None:
        self._write(Heard(call, at, told))

    def said(self, output: Output | Failed) -> None:
        self._write(output)


def narrowed(plan: SitePlan, devices: Collection[str]) -> SitePlan:
    """The rules on these devices: others would see nothing but silence. A lane goes with its reader,
    and has of its barrier what these devices report."""

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

    lanes = (lane for lane in plan.parking.lanes if lane.reader in devices)
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
            stored = {key: cells.dump(cell) for key, cell in entry.cells.items()}
            head: dict[str, object] = _HEAD.dump_python(entry, mode="json", exclude={"cells"})
            return {"recording": VERSION, **head, "cells": stored}
        case Heard(call, at, told):
            return {"told": call, "wall": at.wall.isoformat(), "mono": at.mono, **_words(told)}
        case Failed(_, error):
            return {"said": {"Failed": f"{type(error).__name__}: {error}"}}
        case Ended(why):
            return {"ended": why}
        case bytes():
            return {"said": entry.hex()}
        case event:
            return {"said": {type(event).__name__: _EVENT.dump_python(event, mode="json")}}


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
    line, core = _begun(*next(numbered, (1, "")))
    for heard, then in _calls(numbered):
        effects = list(_ticks(core, heard.at))
        now = []
        for said in line.tell(heard.call, heard.at, heard.told):
            now.append(dump(said))
            if not isinstance(said, bytes | Failed):
                effects += core.step(said)
        yield Replayed(heard.at, heard.call, then, tuple(now), tuple(effects))


def _begun(number: int, first: str) -> tuple[Line, Core]:
    found = _object(number, first)
    if found.get("recording") != VERSION:
        raise ValueError(f"line {number}: found {first[:40]!r}, expected a recording of version {VERSION}")
    try:
        head = _HEAD.validate_python(found)
        stored = {key: cells.load(key, str(text)) for key, text in head.cells.items()}
        standing = {(stood.command.device, stood.command.output): stood for stood in head.stood}
        line = Line(head.link.name, partial(build, head.link), standing)
    except (KeyError, ValueError) as error:
        raise ValueError(f"line {number}: {error}, expected the head of a recording") from error
    core = Core(head.plan, head.permits, stored)
    core.step(Tick(head.at))  # ends what rules on other links have left behind, and tells nobody
    return line, core


def _calls(numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[Heard, tuple[str, ...]]]:
    """What was told, each with what was said to it."""
    heard: Heard | None = None
    said: list[str] = []
    for number, line in numbered:
        found = _object(number, line)
        if "ended" in found:
            break
        if "said" in found and heard:
            said.append(line.rstrip("\n"))
            continue
        if heard:
            yield heard, tuple(said)
        heard, said = _heard(number, found), []
    if heard:
        yield heard, tuple(said)


def _ticks(core: Core, until: Stamp) -> Iterator[Effect]:
    """What time alone brings about before `until`."""
    while core.wake_at is not None and core.wake_at <= until.mono:
        due = core.wake_at
        yield from core.step(Tick(Stamp(until.wall - timedelta(seconds=until.mono - due), due)))


def _object(number: int, line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number}: found {line[:40]!r}, expected a JSON object ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"line {number}: found {line[:40]!r}, expected a JSON object")
    return found


def _heard(number: int, line: Mapping[str, object]) -> Heard:
    try:
        call = Call(str(line["told"]))
        at = Stamp(datetime.fromisoformat(str(line["wall"])), float(str(line["mono"])))
        told: Told = None
        match call:
            case Call.RECEIVED:
                told = bytes.fromhex(str(line["bytes"]))
            case Call.COMMAND:
                told = _COMMAND.validate_python(line["command"])
            case Call.LOST:
                told = Reason(str(line["reason"]))
        return Heard(call, at, told)
    except (KeyError, ValueError) as error:
        raise ValueError(f"line {number}: {error}, expected what a line was told") from error
