"""`telemetry drain`: what an outage left, as fast as the servers take it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from sitewarden.gateway.amounts import large
from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, print_json, seconds
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.gateway.cli.telemetry.status import lasting

STEP = 0.5  # s between two looks
FRESH = 60.0  # s; what waits for longer will be backlog

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="As `status` shows them; without any, all.", metavar="DESTINATION", show_default=False
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        parser=seconds,
        metavar="TIME",
        help="How long at most, such as 10min; without it as long as it takes.",
    ),
]


def drain(names: Names = None, timeout: Timeout = None, as_json: Json = False, config: Config = SITE) -> None:
    """Send the backlog as fast as it goes.

    Whatever its limit in the configuration; what is new goes first all the same. Exits with 0 once nothing
    of it is left, with 1 if the time is over before.

    \b
    sitewarden telemetry drain
    sitewarden telemetry drain influx --timeout 10min
    """
    gateway = Gateway(config)
    wanted = names or [one["name"] for one in _destinations(gateway)]
    ends = float("inf") if timeout is None else time.monotonic() + timeout
    with _hurry(gateway, wanted), _bars(shown=not as_json) as bars:
        found = _follow(gateway, wanted, ends, bars)
    if as_json:
        print_json(found)
    if left := list(filter(_lacks, found)):
        raise Failure("\n".join(map(_unfinished, left)))
    if not as_json:
        print("No backlog is left.")


@contextmanager
def _hurry(gateway: Gateway, wanted: Sequence[str]) -> Iterator[None]:
    """Whoever leaves early, by Ctrl-C as well, leaves the limit as it was."""
    try:
        for name in wanted:
            _tell(gateway, name, on=True)
        yield
    finally:
        for name in wanted:
            _tell(gateway, name, on=False)


def _tell(gateway: Gateway, name: str, on: bool) -> None:
    gateway.ask("POST", f"/telemetry/{quote(name, safe='')}/drain", {"on": on})


def _follow(gateway: Gateway, wanted: Sequence[str], ends: float, bars: Progress) -> list[dict[str, Any]]:
    """Until nothing is left or the time is over; returns how the destinations are then."""
    tasks = {name: bars.add_task(name, total=0, state="") for name in wanted}
    most = dict.fromkeys(wanted, 0)
    while True:
        found = [one for one in _destinations(gateway) if one["name"] in tasks]
        for one in found:
            name, left = one["name"], one["backlog"]
            most[name] = max(most[name], left)
            bars.update(tasks[name], total=most[name], completed=most[name] - left, state=_state(one))
        if time.monotonic() >= ends or not any(map(_lacks, found)):
            return found
        time.sleep(STEP)


def _lacks(one: dict[str, Any]) -> bool:
    """Who is away has no backlog yet: what waits is parted from what is new once it is back."""
    return one["backlog"] > 0 or not one["up"] or one["lag"] > FRESH


def _bars(shown: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[state]}"),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not shown)


def _state(one: dict[str, Any]) -> str:
    if not one["up"]:
        return f"away: {one['error']}"
    if not one["backlog"]:
        return "done"
    more = f", {lasting(one['drained_in'])} more" if one["drained_in"] is not None else ""
    return f"{large(one['backlog'])} lines, {large(one['rate'])} a second{more}"


def _destinations(gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.ask("GET", "/telemetry")["destinations"]
    return found


def _unfinished(one: dict[str, Any]) -> str:
    why = "" if one["up"] else f"; it is away: {one['error']}"
    return f"{one['name']}: {large(one['waiting'])} lines are still to be delivered{why}"
