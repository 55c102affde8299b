"""Structured logs: one line an event, for people on a terminal and as JSON everywhere else."""

import logging
import sys
from collections.abc import MutableMapping
from queue import Full, Queue
from threading import Lock, Thread
from typing import Any, TextIO

import structlog

from sitewarden.gateway.mask import mask

MOST = 10_000  # lines that wait for their stream
PERSONAL = ("card", "plate", "phone", "holder")


def masked(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: personal fields leave the process masked, whoever logged them."""
    for key in PERSONAL:
        if line.get(key):
            line[key] = mask(str(line[key]))
    return line


class Foreign(logging.Handler):
    """What libraries log in their own way: one line an event as well."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelno // 10 * 10  # those in between have no name
        structlog.get_logger().log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info)


FOREIGN = Foreign(logging.WARNING)


class Lines:
    """The end of all log lines: a queue, and a thread that writes it to a stream.

    A stream that takes nothing, be it a pipe that nobody reads or a file on a full disk, stops nobody;
    once it does again it is told how many lines were lost.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: Queue[str | None] = Queue(MOST)
        self._lost, self._lock = 0, Lock()
        self._thread = Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        try:
            self._waiting.put_nowait(line)
        except Full:
            self._lose()

    debug = info = warning = error = critical = msg

    def close(self, timeout: float = 2.0) -> None:
        """Writes what waits, as far as the stream takes it in `timeout` s."""
        try:
            self._waiting.put(None, timeout=timeout)
        except Full:
            return
        self._thread.join(timeout)

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            self._write(line)
            self._waiting.task_done()

    def _write(self, line: str) -> None:
        try:
            print(line, file=self._stream, flush=True)
        except OSError:
            self._lose()
            return
        if self._lost:
            with self._lock:
                lost, self._lost = self._lost, 0
            structlog.get_logger().warning("log.lost", lines=lost)

    def _lose(self) -> None:
        with self._lock:
            self._lost += 1


def configure(stream: TextIO = sys.stderr, verbose: bool = False, quiet: bool = False) -> Lines:
    """Sends the log lines of this process to `stream`, coloured when that is a terminal; whoever
    configures closes.

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
            _for_people() if terminal else structlog.processors.format_exc_info,
            *([] if terminal else [structlog.processors.JSONRenderer(ensure_ascii=False)]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
    )
    logging.getLogger().addHandler(FOREIGN)
    logging.captureWarnings(True)
    return lines


def _for_people() -> structlog.dev.ConsoleRenderer:
    """Its own way to show a traceback prints every frame's variables: card numbers, tokens."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
