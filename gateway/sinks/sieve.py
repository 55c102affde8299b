"""What of the telemetry one destination is given."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from sitewarden.config.sinks import ALL, Filter
from sitewarden.gateway.sinks.lines import PERSONAL
from sitewarden.gateway.sinks.parse import SERIES, parse

_HEAD = re.compile(rb"[^ \\]*+(?:\\.[^ \\]*+)*+")  # as far as the first blank that is none of a name's
# Every string is matched whole, so that one which reads like a field is none.
_STRING = re.compile(rb'(,(?:%b)=)?"[^"\\]*+(?:\\.[^"\\]*+)*+"' % "|".join(sorted(PERSONAL)).encode())
_OF_PEOPLE = (b"decision,", b"passage,", b"alarm,", b"fire,", b"write,")


class Sieve:
    """By the head of a line, which is looked at once a series. For one thread."""

    def __init__(self, only: Filter) -> None:
        self._only = only
        self._wanted = lru_cache(SERIES)(self._look)

    def sift(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        if self._only == ALL:
            return lines
        kept = [line for line in lines if self._wanted(_head(line))]
        return kept if self._only.personal else [_anonymous(line) for line in kept]

    def _look(self, head: bytes) -> bool:
        """What is no line at all passes: the server has words for it."""
        try:
            record = parse(head + b" value=0 0")
        except ValueError:
            return True
        if self._only.kinds and record.measurement not in self._only.kinds:
            return False
        if not self._only.points or record.measurement != "reading":
            return True
        name = f"{record.tags.get('device')}.{record.tags.get('point')}"
        return any(fnmatchcase(name, pattern) for pattern in self._only.points)


def _head(line: bytes) -> bytes:
    found = _HEAD.match(line)
    return found[0] if found else line


def _anonymous(line: bytes) -> bytes:
    if not line.startswith(_OF_PEOPLE):
        return line
    return _STRING.sub(lambda found: b"" if found[1] else found[0], line)
