"""The thread between the hub and the spool."""

from dataclasses import replace
from threading import Thread

from sitewarden.gateway.blocks import Loss
from sitewarden.gateway.clock import EARLIEST, boot_seconds
from sitewarden.gateway.hub import Subscription
from sitewarden.gateway.records import micros
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool import Spool, SpoolFailed
from sitewarden.gateway.spool_letters import MOST
from sitewarden.gateway.troubles import Troubles

PAUSE, GROUP = 0.5, 1000  # s and effects: whichever comes first is a commit
BLOCK = 5000  # lines in one block at most, when the disk was slow
HELD = 4 * BLOCK  # lines that wait for a disk that refuses, at most
NEARLY_FULL, ENOUGH_ROOM = 0.8, 0.7  # of the room there is
COUNTING = 0.01  # of the writer's time, at most

_EARLIEST = micros(EARLIEST) * 1000  # ns


class SpoolWriter:
    """The thread between the hub and the spool: a group commit every `PAUSE` s or `GROUP` effects.

    What the disk refuses is tried again with the next commit. If that takes too long the oldest lines go,
    and the gap comes into the ledger as soon as there is one again.

    Troubles: `spool_nearly_full`; `spool_full`, the oldest is being dropped; `spool_failed`, the disk
    refuses; `spool_overrun`, more came than could be written; `spool_set_aside`, the file was broken;
    `spool_letters`, many dead letters.
    """

    def __init__(self, spool: Spool, subscription: Subscription, lines: Lines, troubles: Troubles) -> None:
        self._spool, self._subscription, self._lines, self._troubles = spool, subscription, lines, troubles
        self._overruns = 0  # effects the subscription dropped, as far as they are in the ledger
        self._held: list[tuple[int, bytes]] = []  # not yet written
        self._gap: Loss | None = None  # what `_held` had no room for, not yet in the ledger
        self._untimed = 0  # lines of a box that does not know the year yet, not yet in the ledger
        self._count_at = 0.0  # of `boot_seconds`
        self._thread = Thread(target=self._run, name="spool", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Writes what is there; the spool stays open for the sinks."""
        self._subscription.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._subscription.closed or self._subscription.depth:
            self._take()
            try:
                self._write_held()
                self._watch()
                self._count()
            except SpoolFailed as error:
                self._hold_less()
                self._troubles.on("spool_failed", "spool", {"error": str(error)})
            else:
                self._troubles.off("spool_failed", "spool")

    def _take(self) -> None:
        """Lines of 1970 would be stored there for ever."""
        lines = self._lines.format(self._subscription.take(PAUSE, at_least=GROUP))
        timed = [line for line in lines if line[0] >= _EARLIEST]
        self._untimed += len(lines) - len(timed)
        self._held += timed

    def _write_held(self) -> None:
        if self._untimed and (self._held or self._subscription.closed):
            self._spool.lose(Loss("clock", self._untimed))
            self._untimed = 0
        while block := self._held[:BLOCK]:
            instants = [ns for ns, _ in block]
            self._spool.append([line for _, line in block], min(instants), max(instants))
            del self._held[:BLOCK]
        if self._gap:
            self._spool.lose(self._gap)
            self._gap = None

    def _hold_less(self) -> None:
        if gone := self._held[:-HELD]:
            del self._held[:-HELD]
            instants = [ns for ns, _ in gone]
            before = self._gap or Loss("refused", 0, min(instants))
            self._gap = replace(before, count=before.count + len(gone), last=max(instants))

    def _count(self) -> None:
        begun = boot_seconds()
        if begun >= self._count_at:
            self._spool.stats()
            ended = boot_seconds()
            self._count_at = ended + (ended - begun) / COUNTING

    def _watch(self) -> None:
        """Tells of what got worse or better with the last commit."""
        spool, troubles = self._spool, self._troubles
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
        if spool.set_aside:
            troubles.on("spool_set_aside", "spool", {"files": spool.set_aside}, lasts=False)
        overrun = self._subscription.dropped - self._overruns
        if overrun:
            spool.lose(Loss("overrun", overrun))
            self._overruns += overrun
        troubles.set("spool_overrun", "spool", overrun > 0, {})
