"""An operator writes a value to a point, and is told how that ended."""

from functools import partial

from sitewarden.drivers.modbus.limits import NotWritable, OutOfLimits, encoded, is_writable
from sitewarden.drivers.modbus.points import Point
from sitewarden.gateway.api.act import check_reason, told
from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.live import Streams
from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.tokens import Caller
from sitewarden.rules.model import Action, Effect, Operator, Outcome, Value, Write
from sitewarden.rules.writes import PATIENCE as LAPSES

PATIENCE = LAPSES + 1.0  # s until the core must have said how it ended


async def write(
    house: House, streams: Streams, caller: Caller, point: str, value: Value, reason: str
) -> Write:
    """Returns once the device reads what was written, or all that listen were told. Any other end of it is
    a Problem."""
    at = house.board.points.get(point)
    if at is None:
        raise Problem(404, "no_such_point", f"no point {point!r}")
    check_reason(reason, "a reason is needed to write a value")
    _check_value(point, at, value)
    if point in house.board.barrier_outputs:  # the core would not either, but does not say why
        raise Problem(409, "barrier_output", f"{point} moves a barrier", point=point)
    operator = Operator(Action.WRITE, point, caller.name, house.now(), reason.strip(), value)
    before = streams.mark()
    if operator not in await told(house, operator):
        raise Problem(409, "write_under_way", f"another write of {point} has not ended yet", point=point)
    return _done(point, await streams.first(partial(_end, operator), before, PATIENCE))


def _check_value(name: str, point: Point, value: Value) -> None:
    if not is_writable(point):
        raise Problem(422, "read_only", f"{name} is read-only", point=name)
    try:
        encoded(point, value)
    except OutOfLimits as error:
        limits = {"low": point.write_low, "high": point.write_high}
        known = {key: limit for key, limit in limits.items() if limit is not None}
        raise Problem(422, "out_of_limits", str(error), point=name, **known) from None
    except NotWritable as error:
        raise Problem(422, "wrong_type", str(error), point=name, takes=point.kind) from None


def _end(operator: Operator, effect: Effect) -> Write | None:
    match effect:
        case Write(point=operator.target, asked=operator.at):
            return effect
    return None


def _done(point: str, write: Write | None) -> Write:
    match write:
        case Write(outcome=Outcome.VERIFIED | Outcome.SENT):
            return write
        case Write(outcome=Outcome.REFUSED, reason=reason):
            raise Problem(409, "write_refused", f"the device refused: {reason}", point=point, reason=reason)
        case Write(outcome=Outcome.UNVERIFIED, value=value, read=read):
            more = {} if read is None else {"read": read}
            detail = f"found {read!r} after {value!r} was written"
            raise Problem(409, "write_unverified", detail, point=point, value=value, **more)
    raise Problem(504, "write_lapsed", "not confirmed in time; look before trying again", point=point)
