"""Small real files of parcels as agencies write them, for tests; not a fixture."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

WEST, SOUTH = -71.5, -35.5
STEP = 0.002


def square(column: int = 0, row: int = 0, side: float = STEP * 0.9) -> shapely.Polygon:
    """A field of some 3 ha near Talca; other columns and rows are its neighbours, and touch nothing."""
    west, south = WEST + column * STEP, SOUTH + row * STEP
    return shapely.box(west, south, west + side, south + side)


def bow_tie(column: int = 0, row: int = 0) -> shapely.Polygon:
    """A field whose outline crosses itself."""
    west, south, east, north = square(column, row).bounds
    return shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])


def geojson(path: Path, shapes: Sequence[Any], *properties: dict[str, Any], **more: Any) -> Path:
    """A FeatureCollection; a shape may be geometry, GeoJSON's own dictionary, or None."""
    features = [
        {
            "type": "Feature",
            "properties": properties[number] if number < len(properties) else {},
            "geometry": shapely.geometry.mapping(shape) if isinstance(shape, shapely.Geometry) else shape,
        }
        for number, shape in enumerate(shapes)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **more}), encoding="utf-8")
    return path


def vector_file(
    path: Path,
    shapes: Sequence[Any],
    columns: dict[str, Any] | None = None,
    *,
    driver: str = "GPKG",
    crs: str | None = "EPSG:4326",
    kind: str = "Unknown",
    **more: Any,
) -> Path:
    """A file written by GDAL; shapes may be WKB already."""
    raw = pytest.importorskip("pyogrio.raw", reason="pyogrio is not installed")
    wkb = [
        shape if isinstance(shape, bytes | None) else shapely.to_wkb(shape, flavor="iso") for shape in shapes
    ]
    table = pa.table(
        {**(columns or {"name": [str(n) for n in range(len(wkb))]}), "geometry": pa.array(wkb, pa.binary())}
    )
    raw.write_arrow(table, path, driver=driver, geometry_name="geometry", geometry_type=kind, crs=crs, **more)
    return path


def zipped(path: Path, *files: Path, folder: str = "") -> Path:
    """A zip of some files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"{folder}{file.name}")
    return path


def metres(shape: shapely.Geometry, crs: str) -> shapely.Geometry:
    """A shape in degrees, in another CRS."""
    from pyproj import Transformer

    move = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform
    return shapely.transform(shape, move, interleaved=False)


def areas(shapes: Sequence[shapely.Geometry]) -> np.ndarray:
    """m² on the ellipsoid."""
    from surco.encoder.parcels import measure

    return measure(np.array([*shapes, None], object)[:-1])[0]
