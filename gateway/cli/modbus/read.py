"""`modbus read`: what stands in a device, in every type and order that it may be meant in."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import typer

from sitewarden.config.profile_address import as_written
from sitewarden.config.profile_shape import Addressing
from sitewarden.drivers.modbus import request
from sitewarden.drivers.modbus.codec import BIT_TABLES
from sitewarden.drivers.modbus.points import Table
from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, print_json, table
from sitewarden.gateway.cli.modbus import meanings, options
from sitewarden.gateway.cli.modbus.faults import told
from sitewarden.gateway.cli.modbus.master import Answer, Master, NoAnswer
from sitewarden.gateway.cli.modbus.meanings import Arrangement, Span
from sitewarden.gateway.clock import Clock


def read(
    link: options.Link,
    unit: options.Unit,
    name: options.TableName,
    address: options.Address,
    count: Annotated[int, typer.Argument(help="How many.", metavar="COUNT", min=1, max=2000)] = 1,
    documented: options.Documented = False,
    every: options.Every = None,
    as_json: Json = False,
    baud: options.Baud = None,
    parity: options.ParityBit = None,
    stop_bits: options.StopBits = None,
    data_bits: options.DataBits = None,
    framing: options.Frames = None,
    echo: options.Echo = False,
    timeout: options.Timeout = None,
    config: Config = SITE,
) -> None:
    """Read registers or bits, and see each in every type and order that makes sense.

    Orders are named as in manuals: ABCD is high word and high byte first (a profile's own order), CDAB has
    the low word first, BADC the bytes swapped, DCBA both. What is left out makes no sense there, such as a
    float of 1e-38. With --json and --every one JSON document a line.

    \b
    sitewarden modbus read bus-pump 11 holding 300 4
    sitewarden modbus read /dev/ttyUSB0 11 holding 301 4 --documented --baud 9600 --parity even
    sitewarden modbus read tcp://10.0.0.7:502 1 input 0 10 --every 1s
    """
    first = address - documented
    if not 0 <= first <= options.HIGHEST + 1 - count or count > request.MOST_READ[name]:
        most = f"at most {request.MOST_READ[name]} in one request, up to wire address {options.HIGHEST}"
        counted = "; a manual counts from 1" if first < 0 else ""
        raise typer.BadParameter(f"found {count} from {address} on, expected {most}{counted}")
    line = options.resolve(
        link, config, framing=framing, baud=baud, parity=parity, stop_bits=stop_bits, data_bits=data_bits,
        echo=echo,
    )  # fmt: skip
    asked = Asked(unit, name, first, count)
    with line.master(timeout) as master:
        if every is None:
            words = asked.words(master)
            print_json(_document(asked, words)) if as_json else print(shown(asked, words))
        else:
            with suppress(KeyboardInterrupt):
                _watch(asked, master, every, as_json)


def _watch(asked: "Asked", master: Master, every: float, as_json: bool) -> None:
    """Until Ctrl-C. An answer that did not come or refuses is said, and asked for again."""
    before: Sequence[int] = ()
    while True:
        now = Clock().now().wall
        try:
            words = asked.words(master)
        except Failure as failure:
            print(f"{now.astimezone():%H:%M:%S}  {failure}", file=sys.stderr)
        else:
            if as_json:
                print_json(_document(asked, words), line=True)
            elif words == before:
                print(f"{now.astimezone():%H:%M:%S}  unchanged", flush=True)
            else:
                print(f"{now.astimezone():%H:%M:%S}\n{shown(asked, words, before)}\n", flush=True)
            before = words
        time.sleep(every)


@dataclass(frozen=True, slots=True)
class Asked:
    unit_id: int
    table: Table
    first: int
    count: int

    def ask(self, master: Master) -> Answer | NoAnswer:
        pdu = request.read(self.unit_id, self.table, self.first, self.count).pdu
        return master.ask(self.unit_id, pdu)

    def words(self, master: Master) -> Sequence[int]:
        """Registers, or bits as 0 and 1. Raises Failure."""
        answer = self.ask(master)
        if not isinstance(answer, Answer) or answer.exception:
            raise Failure(told(self.unit_id, answer))
        return unpacked(self.table, answer.pdu[2:], self.count)


def unpacked(of: Table, data: bytes, count: int) -> Sequence[int]:
    """The data of an answer as registers, or as bits (V1.1b3, 6.1: the lowest bit is the first)."""
    if of in BIT_TABLES:
        return [data[at // 8] >> at % 8 & 1 for at in range(count)]
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, 2 * count, 2)]


def reference(of: Table, address: int) -> str:
    """40301 is the holding register of wire address 300, as many manuals write it."""
    return f"{as_written(Addressing.REFERENCE, of, address):05d}"


# -- what is said ----------------------------------------------------------------------------------


def shown(asked: Asked, words: Sequence[int], before: Sequence[int] = ()) -> str:
    """As a person reads it: a line an address, those that are not as before marked, then what several say
    together."""
    changed = [word != was for word, was in zip(words, before or words, strict=True)]
    rows = [_row(asked, at, word, changed[at]) for at, word in enumerate(words)]
    if asked.table in BIT_TABLES:
        return table(("wire", "documented", asked.table, ""), rows)
    head = ("wire", "documented", "hex", "u16", "i16", "bits", "bytes swapped", "bcd", "text", "")
    parts = [table(head, rows)]
    if several := list(meanings.spans(asked.first, words)):
        parts.append(table(("wire", "as", *Arrangement), map(_several, several)))
    return "\n\n".join(parts)


def _row(asked: Asked, at: int, word: int, changed: bool) -> tuple[object, ...]:
    address = asked.first + at
    place = address, f"{address + 1} ({reference(asked.table, address)})"
    mark = "changed" if changed else ""
    if asked.table in BIT_TABLES:
        return (*place, "on" if word else "off", mark)
    signed, turned, decimal = meanings.signed(word), meanings.swapped(word), meanings.bcd(word)
    return (
        *place,
        f"{word:04X}",
        word,
        signed if signed < 0 else "",
        meanings.bits(word),
        turned if turned != word else "",
        "" if decimal is None else decimal,
        meanings.text(word),
        mark,
    )


def _several(span: Span) -> tuple[object, ...]:
    last = span.first + span.words - 1
    return (f"{span.first}–{last}", span.kind, *(span.values.get(order, "") for order in Arrangement))


def _document(asked: Asked, words: Sequence[int]) -> Mapping[str, object]:
    return {
        "at": Clock().now().wall,
        "unit": asked.unit_id,
        "table": asked.table,
        "values": list(_values(asked, words)),
        "together": [
            {"wire": span.first, "words": span.words, "as": span.kind, **span.values}
            for span in (meanings.spans(asked.first, words) if asked.table not in BIT_TABLES else ())
        ],
    }


def _values(asked: Asked, words: Sequence[int]) -> Iterator[Mapping[str, object]]:
    for address, word in enumerate(words, asked.first):
        place = {"wire": address, "documented": address + 1, "reference": reference(asked.table, address)}
        if asked.table in BIT_TABLES:
            yield {**place, "on": bool(word)}
        else:
            yield {
                **place,
                "hex": f"{word:04X}",
                "u16": word,
                "i16": meanings.signed(word),
                "bits": f"{word:016b}",
                "bcd": meanings.bcd(word),
                "text": meanings.text(word),
            }
