"""`modbus scan`: which units are on a line, and how the line is set."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sitewarden.drivers.plan import Framing, Parity, Port, SerialPort
from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, counted, print_json, table
from sitewarden.gateway.cli.modbus import options
from sitewarden.gateway.cli.modbus.probe import Present
from sitewarden.gateway.cli.modbus.search import Finding, Report, Search, Setting

BAUDS = 9600, 19_200, 38_400, 115_200, 57_600, 4800, 2400, 1200  # the usual ones first
PARITIES = Parity.NONE, Parity.EVEN, Parity.ODD
SERIAL_WAITS, NETWORK_WAITS = 0.2, 0.5  # s for an answer


def scan(
    link: options.Link,
    units: Annotated[str, typer.Option(metavar="RANGE", help="Such as 1-32 or 1-10,40.")] = "1-247",
    baud: Annotated[
        str, typer.Option(metavar="LIST", help="Such as 9600,19200; if not given, all usual ones in turn.")
    ] = "",
    parity: Annotated[str, typer.Option(metavar="LIST", help="Such as even,none; if not given, all.")] = "",
    as_json: Json = False,
    stop_bits: options.StopBits = None,
    data_bits: options.DataBits = None,
    framing: options.Frames = None,
    echo: options.Echo = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=options.seconds,
            metavar="TIME",
            help="How long to wait for each; 200ms on a serial line and 500ms over TCP if not given.",
        ),
    ] = None,
    config: Config = SITE,
) -> None:
    """Find the units of a line, its baud rate and parity.

    Asks each unit for holding register 0. Any answer means that it is there, a refusal too; then it is asked
    who it is. On a link of the configuration its own settings are tried, on a port that is named all usual
    ones until some unit answers; those of --baud and --parity are all tried. Over TCP both framings.
    Answers that are no frames mean another baud rate or parity, or two units with one id. Exit code 1 if
    nothing answers. Ctrl-C ends it, with what was found so far.

    \b
    sitewarden modbus scan bus-pump
    sitewarden modbus scan /dev/ttyUSB0 --units 1-32
    sitewarden modbus scan /dev/ttyUSB0 --units 1-10 --baud 9600,19200 --parity even
    sitewarden modbus scan tcp://10.0.0.7:502 --json | jq '.units[].unit'
    """
    line = options.resolve(link, config, framing=framing, stop_bits=stop_bits, data_bits=data_bits, echo=echo)
    try:
        ids = options.numbers(units, 1, 247)
        bauds = options.numbers(baud, 300, 4_000_000) if baud else ()
        parities = options.parities(parity) if parity else ()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if (bauds or parities) and not isinstance(line.port, SerialPort):
        raise typer.BadParameter(f"--baud and --parity are for a serial line, and {link} is none")
    settings = list(_settings(line, bauds, parities))
    search = Search(settings, ids, timeout or _waits(line.port), line.echo, bool(bauds or parities))
    with _reporting(search, quiet=as_json) as report:
        found = search.run(report)
    print_json(found.document()) if as_json else _tell(found)
    if not found.units:
        if as_json:
            raise typer.Exit(1)
        raise Failure(f"{link}: {NOBODY}" if not found.stopped else f"{link}: no unit has answered so far.")


NOBODY = (
    "no unit answered. Are they powered, A and B not swapped, the unit ids in the range? Is it another baud "
    "rate, parity or framing? Are they slow: --timeout 1s?"
)


def _settings(line: options.Line, bauds: Sequence[int], parities: Sequence[Parity]) -> Iterator[Setting]:
    if not isinstance(line.port, SerialPort):
        for framing in (line.framing,) if line.framing else (Framing.TCP, Framing.RTU):
            yield Setting(line.port, framing)
        return
    for baud in bauds or (BAUDS if line.given else (line.port.baud,)):
        for parity in parities or (PARITIES if line.given else (line.port.parity,)):
            yield Setting(replace(line.port, baud=baud, parity=parity), line.framing or line.usual)


def _waits(port: Port) -> float:
    return SERIAL_WAITS if isinstance(port, SerialPort) else NETWORK_WAITS


@contextmanager
def _reporting(search: Search, quiet: bool) -> Iterator[Report]:
    """A bar on a terminal, else a line for each setting and each unit."""
    if quiet:
        yield lambda setting, unit_id, found: None
        return
    ways = counted(len(search.settings), "setting")
    print(
        f"{counted(len(search.ids), 'unit id')} at {ways}, {search.timeout:g} s each: "
        f"about {_long(search.longest)}. Ctrl-C ends it, with what was found.",
        file=sys.stderr,
    )
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(search.settings) * len(search.ids))

        def report(setting: Setting, unit_id: int, found: Present | None) -> None:
            if found:
                progress.console.print(
                    f"{setting}: unit {unit_id} {found.says}", markup=False, highlight=False
                )
            else:
                progress.update(task, advance=1, description=f"{setting}, unit {unit_id}")

        yield report


def _lines() -> Report:
    begun: list[Setting] = []

    def report(setting: Setting, unit_id: int, found: Present | None) -> None:
        if setting not in begun:
            begun.append(setting)
            print(f"{setting}: from unit {unit_id} on", file=sys.stderr, flush=True)
        if found:
            print(f"{setting}: unit {unit_id} {found.says}".rstrip(), file=sys.stderr, flush=True)

    return report


def _long(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{max(rest, 1)} s"


def _tell(found: Finding) -> None:
    if found.units:
        head = ("unit", "line", "says of itself", "holding 0", "fastest", "median")
        rows = [
            (it.unit_id, setting, it.says or "–", it.holding, _ms(it.fastest), _ms(it.usual))
            for setting, it in found.units
        ]
        print(table(head, rows))
    for note in _notes(found):
        print(note)


def _notes(found: Finding) -> Iterator[str]:
    if found.stopped:
        yield f"Stopped at {found.tried[-1]}: not everything was tried."
    if found.echo:
        yield "The adapter hands back what is sent: set `echo: true` on the link."
    if found.any_id:
        yield "Every id has an answer: over TCP that is mostly one device, which heeds no unit id."
    for setting, ids in _by_setting(found.garbled):
        units = ", ".join(map(str, ids))
        yield (
            f"{setting}: what came from {units} is no frame: another baud rate or parity, "
            "or two units with one id."
        )
    if found.late:
        late = ", ".join(map(str, sorted(found.late)))
        yield f"{late} answered when another was asked: slow, so try --timeout 1s."
    yield from found.failed


def _by_setting(garbled: Sequence[tuple[Setting, int]]) -> Iterator[tuple[Setting, list[int]]]:
    for setting in dict.fromkeys(setting for setting, _ in garbled):
        yield setting, [unit_id for at, unit_id in garbled if at == setting]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
