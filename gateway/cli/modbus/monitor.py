"""`modbus monitor`: what others say on a line, decoded, without a word of our own."""

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from sitewarden.drivers.modbus.sniff import LOST, AsciiSniffer, RtuSniffer, Sniffer
from sitewarden.drivers.plan import Framing, SerialPort, pace
from sitewarden.gateway.cli.common import SITE, Config, Failure, For, Json, print_json, table
from sitewarden.gateway.cli.modbus import options, tape
from sitewarden.gateway.cli.modbus.overheard import Counts, Entry, Kind, Passing, entries
from sitewarden.gateway.cli.modbus.port import Channel, opened
from sitewarden.gateway.clock import Clock

REST = 0.03  # s without a byte, after which what is half there is no frame; USB adapters gather for 16 ms
HEX_LINE = 24  # bytes


def monitor(
    link: Annotated[str, typer.Argument(help="A link of the configuration, or a port.", metavar="LINK")] = "",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="A recording of `sitewarden record`, instead of a line.",
        ),
    ] = None,
    hex_: Annotated[bool, typer.Option("--hex", help="The bytes of each frame too.")] = False,
    for_: For = None,
    as_json: Json = False,
    baud: options.Baud = None,
    parity: options.ParityBit = None,
    stop_bits: options.StopBits = None,
    data_bits: options.DataBits = None,
    framing: options.Frames = None,
    config: Config = SITE,
) -> None:
    """Listen to a serial line and decode what passes: → a request, ← an answer, ! what is wrong.

    It says nothing itself: give it an adapter of its own, beside the master's. Each frame has the silence
    before it, each answer its time since the request. Marked are bytes that are no frame, refusals, requests
    without an answer, and silences that are too short; adapters that gather bytes, as USB ones do for up to
    16 ms, blur these. Counts come at the end, by Ctrl-C or --for. With --json one document a line.

    Over a network only a serial server that shares its line can be overheard (--framing rtu). What passes
    between the gateway and its devices is recorded by the gateway, and shown with --file.

    \b
    sitewarden modbus monitor /dev/ttyUSB1 --baud 9600 --parity even
    sitewarden modbus monitor /dev/ttyUSB1 --hex --for 30s
    sitewarden record lift-1 lift.jsonl --for 10s && sitewarden modbus monitor --file lift.jsonl
    """
    if bool(link) is (file is not None):
        raise typer.BadParameter("expected a LINK to listen to, or --file with a recording")
    if file:
        try:
            with file.open(encoding="utf-8", errors="backslashreplace") as lines:
                _follow(entries(tape.heard(lines)), hex_, as_json)
        except ValueError as error:
            raise typer.BadParameter(f"{file}: {error}") from error
        return
    line = options.resolve(
        link, config, framing=framing, baud=baud, parity=parity, stop_bits=stop_bits, data_bits=data_bits
    )
    speaks = line.framing or line.usual
    if speaks is Framing.TCP:
        raise Failure(
            f"{link}: a connection cannot be overheard. The gateway records its own: "
            "sitewarden record LINK tape.jsonl, then sitewarden modbus monitor --file tape.jsonl"
        )
    timing = pace(line.port, speaks)
    silence = timing.silence if isinstance(line.port, SerialPort) else 0.0
    with opened(line.port) as channel:
        passing = _live(
            channel, AsciiSniffer() if speaks is Framing.ASCII else RtuSniffer(timing.character), for_
        )
        _follow(entries(passing, silence), hex_, as_json)


def _live(channel: Channel, sniffer: Sniffer, length: float | None) -> Iterator[Passing]:
    """Until Ctrl-C, or so many seconds."""
    clock, begun = Clock(), time.monotonic()
    rests_since = begun
    while length is None or time.monotonic() < begun + length:
        try:
            data = channel.receive(REST)
        except KeyboardInterrupt:
            return
        at = clock.now()
        yield from ((one, None) for one in (sniffer.received(data, at) if data else sniffer.silent(at)))
        if data:
            rests_since = time.monotonic()
        elif time.monotonic() - rests_since > LOST:
            yield None


# -- what is said ----------------------------------------------------------------------------------


def _follow(heard: Iterator[Entry], hex_: bool, as_json: bool) -> None:
    all_, units = Counts(), dict[int, Counts]()
    for entry in heard:
        all_.add(entry)
        if entry.unit_id is not None:
            units.setdefault(entry.unit_id, Counts()).add(entry)
        print_json(_document(entry), line=True) if as_json else _print(entry, hex_)
    if as_json:
        by_unit = {unit_id: _counted(counts) for unit_id, counts in sorted(units.items())}
        print_json({"counts": _counted(all_), "units": by_unit}, line=True)
    else:
        print(f"\n{_summed_up(all_, units)}")


def _print(entry: Entry, hex_: bool) -> None:
    gap = "" if entry.gap is None else f"+{entry.gap * 1000:.1f} ms"
    unit = "" if entry.unit_id is None else str(entry.unit_id)
    took = "" if entry.seconds is None else f"  ({entry.seconds * 1000:.0f} ms)"
    hurry = "  ! too soon after the frame before" if entry.hurried else ""
    at = entry.at.wall.astimezone()
    when = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
    print(f"{when} {gap:>12} {entry.mark} {unit:>3}  {entry.what}{took}{hurry}")
    if hex_ or entry.kind in (Kind.CHECK, Kind.GLITCH):
        for begin in range(0, len(entry.raw), HEX_LINE):
            piece = entry.raw[begin : begin + HEX_LINE]
            seen = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
            print(f"{'':33}{piece.hex(' '):{3 * HEX_LINE}} {seen}")
    sys.stdout.flush()


def _document(entry: Entry) -> Mapping[str, object]:
    return {
        "at": entry.at.wall,
        "kind": entry.kind,
        "unit": entry.unit_id,
        "what": entry.what,
        "raw": entry.raw.hex(),
        "silence_s": _rounded(entry.gap),
        "after_s": _rounded(entry.seconds),
        "too_soon": entry.hurried,
    }


def _counted(counts: Counts) -> Mapping[str, object]:
    kinds = {str(kind): number for kind, number in counts.kinds.items()}
    return kinds | {"too_soon": counts.hurried, "median_s": _rounded(counts.median)}


def _summed_up(all_: Counts, units: Mapping[int, Counts]) -> str:
    shown = Kind.REQUEST, Kind.ANSWER, Kind.REFUSAL, Kind.UNANSWERED
    rows = [
        (unit_id, *(counts.kinds[kind] for kind in shown), _ms(counts.median))
        for unit_id, counts in sorted(units.items())
    ]
    heads = table(("unit", "requests", "answers", "refusals", "unanswered", "median time"), rows)
    wrong = (
        f"{all_.kinds[Kind.CHECK]} with a wrong check, {all_.kinds[Kind.GLITCH]} glitches, "
        f"{all_.hurried} too soon after the frame before."
    )
    return f"{heads}\n{wrong}" if rows else f"Nothing was heard that is a frame; {wrong}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f} ms"
