"""What a good file becomes."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sitewarden.config.sinks import CommandPlan, Filter, InfluxPlan, InfluxVersion, Kind, MqttPlan, Payload
from sitewarden.config.site import HttpPlan, SpoolPlan, load, schema
from sitewarden.drivers.plan import BusPlan, Framing, Parity, ReaderPlan, SerialPort, TcpPort, Tls
from sitewarden.rules.model import Direction, FireKind, Severity
from sitewarden.rules.plan import AntiPassback, Band, Barrier
from sitewarden.rules.plan import Test as Compared
from tests.config.site_text import SECTIONS, good, write, wrong

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"


def test_the_demo_is_a_whole_site() -> None:
    site = load(DEMO, {})
    assert (site.id, site.language, site.name["en"]) == ("cuihu", "zh", "Cuihu Gardens")
    assert site.plan.tz == ZoneInfo("Asia/Shanghai")
    assert [lane.direction for lane in site.plan.parking.lanes] == [Direction.IN, Direction.OUT]
    assert {link.name: len(link.devices) for link in site.links} == {
        "gate-in": 1,
        "gate-out": 1,
        "bus-gate": 2,
        "bus-pump": 3,
        "lift-1": 1,
    }
    assert site.sinks == ()
    assert {alarm.severity for alarm in site.plan.conditions} == set(Severity)
    assert (site.data, site.source) == (DEMO.parent / "data", DEMO)
    for words in [site.name, *site.titles.values(), *(alarm.text for alarm in site.plan.conditions)]:
        assert set(words) == {"zh", "en"}


def test_links(tmp_path: Path) -> None:
    links = {link.name: link for link in good(tmp_path).links}
    assert links["line-1"].port == SerialPort("/dev/ttyS0")
    assert links["line-1"].wire == ReaderPlan("reader-1", "rdm6300")
    assert links["bus-1"].port == SerialPort("/dev/ttyS2", 19200, Parity.EVEN)
    assert links["lift-1"].port == TcpPort("192.168.1.20", 502)
    bus, lift = links["bus-1"].wire, links["lift-1"].wire
    assert isinstance(bus, BusPlan)
    assert isinstance(lift, BusPlan)
    assert (bus.framing, lift.framing) == (Framing.RTU, Framing.TCP)
    assert [(unit.device, unit.unit_id, unit.profile.name) for unit in bus.units] == [
        ("io-1", 1, "box"),
        ("pump-1", 2, "pump"),
    ]
    assert lift.units[0].unit_id == 247


def test_paths_start_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = "{line-1: {serial: ports/a}}"
    write(
        tmp_path,
        links=links,
        devices="{r: {link: line-1, driver: rdm6300}}",
        parking="{}",
        fire="{}",
        alarms="{}",
        stale="{}",
        data="../elsewhere",
    )
    monkeypatch.chdir(tmp_path)
    site = load(Path("site.yaml"), {})
    assert site.links[0].port == SerialPort(str(tmp_path / "ports/a"))
    assert site.data == tmp_path / "../elsewhere"
    assert site.source == tmp_path / "site.yaml"


@pytest.mark.parametrize(("written", "most"), [("2GiB", 2 << 30), ("64 MB", 64_000_000)])
def test_the_room_of_the_spool(tmp_path: Path, written: str, most: int) -> None:
    assert good(tmp_path).spool.most == 512 << 20
    assert good(tmp_path, spool=f"{{most: {written}}}").spool.most == most


def test_lanes(tmp_path: Path) -> None:
    lane = """{lanes: {in-1: {direction: in, reader: reader-1, anti_passback: soft, repeat: 5s, title: Gate,
  barrier: {device: io-1, open: out1, close: out2, loop_under: in1, opened: pump-1.running, pulse: 300ms}}},
  places: 7, private_spaces: [B1-017]}"""
    site = good(tmp_path, parking=lane)
    parking = site.plan.parking
    (made,) = parking.lanes
    assert (parking.places, parking.private_spaces) == (7, {"B1-017"})
    assert (made.reader, made.anti_passback, made.repeat) == ("reader-1", AntiPassback.SOFT, 5.0)
    assert made.barrier == Barrier(
        "io-1", "out1", "io-1.in1", opened="pump-1.running", close="out2", pulse=0.3
    )
    assert site.titles == {"in-1": {"zh": "Gate", "en": "Gate"}, "lift-a": {"zh": "客梯", "en": "Lift"}}


def test_fire_and_alarms(tmp_path: Path) -> None:
    alarms = """
  mode: {point: pump-1.mode, is: min, severity: low, latch: true}
  code: {point: pump-1.mode, is: 7, severity: low}
  runs: {point: pump-1.running, is: false, severity: low, off_delay: 2min}
  high: {point: pump-1.pressure, above: 6, hysteresis: 0.5, severity: critical, text: 压力高}"""
    plan = good(tmp_path, alarms=alarms).plan
    assert plan.fire[0].bands == (
        Band(1800.0, 2600.0, FireKind.NORMAL),
        Band(500.0, 1200.0, FireKind.FIRE),
        Band(6000.0, 9000.0, FireKind.FAULT, text="open"),
    )
    assert [(rule.id, rule.test, rule.limit) for rule in plan.conditions] == [
        ("mode", Compared.IS, 4),
        ("code", Compared.IS, 7),
        ("runs", Compared.IS, False),
        ("high", Compared.ABOVE, 6.0),
    ]
    mode, _, runs, high = plan.conditions
    assert (mode.latch, runs.off_delay, high.hysteresis, high.text["en"]) == (True, 120.0, 0.5, "压力高")
    assert (plan.stale[0].point, plan.stale[0].after) == ("pump-1.pressure", 30.0)


def test_sinks_and_their_secrets(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n", "utf-8")
    file = write(
        tmp_path,
        sinks="""
  old: {type: influxdb, version: v1, url: http://a:8086, bucket: b, token: "user:plain"}
  new: {type: influxdb, url: http://a:8086, bucket: b, org: o, token: {env: TOKEN}, gzip: true, timeout: 5s}
  broker: {type: mqtt, host: a, username: u, password: {file: password}, prefix: estates/one}""",
    )
    old, new, broker = load(file, {"TOKEN": "from the environment"}).sinks
    assert old == InfluxPlan("old", "http://a:8086", InfluxVersion.V1, "b", token="user:plain")
    assert new == InfluxPlan(
        "new", "http://a:8086", bucket="b", org="o", token="from the environment", gzip=True, timeout=5.0
    )
    assert broker == MqttPlan("broker", "a", username="u", password="from a file", prefix="estates/one")


def test_what_a_destination_is_given_and_how_it_is_reached(tmp_path: Path) -> None:
    for name in ("ca", "box", "key"):
        (tmp_path / f"{name}.pem").touch()
    here = str(tmp_path)
    file = write(
        tmp_path,
        sinks="""
  far: {type: influxdb, version: v3, url: "https://a", bucket: b, tls: {ca: ca.pem}, backlog: 20000}
  plain: {type: mqtt, host: a}
  secret: {type: mqtt, host: a, tls: true, home_assistant: homeassistant,
           only: {kinds: [reading, alarm], points: ["pump-*"], personal: false},
           commands: [{topic: lane/in-1/open, role: guard}, {topic: alarm/+/acknowledge, role: engineer}]}
  plant: {type: mqtt, host: a, tls: {cert: box.pem, key: key.pem}, payload: sparkplug,
          group: estates, primary_host: scada}""",
    )
    far, plain, secret, plant = load(file, {}).sinks
    assert far == InfluxPlan(
        "far", "https://a", InfluxVersion.V3, "b", tls=Tls(ca=f"{here}/ca.pem"), backlog=20_000
    )
    assert plain == MqttPlan("plain", "a", 1883)
    assert secret == MqttPlan(
        "secret",
        "a",
        8883,
        tls=Tls(),
        home_assistant="homeassistant",
        only=Filter(frozenset({Kind.READING, Kind.ALARM}), ("pump-*",), personal=False),
        commands=(
            CommandPlan("lane/in-1/open", "guard"),
            CommandPlan("alarm/+/acknowledge", "engineer"),
        ),
    )
    shown = Tls(cert=f"{here}/box.pem", key=f"{here}/key.pem")
    assert plant == MqttPlan(
        "plant", "a", 8883, tls=shown, payload=Payload.SPARKPLUG, group="estates", primary_host="scada"
    )


def test_defaults(tmp_path: Path) -> None:
    site = good(tmp_path)
    assert site.http == HttpPlan("127.0.0.1", 8080)
    assert (site.language, site.name, site.commit_limit) == ("zh", {"zh": "small"}, 0.15)
    assert site.plan.link_alarm_after == 10.0
    assert site.spool == SpoolPlan(512 * 2**20, keep=7 * 86_400.0)


@pytest.mark.parametrize(
    ("host", "url", "is_local"),
    [
        ("127.0.0.1", "http://127.0.0.1:80", True),
        ("::1", "http://[::1]:80", True),
        ("localhost", "http://localhost:80", True),
        ("0.0.0.0", "http://127.0.0.1:80", False),
        ("gate.lan", "http://gate.lan:80", False),
    ],
)
def test_where_the_page_is_and_who_can_reach_it(tmp_path: Path, host: str, url: str, is_local: bool) -> None:
    http = good(tmp_path, http=f" {{host: '{host}', port: 80}}").http
    assert (http.url, http.is_local) == (url, is_local)


def test_aliases_and_merges(tmp_path: Path) -> None:
    alarms = """
  base: &base {point: pump-1.pressure, below: 1, severity: low}
  more: {<<: *base, severity: high, below: 2}"""
    base, more = good(tmp_path, alarms=alarms).plan.conditions
    assert (base.limit, more.limit, more.point) == (1.0, 2.0, "pump-1.pressure")


def test_equal_files_are_equal_sites(tmp_path: Path) -> None:
    """A reload keeps what is equal."""
    one = good(tmp_path)
    assert good(tmp_path) == one
    assert good(tmp_path, stale="{}") != one


def test_the_schema_is_whole_json(tmp_path: Path) -> None:
    text = json.dumps(schema())
    assert '"$schema"' in text
    sections = json.loads(text)["properties"]
    assert {"site", "links", "devices", "parking", "fire", "alarms", "stale", "sinks"} <= set(sections)
    assert sections["commit_limit"]["default"] == "150ms"


def test_a_device_may_be_slower_than_its_profile_says(tmp_path: Path) -> None:
    devices = SECTIONS["devices"].replace(
        "unit: 2, profile: pump}", "unit: 2, profile: pump, turnaround: 80ms}"
    )
    buses = [link.wire for link in good(tmp_path, devices=devices).links if isinstance(link.wire, BusPlan)]
    slow = {unit.device: unit.profile.turnaround for bus in buses for unit in bus.units}
    assert slow == {"io-1": 0.01, "pump-1": 0.08, "lift-a": 0.01}


@pytest.mark.parametrize(
    ("keys", "timeout"),
    [("", 0.3), (", turnaround: 400ms", 0.8), (", turnaround: 400ms, timeout: 500ms", 0.5)],
)
def test_a_slow_device_is_waited_for(tmp_path: Path, keys: str, timeout: float) -> None:
    devices = SECTIONS["devices"].replace(
        "lift-1, unit: 247, profile: pump", f"lift-1, unit: 247, profile: pump{keys}"
    )
    buses = [link.wire for link in good(tmp_path, devices=devices).links if isinstance(link.wire, BusPlan)]
    units = {unit.device: unit for bus in buses for unit in bus.units}
    assert (units["lift-a"].timeout, units["io-1"].timeout) == (timeout, 0.3)


def test_a_stale_rule_quickens_the_heartbeat_of_its_device(tmp_path: Path) -> None:
    """An unchanged value is repeated at each heartbeat only: a slower one would look like silence."""
    bus = next(link.wire for link in good(tmp_path).links if link.name == "bus-1")
    assert isinstance(bus, BusPlan)
    assert {unit.device: unit.heartbeat for unit in bus.units} == {"io-1": 60.0, "pump-1": 15.0}
    devices = SECTIONS["devices"].replace("profile: pump}", "profile: pump, heartbeat: 30s}")
    (error,) = wrong(tmp_path, devices=devices)
    assert error.path == "stale.pump-1.pressure.after"
    assert error.expected.startswith("more than the heartbeat of pump-1, 30s")
