"""The recordings under way: which links are listened to, and the files that a thread of each writes."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import structlog

from sitewarden.drivers.plan import LinkPlan
from sitewarden.gateway.database import make_private
from sitewarden.gateway.recording import Ended, Entry, Recording, dump
from sitewarden.rules.core import Core
from sitewarden.rules.model import Stamp
from sitewarden.rules.plan import SitePlan

log = structlog.get_logger()

MOST = 200_000_000  # characters; a forgotten recording must not fill the disk
BEHIND = 20_000  # entries that wait for the disk; a minute of a busy line


class RecordingFile:
    """Where a recording goes. A thread words and writes it, so that the main loop waits for neither.

    It ends by itself when it has grown to `most` or the disk is `behind`, and says so in its last line. It
    writes over no other file.
    """

    def __init__(self, path: Path, most: int = MOST, behind: int = BEHIND) -> None:
        self.path, self._most, self._behind = path, most, behind
        self.over = False
        self._error: Exception | None = None
        self._entries: SimpleQueue[Entry] = SimpleQueue()
        self._thread = Thread(target=self._run, name=f"recording {path.name}", daemon=True)
        self._thread.start()

    def write(self, entry: Entry) -> None:
        if self.over:
            return
        if self._entries.qsize() < self._behind:
            self._entries.put(entry)
        else:
            self.end(f"the disk was {self._behind} entries behind")

    def end(self, why: str) -> None:
        """Takes no more, and returns at once; an empty `why`: it was asked for."""
        if not self.over:
            self.over = True
            self._entries.put(Ended(why))

    def close(self) -> None:
        """Returns when everything is in the file; raises OSError when it is not."""
        self.end("")
        self.wait()
        if self._error:
            raise OSError(str(self._error)) from self._error

    def wait(self) -> None:
        """Until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            make_private(self.path.parent)
            half = "backslashreplace"  # as JSON has half a character
            with open(self.path, "x", encoding="utf-8", errors=half, opener=_for_its_owner) as file:
                written = 0
                while not isinstance(entry := self._entries.get(), Ended):
                    if written >= self._most:
                        entry = Ended(f"it is {written:,} characters long")
                        break
                    written += file.write(dump(entry) + "\n")
                    if self._entries.empty():
                        file.flush()
                if entry.why:
                    log.warning("recording.ended", file=self.path.name, why=entry.why)
                    file.write(dump(entry) + "\n")
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever ends the recording is told
            log.error("recording.failed", file=self.path.name, error=str(error))
            self._error = error
        finally:
            self.over = True


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Tapes:
    """Each link's recording, from its start until somebody has asked for its end: also one that ended
    before by itself. For the main loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, RecordingFile] = {}

    def runs(self, link: str) -> bool:
        return link in self._files and not self._files[link].over

    def start(self, link: LinkPlan, plan: SitePlan, core: Callable[[], Core], at: Stamp) -> Recording:
        """What is to listen to the link now, so that its head tells of this very instant."""
        name = f"{link.name}-{at.wall:%Y%m%dT%H%M%S%f}.jsonl"
        file = self._files[link.name] = RecordingFile(self._folder / name)
        return Recording(file.write, link, plan, core)

    def path(self, link: str) -> Path:
        return self._files[link].path

    def take(self, link: str) -> RecordingFile:
        """To be closed, where the disk may be waited for. KeyError: the link was not recorded."""
        return self._files.pop(link)

    def altered(self, links: Iterable[str]) -> None:
        """These links are others now, or gone: nobody listens to them any more."""
        for link in links:
            if link in self._files:
                self._files[link].end("a reload altered or removed the link")

    def close(self) -> None:
        """The gateway stops: returns when all are in their files, as far as the disk takes them."""
        for file in self._files.values():
            file.end("the gateway was stopped")
        for file in self._files.values():
            file.wait()
