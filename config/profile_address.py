"""The three ways in which manuals say where a register is, to wire addresses and back.

A classic reference number begins with a digit for the table and counts from 1: five digits reach 9999
addresses (40001 to 49999), six reach all of them (400001 to 465536). A number below 100000 is read as one of
five digits, so that none means two things; coils from 10000 on are named by table instead.
"""

from collections.abc import Mapping

from sitewarden.config.profile_shape import ADDRESSES, Addressing
from sitewarden.drivers.modbus.points import Table

COUNTS_FROM: Mapping[Addressing, int] = {Addressing.WIRE: 0, Addressing.DOCUMENTED: 1}
FIRST_DIGIT: Mapping[int, Table] = {0: Table.COIL, 1: Table.DISCRETE, 3: Table.INPUT, 4: Table.HOLDING}
FIVE_DIGITS, SIX_DIGITS = 10_000, 100_000


def on_the_wire(
    way: Addressing, table: Table | None, number: int, width: int = 1
) -> tuple[Table | None, int]:
    """Table (`table` again, where the number does not say it) and wire address of a value.

    ValueError says what was expected of `number`. `width`: addresses that the value takes.
    """
    if way is Addressing.REFERENCE:
        digit, register = divmod(number, FIVE_DIGITS if number < SIX_DIGITS else SIX_DIGITS)
        if digit in FIRST_DIGIT and 1 <= register <= ADDRESSES - width + 1:
            return FIRST_DIGIT[digit], register - 1
        raise ValueError("a reference number such as 40001 or 400001")
    first = COUNTS_FROM[way]
    if first <= number <= ADDRESSES - width + first:
        return table, number - first
    raise ValueError(f"{first} to {ADDRESSES - width + first}")


def as_written(way: Addressing, table: Table, address: int) -> int:
    """The number that a file with this addressing has for a wire address."""
    if way is not Addressing.REFERENCE:
        return address + COUNTS_FROM[way]
    digit = next(digit for digit, named in FIRST_DIGIT.items() if named is table)
    return digit * (FIVE_DIGITS if address < FIVE_DIGITS - 1 else SIX_DIGITS) + address + 1
