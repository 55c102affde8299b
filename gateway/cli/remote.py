"""`status`, `alarm`, `lane`, `fire` and `reload`: a word with the running gateway, over its Unix socket."""

import os
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, caller, knock, look, print_json, table

BASE = "http://gateway/api/v1"
PATIENCE = 10.0  # s

alarm = typer.Typer(
    help="""List, acknowledge and reset the alarms of the running gateway.

\b
sitewarden alarm list
sitewarden alarm ack tank-low
sitewarden alarm reset lift-trap
"""
)
lane = typer.Typer(help="Open a barrier by hand.")
fire = typer.Typer(help="After a fire: let the barriers go again.")


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
    reason: Annotated[str, typer.Option(help="Why; the audit trail says so.")],
    config: Config = SITE,
) -> None:
    """Open a lane's barrier, once.

    \b
    sitewarden lane open entrance --reason ambulance
    """
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
        self._config, self._data = config, look(config).data
        self._language = "zh" if os.environ.get("LANG", "").startswith("zh") else "en"

    def ask(self, method: str, path: str, body: object = None) -> Any:  # JSON
        """Raises Failure when no gateway answers, and with its own words when it refuses."""
        knock(self._data, self._config)
        transport = httpx2.HTTPTransport(uds=str(self._data / "api.sock"))
        query, head = {"lang": self._language}, {"sitewarden-caller": caller()}
        try:
            with httpx2.Client(transport=transport, base_url=BASE, timeout=PATIENCE) as client:
                answer = client.request(method, path, params=query, headers=head, json=body)
        except httpx2.TransportError as error:
            raise Failure(f"The gateway on {self._data} does not answer: {error}") from error
        if answer.is_error:
            raise Failure(str(answer.json()["detail"]))
        return answer.json()


def _when(instant: str) -> str:
    return instant[:19].replace("T", " ")


def _up(up: bool | None) -> str:
    return "unknown" if up is None else "up" if up else "down"


def _verdict(decision: dict[str, Any] | None) -> str:
    return f"{decision['verdict']}: {decision['text']}" if decision else ""
