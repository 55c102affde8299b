"""How the plant looks through the points of each profile in `config/profiles/`, by their names.

A face is a table: the point's name and how it is read. Points that no face knows drift plausibly.
"""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from sitewarden.drivers.modbus.points import Profile
from sitewarden.rules.model import Stamp, Value
from sitewarden.simulators.drift import Drift
from sitewarden.simulators.plant.fireline import OHMS, LineState
from sitewarden.simulators.plant.lift import ASTRAY_AFTER, FLOOR_HEIGHT, TRAPPED_AFTER, Lift, Phase
from sitewarden.simulators.plant.sump import Sump
from sitewarden.simulators.plant.water import BAR, Pump, PumpFault, Waterworks

Getter = Callable[[Stamp], Value | None]
Setter = Callable[[Value, Stamp], None]
Face = Mapping[str, Getter]

LIFT_SETTINGS: Mapping[str, Value] = {  # as its installer left the board
    "floors_below": 0,
    "base_floor": 1,
    "floor_height": FLOOR_HEIGHT,
    "overspeed_limit": 3,
    "levelled_trap_after": 30,
    "unlevelled_trap_after": TRAPPED_AFTER,
    "stop_outside_zone_after": ASTRAY_AFTER,
    "run_timeout_after": 2,
    "door_long_open_after": 3,
    "door_repeats_limit": 5,
}


class Wired:
    """A `Source` whose points are wired to the plant one by one. `advances` bring what stands behind them
    to an instant (`Stamp.mono`) before anybody looks."""

    def __init__(self, profile: Profile, chance: Random) -> None:
        self.advances: list[Callable[[float], None]] = []
        self.inputs: dict[str, Getter] = {}
        self.outputs: dict[str, Setter] = {}
        self._rest = Drift(profile, chance)

    def values(self, at: Stamp) -> Mapping[str, Value | None]:
        for advance in self.advances:
            advance(at.mono)
        return {**self._rest.values(at), **{name: get(at) for name, get in self.inputs.items()}}

    def write(self, point: str, value: Value, at: Stamp) -> None:
        self._rest.write(point, value, at)
        if output := self.outputs.get(point):
            output(value, at)


def pump_face(pump: Pump, works: Waterworks) -> Face:
    """`grundfos-cim`."""
    return {
        "pressure": lambda at: works.pressure,
        "differential_pressure": lambda at: pump.head / BAR,
        "flow": lambda at: pump.flow,
        "speed": lambda at: round(pump.speed * pump.RATED),
        "frequency": lambda at: pump.speed * 50.0,
        "performance": lambda at: pump.speed * 100.0,
        "feedback": lambda at: min(100.0, works.pressure * 10.0),
        "actual_setpoint": lambda at: 100.0 if pump.running else 0.0,
        "current": lambda at: pump.current,
        "power": lambda at: round(pump.power),
        "dc_link": lambda at: 540.0 - 12.0 * pump.speed,
        "temperature": lambda at: pump.celsius,
        "liquid_temperature": lambda at: 14.0,
        "hours": lambda at: int(pump.hours),
        "energy": lambda at: int(pump.energy),
        "starts": lambda at: pump.starts,
        "running": lambda at: pump.running,
        "remote": lambda at: True,
        "max_speed": lambda at: pump.speed >= 1.0,
        "alarm": lambda at: pump.fault != PumpFault.NONE,
        "alarm_code": lambda at: pump.fault,
        "warning_code": lambda at: 0,
    }


def level_face(works: Waterworks) -> Face:
    """`level-4-20ma`."""
    return {"level": lambda at: works.tank.level}


def lift_face(lift: Lift) -> Face:
    """`lift-monitor-a`."""
    return {
        "floor": lambda at: round(lift.position),
        "speed": lambda at: abs(lift.speed),
        "up": lambda at: lift.speed > 0.0,
        "down": lambda at: lift.speed < 0.0,
        "levelled": lambda at: lift.levelled,
        "door_open": lambda at: lift.door_open,
        "person": lambda at: lift.person,
        "alarm_key": lambda at: lift.phase is Phase.STUCK,
        "door_count": lambda at: lift.doors,
        "floors_run": lambda at: lift.floors_run,
        "trip_time": lambda at: round(lift.trip_seconds),
        "trip_distance": lambda at: round(lift.trip_metres),
        "mean_acceleration": lambda at: lift.acceleration / 2,
        "mean_deceleration": lambda at: lift.acceleration / 2,
        "start_acceleration": lambda at: lift.acceleration,
        "brake_deceleration": lambda at: lift.acceleration,
        "vibration_x": lambda at: 0.01 + 0.06 * abs(lift.speed),
        "vibration_y": lambda at: 0.01 + 0.05 * abs(lift.speed),
        "vibration_z": lambda at: 0.02 + 0.10 * abs(lift.speed),
        "noise": lambda at: 42.0 + 5.0 * abs(lift.speed),
        "fault_unlevelled_trap": lambda at: lift.stuck_for(at.mono) >= TRAPPED_AFTER,
        "fault_stop_outside_zone": lambda at: lift.stuck_for(at.mono) >= ASTRAY_AFTER,
        "floors_above": lambda at: lift.highest,
        "sensor_faults": lambda at: 0,
        **{name: partial(_always, value) for name, value in LIFT_SETTINGS.items()},
    }


def _always(value: Value, at: Stamp) -> Value:
    return value


def spare_lines_face() -> Face:
    """`supervised-input-4`: an input with no line ends in its resistor."""
    return {f"line{number}": lambda at: OHMS[LineState.NORMAL] for number in range(1, 5)}


def sump_face(sump: Sump) -> Face:
    """`two-pump-sump`."""
    first, second = sump.pumps
    return {
        "level": lambda at: sump.level,
        "duty": lambda at: sump.duty + 1,
        "spill": lambda at: sump.spills,
        "p1_available": lambda at: True,
        "p2_available": lambda at: True,
        "p1_running": lambda at: first.running,
        "p2_running": lambda at: second.running,
        "p1_starts": lambda at: first.starts,
        "p2_starts": lambda at: second.starts,
        "p1_hours": lambda at: int(first.hours),
        "p2_hours": lambda at: int(second.hours),
    }
