"""The words that values are written in: durations, sizes, addresses, titles, spans.

Each reads one YAML value strictly; the ValueError it raises says what was expected.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from sitewarden.rules.model import Value

LANGUAGES = ("zh", "en")
SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|min|h|d)")
BYTES = {"MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
SIZE = re.compile(r"(\d{1,6}) ?(MB|MiB|GB|GiB)")
LEAST = 16  # MiB
ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[^\s:\[\]/]+)(?::(\d{1,5}))?")
MODBUS_TCP = 502
URL = re.compile(r"https?://[^\s/]+\S*")
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+$){_LABEL}")
NAME_MOST = 253  # characters
PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?) ?%")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    usual: bool  # the port was not said, and is that of Modbus TCP


@dataclass(frozen=True, slots=True)
class Deadband:
    """A change in the point's unit, or in per cent of its range (OPC 10000-8, 6.2: AbsoluteDeadband and
    PercentDeadband)."""

    amount: float
    percent: bool = False


def duration(value: object) -> float:
    """Seconds of "150ms", "10s", "5min", "2h" or "1d"."""
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("a duration such as '150ms', '10s', '5min', '2h' or '1d'")
    return float(match[1]) * SECONDS[match[2]]


def written(seconds: float) -> str:
    """The duration as it is written, to the millisecond."""
    return f"{round(seconds, 3):g}s" if seconds >= 1 else f"{round(seconds * 1000):g}ms"


def size(value: object) -> int:
    """Bytes of "512MiB" or "2GB"."""
    match = SIZE.fullmatch(value) if isinstance(value, str) else None
    there = int(match[1]) * BYTES[match[2]] if match else 0
    if there < LEAST * BYTES["MiB"]:
        raise ValueError(f"a size such as '512MB' or '2GiB', at least {LEAST}MiB")
    return there


def address(value: object) -> Address:
    """A host and a port, or a host alone."""
    match = ADDRESS.fullmatch(value) if isinstance(value, str) else None
    port = int(match[2] or MODBUS_TCP) if match else 0
    if not match or not 0 < port < 65536:
        raise ValueError("a host and a port such as '192.168.1.20:502'")
    return Address(host(match[1].strip("[]")), port, usual=match[2] is None)


def host(value: object) -> str:
    """An IP address, or a name as RFC 1123, 2.1, has it: its last label is no number."""
    if isinstance(value, str):
        with suppress(ValueError):
            return str(ip_address(value))
        if len(value) <= NAME_MOST and HOST_NAME.fullmatch(value):
            return value
    raise ValueError("an address such as '127.0.0.1' or a host name")


def url(value: object) -> str:
    """Of a server that speaks HTTP."""
    if isinstance(value, str) and URL.fullmatch(value):
        with suppress(ValueError):
            parts = urlsplit(value)
            host(parts.hostname)
            bare = not (parts.username or parts.password or parts.query or parts.fragment)
            if parts.port != 0 and bare:  # a port beyond 65535 raises
                return value
    raise ValueError("a URL such as 'http://127.0.0.1:8086', without a user or a query")


def text(value: object) -> Mapping[str, str]:
    """Words by language; a bare text is the same in all of them."""
    if isinstance(value, str) and value:
        return dict.fromkeys(LANGUAGES, value)
    if isinstance(value, dict) and value and set(value) <= set(LANGUAGES):
        words = {language: value[language] for language in LANGUAGES if language in value}
        if all(isinstance(word, str) and word for word in words.values()):
            return words
    raise ValueError("a text, or one by language such as {zh: 东门, en: East gate}")


def scalar(value: object) -> Value:
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError("a number, true, false or a word")
    return value


def span(value: object) -> tuple[float, float]:
    """[low, high] with low below high."""
    match value:
        case [int() | float() as low, int() | float() as high] if low < high:
            return float(low), float(high)
    raise ValueError("[low, high] with low below high")


def deadband(value: object) -> Deadband:
    """Of 0.02 or "1%"."""
    match value:
        case int() | float() if not isinstance(value, bool) and value >= 0:
            return Deadband(float(value))
        case str() if (match := PERCENT.fullmatch(value)) and float(match[1]) <= 100:
            return Deadband(float(match[1]), percent=True)
    raise ValueError("a change such as 0.02, or a part of the range such as '1%'")


def share(value: object) -> float:
    """Of "5%"; from 0.1 to 50."""
    if isinstance(value, str) and (match := PERCENT.fullmatch(value)) and 0.1 <= float(match[1]) <= 50:
        return float(match[1]) / 100
    raise ValueError("a share from '0.1%' to '50%', such as '5%'")


def switched(value: object) -> object:
    """Of a section that has nothing to say but that it is there: `true` is an empty one."""
    return {} if value is True else None if value is False else value


def secret(value: object) -> object:
    match value:
        case str():
            return {"plain": value}
        case {"env": _, **rest} | {"file": _, **rest} if not rest:
            return value
    raise ValueError("a text, {env: NAME} or {file: path}")
