"""`telemetry status`: each destination and the spool at a glance."""

from sitewarden.gateway.cli.common import SITE, Config, Json, print_json, table
from sitewarden.gateway.cli.remote import Gateway


def status(as_json: Json = False, config: Config = SITE) -> None:
    """How each destination is, and what waits for it.

    \b
    sitewarden telemetry status
    sitewarden telemetry status --json | jq '.[].waiting'
    """
    sinks = Gateway(config).ask("GET", "/site")["sinks"]
    if as_json:
        print_json(sinks)
    else:
        rows = [(one["name"], "up" if one["up"] else "down", one["waiting"], one["lost"]) for one in sinks]
        print(table(("destination", "is", "waiting", "lost"), rows))
