"""Who may come in: bearer tokens, one-time links and browser sessions, in a small file of their own.

All three are 256-bit random strings and only their SHA-256 is stored. A slow, salted hash protects
guessable passwords; nobody guesses 256 bits, and a token is checked at every request.
"""

import hashlib
import secrets
import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sitewarden.gateway.database import Sync, connect, open_sound
from sitewarden.gateway.texts import TOKEN_NAME
from sitewarden.rules.model import Stamp

LINK_LIVES = 3600.0  # s, https://… on a screen should not stay a key
SESSION_LIVES = 30 * 86400.0  # s, the page in a guard's booth stays up

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, created REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS links (hash BLOB PRIMARY KEY, expires REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    hash BLOB PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, expires REAL NOT NULL,
    token TEXT REFERENCES tokens (name) ON DELETE CASCADE
) STRICT;
"""


class Role(StrEnum):
    VIEWER = "viewer"
    GUARD = "guard"
    DESK = "desk"
    ENGINEER = "engineer"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a request comes from. `name` is what the audit trail says."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Token:
    name: str
    role: Role
    created: datetime


class Tokens:
    """`<data>/access.db`. Any thread and any process may use it; secrets leave it once, when made."""

    def __init__(self, path: Path) -> None:
        self._writes, self._reads = threading.Lock(), threading.Lock()
        path.touch(mode=0o600)
        # Who may come in must not decide whether the barriers and the fire release run.
        self._db, self.set_aside = open_sound(path, Sync.FULL, _SCHEMA)
        path.chmod(0o600)
        self._db.execute("PRAGMA foreign_keys=ON")
        self._known = connect(path, Sync.FULL)  # to look in, while a commit waits for the disk

    def close(self) -> None:
        with self._writes, self._reads:
            self._known.close()
            self._db.close()

    # -- tokens, for machines and for people's browsers ------------------------------------------

    def add(self, name: str, role: Role, at: Stamp) -> str:
        """Returns the token. Raises ValueError when the name is taken, or none."""
        token, name = _secret(), name.strip()
        if wrong := TOKEN_NAME.wrong(name):
            raise ValueError("the name: found {}, expected {}".format(*wrong))
        try:
            self._run("INSERT INTO tokens VALUES (?, ?, ?, ?)", name, role, _hash(token), _seconds(at))
        except sqlite3.IntegrityError:
            raise ValueError(f"there is a token named {name!r} already") from None
        return token

    def revoke(self, name: str) -> bool:
        """Ends the token and every session that was opened with it. False: there is none."""
        return bool(self._run("DELETE FROM tokens WHERE name = ? RETURNING name", name))

    def all(self) -> list[Token]:
        rows = self._ask("SELECT name, role, created FROM tokens ORDER BY name")
        return [Token(name, Role(role), datetime.fromtimestamp(created, UTC)) for name, role, created in rows]

    def bearer(self, token: str) -> Caller | None:
        return _caller(self._ask("SELECT name, role FROM tokens WHERE hash = ?", _hash(token)))

    # -- one-time links --------------------------------------------------------------------------

    def first_link(self, at: Stamp) -> str | None:
        """The code of a link for the first start; None once anybody has been let in."""
        if self._ask("SELECT 1 FROM tokens UNION SELECT 1 FROM sessions LIMIT 1"):
            return None
        return self.link(at)

    def link(self, at: Stamp) -> str:
        """The code of a fresh link `/welcome?code=…`, good once within an hour, for an engineer."""
        code = _secret()
        self._run("DELETE FROM links WHERE expires < ?", _seconds(at))
        self._run("INSERT INTO links VALUES (?, ?)", _hash(code), _seconds(at) + LINK_LIVES)
        return code

    # -- sessions of browsers --------------------------------------------------------------------

    def welcome(self, code: str, at: Stamp) -> str | None:
        """Uses a link up; returns the session it opens."""
        used = self._run("DELETE FROM links WHERE hash = ? RETURNING expires", _hash(code))
        if not used or used[0][0] < _seconds(at):
            return None
        return self._open(Caller("owner", Role.ENGINEER), None, at)

    def sign_in(self, token: str, at: Stamp) -> str | None:
        """The session of a browser in which this token was typed."""
        caller = self.bearer(token)
        return self._open(caller, caller.name, at) if caller else None

    def session(self, session: str, at: Stamp) -> Caller | None:
        query = "SELECT name, role FROM sessions WHERE hash = ? AND expires > ?"
        return _caller(self._ask(query, _hash(session), _seconds(at)))

    def sign_out(self, session: str) -> None:
        self._run("DELETE FROM sessions WHERE hash = ?", _hash(session))

    def _open(self, caller: Caller, token: str | None, at: Stamp) -> str:
        session, now = _secret(), _seconds(at)
        self._run("DELETE FROM sessions WHERE expires < ?", now)
        row = (_hash(session), caller.name, caller.role, now + SESSION_LIVES, token)
        self._run("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", *row)
        return session

    def _ask(self, query: str, *values: str | bytes | float) -> list[tuple[Any, ...]]:
        with self._reads:
            return self._known.execute(query, values).fetchall()

    def _run(self, query: str, *values: str | bytes | float | None) -> list[tuple[Any, ...]]:
        with self._writes:
            return self._db.execute(query, values).fetchall()


def _caller(rows: list[tuple[Any, ...]]) -> Caller | None:
    return Caller(rows[0][0], Role(rows[0][1])) if rows else None


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _seconds(at: Stamp) -> float:
    return at.wall.timestamp()
