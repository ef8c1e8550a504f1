"""Who may do what with a label set, and the keys that it is shared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from sqlalchemy import Connection, delete, insert, select

from surco.api.refusals import InvalidError, NotAllowedError, UnknownError
from surco.api.state.label_tables import LABEL_SHARES
from surco.api.state.tables import KEYS
from surco.api.web.callers import Caller
from surco.embedstore import Sentence

__all__ = ["RIGHTS", "Right", "require", "right_of", "share", "shares", "unshare"]

Right = Literal["read", "add", "write", "own"]
RIGHTS: Final[tuple[Right, ...]] = ("read", "add", "write", "own")
"""read it; add labels in one's own name and change those; write: change any label; own: change and share the set."""

_MOST_SHARES = 200


def right_of(connection: Connection, row: Mapping[Any, Any], caller: Caller) -> Right | None:
    """The most that a caller may do with a set; None where it must not even learn that it exists.

    Args:
        connection: that reads.
        row: of the table of sets.
        caller: who asks. Without the scope label it reads at most.
    """
    shared = _shared(connection, row["id"], caller)
    if caller.may("admin") or (row["owner"] is not None and row["owner"] == caller.key_id):
        most: Right = "own"
    elif shared is not None:
        most = "write" if shared == "write" else "add" if row["contributions"] == "anyone" else "read"
    elif row["public"]:
        most = "own" if row["owner"] is None else "add" if row["contributions"] == "anyone" else "read"
    else:
        return None
    return most if caller.may("label") else "read"


def require(may: Right, needed: Right, name: str) -> None:
    """Refuse less than what is needed.

    Raises:
        NotAllowedError: with whom to ask.
    """
    if RIGHTS.index(may) < RIGHTS.index(needed):
        words = {"add": "add labels to", "write": "change labels of", "own": "change, share or delete"}[
            needed
        ]
        raise NotAllowedError(
            Sentence(
                f"Expected a caller who may {words} the label set {name!r}, got one who may {may}. "
                "Ask its owner to share it with your key, or make a set of your own.",
                "set-right",
                name=name,
            )
        )


def shares(connection: Connection, set_id: str) -> list[dict[str, Any]]:
    """Keys that a set is shared with: id, name, and what each may do."""
    query = (
        select(LABEL_SHARES.c.key_id, KEYS.c.name, LABEL_SHARES.c.may)
        .join(KEYS, KEYS.c.id == LABEL_SHARES.c.key_id, isouter=True)
        .where(LABEL_SHARES.c.set_id == set_id)
        .order_by(LABEL_SHARES.c.key_id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def share(connection: Connection, set_id: str, key_id: str, may: Literal["read", "write"]) -> None:
    """Share a set with a key, or change what the key may do.

    Raises:
        UnknownError: no such key.
        InvalidError: too many keys.
    """
    if connection.execute(select(KEYS.c.id).where(KEYS.c.id == key_id)).first() is None:
        raise UnknownError(
            f"Expected the id of an API key, got {key_id[:40]!r}. Ask its holder: GET /labels names it."
        )
    unshare(connection, set_id, key_id)
    if len(shares(connection, set_id)) >= _MOST_SHARES:
        raise InvalidError(
            f"Expected at most {_MOST_SHARES} keys, got another. Make the set public, or unshare it."
        )
    connection.execute(insert(LABEL_SHARES).values(set_id=set_id, key_id=key_id, may=may))


def unshare(connection: Connection, set_id: str, key_id: str) -> bool:
    """Share a set with a key no longer; False where it was not."""
    gone = delete(LABEL_SHARES).where(LABEL_SHARES.c.set_id == set_id, LABEL_SHARES.c.key_id == key_id)
    return connection.execute(gone).rowcount > 0


def _shared(connection: Connection, set_id: str, caller: Caller) -> str | None:
    if caller.key_id is None:
        return None
    query = select(LABEL_SHARES.c.may).where(
        LABEL_SHARES.c.set_id == set_id, LABEL_SHARES.c.key_id == caller.key_id
    )
    return connection.execute(query).scalar_one_or_none()
