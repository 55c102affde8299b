"""LINK on the command line, a link of the configuration or a port itself, and what is said of it beside."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import typer

from sitewarden.config.errors import ConfigErrors, did_you_mean, one_of
from sitewarden.config.site import Site, load
from sitewarden.config.words import address
from sitewarden.drivers.modbus import request
from sitewarden.drivers.modbus.codec import width
from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.modbus.points import Unit as Device
from sitewarden.drivers.plan import BusPlan, Framing, Parity, Port, SerialPort, TcpPort
from sitewarden.gateway.cli.common import WrongSite, mistakes, seconds
from sitewarden.gateway.cli.modbus.master import Master
from sitewarden.gateway.cli.modbus.port import opened

HIGHEST = 0xFFFF  # wire address
PATIENCE = 1.0  # s; a person waits rather than miss a slow device


@dataclass(frozen=True, slots=True)
class Line:
    """What a tool speaks through. `framing` None: not said, and not to be told from the port."""

    port: Port
    framing: Framing | None
    echo: bool = False
    given: bool = False  # as a port, with nothing known of it but what the command says
    units: tuple[Device, ...] = ()  # that the configuration has there
    barriers: Mapping[str, str] = field(default_factory=dict)  # point that moves one -> its lane

    def points(self, unit_id: int, table: Table, first: int, count: int) -> Iterator[str]:
        """What the configuration calls these addresses; unit 0 of a serial line is every unit."""
        everybody = unit_id == 0 and (self.framing or self.usual) is not Framing.TCP
        for unit in self.units:
            for point in unit.profile.points if everybody or unit.unit_id == unit_id else ():
                here = point.address < first + count and first < point.address + width(point)
                if point.table is table and here:
                    name = f"{unit.device}.{point.name}"
                    lane = self.barriers.get(name)
                    yield name if lane is None else f"{name}, which moves the barrier of {lane}"

    @contextmanager
    def master(self, timeout: float | None) -> Iterator[Master]:
        with opened(self.port) as channel:
            yield Master(channel, self.port, self.framing or self.usual, timeout or PATIENCE, self.echo)

    @property
    def usual(self) -> Framing:
        return Framing.RTU if isinstance(self.port, SerialPort) else Framing.TCP


def _other(word: str, known: Iterable[str]) -> str:
    """What to say of a word that is none of these."""
    words = list(map(str, known))
    return "; ".join(filter(None, [f"found {word!r}, expected {one_of(words)}", did_you_mean(word, words)]))


def numbers(text: str, low: int, high: int) -> tuple[int, ...]:
    """'1-32,40' as numbers, each once and in order; ValueError says what was expected."""
    found = set[int]()
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (high + 1, high)
        if not low <= first <= last <= high:
            raise ValueError(
                f"found {part.strip()!r}, expected numbers from {low} to {high}, such as 1-32,40"
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def parities(text: str) -> tuple[Parity, ...]:
    """'even,none' as parities; ValueError says what was expected."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in list(Parity):
            raise ValueError(_other(word, Parity))
    return tuple(map(Parity, words))


def _table(text: str) -> Table:
    """A table by its name, its beginning or the function that reads it: holding, hold, 3."""
    for table, function in request.READ.items():
        if text == str(function) or (text and table.startswith(text.lower())):
            return table
    raise typer.BadParameter(_other(text, Table))


def _address(text: str) -> int:
    """Decimal, or hexadecimal as manuals write it: 0x012C, 12Ch."""
    hexadecimal = re.fullmatch(r"0x([0-9a-f]+)|([0-9a-f]+)h", text, re.IGNORECASE)
    if not hexadecimal and not text.isdecimal():
        raise typer.BadParameter(f"found {text!r}, expected an address such as 300, 0x012C or 12Ch")
    number = int(hexadecimal[1] or hexadecimal[2], 16) if hexadecimal else int(text)
    if number > HIGHEST:
        raise typer.BadParameter(f"found {text!r}, expected at most {HIGHEST}")
    return number


Link = Annotated[
    str,
    typer.Argument(
        help="A link of the configuration, or a port: /dev/ttyUSB0, tcp://10.0.0.7:502.", metavar="LINK"
    ),
]
Unit = Annotated[int, typer.Argument(help="The unit id, 1 to 247.", metavar="UNIT", min=0, max=255)]
TableName = Annotated[
    Table,
    typer.Argument(help="coil, discrete, holding or input; or 1 to 4.", metavar="TABLE", parser=_table),
]
Address = Annotated[
    int,
    typer.Argument(
        help="Counted from 0, as on the wire; 300, 0x012C or 12Ch.", metavar="ADDRESS", parser=_address
    ),
]
Documented = Annotated[
    bool, typer.Option("--documented", "-d", help="ADDRESS is counted from 1, as in the manual.")
]
Baud = Annotated[
    int | None, typer.Option(metavar="NUMBER", help="9600 if not given.", min=300, max=4_000_000)
]
ParityBit = Annotated[
    Parity | None, typer.Option(metavar="none|even|odd", help="none if not given.", case_sensitive=False)
]
StopBits = Annotated[int | None, typer.Option(metavar="1|2", help="1 if not given.", min=1, max=2)]
DataBits = Annotated[int | None, typer.Option(metavar="7|8", help="8 if not given.", min=7, max=8)]
Frames = Annotated[
    Framing | None,
    typer.Option(
        "--framing",
        metavar="rtu|ascii|tcp",
        help="rtu on a serial line and tcp on a network if not given; rtu is met on networks too.",
    ),
]
Echo = Annotated[bool, typer.Option("--echo", help="The adapter hands back what is sent.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        parser=seconds, metavar="TIME", help="How long to wait for an answer, such as 300ms; 1s if not given."
    ),
]
Every = Annotated[
    float | None,
    typer.Option(parser=seconds, metavar="TIME", help="Again and again, such as 1s; changes are marked."),
]


def resolve(
    link: str,
    config: Path,
    *,
    framing: Framing | None = None,
    baud: int | None = None,
    parity: Parity | None = None,
    stop_bits: int | None = None,
    data_bits: int | None = None,
    echo: bool = False,
) -> Line:
    """Raises typer.BadParameter for a LINK that is none or options that do not suit it, and WrongSite."""
    line = _port(link) or _link(link, config)
    options = {"baud": baud, "parity": parity, "stop_bits": stop_bits, "data_bits": data_bits}
    said = {name: value for name, value in options.items() if value is not None}
    if isinstance(line.port, SerialPort):
        if framing is Framing.TCP:
            raise typer.BadParameter("--framing tcp is for a network; a serial line speaks rtu or ascii")
        line = replace(line, port=replace(line.port, **said))  # type: ignore[arg-type]
    elif said:
        option = next(iter(said)).replace("_", "-")
        raise typer.BadParameter(f"--{option} is for a serial line, and {link} is none")
    return replace(line, framing=framing or line.framing, echo=echo or line.echo)


def _port(text: str) -> Line | None:
    """The port that `text` is; None: it is a name."""
    if text.startswith("tcp://"):
        try:
            end = address(text.removeprefix("tcp://").rstrip("/"))
        except ValueError as error:
            raise typer.BadParameter(f"found {text!r}, expected tcp:// and {error}") from None
        return Line(TcpPort(end.host, end.port), None, given=True)
    return Line(SerialPort(text), None, given=True) if "/" in text else None


def _link(name: str, config: Path) -> Line:
    site = _site(name, config)
    links = {link.name: link for link in site.links}
    if name not in links:
        ports = "or a port such as /dev/ttyUSB0 or tcp://10.0.0.7:502"
        hint = did_you_mean(name, links)
        said = f"{config} has no link {name!r}; expected {one_of(links)}, {ports}"
        raise typer.BadParameter("; ".join(filter(None, [said, hint])))
    found = links[name]
    if not isinstance(found.wire, BusPlan):
        raise typer.BadParameter(f"{name} is no Modbus line: a card reader stands there")
    if isinstance(found.port, TcpPort) and found.port.listen:
        raise typer.BadParameter(f"{name} waits for the device to call: there is nothing to connect to")
    barriers = {
        f"{lane.barrier.device}.{output}": lane.id
        for lane in site.plan.parking.lanes
        for output in (lane.barrier.open, lane.barrier.close)
    }
    return Line(found.port, found.wire.framing, found.wire.echo, units=found.wire.units, barriers=barriers)


def _site(name: str, config: Path) -> Site:
    if not config.exists():
        raise WrongSite(
            f"{config}: no such file, so there is no link {name!r}. "
            "Name the site's configuration (--config), or a port: /dev/ttyUSB0, tcp://10.0.0.7:502"
        )
    try:
        return load(config, environment=None)
    except ConfigErrors as wrong:
        raise WrongSite(mistakes(wrong)) from wrong
