"""Which date it is at the site, also when the wall clock cannot be believed."""

from datetime import date, datetime, time, timedelta, tzinfo

from sitewarden.rules.alarms.book import AlarmBook
from sitewarden.rules.cells import Clock
from sitewarden.rules.model import ClockTrust, Stamp
from sitewarden.rules.state import State

KEY = "clock"


class SiteClock:
    """Believes the wall clock until a `ClockTrust` says otherwise. The host says so at every start,
    before anything else, since the trust of before the start is not worth anything."""

    def __init__(self, state: State, book: AlarmBook, tz: tzinfo) -> None:
        self._state, self._book, self._tz = state, book, tz

    @property
    def settled(self) -> bool:
        return self._state.get(KEY, Clock) is not None

    def settle(self, at: Stamp) -> None:
        if not self.settled:
            self._state.put(KEY, self._believed(at))

    def trust(self, event: ClockTrust) -> None:
        at = event.at
        if event.trusted:
            self._state.put(KEY, self._believed(at))
            self._book.back("clock_untrusted", at)
        else:
            known = self._state.get(KEY, Clock)
            self._state.put(KEY, Clock(False, known.today if known else self._local(at), due=None))
            self._book.raised("clock_untrusted", "", at)

    def due(self, _: str, at: Stamp) -> None:
        """Midnight. The date never turns back by itself."""
        clock, believed = self._state.get(KEY, Clock), self._believed(at)
        if clock and believed.today >= clock.today:
            self._state.put(KEY, believed)
        elif clock:
            self._state.put(KEY, Clock(True, clock.today, believed.due))

    def today(self, at: Stamp) -> date:
        """The date in the site's zone; while the clock is not trusted, the last trusted one."""
        clock = self._state.get(KEY, Clock)
        return clock.today if clock and not clock.trusted else self._local(at)

    def _local(self, at: Stamp) -> date:
        return at.wall.astimezone(self._tz).date()

    def _believed(self, at: Stamp) -> Clock:
        today = self._local(at)
        midnight = datetime.combine(today + timedelta(days=1), time.min, self._tz)
        return Clock(True, today, at.mono + (midnight - at.wall).total_seconds())
