"""Structured logs: one line an event, for people on a terminal and as JSON everywhere else."""

import logging
import sys
from collections.abc import MutableMapping
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


def configure(stream: TextIO = sys.stderr, verbose: bool = False, quiet: bool = False) -> None:
    """Sends the log lines of this process to `stream`, coloured when that is a terminal.

    `quiet`: errors alone, for a program that speaks to people itself.
    """
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    terminal = stream.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not terminal),
            masked,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.format_exc_info,
            *([] if terminal else [structlog.processors.JSONRenderer(ensure_ascii=False)]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
