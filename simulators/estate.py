"""The whole far side of a site, built from the very plans that the gateway is configured with.

Behind each link stands a twin; behind the twins stands one plant: the barriers are wired to the outputs
and inputs that the lanes name, the fire lines to the points that the fire plan names, pumps, tank and
lifts to the units whose profile says so. The estate lives by itself; `controls.py` makes things happen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from sitewarden.drivers.modbus.points import Kind, Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, ReaderPlan, TcpPort, pace
from sitewarden.rules.model import Permit, Stamp, Value
from sitewarden.rules.plan import FireInput, Lane, SitePlan
from sitewarden.simulators.base import Twin
from sitewarden.simulators.card_reader import CardReaderTwin
from sitewarden.simulators.drive_faces import (
    ABB_RUNS,
    FC_STARTS,
    abb_face,
    fc_face,
    obey_abb,
    obey_fc,
    wire_drive,
)
from sitewarden.simulators.faces import (
    Getter,
    Wired,
    booster_control,
    booster_face,
    level_face,
    pump_control,
    pump_face,
    spare_lines_face,
    sump_control,
    sump_face,
)
from sitewarden.simulators.gate import Car, Gate, Visit
from sitewarden.simulators.lift_faces import board_a_face, vanke_face
from sitewarden.simulators.modbus_slave import ModbusSlave, SlaveUnit
from sitewarden.simulators.plant.booster import Booster
from sitewarden.simulators.plant.drive import Drive
from sitewarden.simulators.plant.fireline import OHMS, FireLine, LineState
from sitewarden.simulators.plant.lift import Lift
from sitewarden.simulators.plant.sump import Sump
from sitewarden.simulators.plant.water import Pump, Waterworks
from sitewarden.simulators.serial_gateway import GatewayLine, SerialGateway
from sitewarden.simulators.traffic import Traffic

STEP = 1.0  # s of a step of the water


@dataclass(frozen=True, slots=True)
class Switched:
    """An output that is wired to a barrier changed."""

    mono: float
    device: str
    output: str
    on: bool


Seen = Visit | Switched


class Estate:
    def __init__(
        self,
        plan: SitePlan,
        links: Sequence[LinkPlan],
        permits: Sequence[Permit],
        seed: int,
        start: Stamp,
        cars_an_hour: float | None = None,
        seen: Callable[[Seen], None] = lambda _: None,
        cars_from: float | None = None,
    ) -> None:
        """`cars_an_hour`: at least, at the quietest time of the day, from `cars_from` on (mono; None: the
        start); None: only those that are sent. `seen` hears what an onlooker would see."""
        self.plan, self.permits, self.start = plan, permits, start
        self.unplugged: set[str] = set()
        self.gates: dict[str, Gate] = {}
        self.lines: dict[str, FireLine] = {}
        self.lifts: dict[str, Lift] = {}
        self.pumps: dict[str, Pump] = {}
        self.sumps: dict[str, Sump] = {}
        self.boosters: dict[str, Booster] = {}
        self.drives: dict[str, Drive] = {}
        self.units: dict[str, SlaveUnit] = {}
        self.works = Waterworks([], self.chance(seed, "water"))
        self._seed, self._seen = seed, seen
        self._readers: dict[str, CardReaderTwin] = {}
        self.sources: dict[str, Wired] = {}
        local = start.wall.astimezone(plan.tz)
        self._midnight = start.mono - (local.hour * 3600 + local.minute * 60 + local.second)
        first = start.mono if cars_from is None else cars_from
        chance = self.chance(seed, "traffic")
        self.traffic = Traffic(plan.parking.lanes, permits, chance, self.hour(first), cars_an_hour)
        self._car_at = self.traffic.next_after(first, self.second_of_day(first))
        self.twins: Mapping[str, Twin] = {link.name: self._twin(link) for link in links}
        for lane in plan.parking.lanes:
            self._wire_lane(lane)
        for panel in plan.fire:
            self._wire_fire(panel)
        self._step_at = start.mono

    @staticmethod
    def chance(seed: int, name: str) -> Random:
        """Each part has a generator of its own, so that one more part changes no other."""
        return Random(f"{seed}/{name}")

    def second_of_day(self, mono: float) -> float:
        """Local time, as it was at the start; the plant does not heed summer time."""
        return (mono - self._midnight) % 86_400.0

    def hour(self, mono: float) -> int:
        return int(self.second_of_day(mono) // 3600)

    # -- its own life ----------------------------------------------------------------------------

    @property
    def wake_at(self) -> float:
        gates = (gate.wake_at for gate in self.gates.values())
        lifts = (lift.due for lift in self.lifts.values())
        return min(mono for mono in (self._step_at, self._car_at, *gates, *lifts) if mono is not None)

    def woken(self, at: Stamp) -> None:
        """Everything that was due happens; the twins may have something to say afterwards."""
        mono = at.mono
        while self._step_at <= mono:
            self.works.advance(STEP, self.second_of_day(self._step_at))
            for sump in self.sumps.values():
                sump.advance(STEP)
            for booster in self.boosters.values():
                booster.advance(STEP, self.second_of_day(self._step_at))
            self._step_at += STEP
        for lift in self.lifts.values():
            lift.advance(mono, self.hour(mono))
        while self._car_at is not None and self._car_at <= mono:
            self._arrivals(self._car_at)
            self._car_at = self.traffic.next_after(self._car_at, self.second_of_day(self._car_at))
        for gate in self.gates.values():
            gate.advance(mono)

    def arrive(self, lane: str, car: Car, mono: float) -> None:
        """A car joins the queue of a lane."""
        self.gates[lane].arrive(car, mono)
        self.traffic.sets_out(car)

    def values(self, at: Stamp) -> Iterator[tuple[str, Value | None]]:
        """Every point of every Modbus unit by its full name, as the device would show it."""
        for device, source in self.sources.items():
            for name, value in source.values(at).items():
                yield f"{device}.{name}", value

    def _arrivals(self, mono: float) -> None:
        if arrival := self.traffic.arrival(mono, self.hour(mono)):
            for car in arrival.cars:
                self.arrive(arrival.lane, car, mono)

    def _visited(self, visit: Visit) -> None:
        self.traffic.ended(visit)
        self._seen(visit)

    # -- how it is built -------------------------------------------------------------------------

    def _twin(self, link: LinkPlan) -> Twin:
        match link.wire:
            case ReaderPlan(device):
                return self._readers.setdefault(device, CardReaderTwin())
            case BusPlan(framing, plans):
                units = [self._unit(plan) for plan in plans]
                if framing is Framing.TCP and isinstance(link.port, TcpPort) and link.port.line_baud:
                    return SerialGateway(GatewayLine(units, pace(link.port, framing)))
                return ModbusSlave(framing, units)

    def _unit(self, unit: Unit) -> SlaveUnit:
        chance = self.chance(self._seed, unit.device)
        source = self.sources[unit.device] = Wired(unit.profile, chance)
        match unit.profile.family or unit.profile.name:
            case "grundfos-cim":
                pump = self.pumps[unit.device] = Pump(hours=chance.uniform(900, 9000), starts=1200)
                self.works.pumps.append(pump)
                source.inputs |= pump_face(pump, self.works)
                source.outputs["control"] = pump_control(pump)
            case "grundfos-cu352":
                booster = self.boosters[unit.device] = Booster(chance)
                source.inputs |= booster_face(booster)
                source.outputs |= booster_control(booster)
            case "danfoss-fc":
                drive = self.drives[unit.device] = Drive(chance, self.start.mono)
                wire_drive(source, drive, fc_face(drive), FC_STARTS, obey_fc)
            case "abb-acs580":
                drive = self.drives[unit.device] = Drive(chance, self.start.mono)
                wire_drive(source, drive, abb_face(drive), ABB_RUNS, obey_abb)
            case "level-4-20ma":
                source.inputs |= level_face(self.works)
            case "lift-monitor-a" | "vanke-ba" as board:
                lift = self.lifts[unit.device] = Lift(
                    chance, self.start.mono, doors=chance.randrange(900_000)
                )
                source.inputs |= board_a_face(lift) if board == "lift-monitor-a" else vanke_face(lift)
                source.advances.append(lambda mono: lift.advance(mono, self.hour(mono)))
            case "supervised-input-4":
                source.inputs |= spare_lines_face()
            case "two-pump-sump":
                sump = self.sumps[unit.device] = Sump(chance)
                source.inputs |= sump_face(sump)
                source.outputs |= sump_control(sump)
        self.units[unit.device] = SlaveUnit(unit, source, self.chance(self._seed, f"{unit.device}/wire"))
        return self.units[unit.device]

    def _wire_lane(self, lane: Lane) -> None:
        barrier, chance = lane.barrier, self.chance(self._seed, lane.id)
        gate = Gate(lane, self._readers[lane.reader], chance, self.start.mono, self._visited)
        self.gates[lane.id] = gate
        arm, outputs = gate.arm, self.sources[barrier.device].outputs
        outputs[barrier.open] = partial(self._open_output, gate)
        if barrier.close:
            outputs[barrier.close] = lambda on, at: arm.close(at.mono) if on else None
        inputs: Mapping[str, Getter] = {
            barrier.loop_under: lambda at: arm.under,
            barrier.loop_before: lambda at: gate.before,
            barrier.opened: lambda at: arm.opened,
            barrier.closed: lambda at: arm.closed,
        }
        for point in filter(None, inputs):
            device, _, name = point.partition(".")
            source = self.sources[device]
            source.inputs[name] = inputs[point]
            if gate.advance not in source.advances:
                source.advances.append(gate.advance)

    def _open_output(self, gate: Gate, on: Value, at: Stamp) -> None:
        gate.advance(at.mono)
        if bool(on) is not gate.arm.open_held:
            gate.arm.hold_open(bool(on), at.mono)
            self._seen(Switched(at.mono, gate.lane.barrier.device, gate.lane.barrier.open, bool(on)))

    def _wire_fire(self, panel: FireInput) -> None:
        line = self.lines[panel.panel] = FireLine()
        device, _, name = panel.point.partition(".")
        points = self.units[device].unit.profile.points
        kind = next(point.kind for point in points if point.name == name)
        shown = {state: _shown(panel, state, kind) for state in LineState}
        self.sources[device].inputs[name] = lambda at: shown[line.state]


def _shown(panel: FireInput, state: LineState, kind: Kind) -> Value:
    """What the input reads in this state: the real resistance, or what the site's bands call so."""
    for band in panel.bands:
        if state in (band.kind, band.text):
            if kind in (Kind.BOOL, Kind.BIT):
                return band.low <= 1.0 < band.high
            return OHMS[state] if band.low <= OHMS[state] < band.high else (band.low + band.high) / 2
    return OHMS[state] if kind not in (Kind.BOOL, Kind.BIT) else False
