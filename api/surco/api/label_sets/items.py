"""Labels in the database: added, read, changed and removed one by one; what they said before is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any, Literal

from sqlalchemy import Connection, select

from surco.api.label_sets.counting import count
from surco.api.label_sets.item_rows import (
    NewLabel,
    drop_row,
    insert_rows,
    kept_shape,
    labels_by_id,
    replace_row,
)
from surco.api.label_sets.labels import Label, label_of
from surco.api.label_sets.revisions import require_revision
from surco.api.label_sets.rights import Right
from surco.api.label_sets.sets import LabelSet, find_set, touch_set
from surco.api.label_sets.shapes import Placed
from surco.api.refusals import ConflictError, InvalidError, NotAllowedError, UnknownError
from surco.api.state.audit import record
from surco.api.state.label_tables import LABELS
from surco.api.web.callers import Caller

__all__ = ["Existing", "Outcome", "add_labels", "change_label", "find_label", "remove_label"]

Existing = Literal["refuse", "replace"]


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
    there = labels_by_id(connection, set_id, [label.id for label in completed if label.id])
    if there and existing == "refuse":
        raise ConflictError(
            f"Expected ids that are new in this set, got {next(iter(there))!r} and {len(there) - 1} more that are not. "
            "Leave the ids out, or send ?existing=replace."
        )
    fresh = [
        (label_id, label) for label_id, label in zip(ids, completed, strict=True) if label_id not in there
    ]
    first = touch_set(connection, set_id, labels=len(fresh), numbers=len(fresh))
    insert_rows(connection, caller, set_id, fresh, first)
    for label_id, label in zip(ids, completed, strict=True):
        if label_id in there:
            _require_own(caller, present.may, there[label_id])
            replace_row(connection, caller, set_id, there[label_id], label)
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
    whole = NewLabel(label_id, shape or kept_shape(connection, set_id, label_id), {**before.said, **said})
    touch_set(connection, set_id)
    completed = _completed(whole, present, caller, before.said["who"])
    _require_own(caller, present.may, before)
    replace_row(connection, caller, set_id, before, completed)
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
    drop_row(connection, caller, set_id, before)
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
