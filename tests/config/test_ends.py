"""What a link's section becomes: its port, how it is spoken on, and who is written to but never read."""

from pathlib import Path

import pytest

from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Parity, Port, SerialPort, TcpPort, Tls
from tests.config.site_text import SECTIONS, good, wrong

SILENT = "a point that can be read: all-1 is all units of its line (unit 0), and none of them answers"


def linked(folder: Path, link: str, device: str = "unit: 1, profile: box") -> LinkPlan:
    """The only link of a site, with one device on it."""
    nothing = dict.fromkeys(["parking", "fire", "alarms", "stale"], "{}")
    device = f"{{io-1: {{link: bus-1, {device}}}}}"
    (made,) = good(folder, links=f"{{bus-1: {{{link}}}}}", devices=device, **nothing).links
    return made


@pytest.mark.parametrize(
    ("section", "port", "framing"),
    [
        ("tcp: 10.0.0.5", TcpPort("10.0.0.5", 502), Framing.TCP),
        ("tcp: 10.0.0.5:1502, framing: rtu", TcpPort("10.0.0.5", 1502), Framing.RTU),
        ("tcp: gate.lan, framing: ascii", TcpPort("gate.lan", 502), Framing.ASCII),
        ("tcp: '[fe80::1]:503'", TcpPort("fe80::1", 503), Framing.TCP),
        ("tcp: 10.0.0.5, line_baud: 9600", TcpPort("10.0.0.5", 502, line_baud=9600), Framing.TCP),
        ("listen: 0.0.0.0:5020", TcpPort("0.0.0.0", 5020, listen=True), Framing.TCP),
        ("serial: /dev/ttyS0", SerialPort("/dev/ttyS0"), Framing.RTU),
        (
            "serial: /dev/ttyS0, framing: ascii, data_bits: 7, parity: even",
            SerialPort("/dev/ttyS0", 9600, Parity.EVEN, data_bits=7),
            Framing.ASCII,
        ),
    ],
)
def test_the_end_of_a_link(tmp_path: Path, section: str, port: Port, framing: Framing) -> None:
    link = linked(tmp_path, section)
    assert link.port == port
    assert isinstance(link.wire, BusPlan)
    assert (link.wire.framing, link.wire.echo, link.wire.outstanding) == (framing, False, 1)


def test_how_a_device_is_asked(tmp_path: Path) -> None:
    asked = "unit: 255, profile: box, scan: {fast: 50ms}, timeout: 1s, retries: 0"
    wire = linked(tmp_path, "tcp: 10.0.0.5, outstanding: 4, probes: 2%", asked).wire
    assert isinstance(wire, BusPlan)
    assert (wire.outstanding, wire.probes) == (4, 0.02)
    (unit,) = wire.units
    assert (unit.scan, unit.timeout, unit.retries) == ({"fast": 0.05, "normal": 1.0, "slow": 10.0}, 1.0, 0)


@pytest.mark.parametrize("end", ["serial: /dev/ttyS0", "tcp: 10.0.0.5, framing: rtu"])
def test_an_adapter_that_echoes(tmp_path: Path, end: str) -> None:
    wire = linked(tmp_path, f"{end}, echo: true").wire
    assert isinstance(wire, BusPlan)
    assert wire.echo


@pytest.mark.parametrize(
    ("section", "port"),
    [
        ("tcp: 10.0.0.5, tls: {}", TcpPort("10.0.0.5", 802, tls=Tls())),
        ("tcp: 10.0.0.5:502, tls: {name: pump-1}", TcpPort("10.0.0.5", 502, tls=Tls(name="pump-1"))),
    ],
)
def test_inside_tls_the_usual_port_is_another(tmp_path: Path, section: str, port: TcpPort) -> None:
    assert linked(tmp_path, section).port == port


def test_the_files_of_tls_start_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    files = {key: tmp_path / "tls" / f"{key}.pem" for key in ("ca", "cert", "key")}
    (tmp_path / "tls").mkdir()
    for file in files.values():
        file.touch()
    written = ", ".join(f"{key}: tls/{file.name}" for key, file in files.items())
    port = linked(tmp_path, f"listen: 0.0.0.0, tls: {{{written}}}").port
    assert port == TcpPort("0.0.0.0", 802, True, Tls(*map(str, files.values())))


def test_unit_0_is_everyone_on_a_line_and_the_device_itself_over_modbus_tcp(tmp_path: Path) -> None:
    assert linked(tmp_path, "serial: /dev/ttyS0", "unit: 0, profile: box").devices == ("io-1",)
    assert linked(tmp_path, "tcp: 10.0.0.5", "unit: 0, profile: pump").devices == ("io-1",)


def test_what_is_told_to_all_units_moves_no_barrier_of_one(tmp_path: Path) -> None:
    everyone = SECTIONS["devices"] + "\n  all-1: {link: bus-1, unit: 0, profile: box}"
    (error,) = wrong(tmp_path, devices=everyone)
    assert error.path == "parking.lanes.in-1.barrier.open"
    assert error.expected == "an output that nothing else writes: all-1.out1 has its address"


def test_nothing_waits_for_what_unit_0_never_says(tmp_path: Path) -> None:
    barrier = "{device: all-1, open: out1, loop_under: in1, opened: io-1.in1}"
    errors = wrong(
        tmp_path,
        devices=SECTIONS["devices"] + "\n  all-1: {link: bus-1, unit: 0, profile: box}",
        parking=f"{{lanes: {{in-1: {{direction: in, reader: reader-1, barrier: {barrier}}}}}}}",
        fire="{panel: {point: all-1.line1, bands: {fire: [0, 1], normal: [1, 2]}}}",
        alarms="{low: {point: all-1.line1, below: 1, severity: low}}",
        stale="{all-1.in1: {after: 30s}}",
    )
    alone = "an output that nothing else writes: io-1.out1 has its address"
    assert [(error.path, error.expected) for error in errors] == [
        ("parking.lanes.in-1.barrier.open", alone),
        ("parking.lanes.in-1.barrier.loop_under", SILENT),
        ("fire.panel.point", SILENT),
        ("alarms.low.point", SILENT),
        ("stale.all-1.in1", SILENT),
    ]
