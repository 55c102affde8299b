"""`simulate`: the far side of any site, for a gateway in another terminal."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from ruamel.yaml import YAML

from sitewarden.config.site import Site, load
from sitewarden.drivers.plan import LinkPlan, SerialPort
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.cli.common import ConfigFile, Failure, table
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.demo import LiveEstate, permits

ENDS = ("serial", "tcp", "listen")


def simulate(
    config: ConfigFile,
    into: Annotated[Path, typer.Option(help="The folder of the simulated site.", metavar="FOLDER")] = Path(
        "simulated"
    ),
    cars: Annotated[
        float, typer.Option(metavar="NUMBER", help="Cars an hour, at the quietest time of the day.")
    ] = 6.0,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Chance: the same seed, the same cars.")] = 1,
) -> None:
    """Serve every device of a site, live: pseudo-terminals for its serial links, TCP ports for the others.

    A copy of the configuration that opens these ports, with cards to swipe and a data folder of its own, is
    put into FOLDER. It has no sinks: what is simulated is not sent anywhere.

    \b
    sitewarden simulate site.yaml              in one terminal
    sitewarden run simulated/site.yaml         in another
    swipe entrance/valid                       typed into the first: a car comes
    """
    site = load(config)
    into = into.absolute()
    clock = Clock()
    cards = Cards(into / "data" / "journal.db")
    if not cards.all():
        cards.put_all(permits(clock.now().wall.astimezone(site.plan.tz).date()), "simulate")
    estate = LiveEstate(site, cards.all(), seed, cars, clock.now())
    try:
        links = estate.start(into / "ports")
    except OSError as error:
        raise Failure(f"{config}: {error}") from error
    with _until_terminated():
        try:
            copy = _copy(site, links, into)
            print(_greeting(links, estate.controls, copy), flush=True)
            _listen(estate)
        finally:
            estate.stop()


def _copy(site: Site, links: Sequence[LinkPlan], into: Path) -> Path:
    """The configuration as it was written, but for where its wires end."""
    yaml = YAML()
    yaml.width = 4096
    written = yaml.load(site.source.read_text(encoding="utf-8"))
    for link in links:
        ends = written["links"][link.name]
        for end in ENDS:
            ends.pop(end, None)
        if isinstance(link.port, SerialPort):
            ends["serial"] = str(Path(link.port.path).relative_to(into))
        else:
            ends["tcp"] = f"{link.port.host}:{link.port.port}"
    written["data"] = "data"
    written.pop("sinks", None)
    profiles, linked = site.source.parent / "profiles", into / "profiles"
    if profiles.is_dir() and not linked.exists():
        linked.symlink_to(profiles)
    copy = into / site.source.name
    with copy.open("w", encoding="utf-8") as file:
        yaml.dump(written, file)
    return copy


def _greeting(links: Sequence[LinkPlan], controls: Sequence[DemoControl], copy: Path) -> str:
    ports = [(link.name, _port(link), ", ".join(link.devices)) for link in links]
    words = [_word(control) for control in controls]
    return (
        f"{table(('link', 'port', 'devices'), ports)}\n\n"
        f"Now, in another terminal:  sitewarden run {copy}\n\n"
        f"Here, make things happen (Ctrl-C ends it):\n  " + "\n  ".join(words)
    )


def _port(link: LinkPlan) -> str:
    return link.port.path if isinstance(link.port, SerialPort) else f"{link.port.host}:{link.port.port}"


def _word(control: DemoControl) -> str:
    return f"{control.name} {control.target}{'/' if control.value else ''}{control.value}".rstrip()


def _listen(estate: LiveEstate) -> None:
    """Presses what is typed; with nobody there to type, waits for a signal."""
    for line in sys.stdin:
        name, _, where = line.strip().partition(" ")
        target, _, value = where.strip().partition("/")
        if not name:
            continue
        try:
            estate.press(DemoControl(name, target, value))
        except (KeyError, ValueError):
            print(f"There is no {line.strip()!r} here.", file=sys.stderr)
    signal.pause()


@contextmanager
def _until_terminated() -> Iterator[None]:
    """SIGTERM and Ctrl-C both end the simulation in good order."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        print("Unplugged.", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
