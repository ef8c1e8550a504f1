"""The audit log: who wrote what, and when. It is written in the transaction that it speaks of, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from surco.api.state.tables import AUDIT
from surco.api.web.callers import Caller

__all__ = ["entries", "record"]


def record(
    connection: Connection,
    caller: Caller,
    action: str,
    target: str,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Note a write.

    Args:
        connection: of `Database.writing()`, in whose transaction the write itself takes place where it is one.
        caller: who.
        action: what, as `subject.verb`: "labels.add", "adapter.fit", "key.revoke".
        target: to what: an id or a name.
        detail: anything JSON can say, never a secret.
    """
    caller.mark_audited()
    connection.execute(
        insert(AUDIT).values(
            at=datetime.now(UTC),
            key_id=caller.key_id,
            caller=caller.name,
            address=caller.address,
            action=action,
            target=target[:400],
            detail=msgspec.json.encode(dict(detail or {})).decode(),
        )
    )


def entries(
    connection: Connection,
    *,
    limit: int,
    before: int | None = None,
    action: str | None = None,
    key_id: str | None = None,
) -> list[dict[str, Any]]:
    """The newest entries, at most `limit`; `before` is the id of the last one of the page before."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AUDIT.c.id < before)
    if action is not None:
        query = query.where(AUDIT.c.action == action)
    if key_id is not None:
        query = query.where(AUDIT.c.key_id == key_id)
    rows = connection.execute(query).mappings().all()
    return [{**row, "detail": msgspec.json.decode(row["detail"])} for row in rows]
