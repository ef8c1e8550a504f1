"""Labels in the database: added, read, changed and removed one by one; what they said before is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from surco.api.label_sets.contents import FIELDS
from surco.api.label_sets.counting import count
from surco.api.label_sets.labels import Label, label_of
from surco.api.label_sets.revisions import require_revision
from surco.api.label_sets.rights import Right
from surco.api.label_sets.sets import LabelSet, find_set, touch_set
from surco.api.label_sets.shapes import Placed
from surco.api.refusals import ConflictError, InvalidError, NotAllowedError, UnknownError
from surco.api.state.audit import record
from surco.api.state.label_tables import LABEL_HISTORY, LABELS
from surco.api.web.callers import Caller

__all__ = ["Existing", "NewLabel", "Outcome", "add_labels", "change_label", "find_label", "remove_label"]

Existing = Literal["refuse", "replace"]
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class NewLabel:
    """A checked label that is to be stored: its id (None makes one), shape, and fields of `contents.FIELDS`."""

    id: str | None
    shape: Placed
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of labels that were sent: their ids in order, how many were new, how many replaced others."""

    ids: list[str]
    added: int
    replaced: int


def add_labels(
    connection: Connection,
    caller: Caller,
    set_id: str,
    labels: Sequence[NewLabel],
    *,
    existing: Existing = "refuse",
    quota: int | None = None,
    action: str = "labels.add",
    detail: Mapping[str, object] | None = None,
) -> Outcome:
    """Add labels to a set, all or none.

    Args:
        connection: that writes.
        caller: who may add; the `who` of labels that say none is its name.
        set_id: which set.
        labels: with different ids.
        existing: what becomes of labels whose id is there already: "refuse" them all, or "replace" what is there.
        quota: labels that the caller may keep on this server.
        action: for the audit log.
        detail: beside it.

    Raises:
        InvalidError: a class where the set holds values, or the other way round; neither.
        ConflictError: an id that is there already, or twice in `labels`.
        NotAllowedError: somebody else's label or name, by a caller who may only add.
        QuotaError: over the quota.
    """
    present = find_set(connection, set_id, caller, "add", lock=True)
    completed = [_completed(label, present, caller) for label in labels]
    ids = [label.id or token_hex(8) for label in completed]
    _require_different(ids)
    there = _labels_by_id(connection, set_id, [label.id for label in completed if label.id])
    if there and existing == "refuse":
        raise ConflictError(
            f"Expected ids that are new in this set, got {next(iter(there))!r} and {len(there) - 1} more that are not. "
            "Leave the ids out, or send ?existing=replace."
        )
    fresh = [
        (label_id, label) for label_id, label in zip(ids, completed, strict=True) if label_id not in there
    ]
    first = touch_set(connection, set_id, labels=len(fresh), numbers=len(fresh))
    _insert(connection, caller, set_id, fresh, first)
    for label_id, label in zip(ids, completed, strict=True):
        if label_id in there:
            _replace(connection, caller, present, there[label_id], label)
    count(connection, caller.subject, len(labels), quota)
    outcome = Outcome(ids, len(fresh), len(there))
    record(
        connection, caller, action, set_id, {"added": len(fresh), "replaced": len(there), **(detail or {})}
    )
    return outcome


def find_label(connection: Connection, set_id: str, label_id: str) -> Label:
    """A label of a set that the caller was found to see.

    Raises:
        UnknownError: none of that id.
    """
    query = select(LABELS).where(LABELS.c.set_id == set_id, LABELS.c.id == label_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownError(
            f"Expected the id of a label of this set, got {label_id[:60]!r}. Its /history says whether it was deleted."
        )
    return label_of(row)


def change_label(
    connection: Connection,
    caller: Caller,
    set_id: str,
    label_id: str,
    match: str | None,
    *,
    shape: Placed | None,
    said: Mapping[str, Any],
    quota: int | None = None,
) -> Label:
    """Give a label another shape (None keeps it) and other fields; what it said before is kept.

    Args:
        connection: that writes.
        caller: who may write, or who made the label and may add.
        set_id: whose label.
        label_id: which.
        match: the If-Match header.
        shape: checked.
        said: fields that change, checked; None empties one.
        quota: as in `add_labels`.

    Raises:
        StaleError, NoRevisionError: somebody changed it first, or the header is missing.
        Also as `add_labels`.
    """
    present = find_set(connection, set_id, caller, "add", lock=True)
    before = find_label(connection, set_id, label_id)
    require_revision(match, before.revision, "label")
    whole = NewLabel(label_id, shape or _kept_shape(connection, set_id, label_id), {**before.said, **said})
    touch_set(connection, set_id)
    _replace(connection, caller, present, before, _completed(whole, present, caller, before.said["who"]))
    count(connection, caller.subject, 1, quota)
    record(connection, caller, "labels.edit", f"{set_id}/{label_id}", {"revision": before.revision + 1})
    return find_label(connection, set_id, label_id)


def remove_label(
    connection: Connection, caller: Caller, set_id: str, label_id: str, match: str | None
) -> Label:
    """Take a label out of its set; its history keeps it. Raises as `change_label`. Returns what it was."""
    present = find_set(connection, set_id, caller, "add", lock=True)
    before = find_label(connection, set_id, label_id)
    require_revision(match, before.revision, "label")
    _require_own(caller, present.may, before)
    touch_set(connection, set_id, labels=-1)
    _keep(connection, caller, set_id, before, "deleted")
    connection.execute(delete(LABELS).where(LABELS.c.set_id == set_id, LABELS.c.id == label_id))
    count(connection, before.made_by, -1)
    count(connection, caller.subject, 1)
    record(connection, caller, "labels.delete", f"{set_id}/{label_id}", {"revision": before.revision})
    return before


def _completed(label: NewLabel, present: LabelSet, caller: Caller, was: str | None = None) -> NewLabel:
    """The label with who says it; refused where it says nothing that the set holds, or in somebody else's name."""
    said = {**label.said, "who": label.said.get("who") or caller.name}
    wanted, other = ("class", "value") if present.kind == "class" else ("value", "class")
    if said[wanted] is None or said[other] is not None:
        came = f"none (id {label.id})" if said[wanted] is None else f"{other!r}"
        raise InvalidError(
            f"Expected {wanted!r} of every label of the set {present.name!r}, got {came}. "
            f"Fill it in, or make a set whose kind is {other!r}."
        )
    if present.may == "add" and said["who"] not in (caller.name, was):
        raise NotAllowedError(
            f"Expected labels in your own name, {caller.name!r}, got who={said['who'][:60]!r}. "
            "Leave who out: only the owner and writers of a set enter what others say."
        )
    return replace(label, said=said)


def _require_own(caller: Caller, may: Right, before: Label) -> None:
    if may == "add" and before.made_by != caller.subject:
        raise NotAllowedError(
            f"Expected a label of your own, got {before.id!r}, which somebody else made. Add your own label of that "
            "place: agreement and consensus weigh both."
        )


def _require_different(ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise ConflictError(
                f"Expected every id once, got {each!r} twice. Give each label its own, or none."
            )
        seen.add(each)


def _labels_by_id(connection: Connection, set_id: str, ids: Sequence[str]) -> dict[str, Label]:
    found = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(LABELS).where(LABELS.c.set_id == set_id, LABELS.c.id.in_(ids[start : start + _CHUNK]))
        for row in connection.execute(query).mappings():
            found[row["id"]] = label_of(row)
    return found


def _insert(
    connection: Connection, caller: Caller, set_id: str, labels: Sequence[tuple[str, NewLabel]], first: int
) -> None:
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


def _replace(
    connection: Connection, caller: Caller, present: LabelSet, before: Label, label: NewLabel
) -> None:
    _require_own(caller, present.may, before)
    _keep(connection, caller, present.id, before, "changed")
    connection.execute(
        update(LABELS)
        .where(LABELS.c.set_id == present.id, LABELS.c.id == before.id)
        .values(
            revision=before.revision + 1,
            changed_by=caller.subject,
            changed_at=datetime.now(UTC),
            **_columns(label),
        )
    )


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


def _kept_shape(connection: Connection, set_id: str, label_id: str) -> Placed:
    query = select(LABELS.c.geometry, LABELS.c.west, LABELS.c.south, LABELS.c.east, LABELS.c.north).where(
        LABELS.c.set_id == set_id, LABELS.c.id == label_id
    )
    wkb, *bounds = connection.execute(query).one()
    west, south, east, north = bounds
    return Placed(bytes(wkb), (west, south, east, north))
