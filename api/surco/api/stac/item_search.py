"""Which items a search means: ids, collections, place, time and a filter; in order, and page by page."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import pyarrow as pa
import shapely

from surco.api.ogc.cql2_sql import Queryable, where_of
from surco.api.refusals import InvalidError
from surco.api.search.regions import box_shape, read_geojson
from surco.api.search.warm_sessions import WarmSessions
from surco.api.stac.documents import Catalogue, Item
from surco.embedstore import Store

__all__ = ["ITEM_QUERYABLES", "MOST_ITEMS", "ItemSearch", "Page", "Sort", "items_found"]

MOST_ITEMS = 1_000
_OPEN = ("..", "")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?")

ITEM_QUERYABLES: Mapping[str, Queryable] = {
    "geometry": Queryable(
        "geometry", "ST_GeomFromWKB(geometry)", "Bounds of the table", geometry="geometry-polygon"
    ),
    "id": Queryable("text", "id", "Id of the item"),
    "collection": Queryable("text", "collection", "Id of the collection"),
    "datetime": Queryable("interval", "start_datetime", "First and last moment seen", end_sql="end_datetime"),
    "start_datetime": Queryable("date", "start_datetime", "First day of the season"),
    "end_datetime": Queryable("date", "end_datetime", "Last day seen"),
    "created": Queryable("date", "created", "When the version was written"),
    "surco:season": Queryable("text", '"surco:season"', "Name of the season, as 2024-25"),
    "surco:rows": Queryable("integer", '"surco:rows"', "Rows of the table"),
    "surco:resolution": Queryable("integer", '"surco:resolution"', "H3 resolution of cells"),
    "gsd": Queryable("number", "gsd", "Width of a cell in metres"),
}
"""What filters and orders may name."""


class Sort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One property to order by."""

    field: str
    direction: Literal["asc", "desc"] = "asc"


class ItemSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /stac/search` takes.

    Attributes:
        ids: of items.
        collections: of which.
        bbox: west, south, east, north in degrees.
        intersects: any geometry in GeoJSON; not together with `bbox`.
        datetime: a moment, or two with a slash between, one of them may be `..`.
        limit: items of a page.
        token: of the page, from the link `next` of the one before.
        filter: CQL2 text or JSON over `/stac/queryables`.
        filter_lang: None tells by the filter's first character.
        filter_crs: longitude and latitude only.
        sortby: properties to order by; None is the latest season first.
    """

    ids: list[str] | None = None
    collections: list[str] | None = None
    bbox: list[float] | None = None
    intersects: dict[str, Any] | None = None
    datetime: str | None = None
    limit: int = 10
    token: str | None = None
    filter: str | dict[str, Any] | None = None
    filter_lang: Literal["cql2-text", "cql2-json"] | None = msgspec.field(default=None, name="filter-lang")
    filter_crs: Literal["http://www.opengis.net/def/crs/OGC/1.3/CRS84"] | None = msgspec.field(
        default=None, name="filter-crs"
    )
    sortby: list[Sort] | None = None


class Page(msgspec.Struct, frozen=True):
    """Items of one page, how many match on all pages, and the token of the next (None on the last)."""

    items: list[Item]
    matched: int
    next_token: str | None


def items_found(store: Store, sessions: WarmSessions, catalogue: Catalogue, asked: ItemSearch) -> Page:
    """One page of the items that a search means.

    Args:
        store: the catalogue's version.
        sessions: evaluate the filter.
        catalogue: where to look.
        asked: what for.

    Raises:
        InvalidError: a box, geometry, time, filter, order or token that cannot be read.
        TooLargeError: a geometry of too many vertices.
    """
    if asked.limit < 1:
        raise InvalidError(
            f"Expected a limit of 1 to {MOST_ITEMS}, got {asked.limit}. Ask for at least one item."
        )
    found = [item for item in catalogue.items.values() if _named(item, asked)]
    found = _in_place(_in_time(found, asked.datetime), asked)
    if asked.filter is not None:
        found = _filtered(store, sessions, found, asked)
    ordered = _ordered(found, asked.sortby or [])
    begin = _begin(ordered, asked.token)
    limit = min(asked.limit, MOST_ITEMS)
    page = ordered[begin : begin + limit]
    more = begin + limit < len(ordered)
    return Page(page, len(ordered), _token(page[-1].id) if more else None)


def _named(item: Item, asked: ItemSearch) -> bool:
    return (asked.ids is None or item.id in asked.ids) and (
        asked.collections is None or item.collection in asked.collections
    )


def _in_place(items: list[Item], asked: ItemSearch) -> list[Item]:
    if asked.bbox is not None and asked.intersects is not None:
        raise InvalidError("Expected bbox or intersects, got both. Send one of them.")
    if asked.bbox is not None:
        place = box_shape(asked.bbox)
    elif asked.intersects is not None:
        place = read_geojson(asked.intersects)
        if not place.is_valid:
            raise InvalidError(
                f"Expected a valid geometry in intersects, got: {shapely.is_valid_reason(place)}. Repair it."
            )
    else:
        return items
    return [item for item in items if shapely.intersects(item.shape, place)]


def _in_time(items: list[Item], text: str | None) -> list[Item]:
    if text is None:
        return items
    first, slash, second = text.partition("/")
    ends = (first, second if slash else first)
    if ends in ((a, b) for a in _OPEN for b in _OPEN) or (not slash and first in _OPEN):
        raise InvalidError(
            f"Expected a datetime with at least one end, got {text[:80]!r}. Leave it out for all times."
        )
    start, end = _moment(ends[0], last=False), _moment(ends[1], last=True)
    if start > end:
        raise InvalidError(
            f"Expected a datetime whose first end is before the second, got {text[:80]!r}. Turn it round."
        )
    return [item for item in items if item.start <= end and item.end >= start]


def _moment(text: str, *, last: bool) -> datetime:
    """RFC 3339, or a day: then its first or its last moment."""
    if text in _OPEN:
        return datetime.max.replace(tzinfo=UTC) if last else datetime.min.replace(tzinfo=UTC)
    try:
        if _MOMENT.fullmatch(text) is None:
            raise ValueError("no time of RFC 3339")
        found = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise InvalidError(
            f"Expected datetime as 2024-05-01T00:00:00Z, or two with a slash between, got {text[:80]!r}. Correct it."
        ) from error
    if len(text) == 10:
        return found.replace(hour=23 * last, minute=59 * last, second=59 * last, tzinfo=UTC)
    return found


def _filtered(store: Store, sessions: WarmSessions, items: Sequence[Item], asked: ItemSearch) -> list[Item]:
    # With literals that the filter's translation wrote, never a client's text.
    where = where_of(asked.filter or "", ITEM_QUERYABLES, asked.filter_lang).inlined
    passing = sessions.run(store, f"SELECT id FROM items WHERE {where}", items=_columns(items))  # noqa: S608
    kept = set(passing["id"].to_pylist())
    return [item for item in items if item.id in kept]


def _columns(items: Sequence[Item]) -> pa.Table:
    def values(name: str) -> list[Any]:
        return [item.document["properties"].get(name) for item in items]

    moment = pa.timestamp("us")
    created = [datetime.fromisoformat(text).replace(tzinfo=None) for text in values("created")]
    return pa.table(
        {
            "id": pa.array([item.id for item in items], pa.string()),
            "collection": pa.array([item.collection for item in items], pa.string()),
            "geometry": pa.array([shapely.to_wkb(item.shape) for item in items], pa.binary()),
            "start_datetime": pa.array([item.start.replace(tzinfo=None) for item in items], moment),
            "end_datetime": pa.array([item.end.replace(tzinfo=None) for item in items], moment),
            "created": pa.array(created, moment),
            "surco:season": pa.array(values("surco:season"), pa.string()),
            "surco:rows": pa.array(values("surco:rows"), pa.int64()),
            "surco:resolution": pa.array(values("surco:resolution"), pa.int32()),
            "gsd": pa.array(values("gsd"), pa.float64()),
        }
    )


def _ordered(items: list[Item], order: Sequence[Sort]) -> list[Item]:
    """By the last property first, for sorting keeps the order of equals; what lacks a property comes last."""
    for sort in reversed(order):
        name = sort.field.removeprefix("properties.")
        if name not in ITEM_QUERYABLES or name == "geometry":
            known = ", ".join(each for each in ITEM_QUERYABLES if each != "geometry")
            raise InvalidError(
                f"Expected to order by one of {known}, got {sort.field[:80]!r}. Name one of them."
            )
        keys = {item.id: _key(item, name) for item in items}
        missing = [item for item in items if keys[item.id] is None]
        held = [item for item in items if keys[item.id] is not None]
        held.sort(key=lambda item: keys[item.id], reverse=sort.direction == "desc")
        items = [*held, *missing]
    return items


def _key(item: Item, name: str) -> Any:
    if name in ("id", "collection"):
        return getattr(item, name)
    return item.start.isoformat() if name == "datetime" else item.document["properties"].get(name)


def _token(last: str) -> str:
    """Names the page after an item."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _begin(items: Sequence[Item], token: str | None) -> int:
    if token is None:
        return 0
    try:
        last = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        last = ""
    place = next((number for number, item in enumerate(items) if item.id == last), None)
    if place is None:
        raise InvalidError(
            f"Expected the token of a link `next` of the same search, got {token[:80]!r}. Start again without one."
        )
    return place + 1
