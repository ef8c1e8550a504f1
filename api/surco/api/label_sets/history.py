"""What a label said before, who ended it and when; and the way back."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from surco.api.label_sets.contents import FIELDS
from surco.api.label_sets.item_rows import NewLabel
from surco.api.label_sets.items import add_labels, change_label, find_label
from surco.api.label_sets.labels import Label, public_name, utc
from surco.api.label_sets.shapes import placed, shape_of_geojson
from surco.api.refusals import UnknownError
from surco.api.state.label_tables import LABEL_HISTORY, LABELS
from surco.api.web.callers import Caller

__all__ = ["history_of", "restore_label"]

_SHOWN = 1_000


def history_of(connection: Connection, set_id: str, label_id: str) -> dict[str, Any]:
    """The revisions of a label, the oldest first: what each said, what ended it ("changed" or "deleted"), who, when.

    `present` is the one that stands, None where the label was deleted.

    Raises:
        UnknownError: there never was such a label.
    """
    query = (
        select(LABEL_HISTORY)
        .where(LABEL_HISTORY.c.set_id == set_id, LABEL_HISTORY.c.label_id == label_id)
        .order_by(LABEL_HISTORY.c.revision.desc())
        .limit(_SHOWN)
    )
    past = [
        {
            "revision": row["revision"],
            "ended": row["action"],
            "by": public_name(row["by"]),
            "at": utc(row["at"]).isoformat(),
            "label": _without_addresses(msgspec.json.decode(row["body"])),
        }
        for row in connection.execute(query).mappings()
    ]
    there = select(LABELS.c.id).where(LABELS.c.set_id == set_id, LABELS.c.id == label_id)
    stands = connection.execute(there).first() is not None
    if not past and not stands:
        raise UnknownError(
            f"Expected the id of a label of this set, got {label_id[:60]!r}. There never was one."
        )
    present = find_label(connection, set_id, label_id).feature() if stands else None
    return {"id": label_id, "present": present, "past": past[::-1]}


def restore_label(
    connection: Connection,
    caller: Caller,
    set_id: str,
    label_id: str,
    match: str | None,
    *,
    revision: int | None,
    quota: int | None = None,
) -> Label:
    """Let a label say again what it said at an earlier revision, as a new one; also one that was deleted.

    Args:
        connection: that writes.
        caller: as for `change_label`.
        set_id: whose label.
        label_id: which.
        match: the If-Match header; not needed for a label that was deleted.
        revision: which; None is the one before the present, or the last of a deleted label.
        quota: as in `add_labels`.

    Raises:
        UnknownError: no such revision.
        Also as `change_label`.
    """
    body = _body(connection, set_id, label_id, revision)
    said = {name: body["properties"].get(name) for name in FIELDS}
    shape = placed(shape_of_geojson(msgspec.json.encode(body["geometry"])))
    there = select(LABELS.c.id).where(LABELS.c.set_id == set_id, LABELS.c.id == label_id)
    if connection.execute(there).first() is not None:
        return change_label(connection, caller, set_id, label_id, match, shape=shape, said=said, quota=quota)
    add_labels(
        connection, caller, set_id, [NewLabel(label_id, shape, said)], quota=quota, action="labels.restore"
    )
    return find_label(connection, set_id, label_id)


def _body(connection: Connection, set_id: str, label_id: str, revision: int | None) -> dict[str, Any]:
    which = select(LABEL_HISTORY.c.body).where(
        LABEL_HISTORY.c.set_id == set_id, LABEL_HISTORY.c.label_id == label_id
    )
    if revision is not None:
        which = which.where(LABEL_HISTORY.c.revision == revision)
    found = connection.execute(which.order_by(LABEL_HISTORY.c.revision.desc()).limit(1)).scalar_one_or_none()
    if found is None:
        words = "an earlier revision" if revision is None else f"revision {revision}"
        raise UnknownError(
            f"Expected {words} of the label {label_id[:60]!r}, got none. Its /history lists those that are kept."
        )
    body: dict[str, Any] = msgspec.json.decode(found)
    return body


def _without_addresses(body: dict[str, Any]) -> dict[str, Any]:
    properties = body["properties"]
    for name in ("made_by", "changed_by"):
        properties[name] = public_name(str(properties.get(name, "")))
    return body
