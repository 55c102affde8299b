"""What a caller can make the site do. The API and the page's forms both come here."""

import asyncio
from collections.abc import Sequence

from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.texts import REASON
from sitewarden.gateway.tokens import Caller
from sitewarden.rules.model import Action, Decision, Effect, FireStage, Operator

PATIENCE = 2.0  # s until the main loop must have taken an operator's word


async def acknowledge(house: House, caller: Caller, alarm: str) -> None:
    if alarm not in house.board.alarms:
        raise Problem(404, "no_such_alarm", f"no open alarm {alarm!r}")
    await _operate(house, caller, Action.ACKNOWLEDGE, alarm)


async def reset_latch(house: House, caller: Caller, alarm: str) -> None:
    if alarm not in house.board.alarms:
        raise Problem(404, "no_such_alarm", f"no open alarm {alarm!r}")
    await _operate(house, caller, Action.RESET_LATCH, alarm)


async def open_lane(house: House, caller: Caller, lane: str, reason: str) -> Decision:
    if lane not in house.board.lanes:
        raise Problem(404, "no_such_lane", f"no lane {lane!r}")
    check_reason(reason, "a reason is needed to open a barrier by hand")
    effects = await _operate(house, caller, Action.OPEN, lane, reason.strip())
    for effect in effects:
        if isinstance(effect, Decision):
            return effect
    raise Problem(409, "not_opened", f"the lane {lane!r} cannot be opened now")


async def reset_fire(house: House, caller: Caller) -> None:
    match house.board.fire.stage:
        case FireStage.FIRE:
            raise Problem(409, "fire_burns", "a panel still says fire; reset the panel first")
        case FireStage.NORMAL:
            raise Problem(409, "no_fire", "there is no fire to reset")
    await _operate(house, caller, Action.RESET_FIRE, "")


async def forgive(house: House, caller: Caller, card: str) -> None:
    effects = await _operate(house, caller, Action.FORGIVE, card)
    if not any(isinstance(effect, Operator) for effect in effects):
        raise Problem(409, "nothing_to_forgive", "the card is not known to be inside or outside")


def check_reason(reason: str, why: str) -> None:
    if not reason.strip():
        raise Problem(422, "reason_needed", why)
    if wrong := REASON.wrong(reason):
        raise Problem(422, "invalid", "reason: found {}, expected {}".format(*wrong))


async def _operate(
    house: House, caller: Caller, action: Action, target: str, reason: str = ""
) -> Sequence[Effect]:
    return await told(house, Operator(action, target, caller.name, house.now(), reason))


async def told(house: House, operator: Operator) -> Sequence[Effect]:
    """What the core made of it, once that is on the disk."""
    doing = house.operate(operator)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(doing), PATIENCE)
    except TimeoutError:
        raise Problem(503, "busy", "the gateway did not answer in time; look before trying again") from None
    except Exception as error:  # whatever the journal could not write it for; the core has done it by then
        raise Problem(503, "not_durable", "done, but the disk did not take the record of it") from error
