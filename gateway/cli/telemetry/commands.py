"""The commands of `telemetry` by name."""

import typer

from sitewarden.gateway.cli.telemetry.status import status

telemetry = typer.Typer(
    help="""How the telemetry reaches its destinations, what was lost on the way, what waits.

    \b
    sitewarden telemetry status
    sitewarden telemetry status --json
    """
)
telemetry.command()(status)
