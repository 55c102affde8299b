"""Log lines on a stream that fails."""

import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from sitewarden.gateway import logs


class Moody(io.StringIO):
    """A file on a disk that is full for a while."""

    full = False

    def flush(self) -> None:
        if self.full:
            raise OSError(28, "No space left on device")


@pytest.fixture
def stream() -> Iterator[Moody]:
    moody = Moody()
    logs.configure(moody)
    yield moody
    structlog.reset_defaults()


def test_a_stream_that_takes_no_line_stops_nobody_and_the_next_line_tells(stream: Moody) -> None:
    log = structlog.get_logger()
    log.info("before")
    stream.full = True
    for _ in range(3):
        log.error("lost")
    stream.full = False
    log.info("after")
    log.info("well")
    lines = {line["event"]: line for line in map(json.loads, stream.getvalue().splitlines())}
    assert lines["after"]["lines_lost"] == 3
    assert "lines_lost" not in lines["well"]


def test_personal_data_is_masked_whoever_logs_it(stream: Moody) -> None:
    structlog.get_logger().info("seen", card="01000734E0", plate="演A10007")
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["card"], line["plate"]) == ("…4E0", "…007")
    assert "734" not in stream.getvalue()


def test_the_traceback_of_an_error_is_one_line(stream: Moody) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger().error("failed", exc_info=sys.exc_info())
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert "ValueError: why" in line["exception"]
