"""`telemetry import`: history from files, for the charts and for trying rules on it."""

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from sitewarden.config.plan import Site
from sitewarden.config.site import load
from sitewarden.gateway.amounts import large
from sitewarden.gateway.app import DataDirectoryBusy, alone
from sitewarden.gateway.board import points_of
from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, counted, local, print_json, refused
from sitewarden.gateway.cli.telemetry.history import Points, Range, from_spool
from sitewarden.gateway.cli.telemetry.incoming import Bad, Rejects, rows
from sitewarden.gateway.cli.telemetry.stage import PAGE, Stage, stage, sums
from sitewarden.gateway.clock import wall_now
from sitewarden.gateway.database import connect_reading, make_private
from sitewarden.gateway.records import micros, stamp
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool.blocks import Fresh, Rank
from sitewarden.gateway.spool.spool import Spool, SpoolFailed
from sitewarden.gateway.trend.rollups import FULLER
from sitewarden.gateway.trend.trend import Trend
from sitewarden.rules.model import Reading

SHOWN = 20  # bad rows that are told one by one
BLOCK = 5000  # lines

Files = Annotated[
    list[Path],
    typer.Argument(
        help="CSV or .parquet, as `telemetry export` writes them.",
        metavar="FILE",
        exists=True,
        dir_okay=False,
    ),
]
Send = Annotated[bool, typer.Option("--send", help="Let the destinations have it, too.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only say what is in the files.")]


def import_(
    files: Files, send: Send = False, dry_run: Dry = False, as_json: Json = False, config: Config = SITE
) -> None:
    """Take in history: readings of another box, or of another system. Stop the gateway first.

    \b
    at,point,value,state,text,quality,reason
    2026-11-01T08:00:00+08:00,pump-1.pressure,0.42,,,good,
    2026-11-01T08:00:01+08:00,pump-1.running,,true,,good,

    `at` without its distance from UTC is the site's time. A row has a value, a state or a text; quality and
    reason may be missing. Rows that are wrong are named as file:line:column, set aside in FILE.rejected.csv,
    and left out; the exit code is then 1.

    Charts get the minutes, hours and days: of two records of a minute the one with more readings stands. The
    spool gets the readings themselves as far back as `spool: keep` reaches, as history that everybody has;
    with --send all of them, for the destinations. To import a file twice changes nothing.

    \b
    sitewarden telemetry import november.parquet --dry-run
    sitewarden telemetry import november.parquet december.csv
    """
    site = load(config, environment=None)
    try:
        make_private(site.data)
        with stage(site.data) as staged, _progress() as bar:
            told = Told(known=frozenset(points_of(site)))
            for file in files:
                task = bar.add_task(f"reading {file.name}", total=None)
                _read(file, site, staged, told, dry_run, bar, task)
            told.look(staged)
            if not dry_run and told.readings:
                with alone(site.data):
                    _take_charts(site, staged, told, bar)
                    _take_readings(site, staged, told, send, bar)
    except DataDirectoryBusy as busy:
        raise Failure(f"The gateway runs on {site.data}: stop it, the import needs its files") from busy
    except (OSError, sqlite3.Error, SpoolFailed) as error:
        raise refused(site.data, error) from error
    told.say(site, dry_run, as_json)
    if told.bad:
        raise Failure(f"{counted(told.bad, 'row')} wrong and left out")


@dataclass(slots=True)
class Told:
    """What there was, and what became of it."""

    known: frozenset[str]
    readings: int = 0  # without doubles
    doubles: int = 0
    bad: int = 0
    first: int = 0  # µs
    last: int = 0
    points: set[str] = field(default_factory=set)
    minutes: int = 0  # of points, offered to the charts
    spooled: int = 0

    def look(self, staged: Stage) -> None:
        self.readings, self.points = staged.count(), staged.points()
        self.first, self.last = staged.span() or (0, 0)

    def say(self, site: Site, dry_run: bool, as_json: bool) -> None:
        first, last = (stamp(at, 0.0).wall for at in (self.first, self.last))
        strange = sorted(self.points - self.known)
        if as_json:
            facts = {"readings": self.readings, "doubles": self.doubles, "bad_rows": self.bad}
            span = {"first": first, "last": last} if self.readings else {"first": None, "last": None}
            done = {"minutes": self.minutes, "spooled": self.spooled, "dry_run": dry_run}
            print_json(facts | span | {"points": len(self.points), "unknown_points": strange} | done)
            return
        print(f"{counted(self.readings, 'reading')} of {counted(len(self.points), 'point')}", end="")
        if self.readings:
            tz = site.plan.tz
            print(f", {local(first, tz)} to {local(last, tz)} ({tz})", end="")
        print(f"; {counted(self.doubles, 'double')} left out" if self.doubles else "")
        if strange:
            print(f"Not in the configuration: {', '.join(strange[:SHOWN])}{' …' * (len(strange) > SHOWN)}")
        if not dry_run:
            print(
                f"{large(self.minutes)} minutes for the charts, {large(self.spooled)} readings for the spool."
            )


def _read(
    file: Path, site: Site, staged: Stage, told: Told, dry_run: bool, bar: Progress, task: TaskID
) -> None:
    """Into the stage; bad rows beside the file."""
    with closing(Rejects(file.with_name(f"{file.name}.rejected.csv"))) as rejects:
        found = rows(file, site.plan.tz, wall_now())
        while page := list(islice(found, PAGE)):
            good = [it for it in page if isinstance(it, Reading)]
            told.doubles += len(good) - staged.add(good)
            for it in page:
                if isinstance(it, Bad):
                    told.bad += 1
                    if told.bad <= SHOWN:
                        print(f"{it.place}: {it.what}", file=sys.stderr)
                    if not dry_run:
                        rejects.add(it)
            bar.advance(task, len(page))


def _take_charts(site: Site, staged: Stage, told: Told, bar: Progress) -> None:
    task = bar.add_task("charts", total=told.readings)
    with closing(Trend(site.data / "trend.db", site.plan.tz)) as trend:
        for minutes in sums(_counted(staged.pages(), bar, task)):
            trend.put(minutes, FULLER)
            trend.roll()
            told.minutes += len(minutes)
        while trend.roll():
            pass


def _take_readings(site: Site, staged: Stage, told: Told, send: bool, bar: Progress) -> None:
    """What the spool does not have yet. Without a destination only as far back as it keeps what all have."""
    since = 0 if send else micros(wall_now()) - round(site.spool.keep * 1e6)
    names = [sink.name for sink in site.sinks]
    with closing(Spool(site.data / "spool.db", names, site.spool.most, site.spool.keep)) as spool:
        _drop_known(site.data / "spool.db", staged, told)
        task = bar.add_task("spool", total=staged.count(since))
        lines = Lines(site.id)
        for page in _counted(staged.pages(since), bar, task):
            formatted = lines.format(page)
            for at in range(0, len(formatted), BLOCK):
                block = formatted[at : at + BLOCK]
                body = [line for _, line in block]
                spool.commit([Fresh(Rank.READING, body, block[0][0], block[-1][0], history=not send)])
                told.spooled += len(block)


def _drop_known(path: Path, staged: Stage, told: Told) -> None:
    span = Range(told.first * 1000, told.last * 1000 + 1)
    with connect_reading(path) as db:
        for _, page in from_spool(db, False, span, Points()).pages:
            staged.drop((row[0] // 1000, row[1]) for row in page)


def _counted(pages: Iterable[list[Reading]], bar: Progress, task: TaskID) -> Iterator[list[Reading]]:
    for page in pages:
        yield page
        bar.advance(task, len(page))


def _progress() -> Progress:
    console = Console(stderr=True)
    columns: Sequence[TextColumn | BarColumn | TaskProgressColumn] = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
