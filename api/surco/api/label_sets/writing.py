"""Labels as text: GeoJSON and CSV, block by block."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import shapely

from surco.api.label_sets.contents import FIELDS
from surco.api.label_sets.labels import Label

__all__ = ["CSV_COLUMNS", "csv_pieces", "geojson_pieces", "guarded"]

CSV_COLUMNS: Final = (
    "id",
    "longitude",
    "latitude",
    "wkt",
    *FIELDS,
    "revision",
    "made_by",
    "made_at",
    "changed_at",
)
"""Columns of a CSV; `wkt` of polygons only, longitude and latitude then of a point within."""

_WKT_DECIMALS: Final = 25
"""GEOS cuts after so many decimals: these hold any degree exactly, and its own "full precision" (-1) does not."""

_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "'")


def geojson_pieces(blocks: Iterable[Sequence[Label]]) -> Iterator[bytes]:
    """A FeatureCollection (RFC 7946)."""
    yield b'{"type":"FeatureCollection","features":['
    before = b""
    for block in blocks:
        features = [msgspec.json.encode(label.feature()) for label in block]
        yield before + b",\n".join(features)
        before = b",\n"
    yield b"]}\n"


def csv_pieces(blocks: Iterable[Sequence[Label]]) -> Iterator[bytes]:
    """A table with `CSV_COLUMNS` in UTF-8."""
    yield _lines([CSV_COLUMNS])
    for block in blocks:
        yield _lines([_cells(label) for label in block])


def guarded(value: Any) -> Any:
    """Text that no spreadsheet takes for a formula: an apostrophe before it, which our upload takes off again."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_RUNS) else value


def _cells(label: Label) -> list[Any]:
    shape = shapely.from_wkb(label.wkb)
    point = shape if shape.geom_type == "Point" else shapely.point_on_surface(shape)
    wkt = "" if shape.geom_type == "Point" else shapely.to_wkt(shape, rounding_precision=_WKT_DECIMALS)
    said = [guarded(label.said[name]) for name in FIELDS]
    times = [moment.isoformat(timespec="microseconds") for moment in (label.made_at, label.changed_at)]
    return [guarded(label.id), repr(point.x), repr(point.y), wkt, *said, label.revision, label.maker, *times]


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="\r\n").writerows(rows)
    return sink.getvalue().encode("utf-8")
