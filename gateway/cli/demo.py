"""`demo`: a whole site on this machine, its far side simulated on real ports."""

import asyncio
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML

from sitewarden.config.site import Site, load
from sitewarden.drivers.plan import TcpPort
from sitewarden.gateway import logs
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.app import App, alone
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.cli.common import Failure, For, Json, print_json, table
from sitewarden.gateway.cli.run import welcome_url
from sitewarden.gateway.cli.story import Story
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.demo import LiveEstate, permits
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.trend import Trend
from sitewarden.rules.model import Action, Operator

CARS_AN_HOUR = 90.0  # at all lanes, so that something happens while one looks
PAST = 3600.0  # s of history on the page's charts from the first moment
SEED = 2026
BY = "demo"

SCRIPT = (
    (0.06, DemoControl("swipe", "entrance", "valid")),
    (0.12, DemoControl("swipe", "entrance", "unknown")),
    (0.16, DemoControl("unplug", "gate-out")),
    (0.18, DemoControl("trap_passenger", "lift-a")),
    (0.24, DemoControl("swipe", "entrance", "expired")),
    (0.34, DemoControl("swipe", "entrance", "blocked")),
    (0.40, DemoControl("plug", "gate-out")),
    (0.42, DemoControl("free_passenger", "lift-a")),
    (0.48, DemoControl("swipe", "exit", "valid")),
    (0.60, DemoControl("fire", "panel")),
    (0.76, DemoControl("fire_over", "panel")),
    (0.86, Action.RESET_FIRE),
    (1.00, None),
)
"""What happens in a demo of limited length, by the share of it that has passed; None: it is over."""

GREETING = """
Sitewarden's demo is up: two lanes, two pumps, a tank, a lift and a fire contact, all simulated.

  The page      {url}
                (in Chinese; EN is at its top right. The link is good once; another one: {me} link -c {file})
  On a terminal {me} status -c {file}
                {me} alarm list -c {file}
  The end       Ctrl-C
"""


def demo(
    for_: For = None,
    as_json: Json = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Of the page; if it is taken, another.")
    ] = 8080,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the demo's files here.", show_default=False)
    ] = None,
) -> None:
    """A whole site on this machine, with no hardware: two lanes, pumps, a tank, a lift, a fire contact.

    Without --for it runs until Ctrl-C, and the page has buttons that make things happen. With --for
    everything happens by itself once, and a summary of it is printed.

    \b
    sitewarden demo
    sitewarden demo --for 60s --json | jq .swipes
    """
    lines = logs.configure(quiet=True)
    try:
        with _place(folder) as place:
            summary = asyncio.run(_demo(place, port, for_, as_json))
    except OSError as error:
        raise Failure(f"demo: {error}") from error
    finally:
        lines.close()
    if for_ is not None:
        print_json(summary) if as_json else print(_read_out(summary))


async def _demo(place: Path, port: int, length: float | None, as_json: bool) -> Mapping[str, object]:
    site, now = _site(place, port), Clock().now()
    cards = permits(now.wall.astimezone(site.plan.tz).date())
    Cards(site.data / "journal.db").put_all(cards, BY)
    estate = LiveEstate(site, cards, SEED, CARS_AN_HOUR if length is None else None, now, PAST)
    _remember(site.data, estate)
    site = replace(site, links=estate.start(place / "ports"))
    try:
        with alone(site.data):
            return await _live(App(site, estate), estate, length, as_json)
    finally:
        estate.stop()


def _remember(data: Path, estate: LiveEstate) -> None:
    """What a gateway would know that had been there before: the charts, and who is inside."""
    trend = Trend(data / "trend.db")
    trend.add(estate.history())
    trend.flush()
    trend.close()
    journal, answers = Journal(data / "journal.db"), list[BaseException | None]()
    journal.submit(list(estate.whereabouts()), answers.append)
    journal.close()
    for error in filter(None, answers):
        raise error


async def _live(app: App, estate: LiveEstate, length: float | None, as_json: bool) -> Mapping[str, object]:
    story, before = Story(app.hub, app.site.plan), app.trend.counted()
    plays: list[asyncio.Task[None]] = []

    def started() -> None:
        if not as_json:
            url = welcome_url(app, app.tokens.link(app.now()))
            print(GREETING.format(url=url, file=app.site.source, me=_me()), flush=True)
        if length is not None:
            plays.append(asyncio.ensure_future(_play(app, estate, length)))

    await app.run(started)
    for play in plays:
        if not play.done():  # Ctrl-C came first
            play.cancel()
        await asyncio.wait([play])
    return story.told(app.trend.counted() - before) if length is not None else {}


async def _play(app: App, estate: LiveEstate, length: float) -> None:
    """Makes everything happen once within `length` seconds, then ends the gateway."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        for share, act in SCRIPT:
            await asyncio.sleep(begun + share * length - loop.time())
            match act:
                case DemoControl():
                    await loop.run_in_executor(None, estate.press, act)
                case Action():
                    await asyncio.wrap_future(app.operate(Operator(act, "", BY, app.now())))
    finally:
        app.stop()


# -- where it happens ----------------------------------------------------------------------------


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """A folder with a copy of the demo's site; one of our own is gone afterwards."""
    place = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix="sitewarden-demo-"))
    try:
        place.mkdir(parents=True, exist_ok=True)
        with as_file(files("sitewarden.config") / "demo") as shipped:
            shutil.copytree(shipped, place, dirs_exist_ok=True)
        yield place
    finally:
        if folder is None:
            shutil.rmtree(place)


def _site(place: Path, port: int) -> Site:
    """The demo's site, with ports that are free written into its copy: `link` and `reload` read it too."""
    file, yaml = place / "site.yaml", YAML()
    yaml.width = 4096
    written = yaml.load(file.read_text(encoding="utf-8"))
    written["http"]["port"] = _unused(port)
    for link in load(file).links:
        if isinstance(link.port, TcpPort):
            written["links"][link.name]["tcp"] = f"{link.port.host}:{_unused(link.port.port)}"
    with file.open("w", encoding="utf-8") as copy:
        yaml.dump(written, copy)
    return load(file)


def _unused(port: int) -> int:
    """This port, or if it is taken any other."""
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"port {port} is taken, and there is no other")


def _me() -> str:
    """How this program is called from where one stands: `make demo` leaves it out of PATH."""
    return "sitewarden" if shutil.which("sitewarden") else sys.argv[0]


# -- what is said about it -----------------------------------------------------------------------


def _read_out(summary: Mapping[str, object]) -> str:
    """The summary for people: one line a fact."""
    rows: list[tuple[str, object]] = []
    _flatten("", summary, rows)
    return table(("what", "how many"), rows)


def _flatten(path: str, value: object, rows: list[tuple[str, object]]) -> None:
    match value:
        case dict():
            for key, part in value.items():
                _flatten(f"{path} {key}".strip(), part, rows)
        case list():
            rows.append((path, ", ".join(map(str, value))))
        case _:
            rows.append((path, value))
