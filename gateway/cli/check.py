"""`check` and `schema`: what a configuration says, and how it is written."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from sitewarden.config.errors import ConfigErrors
from sitewarden.config.site import Site, load
from sitewarden.config.site import schema as site_schema
from sitewarden.drivers.plan import BusPlan, LinkPlan, Port, ReaderPlan, SerialPort
from sitewarden.gateway.cli import fit
from sitewarden.gateway.cli.common import ConfigFile, Json, counted, print_json, table

BAUDS = (
    *(300, 600, 1200, 1800, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 76800, 115200),
    *(187500, 230400, 250000, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000),
    *(2500000, 3000000, 3500000, 4000000),
)


Points = Annotated[bool, typer.Option("--points", help="How old each point becomes, not each scan class.")]


def check(config: ConfigFile, each_point: Points = False, as_json: Json = False) -> None:
    """Check a configuration and its profiles: every mistake at once, each with its line.

    Where there is none: how full the buses are, and how old each value becomes at worst.

    \b
    sitewarden check site.yaml
    sitewarden check site.yaml --json | jq '.errors[].line'
    """
    try:
        site = load(config)
    except ConfigErrors as wrong:
        if not as_json:
            raise
        print_json({"good": False, "errors": [asdict(error) for error in wrong.errors]})
        raise typer.Exit(1) from None
    if as_json:
        print_json({"good": True, "notes": list(_notes(site)), **_summary(site)})
    else:
        print("\n\n".join([_report(site, each_point), *(f"Note: {note}" for note in _notes(site))]))


def schema() -> None:
    """The JSON Schema of the configuration: editors complete and check with it.

    \b
    sitewarden schema > site.schema.json
    then, as the first line of site.yaml:
    # yaml-language-server: $schema=site.schema.json
    """
    print_json(site_schema())


def _summary(site: Site) -> Mapping[str, object]:
    plan = site.plan
    return {
        "site": site.id,
        "links": {
            link.name: {"port": _port(link.port), "devices": list(link.devices)} for link in site.links
        },
        "points": _points(site),
        **fit.in_numbers(fit.buses(site.links)),
        "lanes": [lane.id for lane in plan.parking.lanes],
        "fire": [panel.panel for panel in plan.fire],
        "alarms": [condition.id for condition in plan.conditions],
        "stale": [rule.point for rule in plan.stale],
        "sinks": [sink.name for sink in site.sinks],
        "data": str(site.data),
    }


def _notes(site: Site) -> Iterator[str]:
    """What is no mistake, but should be meant."""
    if not site.http.is_local:
        clear = "without a proxy with TLS in front of it, tokens and cookies cross the network in the clear."
        yield f"http.host is {site.http.host}: {clear}"
    if not site.links:
        yield "there is no link and no device: the gateway would have nothing to do."
    for link in site.links:
        if isinstance(link.port, SerialPort) and (baud := link.port.baud) not in BAUDS:
            near = min(BAUDS, key=lambda usual: abs(usual - baud))
            yield f"links.{link.name}.baud is {baud}, which few devices speak; did you mean {near}?"


def _report(site: Site, each_point: bool) -> str:
    plan = site.plan
    devices = [
        (device, _title(site, device), what, link.name, _port(link.port))
        for link in site.links
        for device, what in _devices(link)
    ]
    lanes = [
        (lane.id, _title(site, lane.id), lane.direction, lane.reader, lane.barrier.device, lane.anti_passback)
        for lane in plan.parking.lanes
    ]
    counts = {
        "link": len(site.links),
        "device": len(devices),
        "point": _points(site),
        "lane": len(lanes),
        "fire panel": len(plan.fire),
        "alarm": len(plan.conditions),
        "stale rule": len(plan.stale),
        "sink": len(site.sinks),
    }
    told = ", ".join(counted(count, what) for what, count in counts.items())
    parts = [f"{site.source} is good: {_name(site)}, {plan.tz}. {told}."]
    if devices:
        parts.append(table(("device", "title", "is", "link", "port"), devices))
    if buses := fit.buses(site.links):
        parts += [fit.chart(buses), fit.ages(buses, each_point)]
    if lanes:
        parts.append(table(("lane", "title", "way", "reader", "barrier", "anti-passback"), lanes))
    return "\n\n".join(parts)


def _port(port: Port) -> str:
    if isinstance(port, SerialPort):
        return f"{port.path} {port.baud} {port.data_bits}{port.parity[0].upper()}{port.stop_bits}"
    return f"{'listen ' if port.listen else ''}{port.host}:{port.port}{' TLS' if port.tls else ''}"


def _points(site: Site) -> int:
    buses = (link.wire for link in site.links if isinstance(link.wire, BusPlan))
    return sum(len(unit.profile.points) for bus in buses for unit in bus.units)


def _devices(link: LinkPlan) -> list[tuple[str, str]]:
    if isinstance(link.wire, ReaderPlan):
        return [(link.wire.device, f"card reader {link.wire.kind}")]
    return [(unit.device, f"{unit.profile.name}, unit {unit.unit_id}") for unit in link.wire.units]


def _title(site: Site, name: str) -> str:
    titles = site.titles.get(name, {})
    return titles.get(site.language) or next(iter(titles.values()), "")


def _name(site: Site) -> str:
    return site.name.get(site.language) or next(iter(site.name.values()))
