"""Parcels: polygons whose pixels are pooled together, from GeoJSON or GeoParquet."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import shapely
from pyarrow.lib import ArrowException
from pyproj import CRS, Geod, Transformer
from shapely.errors import ShapelyError

from surco.encoder.area import crs_name, reaches_degrees
from surco.encoder.errors import EncoderError

__all__ = ["LON_LAT", "Objects", "ParcelError", "Parcels", "in_degrees", "measure", "read_parcels"]

LON_LAT = "OGC:CRS84"
"""What parcels are kept in: longitude and latitude, in this order."""
_CROP = ("crop:name", "crop", "label")
_MAX_BYTES = 1 << 30
_MAX_PARQUET_BYTES = 4 << 30
_MAX_AREA = 53_000e6
"""In m²: what `pool.Sums` can hold in pixels of 10 m; every comuna of Chile is smaller."""
Objects = npt.NDArray[np.object_]
"""Shapes or text, None where there is none."""


class ParcelError(EncoderError):
    """A parcel file that cannot be read or used."""


@dataclass(frozen=True, slots=True, eq=False)
class Parcels:
    """K parcels.

    Attributes:
        id: (K,) text, each once.
        geometry: (K,) valid polygons or multipolygons in degrees, OGC:CRS84.
        crop: (K,) text, None where nobody said.
        area, perimeter: (K,) m² and m on the ellipsoid.
        digest: SHA-256 of the file.
    """

    id: Objects
    geometry: Objects
    crop: Objects
    area: npt.NDArray[np.float64]
    perimeter: npt.NDArray[np.float64]
    digest: str


def read_parcels(path: str | Path) -> Parcels:
    """Read parcels from GeoJSON or GeoParquet, such as `surco parcels import` writes.

    The `crs` member of GeoJSON and the CRS of GeoParquet are honoured. Invalid polygons are repaired. The id is the
    feature's own, or its property `id`, or its number in the file; the crop is `crop:name`, `crop` or `label`.

    Raises:
        ParcelError: not such a file, no parcels, a geometry that is no polygon, an id twice, an unknown CRS.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            file.seek(0)
            first = file.read(4)
    except OSError as error:
        raise ParcelError(
            f"Expected a parcel file at {path}; got {error.strerror}. Check the path."
        ) from error
    parquet = first == b"PAR1" or path.suffix.lower() in (".parquet", ".geoparquet")
    if size > (most := _MAX_PARQUET_BYTES if parquet else _MAX_BYTES):
        raise ParcelError(
            f"Expected at most {most >> 30} GiB in {path}; got {size:,} bytes. Split the file, or cut out the area."
        )
    geometry, rows, crs = _read_geoparquet(path) if parquet else _read_geojson(path)
    if not rows:
        raise ParcelError(f"Expected at least one parcel in {path}; got none. Check the export.")
    return _parcels(path, in_degrees(path, geometry, crs), rows, digest)


def _read_geojson(path: Path) -> tuple[Objects, list[dict[str, Any]], object]:
    try:
        document = json.loads(path.read_bytes())
        features = document["features"]
        shapes = [shapely.geometry.shape(f["geometry"]) if f["geometry"] else None for f in features]
        rows = [{**(f.get("properties") or {}), **({"id": f["id"]} if "id" in f else {})} for f in features]
        crs = (document.get("crs") or {}).get("properties", {}).get("name", LON_LAT)
    except (ValueError, LookupError, TypeError, AttributeError, ShapelyError) as error:
        raise ParcelError(
            f"Expected a GeoJSON FeatureCollection or GeoParquet in {path}; got something else "
            f"({type(error).__name__}: {str(error)[:200]}). Make GeoParquet of it with "
            "`surco parcels import`, which takes GeoPackage and shapefiles too."
        ) from error
    return np.array([*shapes, None], object)[:-1], rows, crs


def _read_geoparquet(path: Path) -> tuple[Objects, list[dict[str, Any]], object]:
    try:
        schema = pq.read_schema(path)
        geo = json.loads((schema.metadata or {})[b"geo"])
        column = geo["primary_column"]
        kept = [name for name in ("id", *_CROP) if name in schema.names]
        table = pq.read_table(
            path, columns=[column, *kept], partitioning=None, page_checksum_verification=True
        )
        shapes = shapely.from_wkb(table.column(column).to_numpy(zero_copy_only=False))
        crs = geo["columns"][column].get("crs") or LON_LAT
    except (ArrowException, OSError, ValueError, LookupError, TypeError, ShapelyError) as error:
        raise ParcelError(
            f"Expected GeoParquet with WKB polygons in {path}; got something else "
            f"({type(error).__name__}: {str(error)[:200]}). Export the parcels as GeoJSON."
        ) from error
    rows: list[dict[str, Any]] = table.select(kept).to_pylist() if kept else [{}] * len(shapes)
    return shapes, rows, crs


def in_degrees(path: Path, geometry: Objects, crs: object, first: int = 0) -> Objects:
    """Valid polygons in longitude and latitude, repaired where they were not valid.

    Args:
        path: of their file, for messages.
        geometry: (K,) shapes.
        crs: that they are in, as pyproj takes it.
        first: number in the file of the first of them, for messages.

    Raises:
        ParcelError: an unknown CRS, a shape that is no polygon, or one that does not lie on the globe.
    """
    if not reaches_degrees(crs):
        raise ParcelError(
            f"Expected a known CRS of the Earth in {path}; got {crs_name(crs)!r}. "
            "Write the parcels in longitude and latitude."
        )
    source = CRS.from_user_input(crs)
    for number, shape in enumerate(geometry, first):
        if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon") or shape.is_empty:
            kind = "no geometry" if shape is None or shape.is_empty else shape.geom_type
            raise ParcelError(
                f"Expected a polygon in feature {number} of {path}; got {kind}. Remove or redraw the feature."
            )
    flat = shapely.force_2d(geometry)
    if source != CRS.from_user_input(LON_LAT):
        move = Transformer.from_crs(source, LON_LAT, always_xy=True).transform
        flat = shapely.transform(flat, move, interleaved=False)
    bounds = shapely.bounds(flat)
    bad = ~((np.abs(bounds[:, ::2]) <= 180).all(axis=1) & (np.abs(bounds[:, 1::2]) <= 90).all(axis=1))
    if bad.any():
        raise ParcelError(
            f"Expected longitudes and latitudes in {path}; got {bounds[bad.argmax()].tolist()} in feature "
            f"{first + int(bad.argmax())}. State the CRS of projected coordinates in the file's crs member."
        )
    return np.array([*map(_polygonal, shapely.make_valid(flat)), None], object)[:-1]


def measure(geometry: Objects) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Area in m² and perimeter in m of polygons in degrees, on the ellipsoid, (K,) each.

    Whichever way a ring runs round: what is inside an outer ring counts, what is in a hole does not. The perimeter is
    that of the outer rings.
    """
    geod = Geod(ellps="WGS84")
    polygons, owner = shapely.get_parts(geometry, return_index=True)
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    ends = np.searchsorted(ring, np.arange(len(rings) + 1))
    x, y = np.ascontiguousarray(points.T)
    measures = [geod.polygon_area_perimeter(x[a:b], y[a:b]) for a, b in pairwise(ends.tolist())]
    size, length = np.array(measures, np.float64).reshape(-1, 2).T
    outer = np.diff(polygon, prepend=-1) > 0
    of = owner[polygon]
    area = np.bincount(of, np.where(outer, 1.0, -1.0) * np.abs(size), len(geometry))
    perimeter = np.bincount(of, np.where(outer, length, 0.0), len(geometry))
    return area.astype(np.float64), perimeter.astype(np.float64)


def _polygonal(shape: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a repaired geometry; repair may leave lines where a ring touched itself."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    return shapely.union_all([part for part in shapely.get_parts(shape) if part.area > 0])


def _parcels(path: Path, geometry: Objects, rows: Sequence[dict[str, Any]], digest: str) -> Parcels:
    ids = [str(number if row.get("id") is None else row["id"]) for number, row in enumerate(rows)]
    name, times = Counter(ids).most_common(1)[0]
    if times > 1:
        raise ParcelError(
            f"Expected each parcel id once in {path}; got {name!r} {times} times. "
            "Make the ids unique, or leave them out to number the parcels."
        )
    crops = [next((row[c] for c in _CROP if row.get(c) is not None), None) for row in rows]
    area, perimeter = measure(geometry)
    if area.max() > _MAX_AREA:
        raise ParcelError(
            f"Expected parcels of at most {_MAX_AREA / 1e6:,.0f} km² in {path}; got {area.max() / 1e6:,.0f} km², "
            f"id {ids[area.argmax()]!r}. Cut it into parts: the sums of its pixels could overflow."
        )
    return Parcels(
        np.array(ids, object),
        geometry,
        np.array([None if crop is None else str(crop) for crop in crops], object),
        area,
        perimeter,
        digest,
    )
