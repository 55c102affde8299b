"""The edge node as an independent host application sees it, without a broker between them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.parse import parse
from sitewarden.gateway.sinks.sparkplug import node
from sitewarden.gateway.sinks.sparkplug.metrics import Definition, Sample, samples
from sitewarden.gateway.sinks.sparkplug.node import KEPT, MOST, Node, Standing, asks_for_birth
from sitewarden.gateway.sinks.sparkplug.wire import DataType, Malformed, Metric, Payload, encode
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    Decision,
    Direction,
    Passage,
    PermitKind,
    Quality,
    Reading,
    Reason,
    Severity,
    Stamp,
    Verdict,
    Why,
)
from tests.gateway.sparkplug_host import REBIRTH, Host

NOW = 1_767_225_600_000  # ms
AT = Stamp(datetime.fromtimestamp(NOW / 1000, UTC), 1.0)
DEFINITIONS = (
    Definition("pump-1", "pressure", DataType.DOUBLE, "MPa"),
    Definition("pump-1", "running", DataType.BOOLEAN),
    Definition("tank-1", "level", DataType.DOUBLE, "m"),
)
SITE = Standing(DEFINITIONS, (), {"pump-1"})


def pressure(value: float | None, ms: int = NOW, **more: object) -> Sample:
    return Sample("pump-1", "pressure", DataType.DOUBLE if value is not None else None, ms, value, **more)


def alarm_of(name: str) -> AlarmChange:
    alarm = Alarm(name, name, Severity.HIGH, AlarmState.UNACKNOWLEDGED, AT, "tank-1.level")
    return AlarmChange(alarm, AlarmState.NORMAL, AT)


class Session:
    """A node and the host that hears it."""

    def __init__(self, standing: Standing = SITE) -> None:
        self.node, self.host, self.standing = Node("site", "cuihu"), Host("site", "cuihu"), standing
        self.bdseq = -1
        self.connect()

    def connect(self) -> None:
        self.bdseq = (self.bdseq + 1) % 256
        self.will = self.node.connect(self.bdseq, NOW)
        self.birth()

    def lose(self) -> None:
        self.hear([self.will])

    def birth(self) -> None:
        self.hear(self.node.birth(self.standing, NOW))

    def send(self, *its: Sample, historical: bool = False) -> None:
        if self.node.learn(its):
            self.birth()
        self.hear(self.node.data(its, historical, NOW))

    def tell(self, *effects, historical: bool = False) -> None:
        lines = [line for _, line in Lines("cuihu").format(effects)]
        self.send(*samples(parse(line) for line in lines), historical=historical)

    def attend(self, *devices: str) -> None:
        self.standing = replace(self.standing, devices=devices)
        self.hear(self.node.attend(devices, NOW))

    def hear(self, messages) -> None:
        for each in messages:
            self.host.hear(each.topic, each.payload, each.qos, each.retain)
        assert self.host.complaints == []

    def newest(self, name: str, device: str = ""):
        return self.host.current[device, name]


def test_births_come_first_and_say_all_that_is_known() -> None:
    it = Session(Standing(DEFINITIONS, [pressure(0.41, NOW - 5)], {"pump-1", "tank-1"}))
    assert it.host.heard == ["NBIRTH", "DBIRTH/pump-1", "DBIRTH/tank-1"]
    told = it.newest("pressure", "pump-1")
    assert (told.value, told.ms, told.properties) == (0.41, NOW - 5, {"engUnit": "MPa"})
    assert it.newest("level", "tank-1").value is None
    assert it.newest("bdSeq").value == 0


def test_data_is_told_by_alias_with_its_own_instant() -> None:
    it = Session()
    it.send(pressure(0.41, NOW + 1), pressure(0.42, NOW + 2), Sample("pump-1", "running", None, NOW, None))
    assert it.host.heard[-1] == "DDATA/pump-1"
    assert [(told.value, told.ms) for told in it.host.told if told.name == "pressure"] == [
        (0.41, NOW + 1),
        (0.42, NOW + 2),
    ]
    assert it.host.values("pump-1", "running") == [None]


def test_the_sequence_goes_round_after_255() -> None:
    it = Session()
    for number in range(600):
        it.send(pressure(number / 10, NOW + number))
    assert len(it.host.values("pump-1", "pressure")) == 600


def test_a_bad_value_says_so_until_it_is_good_again() -> None:
    it = Session()
    it.send(pressure(0.41, NOW + 1, quality=Quality.BAD, reason="timeout"))
    it.send(pressure(0.41, NOW + 2, quality=Quality.STALE, reason="old"))
    it.birth()
    it.send(pressure(0.40, NOW + 3), pressure(0.39, NOW + 4))
    assert [told.properties for told in it.host.told] == [
        {"Quality": 0, "Reason": "timeout"},
        {"Quality": 500, "Reason": "old"},
        {},  # the birth said how it stands: nothing
        {},
    ]
    it.send(pressure(None, NOW + 5, quality=Quality.BAD, reason="timeout"), pressure(0.4, NOW + 6))
    assert [(told.value, told.quality) for told in it.host.told[-2:]] == [(None, 0), (0.4, 192)]
    assert it.host.told[-1].properties == {"Quality": 192, "Reason": ""}


def test_a_birth_tells_the_quality_that_stands() -> None:
    it = Session(Standing(DEFINITIONS, [pressure(0.4, quality=Quality.BAD, reason="busy")], {"pump-1"}))
    properties = {"engUnit": "MPa", "Quality": 0, "Reason": "busy"}
    assert it.newest("pressure", "pump-1").properties == properties


def test_the_backlog_is_historical_and_changes_nothing_that_stands() -> None:
    it = Session(Standing(DEFINITIONS, [pressure(0.41)], {"pump-1"}))
    it.send(pressure(0.1, NOW - 9), pressure(0.2, NOW - 8), historical=True)
    assert [(told.value, told.historical) for told in it.host.told] == [(0.1, True), (0.2, True)]
    assert it.newest("pressure", "pump-1").value == 0.41


def test_what_is_older_than_the_birth_is_historical_on_the_live_lane_too() -> None:
    it = Session(Standing(DEFINITIONS, [pressure(0.41)], {"pump-1"}))
    it.send(pressure(0.3, NOW - 1), pressure(0.41, NOW), pressure(0.5, NOW + 1))
    assert [told.historical for told in it.host.told] == [True, False, False]


def test_devices_that_come_and_go_are_born_and_die() -> None:
    it = Session()
    it.attend("pump-1", "tank-1")
    it.attend("tank-1")
    assert it.host.heard[2:] == ["DBIRTH/tank-1", "DDEATH/pump-1"]
    it.attend("pump-1", "tank-1")
    assert it.host.heard[4:] == ["DBIRTH/pump-1"]


def test_a_device_that_is_away_is_born_for_what_is_still_to_be_told() -> None:
    it = Session()
    it.send(Sample("tank-1", "level", DataType.DOUBLE, NOW, 1.2), historical=True)
    assert it.host.heard[2:] == ["DBIRTH/tank-1", "DDATA/tank-1", "DDEATH/tank-1"]


def test_what_no_birth_has_told_takes_a_new_one() -> None:
    it = Session()
    it.send(Sample("pump-9", "flow", DataType.DOUBLE, NOW, 3.0), historical=True)
    assert it.host.heard[2:] == [
        "NBIRTH",
        *it.host.heard[1:2],
        "DBIRTH/pump-9",
        "DDATA/pump-9",
        "DDEATH/pump-9",
    ]
    it.send(Sample("pump-9", "flow", DataType.DOUBLE, NOW + 1, 3.1), historical=True)
    assert it.host.heard.count("NBIRTH") == 2


def test_a_value_of_another_type_is_another_metric() -> None:
    it = Session()
    it.send(Sample("pump-1", "pressure", DataType.STRING, NOW, "high"), pressure(0.41, NOW + 1))
    assert it.host.values("pump-1", "pressure as STRING") == ["high"]
    assert it.host.values("pump-1", "pressure") == [0.41]


def test_a_birth_between_two_messages_of_a_batch_is_no_harm() -> None:
    it = Session()
    messages = it.node.data([Sample("tank-1", "level", DataType.DOUBLE, NOW, 1.2), pressure(1.0)], True, NOW)
    for number, message in enumerate(messages):
        it.hear([message])
        if number % 2 == 0:
            it.birth()
    assert sorted(told.value for told in it.host.told) == [1.0, 1.2]


def test_messages_are_bounded() -> None:
    it = Session()
    it.send(*(pressure(float(number), NOW + number) for number in range(3 * MOST)))
    assert it.host.heard[2:] == ["DDATA/pump-1"] * 3


def test_an_alarm_is_the_nodes_affair() -> None:
    it = Session()
    alarm = Alarm("tank-low", "tank-low", Severity.HIGH, AlarmState.UNACKNOWLEDGED, AT, "tank-1.level")
    it.tell(AlarmChange(alarm, AlarmState.NORMAL, AT))
    assert it.host.heard[2:] == ["NBIRTH", "DBIRTH/pump-1", "NDATA"]
    state = {told.name: told.value for told in it.host.told}
    assert state["alarm/tank-low/state"] == "unacknowledged"
    assert state["alarm/tank-low/subject"] == "tank-1.level"
    assert state["alarm/tank-low/raised"] == NOW


def test_a_new_birth_tells_the_last_of_an_alarm_that_is_over() -> None:
    alarm = Alarm("tank-low", "tank-low", Severity.HIGH, AlarmState.UNACKNOWLEDGED, AT, "tank-1.level")
    raised = AlarmChange(alarm, AlarmState.NORMAL, AT)
    later = Stamp(datetime.fromtimestamp(NOW / 1000 + 1, UTC), 2.0)
    it = Session()
    it.tell(raised)
    it.tell(AlarmChange(replace(alarm, state=AlarmState.NORMAL), AlarmState.UNACKNOWLEDGED, later))
    it.birth()
    assert it.newest("alarm/tank-low/state").value == "normal"
    stands = samples(parse(line) for _, line in Lines("cuihu").format([raised]))
    it.standing = replace(it.standing, samples=list(stands))
    it.birth()
    told = it.newest("alarm/tank-low/state")
    assert (told.value, told.ms) == ("normal", NOW + 1000)


@pytest.mark.slow
def test_a_birth_does_not_grow_with_every_alarm_that_ever_was() -> None:
    it = Session()
    stands = samples(parse(line) for _, line in Lines("cuihu").format([alarm_of("open")]))
    it.standing = replace(it.standing, samples=list(stands))
    for number in range(KEPT // 4):
        it.tell(alarm_of(f"over-{number}"))
    birth = it.node.birth(it.standing, NOW)
    it.hear(birth)
    assert birth[0].payload.count(b"alarm/over-") == KEPT + 8  # those told just now
    assert b"alarm/over-0/" not in birth[0].payload
    assert b"alarm/open/" in birth[0].payload


def test_what_is_about_to_be_told_outlives_a_birth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "KEPT", 0)
    it = Session()
    it.send(Sample("gone", "flow", DataType.DOUBLE, NOW, 1.0))
    it.send(Sample("gone", "flow", DataType.STRING, NOW + 1, "much"))
    assert it.host.values("gone", "flow as STRING") == ["much"]
    it.send(pressure(0.4))
    it.birth()
    it.send(Sample("gone", "flow", DataType.STRING, NOW + 2, "little"))
    assert it.host.values("gone", "flow") == [1.0, "little"]


def test_a_passage_leaves_nothing_of_the_one_before_it() -> None:
    it = Session()
    it.tell(Passage("in-1", "01000734E0", Direction.IN, AT, PermitKind.MONTHLY))
    assert it.newest("passage/in-1/card").value == "…4E0"
    it.tell(Passage("in-1", "", Direction.IN, Stamp(datetime.fromtimestamp(NOW / 1000 + 1, UTC), 2.0)))
    assert it.newest("passage/in-1/known").value is False
    assert it.newest("passage/in-1/card").value is None


def test_no_card_is_told_but_masked() -> None:
    it, sent = Session(), []
    hear, it.hear = it.hear, lambda messages: hear([sent.append(each) or each for each in messages])
    it.tell(
        Passage("in-1", "01000734E0", Direction.IN, AT),
        Decision("in-1", "01000734E0", Verdict.DENIED, Why.EXPIRED, AT, Direction.IN),
    )
    assert not [each for each in sent if b"734E0" in each.payload or "734E0" in each.topic]
    assert it.host.values("", "decision/in-1/why") == ["expired"]


def test_a_loss_says_what_is_missing_and_other_measurements_come_as_they_are() -> None:
    it = Session()
    lines = (
        b"loss,site=cuihu,why=crc,cause=device,device=tank-1 count=3.0,first=1i,last=2i 1767225600000000000",
        b"loss,site=cuihu,why=full,cause=policy count=9.0,first=1i,last=2i 1767225600000000000",
        b"sink,site=cuihu,sink=influx up=true,waiting=7.0 1767225600000000000",
        b'point,site=cuihu,device=tank-1,point=level,profile=p,unit=m title="level" 1767225600000000000',
    )
    it.send(*samples(map(parse, lines)))
    told = {told.name: told.value for told in it.host.told if told.value is not None}
    assert told == {
        "loss/crc/tank-1/count": 3.0,
        "loss/crc/tank-1/first": 1,
        "loss/crc/tank-1/last": 2,
        "loss/crc/tank-1/cause": "device",
        "loss/full/count": 9.0,
        "loss/full/first": 1,
        "loss/full/last": 2,
        "loss/full/cause": "policy",
        "sink/influx/up": True,
        "sink/influx/waiting": 7.0,
    }


def test_readings_of_every_kind() -> None:
    it = Session()
    it.tell(
        Reading("pump-1.pressure", 1, AT),
        Reading("pump-1.running", True, AT),
        Reading("pump-1.model", "CR 15", AT),
        Reading("tank-1.level", None, AT, Quality.BAD, Reason.TIMEOUT),
    )
    told = {told.name: (told.value, told.quality) for told in it.host.told}
    assert told == {
        "pressure": (1.0, 192),
        "running": (True, 192),
        "model": ("CR 15", 192),
        "level": (None, 0),
    }


def test_a_lost_connection_is_a_death_of_the_number_of_its_birth() -> None:
    it = Session()
    for _ in range(300):  # past 255
        it.lose()
        assert not it.host.online
        it.connect()
    assert it.host.bdseqs[254:258] == [254, 255, 0, 1]


def test_only_a_true_rebirth_asks_for_a_birth() -> None:
    def command(value: object, name: str = REBIRTH) -> bytes:
        return encode(Payload([Metric(value, NOW, name, type=DataType.BOOLEAN)], NOW))

    assert asks_for_birth(command(True))
    assert not asks_for_birth(command(False))
    assert not asks_for_birth(command(True, "Node Control/Reboot"))
    assert not asks_for_birth(b"")
    with pytest.raises(Malformed):
        asks_for_birth(command(True)[:-1])


SAMPLES = st.builds(
    lambda device, value, ms, quality: Sample(
        device,
        f"point of {type(value).__name__}",
        {float: DataType.DOUBLE, bool: DataType.BOOLEAN, str: DataType.STRING}.get(type(value)),
        NOW + ms,
        value,
        quality,
    ),
    st.sampled_from(["", "pump-1", "tank-1", "gone"]),
    st.none() | st.floats(allow_nan=False) | st.booleans() | st.text(max_size=5),
    st.integers(-50, 50),
    st.sampled_from(Quality),
)
STEPS = st.one_of(
    st.tuples(st.just("send"), st.lists(SAMPLES, max_size=8), st.booleans()),
    st.tuples(st.just("attend"), st.sets(st.sampled_from(["pump-1", "tank-1"]))),
    st.tuples(st.just("birth")),
    st.tuples(st.just("reconnect")),
)


@settings(max_examples=50)
@given(st.lists(STEPS, max_size=12))
def test_whatever_happens_no_rule_is_broken_and_all_is_told_once(steps) -> None:
    it, sent = Session(), []
    for step in steps:
        match step:
            case "send", its, historical:
                sent += its
                it.send(*its, historical=historical)
            case "attend", devices:
                it.attend(*devices)
            case ("birth",):
                it.birth()
            case ("reconnect",):
                it.lose()
                it.connect()
    assert it.host.complaints == []
    told = sorted(repr((each.device, each.ms, each.value)) for each in it.host.told)
    assert told == sorted(repr((each.device, each.ms, each.value)) for each in sent)
