"""How the telemetry goes north: its destinations, what was lost, what a server will never take."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends

from sitewarden.gateway.api.access import Configurer, Permission, Viewer, may
from sitewarden.gateway.api.context import TheHouse, TheWords
from sitewarden.gateway.api.house import House, Sought
from sitewarden.gateway.api.models import (
    DeadLetterOut,
    DeadLettersDone,
    DeadLettersIn,
    DestinationOut,
    Done,
    DrainIn,
    LossOut,
    PageOut,
    SpoolOut,
    TelemetryOut,
)
from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.api.query import Limit
from sitewarden.gateway.api.read import After, Instant
from sitewarden.gateway.flash import written
from sitewarden.gateway.ledger.causes import Cause, cause_of, words_of
from sitewarden.gateway.mask import mask_line
from sitewarden.gateway.records import instant
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.spool.blocks import Letter, Loss, SpoolStats
from sitewarden.gateway.spool.spool import SpoolFailed
from sitewarden.gateway.tokens import Caller
from sitewarden.gateway.words import Words

router = APIRouter()
log = structlog.get_logger()


class Deed(StrEnum):
    """What may be done with a dead letter."""

    RETRY = "retry"
    DISCARD = "discard"


async def _sought(
    subject: str = "", cause: Cause | None = None, since: Instant | None = None, until: Instant | None = None
) -> Sought:
    return Sought(subject, cause or "", since, until)


Which = Annotated[Sought, Depends(_sought)]


@router.get("/telemetry")
async def telemetry(house: TheHouse, words: TheWords, _: Viewer) -> TelemetryOut:
    """Each destination and the spool; waits for no disk and no network."""
    status = house.status()
    stats = house.telemetry.stats
    return TelemetryOut(
        now=house.now().wall,
        clock_trusted=status.clock_trusted,
        written=written(),
        destinations=[_destination(sink, words) for sink in status.sinks],
        spool=_room(stats) if stats else None,
    )


@router.get("/losses")
def losses(
    house: TheHouse, words: TheWords, _: Viewer, which: Which, limit: Limit = 100, after: After = None
) -> PageOut[LossOut]:
    """The ledger of what is missing, the newest first; what lasts is among it."""
    with _spool():
        page = house.telemetry.losses(which, limit, after)
    return PageOut(items=[_loss(row, words) for row in page.rows], next=str(page.next) if page.next else None)


@router.get("/telemetry/dead-letters")
def dead_letters(
    house: TheHouse, caller: Viewer, limit: Limit = 100, after: After = None
) -> PageOut[DeadLetterOut]:
    """Lines that a server will never take as they are, the newest first."""
    full = may(caller, Permission.CONFIGURE)
    with _spool():
        page = house.telemetry.letters(limit, after)
    return PageOut(
        items=[_letter(row, full) for row in page.rows], next=str(page.next) if page.next else None
    )


@router.post("/telemetry/dead-letters/retry")
def retry(asked: DeadLettersIn, house: TheHouse, caller: Configurer) -> DeadLettersDone:
    """Sends them again, where they were rejected."""
    return DeadLettersDone(count=settle(house, caller, Deed.RETRY, asked.ids))


@router.post("/telemetry/dead-letters/discard")
def discard(asked: DeadLettersIn, house: TheHouse, caller: Configurer) -> DeadLettersDone:
    return DeadLettersDone(count=settle(house, caller, Deed.DISCARD, asked.ids))


@router.post("/telemetry/{destination}/drain")
async def drain(destination: str, asked: DrainIn, house: TheHouse, caller: Configurer) -> Done:
    """Whether the backlog goes as fast as the server takes it, whatever its limit; over when it is empty."""
    hurry(house, caller, destination, asked.on)
    return Done()


def hurry(house: House, caller: Caller, destination: str, on: bool = True) -> None:
    try:
        house.telemetry.drain(destination, on)
    except KeyError:
        raise Problem(404, "no_such_destination", f"no destination {destination[:40]!r}") from None
    log.info("telemetry.drain", destination=destination, on=on, by=caller.name)


def settle(house: House, caller: Caller, deed: Deed, ids: Sequence[int]) -> int:
    """Returns how many of the dead letters there still were."""
    telemetry = house.telemetry
    with _spool():
        count = telemetry.retry(ids) if deed is Deed.RETRY else telemetry.discard(ids)
    log.info("telemetry.dead_letters", deed=deed, count=count, by=caller.name)
    return count


@contextmanager
def _spool() -> Iterator[None]:
    try:
        yield
    except SpoolFailed as error:
        raise Problem(503, "spool_failed", f"the spool cannot be read: {error}") from error


def _destination(sink: SinkStatus, words: Words) -> DestinationOut:
    return DestinationOut(
        name=sink.name,
        state=sink.going,
        text=words.text(f"going.{sink.going}"),
        up=sink.up,
        since=sink.since,
        error=sink.error,
        error_at=sink.error_at,
        lag=sink.lag,
        waiting=sink.waiting,
        backlog=sink.backlog,
        oldest=sink.oldest,
        drained_in=sink.drained_in,
        draining=sink.draining,
        rate=sink.rate,
        batch=sink.batch,
        sent=sink.sent,
        rejected=sink.lost,
        dead_letters=sink.dead_letters,
    )


def _room(stats: SpoolStats) -> SpoolOut:
    return SpoolOut(
        bytes=stats.bytes,
        limit=stats.limit,
        undelivered=stats.lines,
        oldest=instant(stats.oldest) if stats.oldest else None,
        kept=stats.kept,
        held=stats.held,
        lost=stats.lost,
        set_aside=stats.set_aside,
    )


def _loss(loss: Loss, words: Words) -> LossOut:
    return LossOut(
        since=instant(loss.first) if loss.first else None,
        until=instant(loss.last) if loss.last else None,
        subject=loss.subject,
        label=words.subject(loss.subject) if loss.subject else words.text("ui.about_all"),
        destination=loss.destination,
        cause=cause_of(loss.why),
        why=loss.why,
        text=words.text(words_of(loss.why)),
        count=loss.count,
        note=loss.note,
    )


def _letter(letter: Letter, full: bool) -> DeadLetterOut:
    line, said = letter.line.decode("utf-8", "replace"), letter.words
    return DeadLetterOut(
        id=letter.id,
        destination=letter.destination,
        line=line if full else mask_line(line),
        why=said if full else mask_line(said),
    )
