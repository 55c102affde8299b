"""A whole estate in one value: two lanes, two pumps, a tank, a lift and a fire contact."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table, Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Parity, ReaderPlan, SerialPort, TcpPort
from sitewarden.rules.model import Direction, FireKind, Permit, PermitKind, Severity, Stamp
from sitewarden.rules.plan import Band, Barrier, Condition, FireInput, Lane, Parking, SitePlan, Test

START = Stamp(datetime(2026, 3, 30, 16, 0, tzinfo=UTC), 1000.0)  # local midnight in Shanghai
TODAY = date(2026, 3, 31)


def coil(name: str, address: int) -> Point:
    return Point(name, Table.COIL, address, Kind.BOOL, scan="slow", writable=True)


def contact(name: str, address: int) -> Point:
    return Point(name, Table.DISCRETE, address, Kind.BOOL, scan="fast")


RELAYS = Profile(
    "relay-8in-8out",
    tuple(coil(f"out{n}", n - 1) for n in range(1, 9)) + tuple(contact(f"in{n}", n - 1) for n in range(1, 9)),
)
PUMP = Profile(
    "grundfos-cim",
    (
        Point("alarm_code", Table.HOLDING, 204, Kind.U16),
        Point(
            "pressure", Table.HOLDING, 300, Kind.U16, scale=0.001, unit="bar", absent=0xFFFF, deadband=0.05
        ),
        Point("flow", Table.HOLDING, 301, Kind.U16, scale=0.1, unit="m³/h", absent=0xFFFF, deadband=0.5),
        Point("speed", Table.HOLDING, 303, Kind.U16, unit="rpm", absent=0xFFFF, deadband=20),
        Point("power", Table.HOLDING, 311, Kind.U32, unit="W", deadband=50),
        Point("starts", Table.HOLDING, 333, Kind.U32),
    ),
)
LEVEL = Profile(
    "level-4-20ma",
    (Point("level", Table.INPUT, 0, Kind.U16, scale=0.001, unit="m", low=0, high=5, deadband=0.01),),
)
LIFT = Profile(
    "lift-monitor-a",
    (
        Point("fault_unlevelled_trap", Table.HOLDING, 0, Kind.BIT, bit=1),
        Point("door_open", Table.HOLDING, 1, Kind.BIT, bit=11),
        Point("floor", Table.HOLDING, 2, Kind.U8H),
        Point("speed", Table.HOLDING, 2, Kind.U8L, scale=0.1),
    ),
)
LINES = Profile(
    "supervised-input-4",
    tuple(
        Point(
            f"line{n}",
            Table.INPUT,
            n - 1,
            Kind.U16,
            unit="ohm",
            scan="line",
            normal_low=1800,
            normal_high=2600,
        )
        for n in range(1, 5)
    ),
)


QUICK = {"fast": 0.2, "line": 0.2, "normal": 1.0, "slow": 10.0}
CALM = {"fast": 1.0, "line": 2.0, "normal": 10.0, "slow": 60.0}  # for whole days in seconds


def permits() -> tuple[Permit, ...]:
    """Forty monthly cards, two that share a private space, one expired, one blocked."""
    first, last = date(2026, 1, 1), date(2026, 12, 31)
    monthly = [Permit(f"01000{n:05X}", PermitKind.MONTHLY, first, last) for n in range(0x700, 0x700 + 40)]
    private = [Permit(f"02000{n:05X}", PermitKind.PRIVATE, first, last, space="B1-07") for n in (1, 2)]
    expired = Permit("62E3086CED", PermitKind.MONTHLY, first, date(2026, 3, 30))
    blocked = Permit("01000734E0", PermitKind.MONTHLY, first, last, blocked=True)
    return (*monthly, *private, expired, blocked)


def lane(number: int, direction: Direction) -> Lane:
    first = 4 * (number - 1)
    barrier = Barrier(
        device="io-gate",
        open=f"out{number}",
        opened=f"io-gate.in{first + 1}",
        closed=f"io-gate.in{first + 2}",
        loop_before=f"io-gate.in{first + 3}",
        loop_under=f"io-gate.in{first + 4}",
    )
    return Lane(f"{direction}-1", direction, f"reader-{direction}", barrier)


def plan() -> SitePlan:
    bands = (
        Band(0, 300, FireKind.FAULT, text="short"),
        Band(500, 1200, FireKind.FIRE, zone="1"),
        Band(1800, 2600, FireKind.NORMAL),
        Band(6000, 1e6, FireKind.FAULT, text="open"),
    )
    return SitePlan(
        id="test",
        tz=ZoneInfo("Asia/Shanghai"),
        devices=frozenset(device for link in links() for device in link.devices),
        parking=Parking((lane(1, Direction.IN), lane(2, Direction.OUT)), private_spaces=frozenset({"B1-07"})),
        fire=(FireInput("panel-1", "io-fire.line1", bands),),
        conditions=(
            Condition("tank-low", "tank-1.level", Test.BELOW, 0.8, Severity.HIGH, 0.1, 10.0, 10.0),
            Condition("pressure-low", "pump-1.pressure", Test.BELOW, 1.5, Severity.HIGH, 0.2, 5.0, 5.0),
            Condition("trapped", "lift-1.fault_unlevelled_trap", Test.IS, True, Severity.CRITICAL),
        ),
    )


def links(scan: Mapping[str, float] = QUICK) -> tuple[LinkPlan, ...]:
    def unit(device: str, unit_id: int, profile: Profile) -> Unit:
        return Unit(device, unit_id, profile, scan, heartbeat=3600.0)

    gate_bus = BusPlan(Framing.RTU, (unit("io-gate", 1, RELAYS), unit("io-fire", 2, LINES)))
    pump_bus = BusPlan(
        Framing.RTU, (unit("pump-1", 11, PUMP), unit("pump-2", 12, PUMP), unit("tank-1", 21, LEVEL))
    )
    lift = BusPlan(Framing.TCP, (unit("lift-1", 247, LIFT),))
    return (
        LinkPlan("gate-in", SerialPort("ports/gate-in"), ReaderPlan("reader-in")),
        LinkPlan("gate-out", SerialPort("ports/gate-out"), ReaderPlan("reader-out")),
        LinkPlan("bus-1", SerialPort("ports/bus-1", 19200, Parity.EVEN), gate_bus),
        LinkPlan("bus-2", SerialPort("ports/bus-2", 9600, Parity.EVEN), pump_bus),
        LinkPlan("lift-1", TcpPort("127.0.0.1", 0), lift),
    )


def bare_plan() -> SitePlan:
    return SitePlan(id="bare", tz=ZoneInfo("Asia/Shanghai"))


def one_unit(profile: Profile, framing: Framing = Framing.RTU) -> LinkPlan:
    """A bus with nothing but one device, called `unit`, at address 1."""
    return LinkPlan("bus", SerialPort("ports/bus"), BusPlan(framing, (Unit("unit", 1, profile),)))


def stamp(mono: float) -> Stamp:
    return Stamp(START.wall + timedelta(seconds=mono - START.mono), mono)
