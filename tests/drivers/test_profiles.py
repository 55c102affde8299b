"""The profiles that are shipped: each loads, says where it comes from, and can be read and shown."""

from pathlib import Path

import pytest

from sitewarden.config.profile import SHIPPED, load_profile
from sitewarden.drivers.modbus.codec import decode, encode
from sitewarden.drivers.modbus.pace import NETWORK
from sitewarden.drivers.modbus.planner import plan
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table, Unit
from sitewarden.drivers.modbus.request import write
from sitewarden.rules.model import Reason, Value
from tests.drivers.virtual import Slave, Virtual, bus, unit

SCANS = unit("any", 1).scan


def profile(name: str) -> Profile:
    return load_profile(name, [SHIPPED])


def point(name: str, of: str) -> Point:
    return next(point for point in profile(of).points if point.name == name)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_profile_is_honest_readable_and_speaks_both_languages(file: Path) -> None:
    found = profile(file.stem)
    assert found.title
    assert found.source
    assert found.verified
    for one in found.points:
        assert set(one.label) == {"en", "zh"}, one.name
        assert one.scan in SCANS, one.name
    assert sum(len(block.points) for block in plan(Unit("device", 1, found), NETWORK)) == len(found.points)


@pytest.mark.parametrize(
    ("of", "name", "address", "raw", "value"),
    [
        ("grundfos-cim", "control", 100, "0003", 3),  # register 101 as the manual counts
        ("grundfos-cim", "control_mode_request", 101, "0004", 4),
        ("grundfos-cim", "setpoint", 103, "1388", 50.0),
        ("grundfos-cim", "flow_limit", 200, "0004", True),
        ("grundfos-cim", "running", 200, "0200", True),
        ("grundfos-cim", "min_speed", 200, "8000", True),
        ("grundfos-cim", "control_mode", 202, "0080", 128),
        ("grundfos-cim", "alarm_code", 204, "0039", 57),
        ("grundfos-cim", "pressure", 300, "0D48", 3.4),
        ("grundfos-cim", "flow", 301, "007B", 12.3),
        ("grundfos-cim", "power", 311, "0001D4C0", 120_000.0),  # high word first
        ("grundfos-cim", "temperature", 320, "7968", 37.65),  # 310.80 K
        ("grundfos-cim", "starts", 333, "00010002", 65_538.0),
        ("grundfos-cu352", "pumps_running", 208, "0005", 5),
        ("grundfos-cu352", "relief", 211, "0200", True),
        ("grundfos-cu352", "sensor_unit", 219, "0002", 2),
        ("grundfos-cu352", "inlet_pressure", 314, "FEAC", -0.340),  # 65196, seen on a live set
        ("grundfos-cu352", "pressure", 340, "1194", 4.5),
        ("grundfos-cu352", "p1_running", 410, "0002", True),
        ("grundfos-cu352", "p2_hours", 422, "00003039", 12_345.0),
        ("grundfos-cu352", "p3_speed", 434, "2328", 90.0),
        ("grundfos-cu352", "p3_power", 436, "00DC", 2200.0),
        ("grundfos-cu352", "p3_temperature", 437, "7A44", 39.85),  # 313.00 K
        ("danfoss-fc", "running", 50_199, "0F07", True),
        ("danfoss-fc", "alarm", 50_199, "0F07", False),
        ("danfoss-fc", "actual", 50_209, "4000", 100.0),
        ("danfoss-fc", "actual", 50_209, "E000", -50.0),
        ("danfoss-fc", "frequency", 16_129, "01F4", 50.0),
        ("danfoss-fc", "current", 16_139, "000104D2", 667.7),  # high word first: 66,770 of 0.01 A
        ("danfoss-fc", "alarm_word", 16_899, "00002000", 8192.0),
        ("abb-acs580", "alarm", 3, "0008", True),
        ("abb-acs580", "actual", 4, "4E20", 100.0),
        ("abb-acs580", "speed", 20_201, "B610FFFD", -1500.0),  # low word first: -150,000 of 0.01 rpm
        ("abb-acs580", "frequency", 20_211, "13880000", 50.0),
        ("abb-acs580", "current", 20_213, "04D20001", 667.7),
        ("level-4-20ma", "level", 0, "2EE0", 2.5),  # 12.000 mA of 4 to 20
        ("lift-monitor-a", "fault_unlevelled_trap", 0, "0002", True),
        ("lift-monitor-a", "door_open", 1, "0800", True),
        ("lift-monitor-a", "speed", 2, "070F", 1.5),
        ("lift-monitor-a", "floor", 2, "070F", 7.0),
        ("lift-monitor-a", "floors_run", 5, "00010000", 65536.0),
        ("lift-monitor-a", "trip_time", 10, "0C1E", 12.0),
        ("lift-monitor-a", "trip_distance", 10, "0C1E", 30.0),
        ("lift-monitor-a", "vibration_x", 12, "0A2D", 0.1),
        ("lift-monitor-a", "floor_height", 14, "081E", 3.0),  # as delivered: base floor 8, 3.0 m
        ("lift-monitor-a", "base_floor", 14, "081E", 8.0),
        ("lift-monitor-a", "unlevelled_trap_after", 16, "1E0A", 10.0),
        ("relay-8in-8out", "in8", 7, "01", True),
        ("supervised-input-4", "line3", 2, "0898", 2200.0),
        ("two-pump-sump", "door", 10, "01", True),
        ("two-pump-sump", "p2_starts_hour", 5, "0003", 3.0),
        ("vanke-ba", "hours", 0x47, "00010000", 65_536.0),
        ("vanke-ba", "energy", 0x4F, "00003039", 1234.5),
        ("vanke-ba", "speed", 0x55, "00000019", 25.0),
    ],
)
def test_a_register_reads_as_its_source_says(
    of: str, name: str, address: int, raw: str, value: object
) -> None:
    found = point(name, of)
    assert found.address == address
    assert decode(found, bytes.fromhex(raw)) == (value, Reason.NONE)


@pytest.mark.parametrize(
    ("of", "name", "value", "pdu"),
    [
        ("grundfos-cim", "control", 3, "06 0064 0003"),  # by bus, and on
        ("grundfos-cim", "control_mode_request", 128, "06 0065 0080"),
        ("grundfos-cim", "mode_request", 6, "06 0066 0006"),
        ("grundfos-cim", "setpoint", 62.5, "06 0067 186A"),
        ("grundfos-cu352", "p2_force", 2, "06 0069 0002"),
        ("grundfos-cu352", "jockey_force", 1, "06 0074 0001"),
        ("danfoss-fc", "control_word", 0x047C, "06 C34F 047C"),  # register 50000 is 49,999 on the wire
        ("danfoss-fc", "reference", 50.0, "06 C359 2000"),
        ("danfoss-fc", "reference", -100.0, "06 C359 C000"),
        ("abb-acs580", "control_word", 0x047F, "06 0000 047F"),
        ("abb-acs580", "reference", 75.0, "06 0001 3A98"),
        ("abb-acs580", "reference_2", -1.0, "06 0002 FF9C"),
        ("lift-monitor-a", "overspeed_limit", 3, "06 000F 0003"),
        ("two-pump-sump", "p2_run", True, "05 0001 FF00"),
        ("relay-8in-8out", "out8", False, "05 0007 0000"),
    ],
)
def test_a_write_is_the_register_that_the_source_names(of: str, name: str, value: Value, pdu: str) -> None:
    found = point(name, of)
    assert found.writable
    assert write(1, found.table, found.address, [encode(found, value)]).pdu == bytes.fromhex(pdu)


def test_every_output_but_a_setting_is_a_coil_and_every_part_of_a_register_is_none() -> None:
    for file in SHIPPED.glob("*.yaml"):
        outputs = [one for one in profile(file.stem).points if one.writable]
        assert all(one.setting or one.kind is Kind.BOOL for one in outputs)
        assert all(one.kind not in {Kind.BIT, Kind.U8H, Kind.U8L} for one in outputs)


def test_no_value_is_told_from_a_value() -> None:
    assert decode(point("flow", "grundfos-cim"), b"\xff\xff")[1] is Reason.NOT_AVAILABLE
    assert decode(point("running", "grundfos-cim"), b"\xff\xff")[1] is Reason.NOT_AVAILABLE
    assert decode(point("power", "grundfos-cim"), b"\xff" * 4)[1] is Reason.NOT_AVAILABLE
    assert decode(point("p1_temperature", "grundfos-cu352"), b"\0\0")[1] is Reason.NOT_AVAILABLE
    assert decode(point("inlet_pressure", "grundfos-cu352"), b"\xff\xff") == (-0.001, Reason.NONE)
    level = point("level", "level-4-20ma")
    for microampere in (0, 3_590, 20_600, 22_000):  # a broken or shorted loop, NAMUR NE 43
        assert decode(level, microampere.to_bytes(2, "big"))[1] is Reason.OUT_OF_RANGE
    for microampere in (3_800, 4_000, 20_000, 20_500):
        assert decode(level, microampere.to_bytes(2, "big"))[1] is Reason.NONE


def test_every_output_takes_a_command() -> None:
    for name in ("relay-8in-8out", "two-pump-sump"):
        outputs = [one for one in profile(name).points if one.writable]
        assert outputs
        assert all(one.kind is Kind.BOOL and encode(one, True) == b"\1" for one in outputs)


FAULTS_OF_BOARD_A = (  # register 0, from bit 0 on
    *("平层困人", "非平层困人", "门区外开门", "冲顶", "蹲底", "门区外停梯"),
    *("开门走梯", "超速", "运行超时", "反复开关门", "长时间开门", "停电"),
)
BITS_OF_VANKE = """
    40L 2 综合故障
    41H 0 安全回路断路
    42H 7 关门故障 6 门区外停梯 5 轿厢意外移动 4 运转时间限制器动作 3 楼层位置丢失 2 开门故障 1 防止再运行故障
    43H 0 其它故障
    44H 7 电梯困人 6 轿厢在开锁区外停止 5 非平层停梯 4 防止再运行故障 3 启动失败 2 安全回路断路
    44L 6 电动机运转时间限制器 5 运行超时 3 通讯故障(万科) 2 上极限动作(万科) 1 轿厢冲顶 0 上限位异常
    45H 7 下极限动作(万科) 6 轿厢蹲底 5 下限位异常 4 开门走梯 3 运行中开门 2 超速 1 速度异常 0 制动系统故障
    45L 7 控制装置故障 6 驱动系统故障 5 曳引机故障 4 主电源故障 3 平层故障 2 变频器故障
    45L 1 报警按钮动作 0 轿厢按钮报警
    46H 7 停电 4 过流(万科) 3 欠压或过压(万科) 2 高温(万科) 1 通信故障 0 门锁短接
"""


def test_the_faults_of_board_a_stand_where_its_source_has_them() -> None:
    faults = {one.bit: one.label["zh"] for one in profile("lift-monitor-a").points if one.address == 0}
    assert faults == dict(enumerate(FAULTS_OF_BOARD_A))
    assert max(one.address for one in profile("lift-monitor-a").points) == 18


def test_every_bit_of_the_vanke_board_has_its_name_and_comes_alone() -> None:
    points = {(one.address, one.bit): one for one in profile("vanke-ba").points if one.kind is Kind.BIT}
    told = set()
    for line in BITS_OF_VANKE.strip().splitlines():
        register, *words = line.split()
        address, high = int(register[:2], 16), 8 * (register[2] == "H")
        for bit, name in zip(words[::2], words[1::2], strict=True):
            place = address, int(bit) + high
            told.add(place)
            assert points[place].label["zh"].removesuffix("(44H)") == name
            word = (1 << place[1]).to_bytes(2, "big")
            raised = [one.name for one in points.values() if one.address == address and decode(one, word)[0]]
            assert raised == [points[place].name]
    assert told == set(points)


def test_the_vanke_board_is_asked_as_its_tool_asks() -> None:
    tables = {Table.HOLDING: dict.fromkeys(range(0x40, 0x57), 0) | {0x44: 0x8000, 0x48: 1200}}
    lift = Virtual(bus([Unit("lift", 2, profile("vanke-ba"))]), Slave({2: tables}, tcp=False))
    lift.run(0.5)
    assert lift.sent[0][1] == bytes.fromhex("0203004000170423")
    said = {reading.point: reading.value for reading in lift.readings()}
    assert (said["lift.trapped"], said["lift.overspeed"], said["lift.hours"]) == (True, False, 1200.0)
