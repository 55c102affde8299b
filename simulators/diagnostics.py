"""What a unit on a serial line counts, and the log of what it heard and said.

Source: MODBUS Application Protocol V1.1b3, 6.8 (diagnostics), 6.9 (event counter), 6.10 (event log).
"""

from collections import Counter, deque
from enum import IntEnum
from struct import pack

from sitewarden.simulators.registers import ILLEGAL_FUNCTION, ILLEGAL_VALUE, Refused

LOGGED = 64  # events
FETCH_EVENT_COUNTER = 11  # a function that does not count as an event


class Sub(IntEnum):
    """Sub-functions of function 8."""

    RETURN_QUERY = 0
    RESTART = 1
    REGISTER = 2
    LISTEN_ONLY = 4
    CLEAR = 10
    CLEAR_OVERRUN = 20


class Count(IntEnum):
    """What is counted, by the sub-function of function 8 that returns it."""

    BUS_MESSAGES = 11  # good ones, for whomever
    BUS_ERRORS = 12
    EXCEPTIONS = 13
    MESSAGES = 14  # to this unit or to all
    UNANSWERED = 15
    NEGATIVE = 16  # exception 7
    BUSY = 17  # exception 6
    OVERRUNS = 18


# Bytes of the log (6.10, "what the event bytes contain")
RESTARTED, LISTENS = 0x00, 0x04
HEARD, HEARD_SPOILT, HEARD_LISTENING, HEARD_BROADCAST = 0x80, 0x02, 0x20, 0x40
SAID = 0x40
SAID_REFUSED = {1: 0x01, 2: 0x01, 3: 0x01, 4: 0x02, 5: 0x04, 6: 0x04, 7: 0x08}  # by exception code
COUNTED = {6: Count.BUSY, 7: Count.NEGATIVE}


class Diagnostics:
    def __init__(self) -> None:
        self.counts: Counter[Count] = Counter()
        self.events = 0  # requests that were done
        self.listens_only = False  # it is not to answer until it is restarted
        self._log: deque[int] = deque([RESTARTED], LOGGED)

    # -- what happens to the unit ----------------------------------------------------------------

    def heard(self, spoilt: bool) -> None:
        """A frame was on the line, for whomever."""
        self.counts[Count.BUS_ERRORS if spoilt else Count.BUS_MESSAGES] += 1
        if spoilt:
            self._log.appendleft(HEARD | HEARD_SPOILT)

    def asked(self, broadcast: bool) -> None:
        self.counts[Count.MESSAGES] += 1
        listening = HEARD_LISTENING if self.listens_only else 0
        self._log.appendleft(HEARD | listening | (HEARD_BROADCAST if broadcast else 0))
        if broadcast or self.listens_only:
            self.counts[Count.UNANSWERED] += 1

    def done(self, function: int) -> None:
        self.events += function != FETCH_EVENT_COUNTER
        self._log.appendleft(SAID)

    def refused(self, code: int) -> None:
        self.counts[Count.EXCEPTIONS] += 1
        if code in COUNTED:
            self.counts[COUNTED[code]] += 1
        self._log.appendleft(SAID | SAID_REFUSED.get(code, 0))

    # -- what it is asked about that, as the data of a request and of its answer -------------------

    def diagnose(self, data: bytes) -> bytes:
        """Function 8."""
        sub, told = int.from_bytes(data[:2], "big"), data[2:]
        if len(data) < 4 or len(data) % 2:
            raise Refused(ILLEGAL_VALUE)
        match sub:
            case Sub.RETURN_QUERY:
                return data
            case Sub.RESTART:
                self._restart(told)
                return data
        if sub not in (*Sub, *Count):
            raise Refused(ILLEGAL_FUNCTION)
        if told != b"\0\0":
            raise Refused(ILLEGAL_VALUE)
        match sub:
            case Sub.REGISTER:
                return data  # all its bits are 0
            case Sub.LISTEN_ONLY:
                self.listens_only = True
                self._log.appendleft(LISTENS)
            case Sub.CLEAR:
                self.counts.clear()
                self.events = 0
            case Sub.CLEAR_OVERRUN:
                del self.counts[Count.OVERRUNS]
            case _:
                return data[:2] + pack(">H", self.counts[Count(sub)] & 0xFFFF)
        return data

    def event_counter(self) -> bytes:
        """Function 11: not busy, and how many."""
        return pack(">HH", 0, self.events & 0xFFFF)

    def event_log(self) -> bytes:
        """Function 12: the newest event first."""
        head = pack(">HHH", 0, self.events & 0xFFFF, self.counts[Count.BUS_MESSAGES] & 0xFFFF)
        return bytes([len(head) + len(self._log)]) + head + bytes(self._log)

    def _restart(self, told: bytes) -> None:
        if told not in (b"\0\0", b"\xff\0"):
            raise Refused(ILLEGAL_VALUE)
        if told[0]:
            self._log.clear()
        self.counts.clear()
        self.events, self.listens_only = 0, False
        self._log.appendleft(RESTARTED)
