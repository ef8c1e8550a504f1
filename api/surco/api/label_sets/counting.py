"""How many labels each caller keeps here: its quota, which deleting frees."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from surco.api.refusals import QuotaError
from surco.api.state.label_tables import LABEL_COUNTS, LABEL_HISTORY, LABELS
from surco.api.web.callers import Caller

__all__ = ["count", "give_back", "kept_by"]

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_LATER_S = 3_600


def count(connection: Connection, subject: str, labels: int, most: int | None = None) -> None:
    """Add to what a key or address keeps; kept revisions count like labels.

    Args:
        connection: that writes.
        subject: `Caller.subject`.
        labels: how many more; negative for fewer.
        most: the quota, None for none.

    Raises:
        QuotaError: over the quota; what the transaction wrote before is rolled back with it.
    """
    if labels == 0:
        return
    statement = _INSERT[connection.dialect.name](LABEL_COUNTS).values(subject=subject, labels=max(labels, 0))
    total = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["subject"], set_={"labels": LABEL_COUNTS.c.labels + labels}
        ).returning(LABEL_COUNTS.c.labels)
    ).scalar_one()
    if most is not None and labels > 0 and total > most:
        raise QuotaError(
            f"Expected at most {most:,} labels and kept revisions of one key, got {total:,} with these {labels:,}. "
            "Delete a set that is not used, or ask who runs this server for more.",
            _LATER_S,
        )


def kept_by(connection: Connection, caller: Caller) -> int:
    """How many labels and kept revisions of the caller there are."""
    query = select(LABEL_COUNTS.c.labels).where(LABEL_COUNTS.c.subject == caller.subject)
    return int(connection.execute(query).scalar_one_or_none() or 0)


def give_back(connection: Connection, set_id: str) -> None:
    """Count what a set holds no longer, for everyone who added to it."""
    for table, column in ((LABELS, LABELS.c.made_by), (LABEL_HISTORY, LABEL_HISTORY.c.by)):
        kept = select(column, func.count()).where(table.c.set_id == set_id).group_by(column).order_by(column)
        for subject, number in connection.execute(kept).all():
            connection.execute(
                update(LABEL_COUNTS)
                .where(LABEL_COUNTS.c.subject == subject)
                .values(labels=LABEL_COUNTS.c.labels - number)
            )
