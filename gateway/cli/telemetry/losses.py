"""`telemetry losses`: the ledger of what is missing, and why."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from sitewarden.gateway.amounts import large
from sitewarden.gateway.cli.common import SITE, Config, Json, print_json, table
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.gateway.cli.telemetry.status import lasting
from sitewarden.gateway.ledger.causes import Cause

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]


def losses(
    subject: Annotated[
        str,
        typer.Argument(
            help="A device, with its points, or one point.", metavar="SUBJECT", show_default=False
        ),
    ] = "",
    cause: Annotated[Cause | None, typer.Option(metavar="CAUSE", help=f"{', '.join(Cause)}.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=FORMATS,
            metavar="TIME",
            help="Only what was not over then: 2027-01-31 or 2027-01-31T08:00, in the site's time.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=FORMATS, metavar="TIME", help="Only what had begun by then."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="ROWS", help="The newest so many.")] = 50,
    as_json: Json = False,
    config: Config = SITE,
) -> None:
    """What is missing, since when, and why.

    Every gap in what was measured, those that last first and then the newest, with how many values were due.

    \b
    sitewarden telemetry losses
    sitewarden telemetry losses pump-1 --since 2027-01-31
    sitewarden telemetry losses --cause disk --json
    """
    gateway = Gateway(config)
    asked = {
        "subject": subject,
        "cause": cause or "",
        "since": _with_zone(since, gateway),
        "until": _with_zone(until, gateway),
    }
    query = urlencode({"limit": str(limit), **{name: value for name, value in asked.items() if value}})
    page = gateway.ask("GET", f"/losses?{query}")
    if as_json:
        print_json(page["items"])
    elif page["items"]:
        rows = [_row(row, gateway) for row in page["items"]]
        print(table((f"since ({gateway.zone})", "lasted", "what", "values", "cause", "why"), rows))
        if page["next"]:
            print(f"These are the newest {limit}: --limit for more.")
    else:
        print("Nothing was lost.")


def _row(row: dict[str, Any], gateway: Gateway) -> tuple[str, ...]:
    since, until = row["since"], row["until"]
    if since and until:
        lasted = lasting((datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds())
    else:
        lasted = "still" if since else ""
    told = f"{row['text']}: {row['note']}" if row["note"] else row["text"]
    where = f" ({row['destination']})" if row["destination"] else ""
    return (
        gateway.local(since) if since else "",
        lasted,
        (row["subject"] or "all") + where,
        large(row["count"]) if row["count"] else "",
        row["cause"],
        told,
    )


def _with_zone(at: datetime | None, gateway: Gateway) -> str:
    return at.replace(tzinfo=gateway.zone).isoformat() if at else ""
