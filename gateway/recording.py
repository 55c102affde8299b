"""Recordings of a link: every byte with its instant, run again later through the same driver and core.

A recording is a text file, one JSON object a line. The first holds all that the replay needs (the link's
and the site's plans, the permits, the core's cells), so that a fault seen on a site becomes a test
anywhere. Then come, in order, what the driver was told and what it said to that:

    {"told": "received", "wall": "2026-03-01T08:00:00+00:00", "mono": 12.5, "bytes": "0203"}
    {"said": {"CardRead": {"reader": "reader-in", "card": "01000734E0", "at": …}}}

It holds card numbers as the wire carried them: treat it as personal data.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from pydantic import TypeAdapter

from sitewarden.drivers.base import Output
from sitewarden.drivers.line import Call, Told, tell
from sitewarden.drivers.plan import LinkPlan, build
from sitewarden.rules import cells
from sitewarden.rules.core import Core
from sitewarden.rules.model import Command, Effect, Event, Permit, Reason, Stamp, Tick
from sitewarden.rules.plan import SitePlan

VERSION = 1

_LINK, _PLAN = TypeAdapter(LinkPlan), TypeAdapter(SitePlan)
_PERMITS, _COMMAND = TypeAdapter(list[Permit]), TypeAdapter(Command)
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Recording:
    """A `Tap` that writes lines. `write` is called in the main loop and must not block."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def begin(self, link: LinkPlan, plan: SitePlan, permits: Iterable[Permit], core: Core) -> None:
        head = {
            "recording": VERSION,
            "link": _LINK.dump_python(link, mode="json"),
            "plan": _PLAN.dump_python(plan, mode="json"),
            "permits": _PERMITS.dump_python(list(permits), mode="json"),
            "cells": {key: cells.dump(cell) for key, cell in core.save().items()},
        }
        self._write(json.dumps(head, ensure_ascii=False))

    def told(self, call: Call, at: Stamp, told: Told) -> None:
        line: dict[str, object] = {"told": call, "wall": at.wall.isoformat(), "mono": at.mono}
        match told:
            case bytes():
                line["bytes"] = told.hex()
            case Command():
                line["command"] = _COMMAND.dump_python(told, mode="json")
            case Reason():
                line["reason"] = told
        self._write(json.dumps(line))

    def said(self, output: Output) -> None:
        self._write(_said(output))


def _said(output: Output) -> str:
    said = (
        output.hex()
        if isinstance(output, bytes)
        else {type(output).__name__: _EVENT.dump_python(output, mode="json")}
    )
    return json.dumps({"said": said}, ensure_ascii=False)


class RecordingFile:
    """Where a live recording goes: a thread writes, so that the main loop never waits for the disk.

    It ends by itself at `most` bytes; a forgotten recording must not fill the disk.
    """

    def __init__(self, path: Path, most: int = 200_000_000) -> None:
        self.path, self.most = path, most
        self.error: OSError | None = None
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=f"recording {path.name}", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        if self._thread.is_alive():
            self._lines.put(line)

    def close(self) -> None:
        """Returns when everything is in the file; raises OSError when it is not."""
        self._lines.put(None)
        self._thread.join()
        if self.error:
            raise self.error

    def _run(self) -> None:
        written = 0
        try:
            with self.path.open("w", encoding="utf-8") as file:
                while written < self.most and (line := self._lines.get()) is not None:
                    written += file.write(line + "\n")
                    if self._lines.empty():
                        file.flush()
        except OSError as error:
            self.error = error


# -- replay --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replayed:
    """One call of the driver, then and now. `effects` is what the core made of what it said now."""

    at: Stamp
    call: Call
    then: tuple[str, ...]
    now: tuple[str, ...]
    effects: tuple[Effect, ...]

    @property
    def same(self) -> bool:
        return self.then == self.now


def replay(lines: Iterable[str]) -> Iterator[Replayed]:
    """Runs a recording through a new driver and a core as it was then, in virtual time.

    Raises ValueError (with the line's number) for what is not a recording.
    """
    numbered = deque(enumerate(lines, 1))
    number, first = numbered.popleft() if numbered else (1, "")
    head = _object(number, first)
    if head.get("recording") != VERSION:
        raise ValueError(f"line 1: found {first[:40]!r}, expected a recording of version {VERSION}")
    driver = build(_LINK.validate_python(head["link"]))
    core = _core(head)
    while numbered:
        number, line = numbered.popleft()
        call, at, told = _told(number, _object(number, line))
        then = []
        while numbered and numbered[0][1].startswith('{"said"'):
            then.append(numbered.popleft()[1].rstrip("\n"))
        effects = list(_ticks(core, at))
        now = []
        for output in tell(driver, call, at, told):
            now.append(_said(output))
            if not isinstance(output, bytes):
                effects += core.step(output)
        yield Replayed(at, call, tuple(then), tuple(now), tuple(effects))


def _core(head: Mapping[str, object]) -> Core:
    stored = head["cells"]
    assert isinstance(stored, dict)
    return Core(
        _PLAN.validate_python(head["plan"]),
        _PERMITS.validate_python(head["permits"]),
        {key: cells.load(key, text) for key, text in stored.items()},
    )


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


def _told(number: int, line: Mapping[str, object]) -> tuple[Call, Stamp, Told]:
    try:
        at = Stamp(datetime.fromisoformat(str(line["wall"])), float(str(line["mono"])))
        told: Told = None
        if "bytes" in line:
            told = bytes.fromhex(str(line["bytes"]))
        elif "command" in line:
            told = _COMMAND.validate_python(line["command"])
        elif "reason" in line:
            told = Reason(str(line["reason"]))
        return Call(str(line["told"])), at, told
    except (KeyError, ValueError) as error:
        raise ValueError(f"line {number}: {error}, expected what a driver was told") from error
