"""What the answer of a line-protocol server means for the lines that were sent.

| answer | class | consequence |
|---|---|---|
| 2xx without a word | taken | the cursor moves on |
| 400, 422 with "partial write" | partial | the rest is stored; unnamed rejects are found by halving |
| other 400, 422 | malformed | halved until the bad line is alone, then it is set aside |
| 413 | too large | halved |
| 401, 403, 404, other 1xx to 4xx | refused | held, with an alarm: a person has to act |
| 408, 429, 5xx, no answer | later | tried again, after Retry-After if there is one |

Sources: InfluxDB 1.8 `/write`, InfluxDB 2.7 `POST /api/v2/write`, InfluxDB 3 Core "Partial writes"; RFC 9110,
10.2.3 (Retry-After). What influxd 1.6.7 and VictoriaMetrics 1.79.5 really answer was tried
(tests/gateway/test_influx_servers.py).
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

from sitewarden.gateway.sinks.parse import parse


class Kind(StrEnum):
    TAKEN = "taken"
    PARTIAL = "partial"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    LATER = "later"


Letter = tuple[bytes, str]
"""A line that the server will never take, and its words."""


@dataclass(frozen=True, slots=True)
class Answer:
    kind: Kind
    status: int = 0  # 0: there was no answer
    words: str = ""  # the server's, shortened
    dropped: int = 0  # lines of a partial write that are not stored
    letters: tuple[Letter, ...] = ()  # those of them that the server names
    retry_after: float | None = None  # s


_DROPPED = re.compile(r"dropped=(\d+)")
_CONFLICT = re.compile(r'input field "(.+?)" on measurement "(.+?)" is type')
_UNPARSED = re.compile(r"unable to parse '(.+)': (.+?)(?: dropped=\d+)?$", re.MULTILINE)
_SHORT = 300  # characters


def classify(
    status: int, body: str, retry_after: str = "", date: str = "", lines: Sequence[bytes] = ()
) -> Answer:
    """`retry_after` and `date` are the headers of those names; `lines` is what was sent, none with a
    question. To a write there is nothing to say: who answers it with a page is another server."""
    words = _words(body)[:_SHORT].strip() or f"HTTP {status}"
    if 200 <= status < 300:
        if lines and body.strip():
            return Answer(Kind.REFUSED, status, f"HTTP {status} is no answer to a write: {words}")
        return Answer(Kind.TAKEN, status, words)
    if status in (400, 422):
        if "partial write" not in body:
            return Answer(Kind.MALFORMED, status, words)
        counted = sum(int(count) for count in _DROPPED.findall(body))
        letters = tuple(_named(body, lines)) or tuple(_conflicting(body, lines, counted))
        dropped = counted + body.count("unable to parse")  # these are named but not counted: dropped=0
        dropped = max(dropped, body.count('"line_number"'))
        return Answer(Kind.PARTIAL, status, words, dropped, letters)
    if status == 413:
        return Answer(Kind.TOO_LARGE, status, words)
    if status in (408, 429) or status >= 500:
        return Answer(Kind.LATER, status, words, retry_after=_seconds(retry_after, date))
    return Answer(Kind.REFUSED, status, words)


def unanswered(error: Exception) -> Answer:
    """Refused, reset or timed out: nobody knows whether the lines arrived."""
    return Answer(Kind.LATER, 0, f"{type(error).__name__}: {error}"[:_SHORT])


def _seconds(retry_after: str, date: str) -> float | None:
    """A date is taken by the server's own clock: ours may be wrong."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        # -0000 is UTC as well (RFC 5322, 3.3), and would have no offset that can be subtracted.
        then, now = (parsedate_to_datetime(text.replace("-0000", "+0000")) for text in (retry_after, date))
    except ValueError:
        return None
    return max((then - now).total_seconds(), 0.0)


def _words(body: str) -> str:
    """Without the JSON around them: v1 and v3 have `error`, v2 has `message`."""
    match _json(body):
        case {"message": str(words)} | {"error": str(words)}:
            return words
    return body


def _named(body: str, lines: Sequence[bytes]) -> Iterator[Letter]:
    match _json(body):
        case {"data": list(rejects)}:  # v3: by number
            for reject in rejects:
                match reject:
                    case {"line_number": int(number), "error_message": str(words)} if (
                        0 < number <= len(lines)
                    ):
                        yield lines[number - 1], words[:_SHORT]
        case _:  # v1 and v2: in full
            sent = frozenset(lines)
            for text, words in _UNPARSED.findall(_words(body)):
                if (line := text.encode()) in sent:
                    yield line, words[:_SHORT]


def _conflicting(body: str, lines: Sequence[bytes], dropped: int) -> Sequence[Letter]:
    """Lines whose field has another type there, if it can be no others: v1 and v2 name the field alone."""
    words = _words(body)
    found = _CONFLICT.search(words)
    if not found:
        return ()
    field, measurement = found[1], found[2]
    letters = [(line, words[:_SHORT]) for line in lines if _has(line, measurement, field)]
    return letters if len(letters) == dropped else ()


def _has(line: bytes, measurement: str, field: str) -> bool:
    try:
        record = parse(line)
    except ValueError:
        return False
    return record.measurement == measurement and field in record.fields


def _json(body: str) -> object:
    try:
        found: object = json.loads(body)
    except ValueError:
        return None
    return found
