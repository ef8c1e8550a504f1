"""Rows of labels and of their history in the database; who may change them is asked in `items`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from surco.api.label_sets.contents import FIELDS
from surco.api.label_sets.labels import Label, label_of
from surco.api.label_sets.shapes import Placed
from surco.api.state.label_tables import LABEL_HISTORY, LABELS
from surco.api.web.callers import Caller

__all__ = ["NewLabel", "drop_row", "insert_rows", "kept_shape", "labels_by_id", "replace_row"]

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class NewLabel:
    """A checked label that is to be stored: its id (None makes one), shape, and fields of `contents.FIELDS`."""

    id: str | None
    shape: Placed
    said: Mapping[str, Any]


def labels_by_id(connection: Connection, set_id: str, ids: Sequence[str]) -> dict[str, Label]:
    """Those of the ids that a set has, with what they say."""
    found = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(LABELS).where(LABELS.c.set_id == set_id, LABELS.c.id.in_(ids[start : start + _CHUNK]))
        for row in connection.execute(query).mappings():
            found[row["id"]] = label_of(row)
    return found


def insert_rows(
    connection: Connection, caller: Caller, set_id: str, labels: Sequence[tuple[str, NewLabel]], first: int
) -> None:
    """Write rows of new labels, with their ids and numbers from `first` on."""
    revisions = _revisions_after(connection, set_id, [label_id for label_id, label in labels if label.id])
    now = datetime.now(UTC)
    about = {"made_by": caller.subject, "made_at": now, "changed_by": caller.subject, "changed_at": now}
    rows = [
        {
            "set_id": set_id,
            "id": label_id,
            "number": first + place,
            "revision": revisions.get(label_id, 1),
            **_columns(label),
            **about,
        }
        for place, (label_id, label) in enumerate(labels)
    ]
    if rows:
        connection.execute(insert(LABELS), rows)


def _revisions_after(connection: Connection, set_id: str, ids: Sequence[str]) -> dict[str, int]:
    """Revisions to begin with of ids that were deleted once: their history goes on."""
    found: dict[str, int] = {}
    for start in range(0, len(ids), _CHUNK):
        query = (
            select(LABEL_HISTORY.c.label_id, func.max(LABEL_HISTORY.c.revision))
            .where(
                LABEL_HISTORY.c.set_id == set_id, LABEL_HISTORY.c.label_id.in_(ids[start : start + _CHUNK])
            )
            .group_by(LABEL_HISTORY.c.label_id)
        )
        found |= {label_id: latest + 1 for label_id, latest in connection.execute(query).all()}
    return found


def replace_row(connection: Connection, caller: Caller, set_id: str, before: Label, label: NewLabel) -> None:
    """Let a row say what a label says; what it said before is kept."""
    _keep(connection, caller, set_id, before, "changed")
    connection.execute(
        update(LABELS)
        .where(LABELS.c.set_id == set_id, LABELS.c.id == before.id)
        .values(
            revision=before.revision + 1,
            changed_by=caller.subject,
            changed_at=datetime.now(UTC),
            **_columns(label),
        )
    )


def drop_row(connection: Connection, caller: Caller, set_id: str, before: Label) -> None:
    """Take a label's row out; its history keeps what it said."""
    _keep(connection, caller, set_id, before, "deleted")
    connection.execute(delete(LABELS).where(LABELS.c.set_id == set_id, LABELS.c.id == before.id))


def _keep(connection: Connection, caller: Caller, set_id: str, before: Label, action: str) -> None:
    connection.execute(
        insert(LABEL_HISTORY).values(
            set_id=set_id,
            label_id=before.id,
            revision=before.revision,
            action=action,
            by=caller.subject,
            at=datetime.now(UTC),
            body=msgspec.json.encode(before.feature(addresses=True)).decode(),
        )
    )


def _columns(label: NewLabel) -> dict[str, Any]:
    west, south, east, north = label.shape.bounds
    box = {"west": west, "south": south, "east": east, "north": north}
    return {"geometry": label.shape.wkb, **box, **{name: label.said.get(name) for name in FIELDS}}


def kept_shape(connection: Connection, set_id: str, label_id: str) -> Placed:
    """The shape of a label that is there."""
    query = select(LABELS.c.geometry, LABELS.c.west, LABELS.c.south, LABELS.c.east, LABELS.c.north).where(
        LABELS.c.set_id == set_id, LABELS.c.id == label_id
    )
    wkb, *bounds = connection.execute(query).one()
    west, south, east, north = bounds
    return Placed(bytes(wkb), (west, south, east, north))
