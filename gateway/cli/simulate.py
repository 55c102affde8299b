"""`simulate`: the far side of any site, for a gateway in another terminal."""

import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from ruamel.yaml import YAML

from sitewarden.config.site import Site, load
from sitewarden.drivers.plan import LinkPlan, SerialPort, TcpPort
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.catalogue import Catalogue
from sitewarden.gateway.cli.calling import me
from sitewarden.gateway.cli.common import ConfigFile, refused, table, unused_port
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.demo import LiveEstate, permits

ENDS = ("serial", "tcp", "listen", "tls")  # of a link; twins speak plainly


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
    put into FOLDER, anew at each start: alter your own file, not the copy. It has no sinks: what is simulated
    is not sent anywhere.

    \b
    sitewarden simulate site.yaml              in one terminal
    sitewarden run simulated/site.yaml         in another
    swipe entrance/valid                       typed into the first: a car comes; help lists the rest
    """
    site = _on_free_ports(load(config))
    into = into.absolute()
    clock = Clock()
    cards = Cards(into / "data" / "journal.db")
    if not cards.all():
        cards.put_all(permits(clock.now().wall.astimezone(site.plan.tz).date()), "simulate")
    estate = LiveEstate(site, cards.all(), seed, cars, clock.now())
    try:
        links = estate.start(into / "ports")
    except OSError as error:
        raise refused(config, error) from error
    with _until_terminated():
        try:
            copy = _copy(site, links, into)
            print(_greeting(replace(site, links=tuple(links)), estate.controls, copy), flush=True)
            _listen(estate)
        finally:
            estate.stop()


def _on_free_ports(site: Site) -> Site:
    """What is simulated may run beside the demo, or the real gateway of the site."""
    links = (
        replace(link, port=replace(link.port, port=unused_port(link.port.port)))
        if isinstance(link.port, TcpPort)
        else link
        for link in site.links
    )
    return replace(site, links=tuple(links), http=replace(site.http, port=unused_port(site.http.port)))


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
    written.setdefault("http", {})["port"] = site.http.port
    written.pop("sinks", None)
    profiles, linked = site.source.parent / "profiles", into / "profiles"
    if profiles.is_dir() and not linked.exists():
        linked.symlink_to(profiles)
    copy = into / site.source.name
    with copy.open("w", encoding="utf-8") as file:
        yaml.dump(written, file)
    return copy


def _greeting(site: Site, controls: Sequence[DemoControl], copy: Path) -> str:
    """`site`: with the links as they are served."""
    links = site.links
    without = (
        "\nIts sinks are left out: what is simulated belongs in nobody's database." if site.sinks else ""
    )
    ports = [(link.name, _port(link), ", ".join(link.devices)) for link in links]
    return (
        f"{table(('link', 'port', 'devices'), ports)}\n\n"
        f"Now, in another terminal:  {me()} run {shlex.quote(str(copy))}{without}\n\n"
        f"Here, make things happen (Ctrl-C ends it):\n{_help(controls)}"
    )


def _port(link: LinkPlan) -> str:
    return link.port.path if isinstance(link.port, SerialPort) else f"{link.port.host}:{link.port.port}"


def _help(controls: Sequence[DemoControl]) -> str:
    """A line for each thing that can happen, and to what it can."""
    return "\n".join(f"  {name} {' '.join(_targets(controls, name))}".rstrip() for name in _names(controls))


def _names(controls: Sequence[DemoControl]) -> Sequence[str]:
    return list(dict.fromkeys(control.name for control in controls))


def _targets(controls: Sequence[DemoControl], name: str) -> Sequence[str]:
    return ["/".join(filter(None, (c.target, c.value))) for c in controls if c.name == name]


def _listen(estate: LiveEstate) -> None:
    """Does what is typed and says what came of it; with nobody there to type, waits for a signal."""
    for line in sys.stdin:
        if typed := line.strip():
            print(_answer(estate, typed), flush=True)
    signal.pause()


def _answer(estate: LiveEstate, typed: str) -> str:
    name, _, where = typed.partition(" ")
    controls = estate.controls
    if name == "help":
        return _help(controls)
    if name not in _names(controls):
        return f"There is no {name!r} here. 'help' lists what there is."
    target, _, value = where.strip().partition("/")
    try:
        return Catalogue.load("en").text(f"demo.came.{estate.press(DemoControl(name, target, value))}")
    except KeyError:
        targets = " ".join(_targets(controls, name))
        return f"{name} what? {targets}" if targets else f"{name} stands alone."


@contextmanager
def _until_terminated() -> Iterator[None]:
    """SIGTERM and Ctrl-C both end the simulation in good order."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        print("The simulation has ended.", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
