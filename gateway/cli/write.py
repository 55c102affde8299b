"""`write`: a value to a point of the running gateway, checked, read back and kept in the audit trail."""

from typing import Annotated, Any

import typer

from sitewarden.drivers.modbus.points import Kind
from sitewarden.gateway.cli.common import SITE, Config, Failure
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.gateway.texts import REASON
from sitewarden.gateway.typed import typed
from sitewarden.rules.model import Value


def write(
    point: Annotated[str, typer.Argument(help="As the API and the page's address have it.", metavar="POINT")],
    value: Annotated[str, typer.Argument(help="A number, a text, or on and off.", metavar="VALUE")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the audit trail says so.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = SITE,
) -> None:
    """Write a value to a point: shows how it is and what it takes, asks, writes, and says what is read back.

    A point that moves a barrier is not written. Behind -- a value may begin with a minus sign.

    \b
    sitewarden write pump-1.setpoint 45 --reason "night pressure"
    sitewarden write io-gate.out7 on --reason "test of the lamp" --yes
    """
    if wrong := REASON.wrong(reason):
        raise Failure("--reason: found {}, expected {}".format(*wrong))
    gateway = Gateway(config)
    now = _point(gateway, point)
    wanted = _value(value, Kind(now["type"]))
    print(f"{point} ({now['label']}): {_shown(now)}{_limits(now)}")
    if not yes:
        typer.confirm(f"Write {value}?", abort=True)
    ended = gateway.ask("POST", f"/points/{point}/write", {"value": wanted, "reason": reason})
    read = "" if ended["read"] is None else f": {ended['read']}"
    print(f"{point}: {ended['text']}{read}")


def _point(gateway: Gateway, name: str) -> Any:  # JSON
    """Raises Failure for a point that is not there or read-only."""
    points = {point["point"]: point for point in gateway.ask("GET", "/points")}
    if name not in points:
        raise Failure(f"{name}: no such point; the page and `/api/v1/points` list them")
    if not points[name]["writable"]:
        raise Failure(f"{name} is read-only")
    return points[name]


def _value(text: str, kind: Kind) -> Value:
    try:
        return typed(text, kind)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="VALUE") from None


def _shown(point: Any) -> str:
    """As it is now; old or unknown where it is."""
    value = f"{point['text']} {point['unit']}".strip()
    return value if point["quality"] == "good" else f"{value} ({point['quality'] or 'never read'})"


def _limits(point: Any) -> str:
    low, high = point["limits"]
    parts = (f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else "")
    limits = " and ".join(filter(None, parts))
    return f"; it takes {limits} {point['unit']}".rstrip() if limits else ""
