"""`demo`: a whole site on this machine, its far side simulated on real ports."""

import asyncio
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML

from sitewarden.config.site import Site, load
from sitewarden.drivers.plan import TcpPort
from sitewarden.gateway import logs
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.app import App, DataDirectoryBusy, alone
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.cli.calling import me
from sitewarden.gateway.cli.common import For, Json, print_json, refused, table, unused_port
from sitewarden.gateway.cli.live import welcome_url
from sitewarden.gateway.cli.play import WHOLE, script, skipped
from sitewarden.gateway.cli.story import Story
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.demo import LiveEstate, permits
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.trend.trend import Trend
from sitewarden.rules.model import Action, Operator

CARS_AN_HOUR = 120.0  # at all lanes, so that something happens while one looks
PAST = 3600.0  # s of history on the page's charts from the first moment
SEED = 2026
BY = "demo"

GREETING = """
Sitewarden's demo is up: two lanes, two pumps, a tank, a lift and a fire contact, all simulated.

  The page      {url}
                (in your browser's language; 中文 and EN are at its top right. The link is good once.)
  Another link  {me} link -c {file}
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
    everything happens by itself once, and a summary is printed. All of it fits into 60s: of a shorter run
    the summary says what was skipped. A swipe that was granted becomes a passage once the car has gone
    under the arm; of the readings, the good numbers are stored for the charts.

    \b
    sitewarden demo
    sitewarden demo --for 60s --json | jq .swipes
    """
    lines = logs.configure(quiet=True)
    try:
        with _place(folder) as place:
            summary = asyncio.run(_demo(place, port, for_, as_json))
    except (DataDirectoryBusy, OSError) as error:
        raise refused("demo", error) from error
    finally:
        lines.close()
    if for_ is not None:
        print_json(summary) if as_json else print(_read_out(summary))


async def _demo(place: Path, port: int, length: float | None, as_json: bool) -> Mapping[str, object]:
    site, now = _site(place, port), Clock().now()
    cards = permits(now.wall.astimezone(site.plan.tz).date())
    estate = LiveEstate(site, cards, SEED, CARS_AN_HOUR if length is None else None, now, PAST)
    with alone(site.data):
        Cards(site.data / "journal.db").put_all(cards, BY)
        _remember(site, estate)
        site = replace(site, links=estate.start(place / "ports"))
        try:
            return await _live(App(site, estate), estate, length, as_json)
        finally:
            estate.stop()


def _remember(site: Site, estate: LiveEstate) -> None:
    """What a gateway would know that had been there before: the charts, and who is inside."""
    trend = Trend(site.data / "trend.db", site.plan.tz)
    trend.add(estate.history())
    trend.flush()
    trend.close()
    journal, answers = Journal(site.data / "journal.db"), list[BaseException | None]()
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
            print(GREETING.format(url=url, file=shlex.quote(str(app.site.source)), me=me()), flush=True)
        if length is not None:
            plays.append(asyncio.ensure_future(_play(app, estate, length)))

    await app.run(started)
    for play in plays:
        if not play.done():  # Ctrl-C came first
            play.cancel()
        await asyncio.wait([play])
    if length is None:
        return {}
    told = story.told(app.trend.counted() - before)
    return {**asdict(told), "skipped": list(skipped(told))}


async def _play(app: App, estate: LiveEstate, length: float) -> None:
    """Makes everything happen once within `length` seconds, then ends the gateway."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        for share, act in script():
            await asyncio.sleep(begun + share * length - loop.time())
            match act:
                case DemoControl():
                    await loop.run_in_executor(None, estate.press, act)
                case Action():
                    await asyncio.wrap_future(app.operate(Operator(act, "", BY, app.now())))
        await asyncio.sleep(begun + length - loop.time())
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
    written["http"]["port"] = unused_port(port)
    for link in load(file).links:
        if isinstance(link.port, TcpPort):
            written["links"][link.name]["tcp"] = f"{link.port.host}:{unused_port(link.port.port)}"
    with file.open("w", encoding="utf-8") as copy:
        yaml.dump(written, copy)
    return load(file)


# -- what is said about it -----------------------------------------------------------------------


EXPLAINED = {
    "passages": "cars that went under an arm",
    "points stored": "for the charts: good numbers only",
    "fire released_after_s": "s from the fire to the arm being up",
    "not_heard": "too fast to be counted above",
    "skipped": f"not all of it was seen: {WHOLE:.0f}s is enough for everything",
}
"""What the lines of the summary mean, by how they begin; the others speak for themselves."""


def _read_out(summary: Mapping[str, object]) -> str:
    """The summary for people: one line a fact, each kind explained where it begins."""
    left, rows = dict(EXPLAINED), list[tuple[str, object, str]]()
    for path, value in _flat("", summary):
        kind = next((begin for begin in left if path.startswith(begin)), "")
        rows.append((path, value, left.pop(kind, "")))
    return table(("what", "how many", ""), rows)


def _flat(path: str, value: object) -> Iterator[tuple[str, object]]:
    match value:
        case dict():
            for key, part in value.items():
                yield from _flat(f"{path} {key}".strip(), part)
        case list():
            yield from ((path, part) for part in value)
        case _:
            yield path, value
