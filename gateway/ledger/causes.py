"""Why readings are missing, and whose affair that is."""

from collections.abc import Mapping
from enum import StrEnum

from sitewarden.rules.model import Reason


class Gone(StrEnum):
    """Why there is a gap, where no reading says it (then it is its `Reason`)."""

    STOPPED = "stopped"  # the gateway was ended in good order: by an operator, an update, a shutdown
    KILLED = "killed"  # it died: no power, or the process was killed
    ALTERED = "altered"  # the configuration was: its link was made anew
    REMOVED = "removed"  # from the configuration
    UNHEARD = "unheard"  # nothing was heard of it since the start
    CLOCK = "clock"  # the lines are there, their instants are an estimate
    OVERRUN = "overrun"  # more came than could be written
    REFUSED = "refused"  # the disk took nothing for too long
    CRC = "crc"  # what the disk gives back is not what was written
    FULL = "full"  # the oldest made room for the newest
    REJECTED = "rejected"  # a server did not take the line: it is a dead letter


class Cause(StrEnum):
    """Whose affair it is, of a handful: a tag of telemetry."""

    DEVICE = "device"
    LINK = "link"
    CLOCK = "clock"
    POLICY = "policy"
    OPERATOR = "operator"
    SERVER = "server"
    DISK = "disk"
    GATEWAY = "gateway"


_CAUSES: Mapping[str, Cause] = {
    Gone.STOPPED: Cause.OPERATOR,
    Gone.KILLED: Cause.GATEWAY,
    Gone.ALTERED: Cause.OPERATOR,
    Gone.REMOVED: Cause.OPERATOR,
    Gone.UNHEARD: Cause.LINK,
    Gone.CLOCK: Cause.CLOCK,
    Gone.OVERRUN: Cause.GATEWAY,
    Gone.REFUSED: Cause.DISK,
    Gone.CRC: Cause.DISK,
    Gone.FULL: Cause.POLICY,
    Gone.REJECTED: Cause.SERVER,
    Reason.LINK_DOWN: Cause.LINK,
    Reason.NO_PATH: Cause.LINK,
    Reason.DRIVER: Cause.GATEWAY,
}


def cause_of(why: str) -> Cause:
    """Of a value of `Gone` or `Reason`; whatever else makes a reading bad is the device's affair."""
    return _CAUSES.get(why, Cause.DEVICE)


def words_of(why: str) -> str:
    """Where its words stand in the catalogue."""
    return f"gone.{why}" if why in set(Gone) else f"reason.{why}"
