"""`run`: the gateway of a site, until it is told to stop."""

import asyncio
from typing import Annotated

import typer

from sitewarden.config.site import Site, load
from sitewarden.gateway import logs
from sitewarden.gateway.api.server import RETRY
from sitewarden.gateway.app import App, DataDirectoryBusy, alone
from sitewarden.gateway.cli.common import ConfigFile, refused


def run(
    config: ConfigFile,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every detail.")] = False,
) -> None:
    """Run the gateway of a site until Ctrl-C or SIGTERM; SIGHUP reads the configuration again.

    \b
    sitewarden run site.yaml
    sitewarden run site.yaml 2> gateway.log     one JSON object a line
    """
    site = load(config)
    lines = logs.configure(verbose=verbose)
    try:
        with alone(site.data):
            asyncio.run(_run(site))
    except (DataDirectoryBusy, OSError) as error:
        raise refused(config, error) from error
    finally:
        lines.close()


async def _run(site: Site) -> None:
    app = App(site)
    await app.run(lambda: _greet(app))


def _greet(app: App) -> None:
    if app.page_error:
        print(
            f"The page is down: {app.site.http.url}: {app.page_error}. All else runs, and it is tried again "
            f"every {RETRY:g} s. Another port: http.port in {app.site.source}",
            flush=True,
        )
    elif code := app.tokens.first_link(app.now()):
        print(f"Sign in once, within an hour: {welcome_url(app, code)}", flush=True)


def welcome_url(app: App, code: str) -> str:
    """A one-time link to the page of this gateway."""
    return f"{app.site.http.url}/welcome?code={code}"
