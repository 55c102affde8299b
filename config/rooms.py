"""Parking, fire and alarms to the plan of the core, every reference checked."""

from collections.abc import Mapping
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from sitewarden.config.document import Document, Loc
from sitewarden.config.errors import did_you_mean, one_of
from sitewarden.config.shape import AlarmShape, BarrierShape, FireShape, SiteFile
from sitewarden.config.wires import Wires
from sitewarden.drivers.modbus.limits import is_writable, overlap
from sitewarden.drivers.modbus.points import Kind, Point
from sitewarden.drivers.plan import BusPlan
from sitewarden.rules.alarms.book import SEVERITY
from sitewarden.rules.model import FireKind, Value
from sitewarden.rules.plan import Band, Barrier, Condition, FireInput, Lane, Parking, SitePlan, Stale, Test

KINDS: Mapping[str, FireKind] = {"normal": FireKind.NORMAL, "fire": FireKind.FIRE}  # every other: a fault
OUTPUTS = ("open", "close")
INPUTS = ("loop_under", "loop_before", "opened", "closed")
TWO_STATES = frozenset({Kind.BOOL, Kind.BIT})
NOT_A_NUMBER = TWO_STATES | {Kind.STRING, Kind.ENUM, Kind.BITS}
COMPARED: Mapping[Kind, tuple[type, ...]] = {
    Kind.BOOL: (bool,),
    Kind.BIT: (bool,),
    Kind.STRING: (str,),
    Kind.ENUM: (int,),
    Kind.BITS: (int,),
}
"""What a point can be compared with, by its kind; every other kind with any number."""
EXPECTED = {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}


def site_plan(document: Document, file: SiteFile, wires: Wires) -> SitePlan:
    """Every mistake is noted in the document."""
    return SitePlan(
        id=file.site.id,
        tz=_zone(document, file.site.timezone),
        devices=frozenset(file.devices),
        parking=_parking(document, file, wires),
        fire=tuple(_fire(document, name, fire, wires) for name, fire in file.fire.items()),
        conditions=tuple(_condition(document, name, alarm, wires) for name, alarm in file.alarms.items()),
        stale=tuple(_stale(file, wires)),
        link_alarm_after=file.offline_after,
    )


def _zone(document: Document, name: str) -> ZoneInfo:
    if name in (zones := available_timezones()):
        return ZoneInfo(name)
    document.wrong(("site", "timezone"), "a time zone such as 'Asia/Shanghai'", did_you_mean(name, zones))
    return ZoneInfo("UTC")


def _parking(document: Document, file: SiteFile, wires: Wires) -> Parking:
    lanes = []
    readers: dict[str, str] = {}
    for name, lane in file.parking.lanes.items():
        loc = ("parking", "lanes", name)
        wires.reader(lane.reader, (*loc, "reader"))
        if (first := readers.setdefault(lane.reader, name)) != name:
            document.wrong((*loc, "reader"), f"a reader of its own: {first} has this one")
        barrier = _barrier(document, lane.barrier, (*loc, "barrier"), wires)
        lanes.append(
            Lane(
                name, lane.direction, lane.reader, barrier, lane.anti_passback, lane.grant_lapses, lane.repeat
            )
        )
    _wired_once(document, lanes)
    return Parking(tuple(lanes), file.parking.places, frozenset(file.parking.private_spaces))


def _barrier(document: Document, shape: BarrierShape, loc: Loc, wires: Wires) -> Barrier:
    def full(name: str) -> str:
        return name if "." in name or not name else f"{shape.device}.{name}"

    known = wires.device(shape.device, (*loc, "device"))
    for key in OUTPUTS + INPUTS:
        name = getattr(shape, key)
        if not name or not (known or "." in name):
            continue
        written = key in OUTPUTS
        wanted = f"{shape.device}.{name}" if written else full(name)
        point = wires.point(wanted, (*loc, key), read=not written)
        if point and written and not (is_writable(point) and point.kind in TWO_STATES):
            document.wrong((*loc, key), f"an output: {point.name} of {shape.device} cannot be switched")
        elif point and written and (others := _broadcast_with(wires, shape.device, point)):
            document.wrong((*loc, key), f"an output that nothing else writes: {others[0]} has its address")
        elif point and point.kind not in TWO_STATES:
            document.wrong((*loc, key), f"an input that is on or off: {point.name} is {point.kind}")
    return Barrier(
        device=shape.device,
        open=shape.open,
        loop_under=full(shape.loop_under),
        loop_before=full(shape.loop_before),
        opened=full(shape.opened),
        closed=full(shape.closed),
        close=shape.close,
        pulse=shape.pulse,
        opens_within=shape.opens_within,
    )


def _broadcast_with(wires: Wires, device: str, point: Point) -> list[str]:
    """The points of other devices that write this one too, where one of the two is all units of their line.
    Anybody may write those, and nobody but the lane may move a barrier."""
    return [
        f"{unit.device}.{other.name}"
        for link in wires.links
        if isinstance(link.wire, BusPlan) and device in link.devices
        for unit in link.wire.units
        if unit.device != device and wires.everyone & {device, unit.device}
        for other in unit.profile.points
        if is_writable(other) and overlap(other, point)
    ]


def _wired_once(document: Document, lanes: list[Lane]) -> None:
    """Two lanes may share a limit switch or a loop by mistake only."""
    taken: dict[str, str] = {}
    for lane in lanes:
        barrier = lane.barrier
        for key in OUTPUTS + INPUTS:
            name, place = getattr(barrier, key), f"{key} of {lane.id}"
            point = f"{barrier.device}.{name}" if key in OUTPUTS else name
            if name and (first := taken.setdefault(point, place)) != place:
                loc = ("parking", "lanes", lane.id, "barrier", key)
                document.wrong(loc, f"a point of its own: it is {first} already")


def _fire(document: Document, name: str, shape: FireShape, wires: Wires) -> FireInput:
    loc = ("fire", name)
    point = wires.point(shape.point, (*loc, "point"))
    if point and point.kind in NOT_A_NUMBER - TWO_STATES:
        document.wrong(
            (*loc, "point"), f"a point that is a number, or on or off: {point.name} is {point.kind}"
        )
    spans = {key: span for key in type(shape.bands).model_fields if (span := getattr(shape.bands, key))}
    bands = {
        key: Band(low, high, KINDS.get(key, FireKind.FAULT), shape.zone, "" if key in KINDS else key)
        for key, (low, high) in spans.items()
    }
    for (_, below), (key, above) in pairwise(sorted(bands.items(), key=lambda item: item[1].low)):
        if above.low < below.high:
            document.wrong((*loc, "bands", key), f"bands apart from each other: one ends at {below.high:g}")
    return FireInput(name, shape.point, tuple(bands.values()), shape.debounce)


def _condition(document: Document, name: str, shape: AlarmShape, wires: Wires) -> Condition:
    loc = ("alarms", name)
    if name in SEVERITY:
        document.wrong(loc, "a name of its own: the gateway has an alarm of this name", at_key=True)
    point = wires.point(shape.point, (*loc, "point"))
    limits = {Test.ABOVE: shape.above, Test.BELOW: shape.below, Test.IS: shape.is_}
    given = {test: limit for test, limit in limits.items() if limit is not None}
    test, limit = next(iter(given.items()), (Test.IS, False))
    if document.exactly_one(loc, [str(key) for key in limits]) and given:
        limit = _limit(document, point, test, limit, loc)
    if Test.IS in given and "hysteresis" in shape.model_fields_set:
        document.wrong((*loc, "hysteresis"), "hysteresis only with 'above' or 'below'", at_key=True)
    return Condition(
        id=name,
        point=shape.point,
        test=test,
        limit=limit,
        severity=shape.severity,
        hysteresis=shape.hysteresis,
        on_delay=shape.on_delay,
        off_delay=shape.off_delay,
        latch=shape.latch,
        text=shape.text or {},
        todo=shape.todo or {},
    )


def _limit(document: Document, point: Point | None, test: Test, limit: Value, loc: Loc) -> Value:
    """The limit as the point reads: an enumeration's word becomes its number."""
    here = (*loc, str(test))
    if point is None:
        return limit
    if test is not Test.IS:
        if point.kind in NOT_A_NUMBER:
            document.wrong(
                here, f"'is': {point.name} is no quantity, its type is {str(point.kind)!r}", at_key=True
            )
        return limit
    words = (
        {word: number for number, names in point.names.items() for word in names.values()}
        if point.kind is Kind.ENUM
        else {}
    )
    if isinstance(limit, str) and limit in words:
        return words[limit]
    types = COMPARED.get(point.kind, (int, float))
    if type(limit) not in types:
        expected = one_of(words) if words else EXPECTED[types[-1]]
        document.wrong(here, expected, did_you_mean(limit, words))
    return limit


def _stale(file: SiteFile, wires: Wires) -> list[Stale]:
    rules = []
    for point, shape in file.stale.items():
        loc = ("stale", point)
        unit = wires.units.get(point.partition(".")[0])
        if wires.point(point, loc, at_key=True) and unit and shape.after <= unit.heartbeat:
            heartbeat = f"more than the heartbeat of {unit.device}, {unit.heartbeat:g}s"
            wires.document.wrong(
                (*loc, "after"), f"{heartbeat}: a value that does not change is told that seldom"
            )
        rules.append(Stale(point, shape.after, shape.severity))
    return rules
