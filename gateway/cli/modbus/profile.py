"""`modbus profile`: a device's table as the page of its manual."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sitewarden.config.document import read
from sitewarden.config.errors import did_you_mean, one_of
from sitewarden.config.explain import shaped
from sitewarden.config.profile import SHIPPED, available, load_profile
from sitewarden.config.profile_shape import ProfileFile
from sitewarden.drivers.modbus.codec import width
from sitewarden.drivers.modbus.points import Kind, Order, Point, Profile, Table
from sitewarden.drivers.modbus.request import READ
from sitewarden.gateway.catalogue import pick
from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, print_json, table
from sitewarden.gateway.cli.modbus.meanings import Arrangement
from sitewarden.gateway.cli.modbus.read import reference


class Language(StrEnum):
    ZH = "zh"
    EN = "en"


HEADS: Mapping[Language, Sequence[str]] = {
    Language.EN: (
        *("documented", "wire", "function", "point", "type", "scale", "unit", "range", "absent", "scan"),
        *("write", "is"),
    ),
    Language.ZH: (
        *("文档地址", "报文地址", "功能码", "点", "类型", "比例", "单位", "范围", "无效值", "采集级"),
        *("可写", "含义"),
    ),
}
WORDS: Mapping[Language, Mapping[str, str]] = {
    Language.EN: {
        "source": "Source",
        "verified": "Verified",
        "limits": "Reads at most {longest} registers at once, answers within {turnaround:g} ms{assumed}.",
        "assumed": " (assumed, the source does not say)",
        "forbidden": "Must not be read: {ranges}.",
        "any": "yes",
    },
    Language.ZH: {
        "source": "来源",
        "verified": "验证情况",
        "limits": "一次最多读 {longest} 个寄存器，应答不超过 {turnaround:g} ms{assumed}。",
        "assumed": "（假定值，来源未说明）",
        "forbidden": "禁止读取：{ranges}。",
        "any": "是",
    },
}
ORDERS: Mapping[tuple[Order, Order], Arrangement] = {  # of words, of bytes
    (Order.HIGH_FIRST, Order.HIGH_FIRST): Arrangement.ABCD,
    (Order.LOW_FIRST, Order.HIGH_FIRST): Arrangement.CDAB,
    (Order.HIGH_FIRST, Order.LOW_FIRST): Arrangement.BADC,
    (Order.LOW_FIRST, Order.LOW_FIRST): Arrangement.DCBA,
}


def profile(
    name: Annotated[
        str, typer.Argument(help="A profile's name, or its file; all are listed without.", metavar="PROFILE")
    ] = "",
    lang: Annotated[
        Language | None, typer.Option(metavar="zh|en", help="If not given, the terminal's.")
    ] = None,
    as_json: Json = False,
    config: Config = SITE,
) -> None:
    """Show a profile as the page of the device's manual: what stands where, and how it reads.

    Those of the site are in the folder profiles beside its configuration; others come with this program. A
    file of your own is shown with all its mistakes, each with its line.

    \b
    sitewarden modbus profile
    sitewarden modbus profile grundfos-cim
    sitewarden modbus profile profiles/my-pump.yaml --lang zh
    sitewarden modbus profile grundfos-cim --json | jq '.points[] | select(.writable)'
    """
    lang = lang or _spoken()
    file = Path(name)
    folders = [config.absolute().parent / "profiles", SHIPPED]
    if file.suffix in (".yaml", ".yml"):
        if not file.is_file():
            raise Failure(f"{name}: no such file")
        folders, name = [file.parent, *folders], file.stem
    files = available(folders)
    if not name:
        found = [(known, _title(path, lang)) for known, path in sorted(files.items())]
        print_json(dict(found)) if as_json else print(table(("profile", ""), found))
        return
    if name not in files:
        said = f"found {name!r}, expected a profile: {one_of(sorted(files))}"
        raise typer.BadParameter("; ".join(filter(None, [said, did_you_mean(name, files)])))
    loaded = load_profile(name, folders)
    title = _title(files[name], lang) or loaded.title
    print_json(_document(loaded, title)) if as_json else print("\n\n".join(_page(loaded, title, lang)))


def _spoken() -> Language:
    """As the terminal is set (POSIX, 8.2: the first of these that says anything)."""
    said = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return Language.ZH if said.startswith("zh") else Language.EN


def _title(file: Path, lang: Language) -> str:
    shape = shaped(read(file), ProfileFile)
    return pick(shape.title or {}, lang, "") if shape else ""


def _document(profile: Profile, title: str) -> Mapping[str, object]:
    points = [
        {
            **asdict(point),
            "documented": point.address + 1,
            "reference": reference(point.table, point.address),
            "function": READ[point.table],
        }
        for point in _ordered(profile)
    ]
    return {**asdict(profile), "title": title, "points": points}


def _ordered(profile: Profile) -> Sequence[Point]:
    tables = list(Table)
    return sorted(profile.points, key=lambda point: (tables.index(point.table), point.address, point.bit))


# -- the page --------------------------------------------------------------------------------------


def _page(profile: Profile, title: str, lang: Language) -> Iterator[str]:
    words, points = WORDS[lang], _ordered(profile)
    yield f"{profile.name}: {title}"
    own = [f"{point.name}: {point.source}" for point in points if point.source]
    yield "\n".join(
        (f"{words['source']}: {profile.source}", *own, f"{words['verified']}: {profile.verified}")
    )
    yield table(HEADS[lang], (_row(point, lang) for point in points))
    if named := [point for point in points if point.names]:
        yield "\n".join(_named(point, lang) for point in named)
    limits = words["limits"].format(
        longest=profile.longest_read,
        turnaround=profile.turnaround * 1000,
        assumed=words["assumed"] if profile.turnaround_assumed else "",
    )
    if profile.forbidden:
        ranges = ", ".join(f"{of} {first}–{last}" for of, first, last in profile.forbidden)
        limits += f"\n{words['forbidden'].format(ranges=ranges)}"
    yield limits


def _row(point: Point, lang: Language) -> Sequence[object]:
    return (
        f"{point.address + 1} ({reference(point.table, point.address)})",
        point.address,
        f"{READ[point.table]:02d}",
        point.name,
        _type(point),
        _scale(point),
        point.unit,
        _between(point.low, point.high),
        "" if point.absent is None else f"{point.absent:#x}",
        point.scan,
        (_between(point.write_low, point.write_high) or WORDS[lang]["any"]) if point.writable else "",
        pick(point.label, lang, ""),
    )


def _type(point: Point) -> str:
    kind = f"bit {point.bit}" if point.kind is Kind.BIT else str(point.kind)
    size = f" of {point.words} words" if point.kind in (Kind.STRING, Kind.BCD) and point.words > 1 else ""
    order = ORDERS[point.word_order, point.byte_order]
    if width(point) == 1 and point.byte_order is Order.HIGH_FIRST:
        return kind
    return f"{kind}{size} {order}"


def _scale(point: Point) -> str:
    factor = "" if point.scale == 1 else f"× {point.scale:g}"
    summand = "" if point.offset == 0 else f"{point.offset:+g}"
    return f"{factor} {summand}".strip()


def _between(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:.9g}'}…{'' if high is None else f'{high:.9g}'}"


def _named(point: Point, lang: Language) -> str:
    meanings = ", ".join(f"{value} {pick(texts, lang, '')}" for value, texts in point.names.items())
    return f"{point.name}: {meanings}"
