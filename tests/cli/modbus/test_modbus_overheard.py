"""What passes on a line as entries, in virtual time."""

from datetime import UTC, datetime, timedelta

from pymodbus.framer import FramerRTU

from sitewarden.drivers.modbus.sniff import Frame, Spoilt
from sitewarden.gateway.cli.modbus.overheard import Counts, Kind, entries
from sitewarden.rules.model import Stamp

ASKED, ANSWERED = b"\x03\x01\x2c\x00\x01", b"\x03\x02\x0a\xb4"
SILENCE = 0.004  # s


def stamp(mono: float) -> Stamp:
    return Stamp(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=mono), mono)


def frame(pdu: bytes, mono: float, gap: float | None) -> tuple[Frame, None]:
    body = b"\x0b" + pdu
    raw = body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
    return Frame(stamp(mono), raw, 11, pdu, gap), None


def test_a_silence_that_was_too_short_is_marked() -> None:
    heard = list(
        entries(
            [
                frame(ASKED, 0.0, None),
                frame(ANSWERED, 0.02, 0.001),
                frame(ASKED, 0.04, 0.0039),
                frame(ANSWERED, 0.06, 0.02),
            ],
            SILENCE,
        )
    )
    assert [entry.hurried for entry in heard] == [False, True, False, False]
    assert [entry.mark for entry in heard] == ["→", "←", "→", "←"]
    assert [entry.seconds for entry in heard[:2]] == [None, 0.02]


def test_rest_ends_the_waiting_and_everything_is_counted() -> None:
    passing = [frame(ASKED, 0.0, None), None, (Spoilt(stamp(1), b"\0"), None), frame(b"\x83\x02", 2, 0.1)]
    counts = Counts()
    for entry in entries(passing):
        counts.add(entry)
    assert {kind: count for kind, count in counts.kinds.items() if count} == {
        Kind.REQUEST: 1,
        Kind.UNANSWERED: 1,
        Kind.GLITCH: 1,
        Kind.REFUSAL: 1,
    }
    assert counts.median is None
