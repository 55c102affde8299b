"""A drive through the words of its makers: what a control word makes it do, and what its status says."""

from collections.abc import Callable

from sitewarden.rules.model import Stamp, Value
from sitewarden.simulators.faces import Face, Wired
from sitewarden.simulators.plant.drive import RATED_HZ, RATED_RPM, Drive

FC_STARTS, ABB_RUNS = 0x047C, 0x047F  # as left by whoever started it
FC_NO_BRAKE, FC_NO_COAST, FC_NO_QUICK_STOP, FC_START = 1 << 2, 1 << 3, 1 << 4, 1 << 6
FC_RESET, FC_VALID, FC_REVERSE = 1 << 7, 1 << 10, 1 << 15
ABB_NO_COAST, ABB_RUN, ABB_RESET, ABB_REMOTE = 1 << 1, 0x7F, 1 << 7, 1 << 10

Obey = Callable[[Drive, int, int], None]
"""What the drive does when its control word goes from the one to the other."""


def obey_fc(drive: Drive, before: int, word: int) -> None:
    """FC profile: a word without the valid bit is not for the drive."""
    if not word & FC_VALID:
        return
    if word & FC_RESET and not before & FC_RESET:
        drive.reset()
    allowed = FC_NO_BRAKE | FC_NO_COAST | FC_NO_QUICK_STOP
    starts = bool(word & FC_START) and word & allowed == allowed
    drive.switch(starts and not drive.alarm, coasts=not word & FC_NO_COAST)
    drive.backwards = bool(word & FC_REVERSE)


def obey_abb(drive: Drive, before: int, word: int) -> None:
    """ABB Drives profile: without the remote bit the last word stands."""
    if not word & ABB_REMOTE:
        return
    if word & ABB_RESET and not before & ABB_RESET:
        drive.reset()
    drive.switch(word & ABB_RUN == ABB_RUN and not drive.alarm, coasts=not word & ABB_NO_COAST)


def wire_drive(source: Wired, drive: Drive, face: Face, word: int, obey: Obey) -> None:
    """`word`: the control word as it stands; what is written later the drive obeys at that instant."""
    last = word

    def controlled(value: Value, at: Stamp) -> None:
        nonlocal last
        drive.advance(at.mono)
        obey(drive, last, int(value))
        last = int(value)

    def referred(value: Value, at: Stamp) -> None:
        drive.advance(at.mono)
        drive.reference = float(value) / 100.0

    source.advances.append(drive.advance)
    source.inputs |= face
    source.inputs |= {"control_word": lambda at: last, "reference": lambda at: 100.0 * drive.reference}
    source.outputs |= {"control_word": controlled, "reference": referred}


def fc_face(drive: Drive) -> Face:
    """`danfoss-fc`."""
    return {
        "control_ready": lambda at: True,
        "drive_ready": lambda at: not drive.alarm,
        "alarm": lambda at: bool(drive.alarm),
        "at_reference": lambda at: drive.at_reference,
        "automatic": lambda at: True,
        "in_range": lambda at: True,
        "running": lambda at: drive.running,
        "actual": lambda at: 100.0 * drive.speed,
        "power": lambda at: drive.power,
        "frequency": lambda at: RATED_HZ * abs(drive.speed),
        "current": lambda at: drive.current,
        "temperature": lambda at: round(drive.celsius),
        "feedback": lambda at: 4.0 * drive.speed**2,
        "alarm_word": lambda at: drive.alarm,
        "warning_word": lambda at: 0,
    }


def abb_face(drive: Drive) -> Face:
    """`abb-acs580`."""
    return {
        "ready_on": lambda at: not drive.alarm,
        "ready_run": lambda at: not drive.alarm,
        "running": lambda at: drive.running,
        "alarm": lambda at: bool(drive.alarm),
        "no_coast_stop": lambda at: not drive.coasts,
        "no_emergency_stop": lambda at: True,
        "at_setpoint": lambda at: drive.at_reference,
        "remote": lambda at: True,
        "actual": lambda at: 100.0 * drive.speed,
        "actual_2": lambda at: 100.0 * drive.speed,
        "reference_2": lambda at: 0.0,
        "speed": lambda at: RATED_RPM * drive.speed,
        "frequency": lambda at: RATED_HZ * drive.speed,
        "current": lambda at: drive.current,
    }
