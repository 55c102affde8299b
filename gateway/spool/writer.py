"""The thread between the hub and the spool.

Every `PAUSE` s or `GROUP` effects it formats what came, lets the ledger look at it, and commits: a block a
rank, what the ledger says is missing, and what a restart has to know, all together or nothing. What the
ledger says goes north as well, once it is in the spool.

What was stamped by a clock in doubt is held by the time since boot, and becomes blocks as soon as it is known
when that was.
"""

import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from threading import Thread

import structlog

from sitewarden.gateway.clock import Clock, boot_id, boot_seconds
from sitewarden.gateway.hub import Subscription
from sitewarden.gateway.ledger.causes import Gone
from sitewarden.gateway.ledger.gaps import Intervals
from sitewarden.gateway.ledger.ledger import Kept, Ledger
from sitewarden.gateway.sinks.lines import Lines, wall_ns
from sitewarden.gateway.spool.blocks import Fresh, Loss, Rank
from sitewarden.gateway.spool.letter_rows import MOST
from sitewarden.gateway.spool.spool import Spool, SpoolFailed
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import (
    AlarmChange,
    Command,
    Decision,
    Effect,
    FireChange,
    Keep,
    LinkChanged,
    Operator,
    Passage,
    Reading,
    Write,
)

log = structlog.get_logger()

Told = Reading | LinkChanged | Decision | Passage | AlarmChange | FireChange | Operator | Write

PAUSE, GROUP = 0.5, 1000  # s and effects: whichever comes first is a commit
BLOCK = 5000  # lines in one block at most, when the disk was slow
HELD = 4 * BLOCK  # lines that wait for a disk that refuses, at most
NEARLY_FULL, ENOUGH_ROOM = 0.8, 0.7  # of the room there is
COUNTING = 0.01  # of the writer's time, at most
ALIVE = 30 * 10**9  # ns after which it is noted that the gateway lives, if nothing else is to be written
TOLD = 1000  # losses that go north with one commit

KEPT, GAPS = "kept.1", "gaps.1"  # notes; another number where the fields of `Kept` or `Gap` are others
LOSS = b"loss,"  # that nobody takes what is said of losses is not said again
ESTIMATE = "estimate"  # in the note of what is no loss: these lines are there, but nobody knows from when


def nothing(_: float) -> Mapping[str, str]:
    return {}


@dataclass(slots=True)
class _Batch:
    """Lines of one rank, with their instants: ns since 1970, or since boot while those are in `doubt`."""

    rank: Rank
    doubt: bool
    lines: list[tuple[int, bytes]]

    @property
    def fresh(self) -> Fresh:
        instants = [ns for ns, _ in self.lines]
        return Fresh(self.rank, [line for _, line in self.lines], min(instants), max(instants))


class SpoolWriter:
    """What the disk refuses is tried again with the next commit. If that takes too long the oldest lines go,
    readings before events, and the gap comes into the ledger as soon as there is one again.

    `gaps` are those that last, as they are by the clock as it is; any thread may look.

    Troubles: `spool_nearly_full`; `spool_full`, the oldest is being dropped; `spool_failed`, the disk
    refuses; `spool_overrun`, more came than could be written; `spool_set_aside`, the file was broken;
    `spool_letters`, many dead letters.
    """

    def __init__(
        self,
        spool: Spool,
        subscription: Subscription,
        lines: Lines,
        troubles: Troubles,
        clock: Clock,
        each: Intervals,
        own: Callable[[float], Mapping[str, str]] = nothing,
        boot: str = "",
    ) -> None:
        """`each`: how often every point is read; `own`: what the gateway has to say of itself at an instant
        (`Stamp.mono`), heads of lines and their fields; `boot`: its id, if not the machine's. Raises
        SpoolFailed."""
        self._spool, self._subscription, self._lines, self._troubles = spool, subscription, lines, troubles
        self._clock, self._ledger, self._own, self._boot = clock, Ledger(each), own, boot or boot_id()
        self.gaps: Sequence[Loss] = ()
        self._batches: deque[_Batch] = deque()  # not yet written
        self._gaps: list[Loss] = []  # that are over, and not yet in the ledger
        self._refused: Loss | None = None  # what `_batches` had no room for, not yet in the ledger
        self._offset: int | None = None  # as it was known last in this boot
        self._overruns = 0  # effects the subscription dropped, as far as they are in the ledger
        self._set_aside = spool.set_aside
        self._altered: tuple[Intervals, frozenset[str]] | None = None  # by another configuration
        self._count_at = 0.0  # of `boot_seconds`
        self._begin(spool.notes())
        self._thread = Thread(target=self._run, name="spool", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def adopt(self, each: Intervals, remade: Collection[str]) -> None:
        """Another configuration, before it takes effect; `remade`: devices whose links are made anew."""
        self._altered = each, frozenset(remade) | (self._altered[1] if self._altered else frozenset())

    def stop(self, timeout: float = 2.0) -> None:
        """Writes what is there; the spool stays open for the sinks."""
        self._subscription.close()
        self._thread.join(timeout)

    def turn(self, effects: Iterable[Effect], ends: bool = False) -> None:
        """Takes up what was published; `ends`: in good order, with that."""
        now = self._clock.now()
        at = self._clock.boot_ns(now)
        self._take([effect for effect in effects if not isinstance(effect, Command | Keep)], at)
        if own := self._own(now.mono):
            doubt = self._clock.doubted(now)
            self._queue(Rank.READING, doubt, self._lines.stamped(own, at if doubt else wall_ns(now)))
        if ends:
            self._ledger.stop(at)
        try:
            self._write(at, ends)
            self._watch(at)
            self._count()
        except SpoolFailed as error:
            self._give_up_oldest()
            self._troubles.on("spool_failed", "spool", {"error": str(error)})
        else:
            self._troubles.off("spool_failed", "spool")

    def _run(self) -> None:
        ends = False
        while not ends:
            effects = self._subscription.take(PAUSE, at_least=GROUP)
            ends = self._subscription.closed
            try:
                self.turn(effects, ends)
            except Exception as error:  # this thread is the one that would tell of its own end
                log.exception("spool.failed")
                self._gaps.append(Loss(Gone.OVERRUN, len(effects)))
                self._troubles.on("spool_failed", "spool", {"error": type(error).__name__})

    # -- the start -------------------------------------------------------------------------------

    def _begin(self, notes: Mapping[str, bytes]) -> None:
        noted = {name: json.loads(body) for name, body in notes.items()}
        kept = Kept(**noted[KEPT]) if KEPT in noted else None
        self._at = at = self._clock.boot_ns(self._clock.now())
        self._ledger.begin(kept, noted.get(GAPS, ()), self._boot, at)
        self._told: int = noted.get("told", 0)  # the newest loss that is on its way north, by its number
        self._guessed: int = noted.get("guessed", 0)  # held lines of boots that never knew the time
        self._before = kept if kept and kept.boot != self._boot else None  # whose held lines are still so
        self._holds = self._spool.held() is not None
        self._alive, self._changes = -ALIVE, -1  # as noted
        self._count_losses_anew()

    def _count_losses_anew(self) -> None:
        """If the ledger is a fresh one: the old file was broken, and that could not be read of it."""
        if not self._spool.losses_after(self._told - 1, 1):
            self._told = 0

    # -- what came -------------------------------------------------------------------------------

    def _take(self, effects: Sequence[Told], at: int) -> None:
        if self._altered:
            (each, remade), self._altered = self._altered, None
            self._ledger.adopt(each, remade, at)
        self._ledger.take(effects, self._clock.boot_ns)
        self._ledger.due(at)
        self.gaps = self._ledger.open(self._apart(), at)
        for doubt, some in groupby(effects, lambda effect: self._clock.doubted(effect.at)):
            run = list(some)
            self._format(Rank.READING, doubt, [it for it in run if type(it) is Reading])
            self._format(Rank.EVENT, doubt, [it for it in run if type(it) is not Reading])

    def _format(self, rank: Rank, doubt: bool, effects: Sequence[Effect]) -> None:
        self._queue(rank, doubt, self._lines.format(effects, self._clock.boot_ns if doubt else wall_ns))

    def _queue(self, rank: Rank, doubt: bool, lines: list[tuple[int, bytes]]) -> None:
        firsts = range(0, len(lines), BLOCK)
        self._batches += [_Batch(rank, doubt, lines[first : first + BLOCK]) for first in firsts]

    def _apart(self) -> int:
        """ns from the boot to 1970, as far as anybody can tell."""
        now = self._clock.now()
        return wall_ns(now) - self._clock.boot_ns(now)

    # -- what is written -------------------------------------------------------------------------

    def _write(self, at: int, ends: bool) -> None:
        self._settle_before()
        self._tell(at)
        runs = [(doubt, list(some)) for doubt, some in groupby(self._batches, lambda it: it.doubt)]
        for number, (doubt, batches) in enumerate(runs, start=1):
            if doubt:
                self._hold(batches)
            else:
                self._release()
                self._commit(batches, at, number == len(runs))
        self._release()
        held = any(doubt for doubt, _ in runs)
        known = self._alive + ALIVE > at and self._changes == self._ledger.changes
        if held or ends or self._gaps or not known:
            self._commit((), at, True)

    def _hold(self, batches: Sequence[_Batch]) -> None:
        for batch in batches:
            fresh = batch.fresh
            self._spool.hold(fresh.lines, fresh.first, fresh.last, fresh.rank)
            self._batches.popleft()
            self._holds = True

    def _commit(self, batches: Sequence[_Batch], at: int, newest: bool) -> None:
        """`newest`: nothing is left to be written, so that all is known that a restart has to know."""
        if not newest:
            self._spool.commit([batch.fresh for batch in batches])
        else:
            changes = self._ledger.changes
            self._spool.commit([batch.fresh for batch in batches], self._gaps, self._notes(at))
            self._gaps, self._alive, self._changes = [], at, changes
        for _ in batches:
            self._batches.popleft()

    def _notes(self, at: int) -> dict[str, bytes]:
        kept = self._ledger.keep(self._boot, at, self._offset)
        notes: dict[str, object] = {KEPT: asdict(kept), "told": self._told, "guessed": self._guessed}
        if self._changes != self._ledger.changes:
            notes[GAPS] = self._ledger.gaps()
        return {name: json.dumps(note).encode() for name, note in notes.items()}

    def _tell(self, at: int) -> None:
        """Once the time is known: what the ledger says, and on its way north what it has said."""
        offset = self._clock.offset_ns()
        if offset is None:
            return
        self._offset = offset
        self._gaps += self._ledger.tell(offset, at)
        if said := self._spool.losses_after(self._told, TOLD):
            losses = [loss for _, loss in said if not loss.sample.startswith(LOSS)]
            self._queue(Rank.EVENT, False, self._lines.lost(losses, at + offset))
            self._told = said[-1][0]

    # -- what is held ----------------------------------------------------------------------------

    def _settle_before(self) -> None:
        """Lines that another boot left behind: by what that knew of the time, or else as if the machine had
        not been off since."""
        if (kept := self._before) and self._holds:
            if kept.offset is not None:
                self._guessed = self._spool.stats().held
                self._release_at(kept.offset)
            else:
                _, last = self._spool.held() or (0, 0)
                self._spool.restamp(-last)
                self._guessed = self._spool.stats().held
        self._before = None

    def _release(self) -> None:
        offset = self._clock.offset_ns() if self._holds else None
        if offset is not None:
            self._release_at(offset)

    def _release_at(self, offset: int) -> None:
        first, last = self._spool.held() or (0, 0)
        count = self._spool.release(offset)
        note = f"{count}, {ESTIMATE}" if self._guessed else str(count)
        self._gaps.append(Loss(Gone.CLOCK, self._guessed, first + offset, last + offset, note=note))
        self._holds, self._guessed = False, 0

    # -- what goes wrong -------------------------------------------------------------------------

    def _give_up_oldest(self) -> None:
        """Of the readings, as long as there are any."""
        while (excess := sum(len(batch.lines) for batch in self._batches) - HELD) > 0:
            batch = next((it for it in self._batches if it.rank is Rank.READING), self._batches[0])
            gone, batch.lines = batch.lines[:excess], batch.lines[excess:]
            if not batch.lines:
                self._batches.remove(batch)
            instants = [0] if batch.doubt else [ns for ns, _ in gone]
            before = self._refused or Loss(Gone.REFUSED, 0, min(instants))
            self._refused = replace(before, count=before.count + len(gone), last=max(instants))

    def _count(self) -> None:
        begun = boot_seconds()
        if begun >= self._count_at:
            self._spool.stats()
            ended = boot_seconds()
            self._count_at = ended + (ended - begun) / COUNTING

    def _watch(self, at: int) -> None:
        """Tells of what got worse or better with the last commit."""
        spool, troubles = self._spool, self._troubles
        if self._refused:
            spool.lose(self._refused)
            self._refused = None
        fill = spool.fill
        if fill > NEARLY_FULL or fill < ENOUGH_ROOM:
            troubles.set(
                "spool_nearly_full", "spool", fill > NEARLY_FULL, {"percent": round(NEARLY_FULL * 100)}
            )
        letters = sum(spool.seen.letters.values()) / MOST
        if letters > NEARLY_FULL or letters < ENOUGH_ROOM:
            params = {"percent": round(NEARLY_FULL * 100), "most": MOST}
            troubles.set("spool_letters", "spool", letters > NEARLY_FULL, params)
        troubles.set("spool_full", "spool", spool.dropping, {})
        if spool.set_aside > self._set_aside:
            self._set_aside, self._changes = spool.set_aside, -1  # the notes may have gone with it
            self._count_losses_anew()
        if spool.set_aside:
            troubles.on("spool_set_aside", "spool", {"files": spool.set_aside}, lasts=False)
        if overrun := self._subscription.dropped - self._overruns:
            spool.lose(Loss(Gone.OVERRUN, overrun, self._at + self._apart(), at + self._apart()))
            self._overruns += overrun
        troubles.set("spool_overrun", "spool", overrun > 0, {})
        self._at = at
