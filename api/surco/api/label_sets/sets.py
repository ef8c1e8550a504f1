"""Label sets in the database: made, listed, changed and removed, each by who may."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, delete, func, insert, or_, select, update

from surco.api.label_sets.counting import give_back
from surco.api.label_sets.labels import utc
from surco.api.label_sets.revisions import require_revision
from surco.api.label_sets.rights import Right, require, right_of
from surco.api.refusals import InvalidError, NotAllowedError, UnknownError
from surco.api.state.audit import record
from surco.api.state.label_tables import LABEL_SETS, LABEL_SHARES
from surco.api.web.callers import Caller
from surco.embedstore import Sentence

__all__ = ["Kind", "LabelSet", "change_set", "find_set", "list_sets", "make_set", "remove_set", "touch_set"]

Kind = Literal["class", "value"]
_MOST_SETS = 1_000


@dataclass(frozen=True, slots=True)
class LabelSet:
    """A label set as it is now.

    Attributes:
        id: names it in addresses.
        name, description: for people.
        kind: "class" or "value": what its labels hold.
        unit: of values, such as t/ha.
        season: of labels that say none themselves.
        owner: id of the key that made it; None where a caller without a key did.
        public: whether everybody may read it.
        contributions: "named": the owner and keys it is shared with to write; "anyone": whoever may read it and has
            the scope label, each in their own name.
        revision: moves with every change of the set or of a label in it.
        labels: how many it holds.
        made_at, changed_at: UTC.
        shared: how many keys it is shared with.
        may: what the caller may do with it.
    """

    id: str
    name: str
    description: str
    kind: Kind
    unit: str | None
    season: str | None
    owner: str | None
    public: bool
    contributions: Literal["named", "anyone"]
    revision: int
    labels: int
    made_at: datetime
    changed_at: datetime
    shared: int
    may: Right

    @property
    def visibility(self) -> Literal["private", "shared", "public"]:
        """Who sees it: its owner, also the keys it is shared with, or everybody."""
        return "public" if self.public else "shared" if self.shared else "private"


_SHARED = (
    select(func.count())
    .where(LABEL_SHARES.c.set_id == LABEL_SETS.c.id)
    .correlate(LABEL_SETS)
    .scalar_subquery()
)


def make_set(connection: Connection, caller: Caller, **values: Any) -> LabelSet:
    """Make an empty set; `values` are the columns name, description, kind, unit, season, public and contributions.

    Raises:
        NotAllowedError: a set that is not public, by a caller without a key: nobody could be told apart as its owner.
        InvalidError: more sets than a key may have.
    """
    if caller.key_id is None and not values["public"]:
        raise NotAllowedError(
            'Expected an API key for a set that is not public, got none. Send a key, or make it with "public": true.'
        )
    owned = select(func.count()).select_from(LABEL_SETS).where(LABEL_SETS.c.owner == caller.key_id)
    if connection.execute(owned).scalar_one() >= _MOST_SETS:
        raise InvalidError(
            f"Expected at most {_MOST_SETS:,} sets of one key, got another. Delete one that is not used."
        )
    now, made = datetime.now(UTC), f"ls_{secrets.token_hex(6)}"
    connection.execute(
        insert(LABEL_SETS).values(
            id=made,
            owner=caller.key_id,
            revision=1,
            labels=0,
            next_number=1,
            made_at=now,
            changed_at=now,
            **values,
        )
    )
    record(connection, caller, "labels.make", made, {"name": values["name"]})
    return find_set(connection, made, caller)


def find_set(
    connection: Connection, set_id: str, caller: Caller, needed: Right = "read", *, lock: bool = False
) -> LabelSet:
    """A set that the caller may do `needed` with; with `lock` other writers wait until the transaction ends.

    Raises:
        UnknownError: no such set, or one that the caller may not even see.
        NotAllowedError: one that it sees and may not do that with.
    """
    query = select(LABEL_SETS, _SHARED.label("shared")).where(LABEL_SETS.c.id == set_id)
    found = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    may = None if found is None else right_of(connection, found, caller)
    if found is None or may is None:
        raise UnknownError(
            Sentence(
                f"Expected the id of a label set, got {set_id[:60]!r}. GET /labels lists those that you see.",
                "set-unknown",
            )
        )
    require(may, needed, found["name"])
    return _label_set(found, may)


def list_sets(
    connection: Connection, caller: Caller, *, limit: int, after: str | None = None, mine: bool = False
) -> list[LabelSet]:
    """Sets that the caller sees, by id, those after `after`; with `mine` only those that it owns."""
    query = select(LABEL_SETS, _SHARED.label("shared")).order_by(LABEL_SETS.c.id).limit(limit)
    own = LABEL_SETS.c.owner == caller.key_id
    if after is not None:
        query = query.where(LABEL_SETS.c.id > after)
    if mine:
        query = query.where(own)
    elif not caller.may("admin"):
        shared = select(LABEL_SHARES.c.set_id).where(LABEL_SHARES.c.key_id == caller.key_id)
        query = query.where(or_(LABEL_SETS.c.public, own, LABEL_SETS.c.id.in_(shared)))
    rows = connection.execute(query).mappings().all()
    rights = [(row, right_of(connection, row, caller)) for row in rows]
    return [_label_set(row, may) for row, may in rights if may is not None]


def change_set(
    connection: Connection, caller: Caller, set_id: str, match: str | None, **values: Any
) -> LabelSet:
    """Change columns of a set.

    Args:
        connection: that writes.
        caller: its owner or an administrator.
        set_id: which.
        match: the If-Match header.
        values: of name, description, unit, season, public, contributions.

    Raises:
        StaleError, NoRevisionError: somebody changed it first, or the header is missing.
        NotAllowedError: nobody's set made private.
    """
    present = find_set(connection, set_id, caller, "own", lock=True)
    require_revision(match, present.revision, "set")
    if present.owner is None and values.get("public") is False:
        raise NotAllowedError(
            "Expected a set with an owner to be made private, got one that was made without a key. Copy it with a key."
        )
    touch_set(connection, set_id, **values)
    record(connection, caller, "labels.change", set_id, values)
    return find_set(connection, set_id, caller)


def remove_set(connection: Connection, caller: Caller, set_id: str, match: str | None) -> None:
    """Remove a set with its labels, their history and its shares, for good. Raises as `change_set`."""
    present = find_set(connection, set_id, caller, "own", lock=True)
    require_revision(match, present.revision, "set")
    give_back(connection, set_id)
    connection.execute(delete(LABEL_SETS).where(LABEL_SETS.c.id == set_id))
    record(connection, caller, "labels.remove", set_id, {"name": present.name, "labels": present.labels})


def touch_set(
    connection: Connection, set_id: str, *, labels: int = 0, numbers: int = 0, **values: Any
) -> int:
    """Move a set's revision, and add to how many labels it holds and how many numbers are given out.

    Writers of one set wait for each other here, so it comes before anything that they read.

    Returns:
        The first of the numbers given out.
    """
    changed = (
        update(LABEL_SETS)
        .where(LABEL_SETS.c.id == set_id)
        .values(
            revision=LABEL_SETS.c.revision + 1,
            labels=LABEL_SETS.c.labels + labels,
            next_number=LABEL_SETS.c.next_number + numbers,
            changed_at=datetime.now(UTC),
            **values,
        )
        .returning(LABEL_SETS.c.next_number)
    )
    after = connection.execute(changed).scalar_one_or_none()
    if after is None:
        raise UnknownError(
            Sentence(
                f"Expected the id of a label set, got {set_id[:60]!r}. Somebody may have removed it.",
                "set-gone",
            )
        )
    return int(after) - numbers


def _label_set(row: RowMapping, may: Right) -> LabelSet:
    kept = {name: row[name] for name in LabelSet.__slots__ if name in row}
    times = {name: utc(row[name]) for name in ("made_at", "changed_at")}
    return LabelSet(**{**kept, **times, "may": may})
