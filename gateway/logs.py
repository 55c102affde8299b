"""Structured logs: one line an event, for people on a terminal and as JSON everywhere else."""

import logging
import sys
from collections.abc import MutableMapping
from threading import Lock
from typing import Any, TextIO

import structlog

from sitewarden.gateway.mask import mask

PERSONAL = ("card", "plate", "phone", "holder")


def masked(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: personal fields leave the process masked, whoever logged them."""
    for key in PERSONAL:
        if line.get(key):
            line[key] = mask(str(line[key]))
    return line


class Lines:
    """The end of all log lines: a stream. One that takes none, be it a file on a full disk or a pipe whose
    reader is gone, stops nobody; the first line that gets through again tells how many did not."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, Lock()
        self._lost = 0

    def tell(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor."""
        if self._lost:
            line["lines_lost"] = self._lost
        return line

    def msg(self, line: str) -> None:
        with self._lock:
            try:
                print(line, file=self._stream, flush=True)
            except OSError:
                self._lost += 1
            else:
                self._lost = 0

    debug = info = warning = error = msg


def configure(stream: TextIO = sys.stderr, verbose: bool = False, quiet: bool = False) -> None:
    """Sends the log lines of this process to `stream`, coloured when that is a terminal.

    `quiet`: errors alone, for a program that speaks to people itself.
    """
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    terminal = stream.isatty()
    lines = Lines(stream)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not terminal),
            masked,
            lines.tell,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.format_exc_info,
            *([] if terminal else [structlog.processors.JSONRenderer(ensure_ascii=False)]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
    )
