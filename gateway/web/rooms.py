"""The rooms of the page, each a list of parts. A part is a piece of HTML with an id of its own: the page
is made of them, and the live stream sends those that have changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, cast
from urllib.parse import quote, urlencode

from anyio import CapacityLimiter, to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sitewarden.gateway.amounts import large, size
from sitewarden.gateway.api.access import Permission, may
from sitewarden.gateway.api.house import House, Telemetry
from sitewarden.gateway.api.house import Sought as Lost
from sitewarden.gateway.flash import written
from sitewarden.gateway.ledger.causes import Cause
from sitewarden.gateway.mask import mask, mask_line
from sitewarden.gateway.records import WRITES, instant
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.spool.spool import SpoolFailed
from sitewarden.gateway.tokens import Caller
from sitewarden.gateway.web.history import ALL, Occurrence, Sought, occurrences
from sitewarden.gateway.web.losses import gaps
from sitewarden.gateway.web.views import Device, Setting, device, settings
from sitewarden.gateway.words import Words
from sitewarden.rules.model import Alarm, AlarmState, FireStage, Severity

HERE: Final = Path(__file__).parent
SPARK: Final = timedelta(hours=1)
SPARK_LIVES = 30.0  # s, a sparkline's points are a minute apart
HISTORY, CHANGES = 50, 1000  # occurrences shown, of as many changes of alarms
WRITTEN = 10  # writes shown of a device, of as many of all
GAPS, LETTERS = 10, 20  # gaps of a device, and dead letters, shown
PERIOD = 0.4  # s between two drawings of a room in which much happens
PERIOD_CALM = 2.0  # s between two drawings of one in which nothing does
VISITS, MEMORIES = 64, 1024  # kept at most
DRAWERS = 2  # threads that draw for streams, however many there are
T = TypeVar("T")

MARKS: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "■",
    Severity.HIGH: "▲",
    Severity.MEDIUM: "◆",
    Severity.LOW: "●",
}
REASONS: Final = ("visitor", "delivery", "card_fault", "emergency")
"""Why a guard opens by hand, in two taps: `open.<code>` in the catalogue."""


@dataclass(frozen=True, slots=True)
class Part:
    id: str
    template: str
    given: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks, in which language, at which room, at which device in it, for what in the history."""

    caller: Caller
    words: Words
    room: str
    device: str = ""
    sought: Sought = ALL

    @property
    def path(self) -> str:
        """Where the room is, to come back to."""
        if self.device:
            return f"/devices/{quote(self.device)}"
        return f"/{'' if self.room in ('site', 'sorry') else self.room}{self._query({})}"

    @property
    def live(self) -> str:
        """Where its stream is."""
        device = {"device": self.device} if self.device else {}
        return f"/live/{self.room}{self._query({'lang': self.words.lang, **device})}"

    def _query(self, given: Mapping[str, str]) -> str:
        query = urlencode({**given, **{name: value for name, value in asdict(self.sought).items() if value}})
        return f"?{query}" if query else ""

    def may(self, permission: Permission) -> bool:
        return may(self.caller, permission)

    def person(self, text: str) -> str:
        return text if not text or self.may(Permission.PERSONAL) else mask(text)


class Rooms:
    """Draws rooms. Any thread may; what is drawn costs a few milliseconds."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._memory: dict[object, tuple[float, object]] = {}
        self._backlogs: Mapping[str, int] = {}
        self._drawn: dict[Visit, tuple[float, int, dict[str, str]]] = {}
        self._drawers = CapacityLimiter(DRAWERS)
        self._jinja = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, visit: Visit, **given: str) -> str:
        parts = {part: Markup(html) for part, html in self.parts(visit).items()}
        template = self._jinja.get_template(f"{visit.room}.html")
        device = self._device(visit, visit.device) if visit.device else None
        return template.render(
            self._common(visit),
            parts=parts,
            device=device,
            reasons=REASONS,
            settings=self._settings(visit),
            **given,
        )

    def parts(self, visit: Visit) -> Mapping[str, str]:
        """The HTML of each part of the room by its id, as fresh as `PERIOD` for however many lookers."""
        mono, revision = self._house.now().mono, self._house.board.revision
        drawn, seen, parts = self._drawn.get(visit, (float("-inf"), -1, dict[str, str]()))
        if mono - drawn < PERIOD or (seen == revision and mono - drawn < PERIOD_CALM):
            return parts
        common = self._common(visit)
        parts = {
            part.id: self._jinja.get_template(f"parts/{part.template}.html").render(
                common, id=part.id, **part.given
            )
            for part in (self._strip(visit), *ROOMS[visit.room](self, visit))
        }
        if len(self._drawn) >= VISITS:
            self._drawn.clear()
        self._drawn[visit] = mono, revision, parts
        return parts

    async def live(self, visit: Visit) -> Mapping[str, str]:
        """`parts`, for a stream: in a thread, and never in one that a request may need."""
        return await to_thread.run_sync(self.parts, visit, limiter=self._drawers)

    def _common(self, visit: Visit) -> dict[str, object]:
        now = self._house.now().wall
        return {
            "house": self._house,
            "now": now,
            "visit": visit,
            "t": visit.words.text,
            "words": visit.words,
            "moment": partial(visit.words.moment, today=now),
            "marks": MARKS,
            "causes": Cause,
            "large": large,
            "size": size,
            "instant": instant,
            "allowed": {permission.name.lower(): visit.may(permission) for permission in Permission},
            "spark": self._spark,
        }

    # -- parts -----------------------------------------------------------------------------------

    def _strip(self, visit: Visit) -> Part:
        board, status = self._house.board, self._house.status()
        fire = board.fire
        still_down = [visit.words.title(lane) for lane in board.lanes if board.lane(lane).arm.value != "up"]
        given = {
            "fire": fire,
            "unheard": [visit.words.title(panel) for panel in board.unheard],
            "burning": fire.stage is FireStage.FIRE,
            "held": fire.stage is FireStage.HELD,
            "still_down": still_down if fire.stage is not FireStage.NORMAL else (),
            "alarms": board.open_alarms(),
            "waiting": sum(alarm.state in UNSEEN for alarm in board.alarms.values()),
            "status": status,
            "away": [sink.name for sink in status.sinks if not sink.up],
        }
        return Part("strip", "strip", given)

    def _lanes(self, visit: Visit, swipes: int) -> list[Part]:
        board, cards = self._house.board, self._house.cards
        parts = []
        for lane in board.lanes:
            now = board.lane(lane)
            permit = (
                self._remembered(now.last, SPARK_LIVES, partial(cards.get, now.last.card))
                if now.last
                else None
            )
            given = {"lane": board.lanes[lane], "now": now, "permit": permit, "swipes": now.swipes[:swipes]}
            parts.append(Part(f"lane-{lane}", "lane", given))
        return parts

    def _alarms(self, alarms: Sequence[Alarm], full: bool) -> Part:
        return Part("alarms", "alarms", {"alarms": alarms, "full": full})

    def _device(self, visit: Visit, name: str) -> Device:
        return device(self._house.board, visit.words, name)

    def _settings(self, visit: Visit) -> list[Setting]:
        """What may be written to the device that is looked at."""
        return settings(self._house.board, visit.words, visit.device) if visit.device else []

    def _written(self, device: str) -> Part:
        rows = self._remembered("writes", PERIOD_CALM, lambda: self._house.journal.page(WRITES, CHANGES).rows)
        of_it = [write for write in rows if write.point.startswith(f"{device}.")]
        return Part("writes", "writes", {"rows": of_it[:WRITTEN]})

    def _devices(self, visit: Visit) -> list[Device]:
        return [self._device(visit, name) for name in self._house.board.devices]

    def _tiles(self, visit: Visit) -> list[Part]:
        views = self._devices(visit)
        tiles = [Part(f"tile-{view.id}", "tile", {"device": view}) for view in views if view.key]
        return [*tiles, Part("others", "others", {"devices": [view for view in views if not view.key]})]

    def _inside(self) -> Part:
        places = self._house.site.plan.parking.places
        return Part("inside", "inside", {"inside": self._house.board.inside, "places": places})

    def _history(self, visit: Visit) -> Part:
        rows = self._remembered("history", PERIOD_CALM, self._occurrences)
        found = [row for row in rows if visit.sought.meets(row)][:HISTORY]
        return Part("history", "history", {"rows": found})

    def _occurrences(self) -> list[Occurrence]:
        return occurrences(self._house.journal.alarm_history(CHANGES))

    def _losses(self, visit: Visit, part: str, sought: Lost, most: int) -> Part:
        page = self._spooled(sought, lambda telemetry: telemetry.losses(sought, most))
        given = {"rows": gaps(page.rows, visit.words) if page else [], "unread": page is None}
        return Part(part, "losses", given)

    def _letters(self, visit: Visit) -> Part:
        page = self._spooled("letters", lambda telemetry: telemetry.letters(LETTERS))
        shown = str if visit.may(Permission.CONFIGURE) else mask_line
        letters = page.rows if page else []
        rows = [(it, shown(it.line.decode("utf-8", "replace")), shown(it.words)) for it in letters]
        given = {"rows": rows, "more": bool(page and page.next), "unread": page is None}
        return Part("letters", "letters", given)

    def _spooled(self, key: object, ask: Callable[[Telemetry], T]) -> T | None:
        """None: the spool cannot be read now, which the part says; no room is without its other parts."""

        def asked() -> T | None:
            try:
                return ask(self._house.telemetry)
            except SpoolFailed:
                return None

        return self._remembered(key, PERIOD_CALM, asked)

    def _most(self, sinks: Sequence[SinkStatus]) -> Mapping[str, int]:
        """The largest backlog that was seen of each, since there was none."""
        self._backlogs = {
            sink.name: max(sink.backlog, self._backlogs.get(sink.name, 0)) for sink in sinks if sink.backlog
        }
        return self._backlogs

    # -- rooms -----------------------------------------------------------------------------------

    def site(self, visit: Visit) -> list[Part]:
        alarms = self._alarms(self._house.board.open_alarms(), full=False)
        return [*self._lanes(visit, 0), self._inside(), *self._tiles(visit), alarms]

    def lanes(self, visit: Visit) -> list[Part]:
        return [*self._lanes(visit, 20), self._inside()]

    def device(self, visit: Visit) -> list[Part]:
        view = self._device(visit, visit.device)
        return [
            Part("picture", "picture", {"device": view}),
            self._alarms(view.alarms, full=True),
            Part("states", "gauges", {"gauges": view.states}),
            *(Part(f"gauge-{each.name}", "gauges", {"gauges": [each]}) for each in view.measured),
            Part("settings", "gauges", {"gauges": view.settings}),
            *([self._written(visit.device)] if self._settings(visit) else ()),
            self._losses(visit, "gaps", Lost(visit.device), GAPS),
        ]

    def alarms(self, visit: Visit) -> list[Part]:
        return [self._alarms(self._house.board.open_alarms(), full=True), self._history(visit)]

    def telemetry(self, visit: Visit) -> list[Part]:
        status = self._house.status()
        return [
            Part("destinations", "destinations", {"status": status, "most": self._most(status.sinks)}),
            Part("spool", "spool", {"stats": self._house.telemetry.stats, "written": written()}),
            self._losses(visit, "losses", Lost(visit.sought.about, visit.sought.cause), HISTORY),
            self._letters(visit),
        ]

    def more(self, visit: Visit) -> list[Part]:
        devices = Part("others", "others", {"devices": self._devices(visit)})
        return [devices, Part("gateway", "gateway", {"status": self._house.status()})]

    # -- sparklines ------------------------------------------------------------------------------

    def _spark(self, point: str) -> Markup:
        """The last hour of a point as the `points` of an SVG polyline, 100 wide and 24 high."""
        return self._remembered(point, SPARK_LIVES, partial(self._polyline, point))

    def _polyline(self, point: str) -> Markup:
        until = self._house.now().wall
        since = until - SPARK
        rows = self._house.trend.query(point, since, until, 60)
        low, high = min((r.mean for r in rows), default=0.0), max((r.mean for r in rows), default=0.0)
        middle, span = (low + high) / 2, max(high - low, abs(high) * 0.02, 1e-9)
        line = " ".join(
            f"{100 * ((row.at - since) / SPARK):.1f},{12 - 20 * (row.mean - middle) / span:.1f}"
            for row in rows
        )
        return Markup(line)

    def _remembered(self, key: object, lives: float, make: Callable[[], T]) -> T:
        """What a store said, for `lives` seconds: a crowd of lookers asks it no more often than one."""
        now = self._house.now().mono
        made, value = self._memory.get(key, (float("-inf"), None))
        if now - made < lives:
            return cast(T, value)
        if len(self._memory) >= MEMORIES:
            self._memory.clear()
        fresh = make()
        self._memory[key] = now, fresh
        return fresh


UNSEEN = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED})
ROOMS: Final[Mapping[str, Callable[[Rooms, Visit], list[Part]]]] = {
    "site": Rooms.site,
    "lanes": Rooms.lanes,
    "device": Rooms.device,
    "alarms": Rooms.alarms,
    "telemetry": Rooms.telemetry,
    "more": Rooms.more,
    "sorry": lambda rooms, visit: [],
}
