"""Values as people type them, on the command line and on the page."""

from sitewarden.drivers.modbus.points import Kind
from sitewarden.rules.model import Value

STATES = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}


def typed(text: str, kind: Kind) -> Value:
    """As a point of this kind takes it; ValueError says what was expected."""
    text = text.strip()
    if kind is Kind.STRING:
        return text
    if kind is Kind.BOOL:
        if text.lower() in STATES:
            return STATES[text.lower()]
        raise ValueError(f"found {text!r}, expected on or off")
    try:
        return _number(text)
    except ValueError:
        raise ValueError(f"found {text!r}, expected a number") from None


def _number(text: str) -> float:
    try:
        return int(text, 0)
    except ValueError:
        return float(text)
