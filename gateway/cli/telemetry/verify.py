"""`telemetry verify`: what the servers have, beside what they were given."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from sitewarden.config.apart import load
from sitewarden.config.plan import Site
from sitewarden.config.sinks import InfluxPlan
from sitewarden.gateway.amounts import large
from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, local, print_json, refused, table
from sitewarden.gateway.clock import wall_now
from sitewarden.gateway.records import micros
from sitewarden.gateway.sinks.readback import Sample, Unreadable, reader
from sitewarden.gateway.sinks.sieve import Sieve
from sitewarden.gateway.spool.compare import SECOND, Comparison, Difference, Hour, Kind
from sitewarden.gateway.spool.kept import Kept

SETTLE = 60 * SECOND  # ns; what a server has just taken it may not find yet
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"]

Since = Annotated[
    datetime | None,
    typer.Option(
        formats=FORMATS,
        metavar="TIME",
        help="2027-01-31 or 2027-01-31T08:00, in the site's time; without it as far back as the spool goes.",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(formats=FORMATS, metavar="TIME", help="Without it a minute ago.", show_default=False),
]
Destination = Annotated[
    str, typer.Option(metavar="NAME", help="One of the sinks; without it each that can be read back.")
]


def verify(
    since: Since = None,
    until: Until = None,
    destination: Destination = "",
    as_json: Json = False,
    config: Config = SITE,
) -> None:
    """Read back what was delivered, and compare it with what the spool still has: counts and checksums by
    hour, and each value that is missing, altered or there twice.

    It goes as far back as delivered telemetry is kept (spool: keep) and there was room for it. What is not
    delivered yet is not looked for; a reading that the filter of a sink leaves out, neither. The gateway
    may run meanwhile. Exits with 1 on any difference.

    \b
    sitewarden telemetry verify
    sitewarden telemetry verify --since 2027-01-31T08:00 --until 2027-01-31T12:00
    sitewarden telemetry verify --destination influx --json
    """
    site = load(config)
    zone = site.plan.tz
    wrong, told = [], []
    for plan in _readable(site, destination):
        with closing(_open(site, plan)) as kept:
            oldest = _oldest(kept)
            begin = max(oldest, _ns(since.replace(tzinfo=zone)) if since else 0)
            end = _ns(until.replace(tzinfo=zone)) if until else _ns(wall_now()) - SETTLE
            try:
                compared = _compared(kept, plan, site.id, begin, end // SECOND * SECOND, shown=not as_json)
            except Unreadable as error:
                wrong.append(f"{plan.name}: {error}")
                continue
        told.append({"destination": plan.name, "kept_from": _utc(oldest), **_json(compared)})
        if not as_json:
            print(_said(plan, compared, oldest, zone))
        if different := sum(map(_different, compared)):
            wrong.append(f"{plan.name}: {large(different)} values are not as they were delivered")
    if as_json:
        print_json(told)
    if wrong:
        raise Failure("\n".join(wrong))


def _readable(site: Site, name: str) -> Sequence[InfluxPlan]:
    plans = [sink for sink in site.sinks if isinstance(sink, InfluxPlan)]
    if not name:
        if not plans:
            raise Failure("The configuration names no sink that can be read back.")
        return plans
    if name not in {sink.name for sink in site.sinks}:
        raise Failure(f"The configuration names no sink {name}.")
    if chosen := [plan for plan in plans if plan.name == name]:
        return chosen
    raise Failure(f"{name} is a broker: it keeps nothing that could be read back.")


def _open(site: Site, plan: InfluxPlan) -> Kept:
    path = site.data / "spool.db"
    try:
        path.stat()
    except OSError as error:
        raise refused(path, error) from error
    return Kept(path, plan.name)


def _oldest(kept: Kept) -> int:
    """ns, a whole second."""
    if kept.oldest is None:
        raise Failure("The spool keeps nothing that could be compared.")
    return -(-kept.oldest // SECOND) * SECOND


def _ns(at: datetime) -> int:
    return micros(at) * 1000


def _compared(kept: Kept, plan: InfluxPlan, site: str, begin: int, end: int, shown: bool) -> Sequence[Hour]:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}")
    console, compared = Console(stderr=True), []
    with Progress(
        *columns, console=console, transient=True, disable=not (shown and console.is_terminal)
    ) as bars:
        task = bars.add_task(plan.name, total=end - begin, at="")
        comparison = Comparison(kept, reader(plan, site), Sieve(plan.only))
        for hour in comparison.hours(begin, end):
            bars.update(task, completed=hour.end - begin, at=f"{_utc(hour.end):%Y-%m-%d %H:%M}")
            compared.append(hour)
    return compared


# -- what is said of it --------------------------------------------------------------------------


def _said(plan: InfluxPlan, compared: Sequence[Hour], oldest: int, zone: ZoneInfo) -> str:
    head = (f"{plan.name}, from ({zone})", "delivered", "there", "checksum", *Kind, "only there", "waiting")
    counted = [hour for hour in compared if hour.kept.count or hour.waiting or hour.only_there]
    lines = [table(head, [_row(hour, zone) for hour in counted])]
    lines += [_named(difference, zone) for hour in compared for difference in hour.named]
    named, all_of_them = sum(len(hour.named) for hour in compared), sum(map(_different, compared))
    if named < all_of_them:
        lines.append(f"… and {large(all_of_them - named)} more.")
    lines.append(f"What was delivered is kept, and can be compared, from {local(_utc(oldest), zone)} on.")
    if waiting := sum(hour.waiting for hour in compared):
        lines.append(f"{large(waiting)} values wait to be delivered, and were not looked for.")
    if rejected := sum(hour.rejected for hour in compared):
        lines.append(f"{large(rejected)} lines were rejected by the server: see telemetry dead-letters.")
    if unreadable := sum(hour.unreadable for hour in compared):
        lines.append(f"{large(unreadable)} lines stand in blocks that can no longer be read.")
    if all_of_them == 0:
        lines.append(f"All {large(sum(hour.kept.count for hour in compared))} values are there, once.")
    return "\n".join(lines)


def _row(hour: Hour, zone: ZoneInfo) -> tuple[str, ...]:
    same = hour.kept.checksum == hour.there.checksum
    return (
        local(_utc(hour.begin), zone),
        large(hour.kept.count),
        large(hour.there.count),
        f"{hour.kept.checksum:016x}" if same else f"{hour.kept.checksum:016x} ≠ {hour.there.checksum:016x}",
        *(large(hour.different[kind]) if hour.different[kind] else "" for kind in Kind),
        large(hour.only_there) if hour.only_there else "",
        large(hour.waiting) if hour.waiting else "",
    )


def _different(hour: Hour) -> int:
    return sum(hour.different.values())


def _named(difference: Difference, zone: ZoneInfo) -> str:
    sample = difference.sample
    at = f"{local(_utc(sample.instant), zone)}.{sample.instant % SECOND:09d}"
    found = f", there {' and '.join(difference.found)}" if difference.found else ""
    return f"{difference.kind}: {_series(sample)} {at}: {sample.value}{found}"


def _series(sample: Sample) -> str:
    tags = "".join(f",{key}={tag}" for key, tag in sample.tags)
    return f"{sample.measurement}{tags} {sample.field}".rstrip()


def _json(compared: Sequence[Hour]) -> dict[str, Any]:
    return {
        "equal": all(hour.equal for hour in compared),
        "hours": [
            {
                "begin": _utc(hour.begin),
                "end": _utc(hour.end),
                "delivered": hour.kept.count,
                "there": hour.there.count,
                "checksum": f"{hour.kept.checksum:016x}",
                "checksum_there": f"{hour.there.checksum:016x}",
                **hour.different,
                "only_there": hour.only_there,
                "waiting": hour.waiting,
                "rejected": hour.rejected,
                "unreadable": hour.unreadable,
                "differences": [
                    {
                        "kind": it.kind,
                        "series": _series(it.sample),
                        "ns": it.sample.instant,
                        "value": it.sample.value,
                        "found": list(it.found),
                    }
                    for it in hour.named
                ],
            }
            for hour in compared
        ],
    }


def _utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // SECOND, UTC)
