"""The commands of `telemetry` by name."""

import typer

from sitewarden.gateway.cli.telemetry.dead_letters import dead_letters
from sitewarden.gateway.cli.telemetry.drain import drain
from sitewarden.gateway.cli.telemetry.export import export
from sitewarden.gateway.cli.telemetry.load import import_
from sitewarden.gateway.cli.telemetry.losses import losses
from sitewarden.gateway.cli.telemetry.status import status
from sitewarden.gateway.cli.telemetry.verify import verify

telemetry = typer.Typer(
    help="""How the telemetry reaches its destinations, what was lost on the way, what waits.

    \b
    sitewarden telemetry status
    sitewarden telemetry losses pump-1
    sitewarden telemetry drain
    sitewarden telemetry dead-letters list
    sitewarden telemetry verify
    sitewarden telemetry export november.parquet --since 2026-11-01 --until 2026-12-01
    """
)
telemetry.command()(status)
telemetry.command()(losses)
telemetry.command()(drain)
telemetry.command()(verify)
telemetry.command()(export)
telemetry.command("import")(import_)
telemetry.add_typer(dead_letters, name="dead-letters", no_args_is_help=True)
