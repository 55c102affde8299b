"""`telemetry status`: each destination and the spool at a glance."""

from typing import Any

from sitewarden.gateway.amounts import large, size, span
from sitewarden.gateway.cli.common import SITE, Config, Json, print_json, table
from sitewarden.gateway.cli.remote import Gateway

GOING = {"delivering": "delivering", "catching_up": "catching up", "away": "AWAY"}


def status(as_json: Json = False, config: Config = SITE) -> None:
    """How the destinations are, and the spool.

    \b
    sitewarden telemetry status
    sitewarden telemetry status --json | jq '.destinations[] | {name, lag, backlog}'
    """
    gateway = Gateway(config)
    found = gateway.ask("GET", "/telemetry")
    if as_json:
        print_json(found)
    elif found["destinations"]:
        print(_destinations(found["destinations"], gateway))
        if found["spool"]:
            print("\n" + _spool(found["spool"], gateway))
        print(f"written to disks since the start: {size(found['written'])}")
    else:
        print("Telemetry goes nowhere: the configuration names no sinks.")


def _destinations(found: list[dict[str, Any]], gateway: Gateway) -> str:
    head = (
        *("destination", "is", f"since ({gateway.zone})", "delay", "backlog", "waiting", "lines/s"),
        *("delivered", "rejected"),
    )
    said = [f"{one['name']}: {one['error']}" for one in found if one["error"] and not one["up"]]
    kept = [
        f"{one['name']}: {large(one['dead_letters'])} rejected lines: sitewarden telemetry dead-letters list"
        for one in found
        if one["dead_letters"]
    ]
    return "\n".join([table(head, (_row(one, gateway) for one in found)), *said, *kept])


def _row(one: dict[str, Any], gateway: Gateway) -> tuple[str, ...]:
    more = f" ({lasting(one['drained_in'])} more)" if one["drained_in"] is not None and one["backlog"] else ""
    return (
        one["name"],
        GOING[one["state"]] + (", draining" if one["draining"] else ""),
        gateway.local(one["since"]) if one["since"] else "",
        lasting(one["lag"]),
        f"{large(one['backlog'])}{more}",
        *(large(one[name]) for name in ("waiting", "rate", "sent", "rejected")),
    )


def _spool(spool: dict[str, Any], gateway: Gateway) -> str:
    share = f"{spool['bytes'] / spool['limit']:.0%}"
    oldest = f", the oldest of {gateway.local(spool['oldest'])}" if spool["oldest"] else ""
    lines = [
        f"spool: {size(spool['bytes'])} of {size(spool['limit'])} ({share})",
        f"  to be delivered: {large(spool['undelivered'])} lines{oldest}",
        f"  delivered and kept: {large(spool['kept'])} lines",
    ]
    if spool["held"]:
        lines.append(f"  waiting until the clock can be believed: {large(spool['held'])} lines")
    if spool["lost"]:
        lines.append(f"  lost since the start: {large(spool['lost'])} lines: sitewarden telemetry losses")
    return "\n".join(lines)


def lasting(seconds: float) -> str:
    return " ".join(span(seconds))
