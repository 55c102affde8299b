"""Profiles: what a device's registers mean, as YAML, to the tables that the bus driver reads by.

title: {en: Grundfos CIM pump module, zh: 格兰富 CIM 泵模块}
source: where the facts come from
verified: what was verified, and against what
extends: another-profile       # its points; one that stands here again says what differs, null removes it
addressing: documented         # registers as the manual counts them, from 1
points:
  pressure: {table: holding, address: 301, type: u16, scale: 0.001, unit: bar, range: [0, 25]}

Every key: `profile_shape.py`. What is wrong with a point or between two: `profile_check.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sitewarden.config.document import Document, read
from sitewarden.config.errors import ConfigErrors, did_you_mean, one_of
from sitewarden.config.explain import shaped
from sitewarden.config.profile_address import on_the_wire
from sitewarden.config.profile_check import check_point, check_together
from sitewarden.config.profile_shape import (
    Addressing,
    PointShape,
    ProfileFile,
    RangeShape,
    WholePoint,
    WholeProfile,
)
from sitewarden.drivers.modbus.points import WORDS, Point, Profile, Table

SHIPPED = Path(__file__).parent / "profiles"


def available(folders: Sequence[Path]) -> Mapping[str, Path]:
    """Every profile by name; the first folder that has a name wins."""
    files = [file for folder in reversed(folders) for file in folder.glob("*.yaml")]
    return {file.stem: file for file in files}


def load_profile(name: str, folders: Sequence[Path]) -> Profile:
    """Raises ConfigErrors with every mistake of the file, and KeyError if there is no such profile."""
    whole = _whole(name, available(folders), ())
    file = whole.file
    return Profile(
        name,
        tuple(_point(point, shape) for point, shape in whole.points.items()),
        title=file.title.get("en", "") if file.title else "",
        family=whole.family,
        source=file.source,
        verified=file.verified,
        longest_read=file.longest_read,
        turnaround=file.turnaround,
        turnaround_assumed="turnaround" not in file.model_fields_set,
        forbidden=tuple(whole.forbidden),
    )


def _whole(name: str, files: Mapping[str, Path], chain: tuple[str, ...]) -> WholeProfile:
    document = read(files[name])
    own = shaped(document, ProfileFile) or ProfileFile()
    base = _base(document, own, files, (*chain, name))
    file = base.file.model_copy(update={key: getattr(own, key) for key in own.model_fields_set})
    points = dict(base.points)
    for point, shape in own.points.items():
        if shape is not None:
            if complete := _complete(document, file, point, shape, base.points.get(point)):
                points[point] = complete
        elif points.pop(point, None) is None:
            expected = "a point, or one of the extended profile to leave out"
            document.wrong(("points", point), expected, did_you_mean(point, base.points))
    if not points:
        document.wrong(("points",), "at least one point")
    forbidden = (*base.forbidden, *_forbidden(document, own.forbidden, file.addressing))
    whole = WholeProfile(file, base.family or name, points, forbidden)
    check_together(document, whole)
    if document.errors:
        raise ConfigErrors(document.errors)
    return whole


def _base(
    document: Document, own: ProfileFile, files: Mapping[str, Path], chain: tuple[str, ...]
) -> WholeProfile:
    """`chain`: the profiles on the way here, each of which extends the next."""
    if own.extends is None:
        return WholeProfile()
    if own.extends in chain:
        circle = " → ".join((*chain, own.extends))
        document.wrong(("extends",), f"a profile that does not extend this one in turn: {circle}")
    elif own.extends not in files:
        others = sorted(set(files) - set(chain))
        document.wrong(("extends",), one_of(others), did_you_mean(own.extends, others))
    else:
        return _whole(own.extends, files, chain)
    raise ConfigErrors(document.errors)  # what its points are is not known, nor what is wrong with them


def _complete(
    document: Document, file: ProfileFile, name: str, own: PointShape, before: WholePoint | None
) -> WholePoint | None:
    """The point as it stands in the file over what was inherited; None, and noted, if it is not whole."""
    loc = ("points", name)
    if loc in document.holes:
        return None
    said = {key: getattr(own, key) for key in own.model_fields_set}
    over = before or PointShape(word_order=file.word_order, byte_order=file.byte_order)
    point = over.model_copy(update=said)
    table, address = point.table, point.address
    if file.addressing is Addressing.REFERENCE and own.table:
        document.wrong((*loc, "table"), "no table: the first digit of the address says it", at_key=True)
    if own.address is not None:
        width = WORDS.get(point.type, point.words) if point.type else 1
        try:
            table, address = on_the_wire(file.addressing, table, own.address, width)
        except ValueError as error:
            document.broken((*loc, "address"), str(error))
            return None
    if table is None or address is None or point.type is None:
        for key, value in (("table", table), ("address", address), ("type", point.type)):
            if value is None:
                document.broken((*loc, key), str(PointShape.model_fields[key].description))
        return None
    whole = WholePoint.model_construct(**(dict(point) | {"table": table, "address": address}))
    check_point(document, loc, whole, own.model_fields_set if before is None else frozenset())
    return whole


def _forbidden(
    document: Document, ranges: Sequence[RangeShape], way: Addressing
) -> Iterator[tuple[Table, int, int]]:
    for at, one in enumerate(ranges):
        try:
            table, first = on_the_wire(way, one.table, one.first)
            table_of_last, last = on_the_wire(way, one.table, one.last)
        except ValueError as error:
            document.wrong(("forbidden", at), f"from {error}, and to the same")
            continue
        if table is None:
            document.wrong(("forbidden", at, "table"), "a table")
        elif table is not table_of_last or last < first:
            document.wrong(("forbidden", at), "addresses of one table, the first before the last")
        else:
            yield table, first, last


def _point(name: str, shape: WholePoint) -> Point:
    low, high = shape.range or (None, None)
    normal_low, normal_high = shape.normal or (None, None)
    write_low, write_high = shape.limits or (None, None)
    return Point(
        name,
        shape.table,
        shape.address,
        shape.type,
        words=shape.width,
        bit=shape.bit,
        word_order=shape.word_order,
        byte_order=shape.byte_order,
        scale=shape.scale,
        offset=shape.offset,
        unit=shape.unit,
        absent=shape.absent,
        low=low,
        high=high,
        normal_low=normal_low,
        normal_high=normal_high,
        scan=shape.scan,
        writable=shape.writable,
        setting=shape.setting,
        write_low=write_low,
        write_high=write_high,
        deadband=_deadband(shape),
        min_interval=shape.min_interval,
        max_interval=shape.max_interval,
        names=shape.names,
        label=shape.label or {},
        source=shape.source,
    )


def _deadband(shape: WholePoint) -> float:
    """In the point's unit."""
    if shape.deadband is None:
        return 0.0
    if not shape.deadband.percent:
        return shape.deadband.amount
    low, high = shape.range or (0.0, 0.0)
    return shape.deadband.amount / 100 * (high - low)
