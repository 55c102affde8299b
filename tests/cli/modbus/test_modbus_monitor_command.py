"""`modbus monitor`: of a line on which others speak, and of what the gateway recorded."""

import json
import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from time import sleep

import pytest
from pymodbus.framer import FramerRTU

from sitewarden.drivers.line import Call, Line
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Port, TcpPort, build
from sitewarden.gateway.cli.modbus import monitor
from sitewarden.gateway.cli.modbus.port import Channel, opened
from sitewarden.gateway.recording import Recording, dump
from sitewarden.rules.core import Core
from tests.cli.conftest import Shell
from tests.cli.modbus.conftest import Bench
from tests.scenarios import site

pytestmark = pytest.mark.slow


def framed(unit_id: int, pdu: str) -> bytes:
    body = bytes([unit_id]) + bytes.fromhex(pdu)
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


ASKED, ANSWERED = framed(11, "03012C0002"), framed(11, "03040AB40001")
CONVERSATION = [
    *(ASKED, ANSWERED),
    *(framed(12, "0300000001"), framed(12, "8302")),
    b"\x00",
    framed(13, "0300000001"),  # nobody answers
    *(framed(11, "0600671388"), framed(11, "0600671388")),
    ANSWERED[:-1] + b"\x00",
    *(framed(1, "0100000003"), framed(1, "010105")),
    *(framed(7, "11"), framed(7, "1108" + b"Pump 1\xff\x01".hex())),
    framed(9, "0F00000002" + "0103"),
    framed(9, "41"),
    framed(3, "04000000" + "10"),
    framed(3, "0420" + "0001" * 16),
]


@pytest.fixture
def spoken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The port of a line on which others talk as soon as somebody listens."""
    far, near = os.openpty()
    tty.setraw(near)
    listened = Event()

    def talk() -> None:
        assert listened.wait(10)
        for frame in CONVERSATION:
            os.write(far, frame)
            sleep(0.05)

    @contextmanager
    def told(port: Port) -> Iterator[Channel]:
        with opened(port) as channel:
            listened.set()
            yield channel

    monkeypatch.setattr(monitor, "opened", told)
    talking = Thread(target=talk)
    talking.start()
    yield os.ttyname(near)
    listened.set()
    talking.join()
    os.close(far)
    os.close(near)


LISTENING = ("--for", "1300ms", "--baud", "9600")


def test_what_passes_is_decoded_paired_and_counted(shell: Shell, spoken: str) -> None:
    typed = shell("modbus", "monitor", spoken, "--hex", *LISTENING)
    assert (typed.code, typed.err) == (0, "")
    assert f"{ASKED.hex(' ')} " in typed.out
    assert "Pump 1." in typed.out
    heard = [" ".join(line.split()) for line in typed.out.splitlines() if not line.startswith(" " * 20)]
    said = [line.partition(" ms ")[2] or line.partition(" ")[2] for line in heard]
    assert said[0].endswith("→ 11 read holding 300–301")
    assert said[1].startswith("← 11 holding 300–301 = 2740 1 (")
    assert said[3].startswith("! 12 read holding refused: exception 2, illegal address (")
    assert said[4] == "! no frame: too short for one"
    assert "! 13 no answer to: read holding 0" in said
    assert "→ 11 write holding 103 = 5000" in said
    assert "! no frame: the check is wrong" in said
    assert any(line.startswith("← 1 coil 0–2 = on off on (") for line in said)
    assert any(line.startswith("← 7 report server id: Pump 1 (") for line in said)
    assert "→ 9 write coil 0–1 = on on" in said
    assert "→ 9 function 65" in said
    assert any("= 1 1 1 1 1 1 1 1 1 1 1 1 … (16 in all)" in line for line in said)
    assert heard[-1] == "1 with a wrong check, 1 glitches, 0 too soon after the frame before."
    assert [line.split()[:5] for line in heard if line.startswith("11 ")] == [["11", "2", "2", "0", "0"]]


def test_in_json_there_is_a_document_a_line(shell: Shell, spoken: str) -> None:
    typed = shell("modbus", "monitor", spoken, "--json", *LISTENING)
    *entries, counts = [json.loads(line) for line in typed.out.splitlines()]
    assert bytes.fromhex(entries[0]["raw"]) == ASKED
    assert entries[1]["kind"] == "answer"
    assert 0.04 < entries[1]["after_s"] < 0.5
    assert counts["counts"]["refusal"] == counts["counts"]["check"] == counts["counts"]["glitch"] == 1
    assert counts["units"]["13"]["unanswered"] == 1


def test_a_line_where_nobody_speaks(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "monitor", "line", "--for", "50ms")
    assert typed.code == 0
    assert typed.out.startswith("\nNothing was heard that is a frame; 0 with a wrong check")


@pytest.fixture(
    params=[(Framing.TCP, False), (Framing.RTU, False), (Framing.RTU, True), (Framing.ASCII, True)]
)
def tape(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A minute of the gateway with a unit that is asked and refuses once; the adapter may echo."""
    framing, echo = request.param
    bus = next(link.wire for link in site.links() if isinstance(link.wire, BusPlan))
    link = LinkPlan("net", TcpPort("127.0.0.1", 502), BusPlan(framing, bus.units[:1], echo))
    lines: list[str] = []
    core = Core(site.plan(), site.permits())
    taped = Recording(lambda entry: lines.append(dump(entry)), link, site.plan(), lambda: core)
    line = Line("net", partial(build, link), {})
    list(line.listen(taped, site.stamp(1000)))
    said = list(line.tell(Call.CONNECTED, site.stamp(1001)))
    asked = next(frame for frame in said if isinstance(frame, bytes))
    answer = refusal(framing, asked)
    for piece in (asked[:3], asked[3:] + answer) if echo else (answer,):
        list(line.tell(Call.RECEIVED, site.stamp(1001.25), piece))
    file = tmp_path / "tape.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


def refusal(framing: Framing, asked: bytes) -> bytes:
    """Illegal address, in answer to this request."""
    match framing:
        case Framing.TCP:
            return asked[:4] + b"\x00\x03" + asked[6:7] + bytes([asked[7] | 0x80, 2])
        case Framing.RTU:
            return framed(asked[0], f"{asked[1] | 0x80:02x}02")
        case _:
            body = bytes.fromhex(asked[1:5].decode())
            body = bytes([body[0], body[1] | 0x80, 2])
            return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"


def test_a_recording_of_the_gateway_is_shown_as_if_overheard(shell: Shell, tape: Path) -> None:
    typed = shell("modbus", "monitor", "--file", str(tape))
    assert (typed.code, typed.err) == (0, "")
    first, second, *_ = typed.out.splitlines()
    assert "←" not in typed.out
    assert "→" in first
    assert "read" in first
    assert "refused: exception 2, illegal address  (250 ms)" in second


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1: found '', expected the head of a recording"),
        (b"hello\n", "line 1: found 'hello"),
        (b"[]\n", "line 1: found '[]"),
        (b'{"link": 5}\n', "expected the head of a recording"),
    ],
)
def test_what_is_no_recording_is_said(shell: Shell, tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "rubbish"
    file.write_bytes(content)
    typed = shell("modbus", "monitor", "--file", str(file))
    assert typed.code == 2
    assert said in typed.err


def test_a_line_of_a_recording_that_is_broken_is_named(shell: Shell, tape: Path) -> None:
    for broken in ("rubbish", "[1]", '{"told": "received", "wall": "yesterday", "mono": 1, "bytes": ""}'):
        lines = tape.read_text().splitlines()
        tape.write_text("\n".join([lines[0], broken]))
        typed = shell("modbus", "monitor", "--file", str(tape))
        assert typed.code == 2
        assert "line 2: found " in typed.err


def test_what_is_wrongly_called_is_said(shell: Shell, bench: Bench, tmp_path: Path) -> None:
    for words in ((), ("line", "--file", "site.yaml")):
        typed = shell("modbus", "monitor", *words)
        assert typed.code == 2
        assert "expected a LINK to listen to, or --file with a recording" in " ".join(typed.err.split())
    typed = shell("modbus", "monitor", bench.link("network"))
    assert typed.code == 1
    assert "a connection cannot be overheard. The gateway records its own: sitewarden record" in typed.err
