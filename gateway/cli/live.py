"""A site's gateway in this process, from its first log line to its last."""

import asyncio

from sitewarden.config.plan import Site
from sitewarden.gateway import logs
from sitewarden.gateway.api.server import RETRY
from sitewarden.gateway.app import App, alone


def live(site: Site, verbose: bool) -> None:
    """Until it is told to stop. Raises DataDirectoryBusy, OSError."""
    lines = logs.configure(verbose=verbose)
    try:
        with alone(site.data):
            asyncio.run(_run(site))
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
