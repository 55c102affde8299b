"""`telemetry export`: what is stored of the past, as CSV or Parquet."""

import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from sitewarden.config.errors import did_you_mean
from sitewarden.config.plan import Site
from sitewarden.config.site import load
from sitewarden.gateway.amounts import large, size
from sitewarden.gateway.board import points_of
from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, counted, local, print_json, refused
from sitewarden.gateway.cli.telemetry.history import (
    EVENTS,
    MINUTE,
    READINGS,
    ROLLUPS,
    History,
    Points,
    Range,
    from_spool,
    from_trend,
)
from sitewarden.gateway.cli.telemetry.sheets import CSV, PARQUET, TERMINAL, Sheet, sheet
from sitewarden.gateway.cli.telemetry.verify import FORMATS
from sitewarden.gateway.database import connect_reading
from sitewarden.gateway.records import micros, stamp
from sitewarden.gateway.trend.rollups import Level

FOREVER = (1 << 63) - 1  # ns


class Every(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


LEVELS = {Every.MINUTE: Level.MINUTES, Every.HOUR: Level.HOURS, Every.DAY: Level.DAYS}

File = Annotated[
    Path,
    typer.Argument(help="Where to: NAME.csv or NAME.parquet; - is the terminal, as CSV.", metavar="FILE"),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        formats=FORMATS,
        metavar="TIME",
        help="2026-11-01 or 2026-11-01T08:00, in the site's time; without it as far back as there is any.",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        formats=FORMATS, metavar="TIME", help="Up to this, itself not included.", show_default=False
    ),
]
ThePoints = Annotated[
    list[str] | None,
    typer.Option("--point", metavar="PATTERN", help="'pump-*.pressure'; may be given again. Without it all."),
]
Events = Annotated[
    bool, typer.Option("--events", help="Alarms, decisions, passages and the like, not readings.")
]
Rolled = Annotated[
    Every | None,
    typer.Option(metavar="UNIT", help="minute, hour or day: low, mean, high, last and count of each."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")]


def export(
    file: File = TERMINAL,
    since: Since = None,
    until: Until = None,
    point: ThePoints = None,
    events: Events = False,
    every: Rolled = None,
    force: Force = False,
    as_json: Json = False,
    config: Config = SITE,
) -> None:
    """Write out what is stored here: readings, events, or what they come to a minute, an hour or a day.

    Readings and events are in the spool until they are delivered, and for `spool: keep` after that. Minutes
    are kept for 400 days, hours for ten years, days for good, and only those that are over. The gateway may
    run meanwhile. `telemetry import` reads the readings back.

    \b
    sitewarden telemetry export november.parquet --since 2026-11-01 --until 2026-12-01
    sitewarden telemetry export --point 'pump-*.pressure' --since 2026-11-01T08:00 > pumps.csv
    sitewarden telemetry export days.csv --every day
    sitewarden telemetry export events.csv --events
    """
    if as_json and file == TERMINAL:
        raise typer.BadParameter("the terminal has the rows: --json needs a FILE")
    if file != TERMINAL and file.suffix not in (CSV, PARQUET):
        raise typer.BadParameter(f"{file}: expected NAME.csv or NAME.parquet")
    if events and (every or point):
        raise typer.BadParameter("--events goes with neither --every nor --point")
    site = load(config, environment=None)
    zone = site.plan.tz
    _check(point or (), site)
    span = Range(_ns(since, zone, 0), _ns(until, zone, FOREVER))
    source = site.data / ("trend.db" if every else "spool.db")
    try:
        source.stat()
        with connect_reading(source) as db:
            points = Points(point or ())
            history = (
                from_trend(db, LEVELS[every], span, points) if every else from_spool(db, events, span, points)
            )
            columns = EVENTS if events else ROLLUPS if every else READINGS
            with sheet(file, columns, zone, force) as out:
                told = _pour(history, out)
                if not told.rows:
                    raise Failure(_nothing(_bounds(db, events, every), zone))
    except (OSError, sqlite3.Error) as error:
        raise refused(source, error) from error
    _tell(told, history, file, zone, as_json)


@dataclass(slots=True)
class Told:
    rows: int = 0
    first: int = FOREVER  # ns
    last: int = 0


def _pour(history: History, out: Sheet) -> Told:
    console, told = Console(stderr=True), Told()
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("exporting", total=history.size)
        for steps, page in history.pages:
            bar.advance(task, steps)
            if page:
                out.write(page)
                told.rows += len(page)
                instants = [it[0] for it in page]
                told.first, told.last = min(told.first, *instants), max(told.last, *instants)
    return told


def _tell(told: Told, history: History, file: Path, zone: ZoneInfo, as_json: bool) -> None:
    if history.broken:
        lost = counted(history.broken, "block")
        print(f"{lost} of the spool cannot be read and are left out", file=sys.stderr)
    if as_json:
        facts = {"file": file, "rows": told.rows, "bytes": file.stat().st_size}
        span = {"first": _at(told.first), "last": _at(told.last)}
        print_json(facts | span | {"broken_blocks": history.broken})
    elif file != TERMINAL:
        first, last = (local(_at(ns), zone) for ns in (told.first, told.last))
        print(f"{large(told.rows)} rows, {first} to {last} ({zone}), {size(file.stat().st_size)}: {file}")


def _check(patterns: Sequence[str], site: Site) -> None:
    """Each names a point of the site, or one that it had."""
    known = set(points_of(site))
    trend = site.data / "trend.db"
    if trend.exists():
        with connect_reading(trend) as db:
            known |= {name for (name,) in db.execute("SELECT name FROM points")}
    wrong = [it for it in patterns if not any(map(Points([it]).wanted, known))]
    if wrong:
        raise Failure("\n".join(f"no point {it!r}; {did_you_mean(it, known)}".rstrip("; ") for it in wrong))


def _bounds(db: sqlite3.Connection, events: bool, every: Every | None) -> tuple[int, int] | None:
    """ns of the first and the last that there is."""
    if every:
        asked, scale = f"SELECT min(minute), max(minute) FROM {LEVELS[every]}", MINUTE  # noqa: S608
    else:
        asked, scale = f"SELECT min(first), max(last) FROM blocks WHERE id {'<' if events else '>'} 0", 1  # noqa: S608
    first, last = db.execute(asked).fetchone()
    return None if first is None else (first * scale, last * scale)


def _nothing(bounds: tuple[int, int] | None, zone: ZoneInfo) -> str:
    if bounds is None:
        return "There is nothing of that kind yet."
    first, last = (local(_at(ns), zone) for ns in bounds)
    return f"Nothing of that in this range. There is something from {first} to {last} ({zone})."


def _ns(at: datetime | None, zone: ZoneInfo, otherwise: int) -> int:
    return micros(at.replace(tzinfo=zone)) * 1000 if at else otherwise


def _at(ns: int) -> datetime:
    return stamp(ns // 1000, 0.0).wall
