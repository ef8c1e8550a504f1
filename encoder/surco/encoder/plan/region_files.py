"""Polygons out of GeoJSON and GeoParquet: regions, and masks that are drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from surco.encoder.area import read_area
from surco.encoder.plan.errors import PlanError

__all__ = ["read_polygons", "read_region"]

_MOST_CORNERS = 200_000
"""Of a region: its outline is sent with every tile, and asked about every pixel."""


def read_region(path: Path) -> bytes:
    """A region's polygons as WKB in degrees.

    Raises:
        EncoderError: a file that cannot be read or holds no polygons, or an outline too fine to be asked often.
    """
    shape = read_polygons(path)
    corners = int(shapely.get_num_coordinates(shape))
    if corners > _MOST_CORNERS:
        raise PlanError(
            f"Expected a region of at most {_MOST_CORNERS:,} corners in {path}; got {corners:,}. "
            "Simplify it, or give it as --cropland to a named region."
        )
    return bytes(shapely.to_wkb(shape))


def read_polygons(path: Path) -> shapely.Geometry:
    """All polygons of a GeoJSON or GeoParquet file as one, in degrees, OGC:CRS84.

    Raises:
        EncoderError: no such file, other content, no polygons, or a CRS that does not lead to degrees.
    """
    if path.suffix.lower() != ".parquet":
        return read_area(path)
    try:
        return read_area(_geoparquet(path))
    except (OSError, pa.ArrowException, shapely.errors.ShapelyError) as error:
        raise PlanError(f"Expected GeoParquet polygons in {path}; got {error}. Check the file.") from error


def _geoparquet(path: Path) -> shapely.Geometry:
    schema = pq.read_schema(path)
    try:
        geo = json.loads((schema.metadata or {})[b"geo"])
        name = geo["primary_column"]
        crs = geo["columns"][name].get("crs", "OGC:CRS84")
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise PlanError(
            f"Expected GeoParquet polygons in {path}; got the columns {', '.join(schema.names)[:200]}. "
            "Write it as GeoParquet 1.1; a table of H3 cells, with a column h3, serves as --cropland."
        ) from error
    table = pq.read_table(path, columns=[name], partitioning=None)
    shape = shapely.union_all(shapely.make_valid(shapely.from_wkb(table[name].to_numpy())))
    try:
        into = Transformer.from_crs(CRS.from_user_input(crs), "OGC:CRS84", always_xy=True).transform
    except CRSError as error:
        raise PlanError(
            f"Expected a CRS in {path} that is known; got {error}. Write the file in degrees."
        ) from error
    return shape if crs == "OGC:CRS84" else shapely.transform(shape, into, interleaved=False)
