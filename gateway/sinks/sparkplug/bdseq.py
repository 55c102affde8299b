"""The number that a birth and its death have in common.

[tck-id-topics-nbirth-bdseq-increment] It starts at zero and is one more with each connection; after 255 it
is zero again ([tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq]). It is kept in a
file, so that the death of the connection before a restart is not taken for that of the one after it. An
attempt that no broker has accepted is no connection, and an outage wears no flash.
"""

from pathlib import Path

import structlog

log = structlog.get_logger()


class BdSeq:
    """`next` is the number of the connection that is about to be made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.next = _read(path)

    def accepted(self) -> None:
        """The connection was made. On a disk that refuses it goes on from memory."""
        self.next = (self.next + 1) % 256
        try:
            self._path.write_text(f"{self.next}\n")
        except OSError as error:
            log.warning("sparkplug.bdseq", path=str(self._path), error=str(error))


def _read(path: Path) -> int:
    try:
        return int(path.read_text()) % 256
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:  # ValueError: a power cut may leave it empty
        log.warning("sparkplug.bdseq", path=str(path), error=str(error))
        return 0
