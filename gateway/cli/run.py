"""`run`: the gateway of a site, until it is told to stop."""

import os
import sys
from typing import Annotated

import typer

from sitewarden.gateway.cli.common import ConfigFile


def run(
    config: ConfigFile,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every detail.")] = False,
) -> None:
    """Run the gateway of a site until Ctrl-C or SIGTERM; SIGHUP reads the configuration again.

    \b
    sitewarden run site.yaml
    sitewarden run site.yaml 2> gateway.log     one JSON object a line
    """
    command = [sys.executable, "-m", "sitewarden.gateway.cli.serve", str(config)]
    os.execv(sys.executable, command + ["--verbose"] * verbose)
