"""What goes wrong on a bus, in words, with what to try.

Source: MODBUS Application Protocol V1.1b3, clause 7.
"""

from collections.abc import Mapping

from sitewarden.gateway.cli.modbus.master import Answer, NoAnswer

EXCEPTIONS: Mapping[int, tuple[str, str]] = {
    1: ("illegal function", "it does not know this function: try the other table (holding, input)"),
    2: (
        "illegal address",
        "not all of these exist. Is it counted from 1 (--documented; 40312 is 312)? Fewer? Another table?",
    ),
    3: (
        "illegal value",
        "this value or this many addresses are not allowed: mind the limits, or try fewer",
    ),
    4: ("device failure", "the device failed to do it: see its own display or alarm list"),
    5: ("acknowledged", "it is at it and needs longer: ask again later"),
    6: ("busy", "ask again in a moment"),
    7: ("negative acknowledge", "it cannot do this in its present state, such as under local control"),
    8: ("memory parity error", "its memory has a fault: restart the device"),
    10: ("gateway path unavailable", "the gateway on the way has no line for this unit: see its settings"),
    11: ("gateway target does not answer", "the gateway is there, the unit behind it is not"),
}
GATEWAYS_OWN = frozenset({10, 11})  # said by what stands between, not by the unit


def named(code: int) -> str:
    return f"exception {code}, {EXCEPTIONS[code][0]}" if code in EXCEPTIONS else f"exception {code}"


def told(unit_id: int, answer: Answer | NoAnswer) -> str:
    """Why there is no result, as a sentence with what to try; empty if there is one."""
    if isinstance(answer, NoAnswer):
        return f"unit {unit_id}: {_garbled(answer.garbled) if answer.garbled else SILENT}"
    if answer.exception:
        advice = EXCEPTIONS.get(answer.exception, ("", "the manual of the device says what it means"))[1]
        return f"unit {unit_id}: {named(answer.exception)}: {advice}"
    return ""


SILENT = (
    "no answer. Is it this unit id, framing, and on a line baud rate and parity (sitewarden modbus scan "
    "finds them)? Are A and B swapped? Is it slow: a longer --timeout?"
)


def _garbled(found: bytes) -> str:
    shown = found[:16].hex(" ") + (" …" if len(found) > 16 else "")
    return f"what came is no frame ({shown}): another baud rate or parity, or two units with this id?"
