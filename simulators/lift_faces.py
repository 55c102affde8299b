"""A lift through two boards: the monitor's own sensors, and what a controller tells the building (BA)."""

from collections.abc import Mapping
from functools import partial

from sitewarden.rules.model import Stamp, Value
from sitewarden.simulators.faces import Face
from sitewarden.simulators.plant.lift import ASTRAY_AFTER, FLOOR_HEIGHT, TRAPPED_AFTER, Lift, Phase

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


def board_a_face(lift: Lift) -> Face:
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


def vanke_face(lift: Lift) -> Face:
    """`vanke-ba`. Its counters follow from what the lift has done."""
    return {
        "fault": lambda at: lift.stuck_for(at.mono) >= TRAPPED_AFTER,
        "trapped": lambda at: lift.stuck_for(at.mono) >= TRAPPED_AFTER,
        "stop_unlevelled": lambda at: lift.stuck_for(at.mono) >= TRAPPED_AFTER,
        "stop_outside_zone": lambda at: lift.stuck_for(at.mono) >= ASTRAY_AFTER,
        "stop_outside_unlocking_zone": lambda at: lift.stuck_for(at.mono) >= ASTRAY_AFTER,
        "car_button_alarm": lambda at: lift.phase is Phase.STUCK,
        "hours": lambda at: lift.doors * 18 // 3600,
        "starts": lambda at: lift.doors,
        "distance": lambda at: int(lift.floors_run * FLOOR_HEIGHT),
        "door_cycles": lambda at: lift.doors,
        "energy": lambda at: lift.floors_run * 0.02,
        "energy_saved": lambda at: lift.floors_run * 0.005,
        "passengers": lambda at: lift.doors * 5 // 8,
        "speed": lambda at: round(abs(lift.speed) * 100),
    }
