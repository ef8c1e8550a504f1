"""One label, as people and programs read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from surco.api.label_sets.contents import FIELDS
from surco.api.label_sets.shapes import geojson_of

__all__ = ["Label", "label_of", "public_name", "utc"]


@dataclass(frozen=True, slots=True)
class Label:
    """A label at one of its revisions.

    Attributes:
        id: names it within its set.
        number: its place in the order in which labels came.
        revision: 1 when it was made, one more with each change.
        wkb: a point or polygon, longitude and latitude.
        said: every field of `contents.FIELDS`.
        made_by, changed_by: key or address.
        made_at, changed_at: UTC.
    """

    id: str
    number: int
    revision: int
    wkb: bytes
    said: Mapping[str, Any]
    made_by: str
    made_at: datetime
    changed_by: str
    changed_at: datetime

    @property
    def maker(self) -> str:
        """Who made it, for others: a key's id, or "anonymous"."""
        return public_name(self.made_by)

    def feature(self, *, addresses: bool = False) -> dict[str, Any]:
        """GeoJSON; fields that nobody filled in are left out.

        Args:
            addresses: whether callers without a key are named by their address; otherwise they are "anonymous".
        """
        properties = {name: value for name, value in self.said.items() if value is not None}
        about = {
            "revision": self.revision,
            "made_by": self.made_by if addresses else self.maker,
            "made_at": self.made_at.isoformat(timespec="microseconds"),
            "changed_by": self.changed_by if addresses else public_name(self.changed_by),
            "changed_at": self.changed_at.isoformat(timespec="microseconds"),
        }
        geometry = msgspec.Raw(geojson_of(self.wkb).encode())
        return {"type": "Feature", "id": self.id, "geometry": geometry, "properties": properties | about}


def label_of(row: Mapping[Any, Any]) -> Label:
    """The label of a row of the table of labels."""
    said = {name: row[name] for name in FIELDS}
    return Label(
        row["id"],
        row["number"],
        row["revision"],
        bytes(row["geometry"]),
        said,
        row["made_by"],
        utc(row["made_at"]),
        row["changed_by"],
        utc(row["changed_at"]),
    )


def public_name(subject: str) -> str:
    """A key's id, or "anonymous": addresses of people are nobody else's business."""
    return "anonymous" if subject.startswith("address ") else subject


def utc(moment: datetime) -> datetime:
    """SQLite forgets the zone; what we wrote was UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
