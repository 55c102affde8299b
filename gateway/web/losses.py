"""The ledger of what is missing, as people read it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sitewarden.gateway.amounts import large
from sitewarden.gateway.ledger.causes import Cause, cause_of, words_of
from sitewarden.gateway.records import instant
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.gateway.words import Words


@dataclass(frozen=True, slots=True)
class Gap:
    since: datetime | None
    lasted: str
    about: str
    cause: Cause
    why: str
    count: str  # empty: nobody knows how many


def gaps(losses: Iterable[Loss], words: Words) -> list[Gap]:
    return [_gap(loss, words) for loss in losses]


def _gap(loss: Loss, words: Words) -> Gap:
    about = words.subject(loss.subject) if loss.subject else words.text("ui.about_all")
    why = words.text(words_of(loss.why))
    return Gap(
        instant(loss.first) if loss.first else None,
        _lasted(loss, words),
        f"{about} → {loss.destination}" if loss.destination else about,
        cause_of(loss.why),
        f"{why}{words.text('ui.colon')}{loss.note}" if loss.note else why,
        large(loss.count) if loss.count else "",
    )


def _lasted(loss: Loss, words: Words) -> str:
    if not loss.first:
        return ""
    return words.span((loss.last - loss.first) / 1e9) if loss.last else words.text("ui.lasts")
