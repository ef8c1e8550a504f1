"""Which labels of a set: filters, and pages that stay right while others write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, func, select

from surco.api.label_sets.labels import Label, label_of
from surco.api.refusals import InvalidError
from surco.api.state.database import Database
from surco.api.state.label_tables import LABELS

__all__ = [
    "BLOCK",
    "LabelFilter",
    "blocks",
    "class_counts",
    "last_number",
    "page",
    "parse_bbox",
    "parse_since",
]

BLOCK = 5_000
"""Labels in memory at a time."""


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """Which labels; None takes all.

    Attributes:
        class_: of this class.
        who: of what this person said.
        season: of this season.
        place: of this place.
        bbox: west, south, east, north in degrees; labels whose bounds touch it. East below west crosses 180°.
        since: changed at or after.
    """

    class_: str | None = None
    who: str | None = None
    season: str | None = None
    place: str | None = None
    bbox: tuple[float, float, float, float] | None = None
    since: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL; values are bound, never text of a query."""
        equal = {"class": self.class_, "who": self.who, "season": self.season, "place": self.place}
        found = [LABELS.c[name] == value for name, value in equal.items() if value is not None]
        if self.since is not None:
            found.append(LABELS.c.changed_at >= self.since)
        if self.bbox is not None:
            west, south, east, north = self.bbox
            found += [LABELS.c.north >= south, LABELS.c.south <= north]
            across = (LABELS.c.east >= west) | (LABELS.c.west <= east)
            found += [across] if east < west else [LABELS.c.east >= west, LABELS.c.west <= east]
        return found


def page(
    connection: Connection,
    set_id: str,
    wanted: LabelFilter,
    *,
    limit: int,
    after: int = 0,
    until: int | None = None,
) -> list[Label]:
    """At most `limit` labels in the order in which they came, with numbers above `after` and up to `until`."""
    query = select(LABELS).where(LABELS.c.set_id == set_id, LABELS.c.number > after, *wanted.conditions())
    if until is not None:
        query = query.where(LABELS.c.number <= until)
    rows = connection.execute(query.order_by(LABELS.c.number).limit(limit)).mappings()
    return [label_of(row) for row in rows]


def blocks(database: Database, set_id: str, wanted: LabelFilter, until: int) -> Iterator[list[Label]]:
    """All labels numbered up to `until`, block by block, each read in a transaction of its own.

    So a slow client holds no transaction open. Labels added meanwhile are left out; one that is changed or deleted
    meanwhile is as its block finds it.
    """
    after = 0
    while True:
        with database.reading() as connection:
            found = page(connection, set_id, wanted, limit=BLOCK, after=after, until=until)
        if found:
            yield found
        if len(found) < BLOCK:
            return
        after = found[-1].number


def last_number(connection: Connection, set_id: str) -> int:
    """The number of the newest label; 0 where there is none."""
    query = select(func.max(LABELS.c.number)).where(LABELS.c.set_id == set_id)
    return int(connection.execute(query).scalar_one() or 0)


def class_counts(connection: Connection, set_id: str) -> dict[str, int]:
    """How many labels there are of each class, the most first."""
    number = func.count()
    query = (
        select(LABELS.c["class"], number)
        .where(LABELS.c.set_id == set_id, LABELS.c["class"].is_not(None))
        .group_by(LABELS.c["class"])
        .order_by(number.desc(), LABELS.c["class"])
    )
    return {str(name): int(found) for name, found in connection.execute(query).all()}


def parse_bbox(text: str | None) -> tuple[float, float, float, float] | None:
    """`west,south,east,north` in degrees.

    Raises:
        InvalidError: not four numbers on Earth, or south above north.
    """
    if text is None:
        return None
    parts = text.split(",")
    try:
        west, south, east, north = (float(part) for part in parts)
    except ValueError:
        west = south = east = north = float("nan")
    if not (abs(west) <= 180 and abs(east) <= 180 and -90 <= south <= north <= 90):
        raise InvalidError(
            f"Expected bbox=west,south,east,north in degrees, got {text[:80]!r}. Write such as -71.6,-35.5,-71.4,-35.3."
        )
    return west, south, east, north


def parse_since(text: str | None) -> datetime | None:
    """A moment of ISO 8601; UTC where it names no zone.

    Raises:
        InvalidError: none.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError as error:
        raise InvalidError(
            f"Expected since= a day or moment such as 2024-12-31T18:00:00Z, got {text[:40]!r}. Correct it."
        ) from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
