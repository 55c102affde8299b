"""How the plant looks through the points of each profile in `config/profiles/`, by their names.

A face is a table: the point's name and how it is read. Points that no face knows drift plausibly. Here is the
water; lifts and drives have modules of their own.
"""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from sitewarden.drivers.modbus.points import Profile
from sitewarden.rules.model import Stamp, Value
from sitewarden.simulators.drift import Drift
from sitewarden.simulators.plant.booster import FULL_SCALE, SETPOINT, Booster, BoosterPump, Force
from sitewarden.simulators.plant.fireline import OHMS, LineState
from sitewarden.simulators.plant.sump import BACKUP, HIGH, Sump, SumpPump
from sitewarden.simulators.plant.water import BAR, Pump, PumpFault, Waterworks

Getter = Callable[[Stamp], Value | None]
Setter = Callable[[Value, Stamp], None]
Face = Mapping[str, Getter]

BY_BUS, ON, RESET = 1, 2, 4  # bits of a pump's control register


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
        else:  # a setting that the plant does not heed stays as it was written
            self.inputs.pop(point, None)


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
        "control": lambda at: BY_BUS | ON * pump.released,
    }


def pump_control(pump: Pump) -> Setter:
    """Register 101: who is switched off by bus stays so whatever its controller wants."""

    def written(value: Value, at: Stamp) -> None:
        bits = int(value)
        pump.released = not bits & BY_BUS or bool(bits & ON)
        if bits & RESET:
            pump.fault = PumpFault.NONE

    return written


def booster_face(booster: Booster) -> Face:
    """`grundfos-cu352`."""
    whole: Face = {
        "running": lambda at: bool(booster.running),
        "alarm": lambda at: any(pump.fault for pump in booster.pumps),
        "low_flow_stop": lambda at: booster.idle,
        "feedback": lambda at: 100.0 * booster.pressure / FULL_SCALE,
        "setpoint": lambda at: 100.0 * SETPOINT / FULL_SCALE,
        "control_mode": lambda at: 4,  # constant pressure
        "alarm_code": lambda at: max(pump.fault for pump in booster.pumps),
        "warning_code": lambda at: 0,
        "pumps_present": lambda at: (1 << len(booster.pumps)) - 1,
        "pumps_running": lambda at: sum(pump.running << bit for bit, pump in enumerate(booster.pumps)),
        "pumps_silent": lambda at: 0,
        "sensor_unit": lambda at: 0,  # bar
        "sensor_max": lambda at: FULL_SCALE,
        "head": lambda at: booster.head,
        "pressure": lambda at: booster.pressure,
        "inlet_pressure": lambda at: booster.inlet,
        "flow": lambda at: booster.flow,
        "power": lambda at: round(booster.power),
        "energy": lambda at: int(booster.energy),
        "hours": lambda at: int(max(pump.hours for pump in booster.pumps)),
    }
    faces = (_booster_pump_face(f"p{number}", pump) for number, pump in enumerate(booster.pumps, start=1))
    return {**whole, **{name: get for face in faces for name, get in face.items()}}


def _booster_pump_face(name: str, pump: BoosterPump) -> Face:
    return {
        f"{name}_force": lambda at: pump.force,
        f"{name}_running": lambda at: pump.running,
        f"{name}_alarm": lambda at: bool(pump.fault),
        f"{name}_alarm_code": lambda at: pump.fault,
        f"{name}_hours": lambda at: int(pump.hours),
        f"{name}_speed": lambda at: 100.0 * pump.speed,
        f"{name}_current": lambda at: pump.current,
        f"{name}_power": lambda at: pump.power,
        f"{name}_temperature": lambda at: pump.celsius,
    }


def booster_control(booster: Booster) -> Mapping[str, Setter]:
    """A master starts or stops a pump whatever the set wants."""

    def forced(pump: BoosterPump, value: Value, at: Stamp) -> None:
        pump.force = Force(int(value))

    pumps = enumerate(booster.pumps, start=1)
    return {f"p{number}_force": partial(forced, pump) for number, pump in pumps}


def level_face(works: Waterworks) -> Face:
    """`level-4-20ma`."""
    return {"level": lambda at: works.tank.level}


def spare_lines_face() -> Face:
    """`supervised-input-4`: an input with no line ends in its resistor."""
    return {f"line{number}": lambda at: OHMS[LineState.NORMAL] for number in range(1, 5)}


def sump_face(sump: Sump) -> Face:
    """`two-pump-sump`."""
    pumps = enumerate(sump.pumps, start=1)
    faces = (_sump_pump_face(f"p{number}", pump) for number, pump in pumps)
    return {
        "level": lambda at: sump.level,
        "duty": lambda at: sump.duty + 1,
        "spill": lambda at: sump.spills,
        "high_level": lambda at: sump.level >= HIGH,
        "high_backup": lambda at: sump.level >= BACKUP,
        **{name: get for face in faces for name, get in face.items()},
    }


def _sump_pump_face(name: str, pump: SumpPump) -> Face:
    return {
        f"{name}_available": lambda at: True,
        f"{name}_run": lambda at: pump.ordered,
        f"{name}_running": lambda at: pump.running,
        f"{name}_starts": lambda at: pump.starts,
        f"{name}_starts_hour": lambda at: pump.starts_hour,
        f"{name}_hours": lambda at: int(pump.hours),
    }


def sump_control(sump: Sump) -> Mapping[str, Setter]:
    def ordered(pump: SumpPump, value: Value, at: Stamp) -> None:
        pump.ordered = bool(value)

    return {f"p{number}_run": partial(ordered, pump) for number, pump in enumerate(sump.pumps, start=1)}
