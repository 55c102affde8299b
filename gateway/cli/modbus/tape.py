"""A recording of the gateway (`gateway/recording.py`), as a listener on its link would have heard it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from pydantic import TypeAdapter

from sitewarden.drivers.modbus.sniff import Frame, Heard, Side, Sniffer
from sitewarden.drivers.plan import BusPlan, LinkPlan
from sitewarden.gateway.cli.modbus.master import SNIFFERS
from sitewarden.gateway.cli.modbus.overheard import Passing
from sitewarden.rules.model import Stamp

_LINK = TypeAdapter(LinkPlan)


def heard(lines: Iterable[str]) -> Iterator[Passing]:
    """Every frame and who said it. Raises ValueError, with the line, for what is no recording of a bus."""
    numbered = enumerate(lines, 1)
    bus = _bus(next(numbered, (1, ""))[1])
    sniffers: Mapping[Side, Sniffer] = {side: SNIFFERS[bus.framing]() for side in Side}
    at: Stamp | None = None
    echo = b""  # yet to come back from the adapter
    for number, line in numbered:
        try:
            entry = json.loads(line)
            if "told" in entry:
                at = Stamp(datetime.fromisoformat(entry["wall"]), float(entry["mono"]))
            data = bytes.fromhex(_bytes(entry))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"line {number}: found {line[:40]!r}, expected what was told or said") from error
        side = Side.MASTER if "said" in entry else Side.UNIT
        if side is Side.MASTER:
            echo = data if bus.echo else b""
        elif echo.startswith(data[: len(echo)]):
            echo, data = echo[len(data) :], data[len(echo) :]
        if data and at:
            yield from ((_timeless(one), side) for one in sniffers[side].received(data, at))
    if at:
        for side, sniffer in sniffers.items():
            yield from ((_timeless(one), side) for one in sniffer.silent(at))


def _timeless(one: Heard) -> Heard:
    """Each side is heard apart, so the silence between the two is not."""
    return replace(one, gap=None) if isinstance(one, Frame) else one


def _bus(head: str) -> BusPlan:
    try:
        link = _LINK.validate_python(json.loads(head)["link"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"line 1: found {head[:40]!r}, expected the head of a recording") from error
    if not isinstance(link.wire, BusPlan):
        raise ValueError(f"{link.name} is no Modbus line: a card reader stands there")
    return link.wire


def _bytes(entry: Mapping[str, object]) -> str:
    """In hexadecimal; empty for what is no bytes: events, commands, connections."""
    found = entry.get("said") if "said" in entry else entry.get("bytes", "")
    return found if isinstance(found, str) else ""
