"""`status`, `alarm`, `lane`, `fire` and `reload`: a word with the running gateway, over its Unix socket."""

import json
import os
import socket
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from sitewarden.gateway.catalogue import Catalogue
from sitewarden.gateway.cli.common import (
    SITE,
    Config,
    Failure,
    Json,
    caller,
    knock,
    local,
    look,
    print_json,
    table,
    why,
)
from sitewarden.gateway.texts import REASON
from sitewarden.rules.model import AlarmState, FireStage

BASE = "/api/v1"
PATIENCE = 15.0  # s; a write may take 12
STATES = {
    AlarmState.UNACKNOWLEDGED: "on, not acknowledged",
    AlarmState.ACKNOWLEDGED: "on, acknowledged by {by}",
    AlarmState.RETURNED: "over, not acknowledged",
    AlarmState.LATCHED: "over, acknowledged by {by}, waits for its reset",
}

alarm = typer.Typer(
    help="""List, acknowledge and reset the alarms of the running gateway.

\b
sitewarden alarm list
sitewarden alarm ack tank-low
sitewarden alarm reset lift-trap
"""
)
lane = typer.Typer(
    help="""Open a barrier by hand.

\b
sitewarden lane open entrance --reason ambulance
"""
)
fire = typer.Typer(
    help="""After a fire: let the barriers go again.

\b
sitewarden fire reset
"""
)


@alarm.command("list")
def list_(as_json: Json = False, config: Config = SITE) -> None:
    """The open alarms, worst and oldest first.

    \b
    sitewarden alarm list
    sitewarden alarm list --json | jq -r '.[].id'
    """
    gateway = Gateway(config)
    alarms = gateway.ask("GET", "/alarms")
    if as_json:
        print_json(alarms)
    elif alarms:
        rows = [
            (a["severity"], STATES[a["state"]].format_map(a), gateway.local(a["raised"]), a["id"], a["text"])
            for a in alarms
        ]
        print(table(("severity", "state", f"since ({gateway.zone})", "id", "alarm"), rows))
    else:
        print("No open alarms.")


@alarm.command()
def ack(
    ids: Annotated[list[str] | None, typer.Argument(help="As `alarm list` shows them.", metavar="ID")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open alarm.")] = False,
    config: Config = SITE,
) -> None:
    """Acknowledge alarms: someone has seen them.

    \b
    sitewarden alarm ack tank-low device_offline:pump-1
    sitewarden alarm ack --all
    """
    if bool(ids) is every:
        raise typer.BadParameter("give the ids of alarms, or --all")
    gateway = Gateway(config)
    for one in ids or [a["id"] for a in gateway.ask("GET", "/alarms")]:
        gateway.ask("POST", f"/alarms/{one}/acknowledge")
        print(f"{one} is acknowledged.")


@alarm.command("reset")
def reset_latch(
    id_: Annotated[str, typer.Argument(help="As `alarm list` shows it.", metavar="ID")],
    config: Config = SITE,
) -> None:
    """Let go of a latched alarm whose cause is over.

    \b
    sitewarden alarm reset lift-trap
    """
    Gateway(config).ask("POST", f"/alarms/{id_}/reset")
    print(f"{id_} is reset.")


@lane.command("open")
def open_lane(
    name: Annotated[str, typer.Argument(help="As `status` shows it.", metavar="LANE")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the audit trail says so.")],
    config: Config = SITE,
) -> None:
    """Open a lane's barrier, once.

    \b
    sitewarden lane open entrance --reason ambulance
    """
    if wrong := REASON.wrong(reason):
        raise Failure("--reason: found {}, expected {}".format(*wrong))
    Gateway(config).ask("POST", f"/lanes/{name}/open", {"reason": reason})
    print(f"{name} opens.")


@fire.command("reset")
def reset_fire(config: Config = SITE) -> None:
    """Let the barriers go again, once no panel says fire any more.

    \b
    sitewarden fire reset
    """
    Gateway(config).ask("POST", "/fire/reset")
    print("The barriers go back to normal.")


def status(as_json: Json = False, config: Config = SITE) -> None:
    """How the running gateway is: fire, alarms, lanes, devices, sinks.

    \b
    sitewarden status
    sitewarden status --json | jq .site.fire.stage
    """
    gateway = Gateway(config)
    parts = {part: gateway.ask("GET", f"/{part}") for part in ("site", "lanes", "devices", "alarms")}
    if as_json:
        print_json(parts)
        return
    site = parts["site"]
    clock = "" if site["clock_trusted"] else ", clock not trusted"
    started = f"{gateway.local(site['started'])} ({gateway.zone})"
    print(f"{site['id']}: up since {started}, version {site['version']}{clock}")
    print(f"open alarms: {site['open_alarms']}, cars inside: {site['inside']}")
    print(_fire(site["fire"], gateway) + "\n")
    lanes = [
        (lane["lane"], lane["title"], lane["arm"], _verdict(lane["decision"])) for lane in parts["lanes"]
    ]
    devices = [(d["device"], d["title"], _up(d["up"]), _why(d["reason"])) for d in parts["devices"]]
    sinks = [(s["name"], _up(s["up"]), s["waiting"], s["lost"]) for s in site["sinks"]]
    for head, rows in (
        (("lane", "title", "arm", "last"), lanes),
        (("device", "title", "is", "reason"), devices),
        (("sink", "is", "waiting", "lost"), sinks),
    ):
        if rows:
            print(table(head, rows) + "\n")


def _why(reason: str) -> str:
    """In the words that the page and the alarms have for it."""
    return Catalogue.load("en").text(f"reason.{reason}") if reason else ""


def reload(config: Config = SITE) -> None:
    """Make the running gateway read its configuration again; a wrong one is refused and changes nothing.

    \b
    sitewarden check site.yaml && sitewarden reload
    """
    changed = Gateway(config).ask("POST", "/reload")["changed"]
    print(f"Reloaded, with changes to {', '.join(changed)}." if changed else "Reloaded: nothing changed.")


class Gateway:
    """The running gateway of a site."""

    def __init__(self, config: Path) -> None:
        place = look(config)
        self._config, self._data, self.zone = config, place.data, place.zone
        self._language = "zh" if os.environ.get("LANG", "").startswith("zh") else "en"

    def local(self, instant: str) -> str:
        """An instant of its answers, in the site's time zone."""
        return local(datetime.fromisoformat(instant), self.zone)

    def ask(self, method: str, path: str, body: object = None) -> Any:  # JSON
        """Raises Failure when no gateway answers, and with its own words when it refuses."""
        knock(self._data, self._config)
        asked = f"{path}{'&' if '?' in path else '?'}lang={self._language}"
        head = {"content-type": "application/json", "sitewarden-caller": caller()}
        try:
            with closing(_Local(self._data / "api.sock")) as gateway:
                gateway.request(
                    method,
                    BASE + quote(asked, safe="/:?=&"),
                    None if body is None else json.dumps(body),
                    head,
                )
                answer = gateway.getresponse()
                said = json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            raise Failure(f"The gateway on {self._data} does not answer: {why(error)}") from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise Failure(str(said["detail"]))
        return said


class _Local(HTTPConnection):
    """Over a Unix socket. A client library would cost every `card` command the time to load it."""

    def __init__(self, door: Path) -> None:
        super().__init__("gateway", timeout=PATIENCE)
        self._door = door

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._door))


def _fire(fire: dict[str, Any], gateway: Gateway) -> str:
    unknown = fire["unknown"]
    match fire["stage"]:
        case FireStage.FIRE:
            said = f"FIRE since {gateway.local(fire['since'])}, {fire['panel']}: the barriers are open"
        case FireStage.HELD:
            said = "fire: over, the barriers stay open until `sitewarden fire reset`"
        case _:
            said = "fire: not known" if unknown else "fire: none"
    return f"{said}; line in fault or silent: {', '.join(unknown)}" if unknown else said


def _up(up: bool | None) -> str:
    return "unknown" if up is None else "up" if up else "down"


def _verdict(decision: dict[str, Any] | None) -> str:
    return f"{decision['verdict']}: {decision['text']}" if decision else ""
