"""`status`, `alarm` and `reload`: a word with the running gateway, over its Unix socket."""

import os
import socket
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, look, print_json, table

BASE = "http://gateway/api/v1"
PATIENCE = 10.0  # s

alarm = typer.Typer(
    help="""List and acknowledge the alarms of the running gateway.

\b
sitewarden alarm list
sitewarden alarm ack tank-low
"""
)


@alarm.command("list")
def list_(as_json: Json = False, config: Config = SITE) -> None:
    """The open alarms, worst and oldest first.

    \b
    sitewarden alarm list
    sitewarden alarm list --json | jq -r '.[].id'
    """
    alarms = Gateway(config).ask("GET", "/alarms")
    if as_json:
        print_json(alarms)
    elif alarms:
        rows = [(a["severity"], a["state"], _when(a["raised"]), a["id"], a["text"]) for a in alarms]
        print(table(("severity", "state", "since (UTC)", "id", "alarm"), rows))
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
    print(f"{site['id']}: up since {_when(site['started'])} UTC, version {site['version']}{clock}")
    print(
        f"fire: {site['fire']['stage']}, open alarms: {site['open_alarms']}, cars inside: {site['inside']}\n"
    )
    lanes = [
        (lane["lane"], lane["title"], lane["arm"], _verdict(lane["decision"])) for lane in parts["lanes"]
    ]
    devices = [(d["device"], d["title"], _up(d["up"]), d["reason"]) for d in parts["devices"]]
    sinks = [(s["name"], _up(s["up"]), s["waiting"], s["lost"]) for s in site["sinks"]]
    for head, rows in (
        (("lane", "title", "arm", "last"), lanes),
        (("device", "title", "is", "reason"), devices),
        (("sink", "is", "waiting", "lost"), sinks),
    ):
        if rows:
            print(table(head, rows) + "\n")


def reload(config: Config = SITE) -> None:
    """Make the running gateway read its configuration again; a wrong one is refused and changes nothing.

    \b
    sitewarden check site.yaml && sitewarden reload
    """
    changed = Gateway(config).ask("POST", "/reload")["changed"]
    print(f"Built anew: {', '.join(changed)}." if changed else "Nothing changed.")


class Gateway:
    """The running gateway of a site."""

    def __init__(self, config: Path) -> None:
        self._data = look(config).data
        self._socket = self._data / "api.sock"
        self._language = "zh" if os.environ.get("LANG", "").startswith("zh") else "en"

    def ask(self, method: str, path: str, body: object = None) -> Any:  # JSON
        """Raises Failure when no gateway answers, and with its own words when it refuses."""
        self._knock()
        transport = httpx2.HTTPTransport(uds=str(self._socket))
        query = {"lang": self._language}
        try:
            with httpx2.Client(transport=transport, base_url=BASE, params=query, timeout=PATIENCE) as client:
                answer = client.request(method, path, json=body)
        except httpx2.TransportError as error:
            raise Failure(f"The gateway on {self._data} does not answer: {error}") from error
        if answer.is_error:
            raise Failure(str(answer.json()["detail"]))
        return answer.json()

    def _knock(self) -> None:
        """Whether anybody is there, and lets us in."""
        with socket.socket(socket.AF_UNIX) as door:
            try:
                door.connect(str(self._socket))
            except PermissionError as error:
                raise Failure(f"{self._socket}: not yours to open; try sudo") from error
            except OSError as error:
                raise Failure(
                    f"No gateway runs on {self._data}. Start it: sitewarden run site.yaml"
                ) from error


def _when(instant: str) -> str:
    return instant[:19].replace("T", " ")


def _up(up: bool | None) -> str:
    return "unknown" if up is None else "up" if up else "down"


def _verdict(decision: dict[str, Any] | None) -> str:
    return f"{decision['verdict']}: {decision['text']}" if decision else ""
