"""The gateway as a process: `python -m sitewarden.gateway.cli.serve CONFIG [--verbose]`.

`sitewarden run` becomes this one, so that nothing stays in memory of what only the command line needs.
"""

import asyncio
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from sitewarden.config.apart import load
from sitewarden.config.errors import ConfigErrors
from sitewarden.config.plan import Site
from sitewarden.gateway import logs
from sitewarden.gateway.api.server import RETRY
from sitewarden.gateway.app import App, DataDirectoryBusy, alone

VERBOSE = "--verbose"


def serve(config: Path, verbose: bool) -> None:
    site = load(config)
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


def main(words: Sequence[str]) -> int:
    config = Path(words[0])
    try:
        serve(config, VERBOSE in words)
    except (ConfigErrors, DataDirectoryBusy, OSError) as error:
        common = import_module(f"{__package__}.common")  # what a failure needs is not there in vain
        failure = common.mistakes(error) if isinstance(error, ConfigErrors) else common.refused(config, error)
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
