"""Amounts as people read them at a glance: large numbers, bytes, spans of time."""

from typing import Final

SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
SPANS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))
"""Seconds of each unit; what is shorter is told in seconds."""


def large(number: float) -> str:
    """1234567 -> "1,234,567"."""
    return f"{number:,.0f}"


def size(count: float) -> str:
    """Bytes: 1536 -> "1.5 KiB"."""
    for unit in SIZES[:-1]:
        if count < 1024:
            return f"{count:.3g} {unit}" if count < 1000 else f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.3g} {SIZES[-1]}"


def span(seconds: float) -> tuple[str, str]:
    """How many, and of which unit: 90 -> ("1.5", "min")."""
    for length, unit in SPANS:
        if seconds >= length:
            return f"{seconds / length:.2g}" if seconds < 10 * length else f"{seconds / length:.0f}", unit
    return f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}", "s"
