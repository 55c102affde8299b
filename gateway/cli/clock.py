"""`clock`: the way back after the machine's clock was wrong."""

import sqlite3
from datetime import datetime
from zoneinfo import ZoneInfo

import typer

from sitewarden.gateway.app import DataDirectoryBusy, alone
from sitewarden.gateway.cli.common import SITE, Config, Failure, local, look, why
from sitewarden.gateway.clock import EARLIEST, wall_now
from sitewarden.gateway.journal import trust_clock

clock = typer.Typer(
    help="""The machine's clock, and whether the gateway believes it.

\b
sitewarden clock trust
"""
)


@clock.command()
def trust(config: Config = SITE) -> None:
    """Believe the machine's clock from now on, whatever the records say. Set it right first.

    The gateway does not believe a clock that stands before the newest record, nor one that is more than a
    year after it. If the records were made with a wrong clock, or the gateway was switched off for so long,
    this is the way back. It has to be stopped for it.

    \b
    systemctl stop sitewarden
    timedatectl set-time '2027-01-31 08:00:00'
    sitewarden clock trust
    systemctl start sitewarden
    """
    place = look(config)
    file, now = place.data / "journal.db", wall_now()
    if now < EARLIEST:
        raise Failure(f"the machine's clock says {_local(now, place.zone)}: set it right first")
    if not file.exists():
        raise Failure(f"{file}: no such file. No gateway has run here yet, so any clock is believed")
    try:
        with alone(place.data):
            before = trust_clock(file, now)
    except DataDirectoryBusy as error:
        raise Failure(f"{error}: stop it first, and start it afterwards") from error
    except (OSError, sqlite3.Error) as error:
        raise Failure(f"{file}: {why(error)}") from error
    if before:
        print(f"The newest record was of {_local(before.wall, place.zone)}.")
    print(f"From now on it is {_local(now, place.zone)}.")


def _local(at: datetime, zone: ZoneInfo) -> str:
    return f"{local(at, zone)} ({zone})"
