"""GeoParquet 1.1 files: the `geo` and `emb` keys, and writing rows so that they are on disk when it says so."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from surco.embedstore.errors import SchemaError
from surco.embedstore.manifest import Bbox
from surco.embedstore.quantise import QUANTISATION
from surco.embedstore.season import Season

__all__ = [
    "emb_metadata",
    "geo_metadata",
    "geometry_bounds",
    "sha256_of",
    "sync",
    "vecorel_metadata",
    "write_parquet",
]

_ROW_GROUP = 16_384
# Parquet keeps int8 as 32-bit integers: a dictionary of at most 255 of them is a quarter shorter, and faster to read.
_DICTIONARY = {
    "crop:name": "crop:name",
    "comuna": "comuna",
    "n_optical": "n_optical",
    "n_radar": "n_radar",
    "n_pixels": "n_pixels",
    "valid_fraction": "valid_fraction",
    "ndvi": "ndvi.list.element",
    "embedding": "embedding.list.element",
    "spread": "spread.list.element",
}
"""Columns that are kept as a dictionary, with the path of their values."""
_POLYGONS = ("Polygon", "MultiPolygon")
_VECOREL = (
    "https://vecorel.org/specification/v0.1.0/schema.yaml",
    "https://vecorel.org/geometry-metrics-extension/v0.1.0/schema.yaml",
)


def geo_metadata(geometry_types: Sequence[str], bbox: Bbox, *, covering: bool) -> dict[str, Any]:
    """The `geo` key of GeoParquet 1.1 for a WKB column `geometry` in OGC:CRS84.

    Args:
        geometry_types: names of the types that occur, as "Point".
        bbox: of all geometries.
        covering: whether a struct column `bbox` holds each row's bounds.
    """
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(geometry_types),
        "crs": _crs84(),
        "edges": "planar",
        "bbox": list(bbox),
    }
    if covering:
        column["covering"] = {
            "bbox": {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")},
        }
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def emb_metadata(
    model_id: str, dimension: int, season: Season, sources: Sequence[str], licence: str | None
) -> dict[str, Any]:
    """The `emb` key: whose vectors these are, of what length and season, and how to read the int8."""
    return {
        "model": model_id,
        "dimension": dimension,
        "quantisation": QUANTISATION,
        "season": {
            "name": season.name,
            "start": season.start.isoformat(),
            "end": season.end.isoformat(),
            "as_of": season.as_of.isoformat() if season.as_of else None,
        },
        "sources": list(sources),
        "licence": licence,
    }


def vecorel_metadata(name: str) -> dict[str, Any]:
    """The `collection` key by which parcels say that they follow Vecorel 0.1 (fiboa's successor) with its metrics."""
    return {"collection": name, "schemas": {name: list(_VECOREL)}}


def geometry_bounds(
    geometry: pa.Array[Any] | pa.ChunkedArray[Any], table: str
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], set[str]]:
    """Check a WKB column and measure it.

    Returns:
        (N, 4) bounds (west, south, east, north) and the names of the geometry types that occur.

    Raises:
        SchemaError: no WKB, an empty geometry, a type that the table does not hold, or coordinates that are no
            longitude and latitude.
    """
    try:
        shapes = shapely.from_wkb(geometry.to_numpy(zero_copy_only=False))
    except shapely.errors.GEOSException as error:
        raise SchemaError(
            "WKB in column geometry", str(error), "Write shapely.to_wkb(shapes) into it."
        ) from error
    allowed = ("Point",) if table == "cells" else _POLYGONS
    types = {
        shapely.GeometryType(int(number)).name.title() for number in np.unique(shapely.get_type_id(shapes))
    }
    types = {name.replace("Multipolygon", "MultiPolygon") for name in types}
    if not types <= set(allowed) or shapely.is_empty(shapes).any():
        raise SchemaError(
            f"geometry of type {' or '.join(allowed)} in {table}, none empty",
            f"{', '.join(sorted(types))}, {int(shapely.is_empty(shapes).sum())} empty",
            "Cells carry their centre, parcels their outline.",
        )
    bounds = shapely.bounds(shapes)
    _check_degrees(bounds)
    return bounds, types


def write_parquet(
    path: Path, schema: pa.Schema, batches: Iterable[pa.Table], keys: dict[str, dict[str, Any]]
) -> int:
    """Write tables one after the other into one ZSTD file, force it to disk, and return the number of rows."""
    metadata = {name: json.dumps(value, ensure_ascii=False) for name, value in keys.items()}
    stored = schema.with_metadata(metadata)
    rows = 0
    with pq.ParquetWriter(
        path,
        stored,
        compression="zstd",
        use_dictionary=[p for name, p in _DICTIONARY.items() if name in schema.names],  # type: ignore[arg-type]
        write_page_index=True,
        write_page_checksum=True,
    ) as writer:
        for batch in batches:
            writer.write_table(batch.cast(stored), row_group_size=_ROW_GROUP)
            rows += batch.num_rows
    sync(path)
    return rows


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Force a file, or a folder's list of names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_degrees(bounds: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    limit = np.array([-180.0, -90.0, 180.0, 90.0])
    bad = ~((bounds[:, :2] >= limit[:2]) & (bounds[:, 2:] <= limit[2:])).all(axis=1)
    if bad.any():
        raise SchemaError(
            "longitude -180 to 180 and latitude -90 to 90 in column geometry (OGC:CRS84)",
            f"bounds {bounds[bad.argmax()].tolist()} in row {int(bad.argmax())}",
            "Reproject the geometries to longitude and latitude.",
        )


@cache
def _crs84() -> dict[str, Any]:
    return dict(pyproj.CRS.from_user_input("OGC:CRS84").to_json_dict())
