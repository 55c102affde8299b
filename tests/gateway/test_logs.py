"""Log lines on a stream that fails."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import structlog

from sitewarden.gateway import logs


class Moody(io.StringIO):
    """A file on a disk that is full for a while."""

    full = False

    def flush(self) -> None:
        if self.full:
            raise OSError(28, "No space left on device")


@dataclass
class Log:
    stream: Moody
    lines: logs.Lines

    def written(self) -> list[dict[str, object]]:
        """What stands on the stream once everything that waits was written."""
        self.lines._waiting.join()
        self.lines.close()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    moody = Moody()
    yield Log(moody, logs.configure(moody))
    structlog.reset_defaults()


def test_a_stream_that_takes_no_line_stops_nobody_and_is_told_of_it_later(log: Log) -> None:
    log.stream.full = True
    for number in range(3):
        structlog.get_logger().error("lost", number=number)
    log.lines._waiting.join()
    log.stream.full = False
    structlog.get_logger().info("after")
    assert ("log.lost", 3) in [(line["event"], line.get("lines")) for line in log.written()]


def test_a_pipe_that_nobody_reads_stops_nobody() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    lines = logs.configure(stream)
    for _ in range(logs.MOST + 2_000):
        structlog.get_logger().info("a line that fills the pipe sooner or later", filler="x" * 100)
    assert lines._lost > 0
    os.close(reading)  # ends the writer's wait, with an error
    lines.close()
    with suppress(BrokenPipeError):
        stream.close()
    structlog.reset_defaults()


def test_personal_data_is_masked_whoever_logs_it(log: Log) -> None:
    structlog.get_logger().info("seen", card="01000734E0", plate="演A10007")
    (line,) = log.written()
    assert (line["card"], line["plate"]) == ("…4E0", "…007")
    assert "734E" not in log.stream.getvalue()  # digits alone may be those of the time


def test_a_traceback_on_a_terminal_shows_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Moody()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    log = Log(stream, logs.configure(stream))
    card = "01000734E0"
    try:
        raise ValueError(len(card))
    except ValueError:
        structlog.get_logger().error("failed", exc_info=sys.exc_info())
    log.lines.close()
    structlog.reset_defaults()
    assert "ValueError: 10" in stream.getvalue()
    assert "01000734E0" not in stream.getvalue()


def test_what_libraries_log_is_one_line_too(log: Log) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid %s request received.", "HTTP")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved\nfuture: x")
    logging.getLogger("uvicorn.error").info("Started")
    invalid, failed = log.written()
    assert (invalid["event"], invalid["level"]) == ("Invalid HTTP request received.", "warning")
    assert (invalid["logger"], failed["logger"]) == ("uvicorn.error", "asyncio")
    assert "ValueError: why" in str(failed["exception"])


def test_the_traceback_of_an_error_is_one_line(log: Log) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger().error("failed", exc_info=sys.exc_info())
    (line,) = log.written()
    assert "ValueError: why" in line["exception"]
