"""The site in one language: titles, labels, values and alarms as people read them."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sitewarden.config.plan import Site
from sitewarden.drivers.modbus.points import Kind, Point
from sitewarden.gateway.amounts import span
from sitewarden.gateway.board import places_of, points_of
from sitewarden.gateway.catalogue import Catalogue, pick
from sitewarden.rules.model import Alarm, Value

NEVER: Final = "–"
FLOATS: Final = frozenset({Kind.F32, Kind.F64})


class Words:
    def __init__(self, site: Site, lang: str) -> None:
        self.lang = lang
        self._site, self._catalogue = site, Catalogue.load(lang)
        self._points, self._places = points_of(site), places_of(site)
        self._panels = {line.panel for line in site.plan.fire}
        self._conditions = {condition.id: condition for condition in site.plan.conditions}

    def text(self, code: str, **params: object) -> str:
        return self._catalogue.text(code, **params)

    @property
    def site(self) -> str:
        return pick(self._site.name, self.lang, self._site.id)

    def title(self, name: str) -> str:
        """Of a device, a lane or a fire panel."""
        untitled = self.text("ui.panel", name=name) if name in self._panels else name
        return pick(self._site.titles.get(name, {}), self.lang, untitled)

    def point(self, name: str) -> str:
        """The label of a point, without its device."""
        point = self._points.get(name)
        return pick(point.label, self.lang, point.name) if point else name.partition(".")[2] or name

    def subject(self, name: str) -> str:
        """What an alarm or a button is about: a point, a device, a lane, a wire, a part of the gateway."""
        if name in self._points:
            return f"{self.title(name.partition('.')[0])} · {self.point(name)}"
        if name in self._site.titles or name in self._panels:
            return self.title(name)
        if hung := [device for device, place in self._places.items() if place.link == name]:
            return self.text("ui.link", devices=self.text("ui.comma").join(map(self.title, hung)))
        code = f"part.{name}"
        return self._catalogue.text(code) if code in self._catalogue else name

    def value(self, name: str, value: Value | None) -> str:
        """A value as its point's profile would write it, without the unit."""
        point = self._points.get(name)
        match value:
            case None:
                return NEVER
            case bool():
                return self.text("ui.on" if value else "ui.off")
            case str():
                return value
            case _ if point and point.kind is Kind.BITS:
                raised = [self._named(point, bit) for bit in point.names if int(value) >> bit & 1]
                return self.text("ui.comma").join(raised) or self.text("ui.none")
            case _ if point and int(value) in point.names:
                return self._named(point, int(value))
        return f"{value:.{decimals(point) if point else 2}f}"

    def _named(self, point: Point, number: int) -> str:
        return pick(point.names[number], self.lang, str(number))

    def alarm(self, alarm: Alarm) -> str:
        """What is wrong, in the site's own words if its rule has some."""
        if (own := self._conditions.get(alarm.id)) and own.text:
            return pick(own.text, self.lang, alarm.code)
        params = dict(alarm.params)
        if "reason" in params:
            params["reason"] = self.text(f"reason.{params['reason']}")
        return self.text(f"alarm.{alarm.code}", **{"subject": self.subject(alarm.subject), **params})

    def todo(self, alarm: Alarm) -> str:
        """What to do; empty where nobody wrote it down: only the site knows what its own limits mean."""
        if own := self._conditions.get(alarm.id):
            return pick(own.todo, self.lang, "")
        code = f"alarm.{alarm.code}.todo"
        return self.text(code) if code in self._catalogue else ""

    def problem(self, code: str, detail: str, more: Mapping[str, Value] = {}) -> str:
        """Why something was refused; without words of its own, the detail."""
        if f"problem.{code}" not in self._catalogue:
            return detail
        said: dict[str, object] = dict(more)
        if "reason" in more:
            said["reason"] = self.text(f"reason.{more['reason']}")
        if point := more.get("point"):
            values = more.keys() & {"value", "read", "low", "high"}
            said |= {key: self.value(str(point), more[key]) for key in values}
            said["point"] = self.subject(str(point))
        return self.text(f"problem.{code}", **said)

    def moment(self, wall: datetime, today: datetime) -> str:
        """An instant in the site's time zone, as short as it can be told on `today`."""
        local, now = (at.astimezone(self._site.plan.tz) for at in (wall, today))
        if local.date() == now.date():
            return f"{local:%H:%M:%S}"
        if self.lang == "zh":
            year = "" if local.year == now.year else f"{local.year}年"
            return f"{year}{local.month}月{local.day}日 {local:%H:%M}"
        year = "" if local.year == now.year else f" {local.year}"
        return f"{local:%-d %b}{year} {local:%H:%M}"

    def span(self, seconds: float) -> str:
        """How long, in the largest unit that fits."""
        count, unit = span(seconds)
        return self.text(f"ui.unit.{unit}", count=count)

    def instant(self, wall: datetime) -> str:
        """An instant in full, with the site's time zone."""
        zone = self._site.plan.tz
        return f"{wall.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone}"

    def by(self, name: str) -> str:
        """Who did it."""
        return self.text(f"by.{name}") if f"by.{name}" in self._catalogue else name


class Vocabulary:
    """The words of the site as it is now, made once for each language."""

    def __init__(self, site: Callable[[], Site]) -> None:
        self._site = site
        self._words: dict[str, tuple[Site, Words]] = {}

    def words(self, lang: str) -> Words:
        site = self._site()
        known = self._words.get(lang)
        if known is None or known[0] is not site:
            known = self._words[lang] = site, Words(site, lang)
        return known[1]


def decimals(point: Point) -> int:
    """As many as the point's changes are worth telling, and no more than two."""
    worth = max(point.deadband, point.scale if point.kind not in FLOATS else 0.01)
    return min(max(math.ceil(-math.log10(worth) - 1e-9), 0), 2)
