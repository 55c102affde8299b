"""SQLite as the stores use it: WAL, explicit transactions, a file that is broken is set aside.

What a full disk does to SQLite in WAL mode: INSERT, DELETE and checkpoint all fail alike, since each has
to write to the log, or to the file, first. A ballast file of a few megabytes, given up at that moment, is
the room in which old rows can be deleted and the log moved into the file; it has to be larger than the
log, so checkpoints come early. From then on freed pages are written again and nothing may grow.
"""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

BUSY = 5.0  # s to wait for another process (the command line) to finish its transaction
MIB = 1 << 20
CHECKPOINT = 256  # pages (1 MiB) of log

_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ALIVE = ("-wal", "-shm")  # what SQLite keeps beside a file that is in use


class Sync(StrEnum):
    FULL = "FULL"  # a commit is on the disk when it returns
    NORMAL = "NORMAL"  # a power cut may take the last commits, never the file


def is_broken(error: sqlite3.Error) -> bool:
    """Whether the file itself cannot be trusted any more."""
    return _code(error) in _BROKEN


def is_full(error: sqlite3.Error) -> bool:
    """No room: `max_page_count` or the disk."""
    return _code(error) == sqlite3.SQLITE_FULL


def is_refusal(error: BaseException) -> bool:
    """Whether the file or the disk said no, and may say yes later. Anything else is wrong with what was to
    be written, and will be for ever."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for what the Python module itself complains of."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def connect(path: Path, sync: Sync) -> sqlite3.Connection:
    """For one thread at a time. Without explicit `transaction`, each statement is one."""
    if not path.exists():
        path.touch(mode=0o640)  # SQLite's own would be for everybody; what it keeps beside it is like it
    _shut_out_others(path)
    db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    db.text_factory = _text
    try:
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError:
        db.close()
        raise
    except UnicodeDecodeError as error:  # a broken schema is quoted in SQLite's message as it is
        db.close()
        broken = sqlite3.DatabaseError("the schema is not text")
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise broken from error
    db.execute(f"PRAGMA synchronous = {sync}")
    db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
    return db


def connect_reading(path: Path) -> closing[sqlite3.Connection]:
    uri = f"file:{quote(str(path))}?mode=ro"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
    db.text_factory = _text
    return closing(db)


def _text(stored: bytes) -> str:
    """One flipped bit in a text must not keep the other rows from being read."""
    return stored.decode("utf-8", "replace")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite rolls some errors back by itself
            db.execute("ROLLBACK")
        raise


class Broken(Exception):
    """The file does not hold together."""


def make_private(folder: Path) -> None:
    """The data directory holds cards, plates and who came when: for its owner and group alone."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    _shut_out_others(folder)


def _shut_out_others(path: Path) -> None:
    """What was made before it was private, or by hand, if it is ours."""
    status = path.stat()
    if status.st_mode & 0o007 and status.st_uid == os.geteuid():
        path.chmod(stat.S_IMODE(status.st_mode) & ~0o007)


def open_sound(
    path: Path, sync: Sync, schema: str, check: bool = False
) -> tuple[sqlite3.Connection, Path | None]:
    """Opens or creates the file. If it is broken it is renamed and a fresh one takes its place: the
    second value is the new name of the broken one. `check` reads all of it first."""
    make_private(path.parent)
    try:
        return open_checked(path, sync, schema, check), None
    except Broken:
        aside = set_aside(path)
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
        aside = set_aside(path)
    return open_checked(path, sync, schema), aside


def open_checked(path: Path, sync: Sync, schema: str, check: bool = False) -> sqlite3.Connection:
    """Opens or creates the file. Raises Broken if it is not of this schema."""
    db = connect(path, sync)
    try:
        db.executescript(schema)
        with closing(sqlite3.connect(":memory:")) as ours:
            ours.executescript(schema)
            if missing := _columns(ours) - _columns(db):  # one flipped bit in a name is enough
                raise Broken(f"no {missing}")
        if check and (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise Broken(found)
    except BaseException:
        db.close()
        raise
    return db


def _columns(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Each table with each of its columns."""
    return set(
        db.execute(
            "SELECT it.name, has.name FROM sqlite_schema AS it, pragma_table_info(it.name) AS has"
            " WHERE it.type = 'table'"
        )
    )


def salvage(broken: Path, db: sqlite3.Connection) -> None:
    """Copies what can be read of each table, up to the place where it is broken, into the fresh file."""
    tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    for (table,) in tables.fetchall():
        with closing(sqlite3.connect(broken, isolation_level=None)) as old, transaction(db):
            old.text_factory = _text
            try:
                for row in old.execute(f"SELECT * FROM {table}"):  # noqa: S608 - our own schema's names
                    marks = ", ".join("?" * len(row))
                    db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608
            except (sqlite3.Error, UnicodeDecodeError):
                continue  # what comes after is not readable; the caller says that the file was broken


def beside(path: Path) -> list[Path]:
    """What SQLite keeps beside a file in use."""
    return [path.with_name(path.name + suffix) for suffix in _ALIVE]


def set_aside(path: Path) -> Path:
    """Renames a broken file, and what SQLite keeps beside it, to the next free `.broken-N`."""
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    path.rename(aside)
    for kept, renamed in zip(beside(path), beside(aside), strict=True):
        if kept.exists():
            kept.rename(renamed)
    return aside


class Ballast:
    """Room on the disk that is kept for the moment when there is none left."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size

    @property
    def plenty(self) -> bool:
        """Whether the disk has room for several of it; not if it does not even say."""
        try:
            return shutil.disk_usage(self.path.parent).free > 4 * self.size
        except OSError:
            return False

    def take(self) -> None:
        """Claims the room, if it is not claimed and the disk has plenty. A disk that refuses is asked
        again with the next commit: nothing else may fail for want of ballast."""
        if self.claimed or not self.plenty:
            return
        try:
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.size)
        except OSError:
            self.give()

    def give(self) -> bool:
        """Frees the room; False if there was none to free."""
        claimed = self.claimed
        try:
            self.path.unlink()
        except OSError:
            return False
        return claimed

    @property
    def claimed(self) -> bool:
        """Whether the room is there to be given."""
        try:
            return self.path.stat().st_size >= self.size
        except OSError:
            return False
