"""What the answer of a line-protocol server means for the lines that were sent.

| answer | class | consequence |
|---|---|---|
| 2xx | taken | the cursor moves on |
| 400, 422 with "partial write" | partial | the rest is stored: moves on, rejects are counted |
| other 400, 422 | malformed | halved until the bad line is alone, then it is set aside |
| 413 | too large | halved |
| 401, 403, 404, other 3xx and 4xx | refused | held, with an alarm: a person has to act |
| 408, 429, 5xx, no answer | later | tried again, after Retry-After if there is one |

Sources: InfluxDB 1.8 `/write`, InfluxDB 2 `POST /api/v2/write`; what influxd 1.6.7 and
VictoriaMetrics 1.79.5 really answer was tried (tests/gateway/test_influx_servers.py).
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    TAKEN = "taken"
    PARTIAL = "partial"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Answer:
    kind: Kind
    status: int = 0  # 0: there was no answer
    words: str = ""  # the server's, shortened
    dropped: int = 0  # lines of a partial write that are not stored
    retry_after: float | None = None  # s


_DROPPED = re.compile(r"dropped=(\d+)")
_SHORT = 300  # characters


def classify(status: int, body: str, retry_after: str = "") -> Answer:
    words = body[:_SHORT].strip()
    if status < 300:
        return Answer(Kind.TAKEN, status)
    if status in (400, 422):
        if "partial write" not in body:
            return Answer(Kind.MALFORMED, status, words)
        # Lines that cannot be parsed are named but not counted: dropped=0.
        dropped = sum(int(count) for count in _DROPPED.findall(body)) + body.count("unable to parse")
        return Answer(Kind.PARTIAL, status, words, dropped)
    if status == 413:
        return Answer(Kind.TOO_LARGE, status, words)
    if status in (408, 429) or status >= 500:
        seconds = float(retry_after) if retry_after.isdecimal() else None
        return Answer(Kind.LATER, status, words, retry_after=seconds)
    return Answer(Kind.REFUSED, status, words)


def unanswered(error: Exception) -> Answer:
    """Refused, reset or timed out: nobody knows whether the lines arrived."""
    return Answer(Kind.LATER, 0, f"{type(error).__name__}: {error}"[:_SHORT])
