"""Whose an adapter is: names claimed before they are written, so that of two who want one name one is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from surco.api.refusals import ConflictError, NotAllowedError, QuotaError
from surco.api.state.tables import ADAPTERS
from surco.api.web.callers import Caller
from surco.embedstore import Sentence

__all__ = ["claim", "owners", "release", "require_owner", "settle"]

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_UNWRITTEN = 0  # the store version of a name that is claimed and not written yet
_LATER_S = 3_600


def claim(connection: Connection, caller: Caller, name: str, most: int) -> bool:
    """Take a name for the caller; gives whether it was nobody's before.

    Args:
        connection: that writes.
        caller: who.
        name: of the adapter.
        most: adapters that a caller may own.

    Raises:
        ConflictError: it is somebody else's.
        QuotaError: the caller owns as many as it may.
    """
    row = {
        "name": name,
        "owner": caller.key_id,
        "created_at": datetime.now(UTC),
        "store_version": _UNWRITTEN,
    }
    made = connection.execute(
        _INSERT[connection.dialect.name](ADAPTERS)
        .values(row)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(ADAPTERS.c.name)
    ).first()
    if made is None:
        if not caller.owns(_owner(connection, name)):
            raise ConflictError(
                Sentence(
                    f"Expected a name that is free or yours, got {name!r}, which somebody else's adapter has. "
                    "Choose another name.",
                    "adapter-taken",
                    name=name,
                )
            )
        return False
    owned = select(func.count()).where(ADAPTERS.c.owner.is_not_distinct_from(caller.key_id))
    if connection.execute(owned).scalar_one() > most:
        raise QuotaError(
            Sentence(
                f"Expected at most {most:,} adapters of one key, and there are as many. Delete one that is not used, "
                "or ask who runs this server for more.",
                "adapters-many",
                most=most,
            ),
            _LATER_S,
        )
    return True


def settle(connection: Connection, caller: Caller, name: str, version: int, label_set: str | None) -> None:
    """Note the version of the store that brought an adapter, and the label set that it learned from."""
    changed = {"store_version": version, "label_set": label_set, "created_at": datetime.now(UTC)}
    statement = _INSERT[connection.dialect.name](ADAPTERS).values(name=name, owner=caller.key_id, **changed)
    # Somebody may have deleted the name meanwhile; of two fits at the same time the later version stands.
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_=changed, where=ADAPTERS.c.store_version < version
        )
    )


def release(connection: Connection, name: str, *, unwritten: bool = False) -> None:
    """Give a name back; `unwritten` only where nothing was ever written under it."""
    query = delete(ADAPTERS).where(ADAPTERS.c.name == name)
    connection.execute(query.where(ADAPTERS.c.store_version == _UNWRITTEN) if unwritten else query)


def owners(connection: Connection) -> dict[str, tuple[str | None, str | None]]:
    """Owner and label set of each adapter that was made over HTTP, by name."""
    rows = connection.execute(select(ADAPTERS.c.name, ADAPTERS.c.owner, ADAPTERS.c.label_set))
    return {name: (owner, label_set) for name, owner, label_set in rows}


def require_owner(connection: Connection, caller: Caller, name: str) -> None:
    """Let only the owner of an adapter and administrators pass; what nobody owns is everybody's who may train.

    Raises:
        NotAllowedError: the caller is neither.
    """
    if not caller.owns(_owner(connection, name)):
        raise NotAllowedError(
            f"Expected the key that made adapter {name!r}, or one with the scope 'admin', got {caller.name!r}. "
            "Ask its owner."
        )


def _owner(connection: Connection, name: str) -> str | None:
    found: str | None = connection.execute(
        select(ADAPTERS.c.owner).where(ADAPTERS.c.name == name)
    ).scalar_one_or_none()
    return found
