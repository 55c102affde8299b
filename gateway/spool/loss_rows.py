"""The spool's ledger of losses, and who loses what when blocks go."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from sitewarden.gateway.spool.blocks import Loss
from sitewarden.gateway.spool.cursors import Stretches, intersect, total

MOST = 10_000  # lines of the ledger that are kept


def enter(db: sqlite3.Connection, losses: Iterable[Loss]) -> None:
    db.executemany(
        "INSERT INTO losses (why, destination, subject, count, first, last, sample, note)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (it.why, it.destination, it.subject, it.count, it.first, it.last, it.sample, it.note)
            for it in losses
        ),
    )
    db.execute("DELETE FROM losses WHERE id <= (SELECT max(id) FROM losses) - ?", (MOST,))


def newest(db: sqlite3.Connection, limit: int) -> list[Loss]:
    query = (
        "SELECT why, count, first, last, destination, sample, note, subject FROM losses"
        " ORDER BY id DESC LIMIT ?"
    )
    return [Loss(*row) for row in db.execute(query, (limit,))]


def after(db: sqlite3.Connection, number: int, limit: int) -> list[tuple[int, Loss]]:
    query = (
        "SELECT id, why, count, first, last, destination, sample, note, subject FROM losses"
        " WHERE id > ? ORDER BY id LIMIT ?"
    )
    return [(row[0], Loss(*row[1:])) for row in db.execute(query, (number, limit))]


def missed(
    pending: Mapping[str, Stretches],
    gone: Stretches,
    why: str,
    span: tuple[int, int] = (0, 0),
    note: str = "",
) -> Sequence[Loss]:
    """What it costs if these lines go: one loss for all destinations alike, or one each. `span`: ns."""
    counts = {name: total(intersect(lacking, gone)) for name, lacking in pending.items()}
    if len(set(counts.values())) == 1:
        counts = {"": next(iter(counts.values()))}
    return [Loss(why, count, *span, name, note=note) for name, count in counts.items() if count]
