"""API keys: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, RowMapping, insert, select, update

from surco.api.refusals import InvalidError, UnknownError
from surco.api.scopes import SCOPES
from surco.api.state.database import Database
from surco.api.state.tables import KEYS

__all__ = ["PREFIX", "KeyInfo", "KnownKeys", "add_key", "keys", "revoke_key"]

PREFIX = "surco_"
"""What every key begins with, so that scanners of secrets find one that was published by mistake."""

_LONGEST_NAME = 200
_TRUSTED_S = 3.0
_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What is known of a key; the key itself is not.

    Attributes:
        id: names the key wherever it is spoken of.
        name: whose or what for.
        scopes: of `SCOPES`.
        created_at: when it was made, UTC.
        expires_at: from when on it counts no more; None is never.
        revoked_at: when it was revoked; None where it was not.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def active(self) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > datetime.now(UTC))


def add_key(
    connection: Connection, name: str, scopes: Sequence[str], days: int | None = None
) -> tuple[KeyInfo, str]:
    """Make a key.

    Args:
        connection: of `Database.writing()`.
        name: whose or what for, 1 to 200 characters.
        scopes: at least one of `SCOPES`.
        days: until it expires; None is never.

    Returns:
        What is kept, and the key: 256 bits by chance, which nobody can read again.

    Raises:
        InvalidError: no name, no or another scope, days that are none.
    """
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidError(
            f"Expected a name of 1 to {_LONGEST_NAME} characters, got {name[:40]!r}. Say whose key it is."
        )
    if not scopes or set(scopes) - set(SCOPES):
        raise InvalidError(
            f"Expected scopes of {', '.join(SCOPES)}, got {list(scopes)}. Name at least one of them."
        )
    if days is not None and not 1 <= days <= 3650:
        raise InvalidError(f"Expected 1 to 3650 days, got {days}. Leave it out for a key without an end.")
    now = datetime.now(UTC)
    secret = PREFIX + secrets.token_urlsafe(32)
    info = KeyInfo(
        id=f"k_{secrets.token_hex(8)}",
        name=name.strip(),
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        created_at=now,
        expires_at=now + timedelta(days=days) if days else None,
        revoked_at=None,
    )
    connection.execute(
        insert(KEYS).values(
            id=info.id,
            hash=_hash(secret),
            name=info.name,
            scopes=",".join(info.scopes),
            created_at=info.created_at,
            expires_at=info.expires_at,
        )
    )
    return info, secret


def keys(connection: Connection) -> list[KeyInfo]:
    """All keys, the oldest first."""
    rows = connection.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id)).mappings()
    return [_info(row) for row in rows]


def revoke_key(connection: Connection, key_id: str) -> KeyInfo:
    """Let a key open nothing from now on (other processes notice within three seconds).

    Raises:
        UnknownError: no key of that id.
    """
    row = connection.execute(select(KEYS).where(KEYS.c.id == key_id)).mappings().one_or_none()
    if row is None:
        raise UnknownError(f"Expected the id of a key, got {key_id!r}. `surco keys list` names them.")
    if row["revoked_at"] is None:
        connection.execute(update(KEYS).where(KEYS.c.id == key_id).values(revoked_at=datetime.now(UTC)))
    row = connection.execute(select(KEYS).where(KEYS.c.id == key_id)).mappings().one()
    return _info(row)


class KnownKeys:
    """Keys by what callers send, looked up at most every three seconds each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._seen: OrderedDict[bytes, tuple[float, KeyInfo | None]] = OrderedDict()

    def find(self, secret: str) -> KeyInfo | None:
        """The active key that was sent; None where there is none."""
        digest, now = _hash(secret), time.monotonic()
        with self._lock:
            found = self._seen.get(digest)
        if found is None or now - found[0] > _TRUSTED_S:
            found = (now, self._read(digest))
            with self._lock:
                self._seen[digest] = found
                self._seen.move_to_end(digest)
                while len(self._seen) > _REMEMBERED:
                    self._seen.popitem(last=False)
        info = found[1]
        return info if info is not None and info.active else None

    def forget(self) -> None:
        """Look every key up again, as after one was revoked."""
        with self._lock:
            self._seen.clear()

    def _read(self, digest: bytes) -> KeyInfo | None:
        with self._database.reading() as connection:
            row = connection.execute(select(KEYS).where(KEYS.c.hash == digest)).mappings().one_or_none()
        return None if row is None else _info(row)


def _hash(secret: str) -> bytes:
    """SHA-256: 256 bits by chance need no slow hash, which is for passwords that people think of."""
    return hashlib.sha256(secret.encode()).digest()


def _info(row: RowMapping) -> KeyInfo:
    return KeyInfo(
        id=row["id"],
        name=row["name"],
        scopes=tuple(row["scopes"].split(",")),
        created_at=_utc(row["created_at"]),
        expires_at=row["expires_at"] and _utc(row["expires_at"]),
        revoked_at=row["revoked_at"] and _utc(row["revoked_at"]),
    )


def _utc(moment: datetime) -> datetime:
    """SQLite forgets the zone; what we wrote was UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
