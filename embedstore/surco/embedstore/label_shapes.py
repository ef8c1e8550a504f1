"""Shapes of a label file: points and polygons, in longitude and latitude, repaired."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from surco.embedstore.errors import LabelError

__all__ = ["Geometries", "geometries", "to_degrees"]

_TYPES = ("Point", "Polygon", "MultiPolygon")
# PROJ would open files for other texts; a crs member of GeoJSON is one of these.
_CRS = re.compile(r"(?:urn:ogc:def:crs:)?(OGC|EPSG)::?(?:[\d.]*:)?(CRS84|\d{4,6})")

Geometries = npt.NDArray[np.object_]


def geometries(features: Sequence[dict[str, Any]], file: Path) -> Geometries:
    """Points and polygons (N,) of features as they are drawn; raises LabelError for others, or empty ones."""
    texts = [json.dumps(feature.get("geometry")) for feature in features]
    shapes: Geometries = shapely.from_geojson(texts, on_invalid="ignore")
    for number, (feature, shape) in enumerate(zip(features, shapes, strict=True), 1):
        geometry = feature.get("geometry")
        kind = geometry.get("type") if isinstance(geometry, dict) else geometry
        if shape is None or kind not in _TYPES or shapely.is_empty(shape):
            raise LabelError(
                f"a geometry that is a {', '.join(_TYPES[:-1])} or {_TYPES[-1]}, not empty",
                f"{kind!r} in feature {number} of {file}",
                "Draw the feature again, or remove it.",
            )
    return np.asarray(shapely.force_2d(shapes), object)


def to_degrees(shapes: Geometries, crs: object, file: Path) -> Geometries:
    """Shapes in longitude and latitude, valid.

    Args:
        shapes: (N,), as they are drawn.
        crs: the collection's `crs` member (GeoJSON 2008); None where there is none.
        file: what messages call it.

    Raises:
        LabelError: a coordinate system that nobody knows, or places off the globe.
    """
    code = _crs_code(crs, file)
    if code is not None:
        transformer = pyproj.Transformer.from_crs(code, "OGC:CRS84", always_xy=True)
        shapes = shapely.transform(
            shapes, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
        )
    bounds = shapely.bounds(shapes)
    inside = (np.abs(bounds[:, ::2]) <= 180).all(axis=1) & (np.abs(bounds[:, 1::2]) <= 90).all(axis=1)
    if not inside.all():
        number = int(np.argmin(inside)) + 1
        raise LabelError(
            "longitude -180 to 180 and latitude -90 to 90",
            f"bounds {bounds[number - 1].round(3).tolist()} in feature {number} of {file}",
            "Reproject the file to EPSG:4326, or say its coordinate system in a crs member.",
        )
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = shapely.make_valid(shapes[invalid])
    return shapes


def _crs_code(crs: object, file: Path) -> str | None:
    """`EPSG:32719` of a crs member; None where coordinates are longitude and latitude already."""
    if crs is None:
        return None
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    match = _CRS.fullmatch(name) if isinstance(name, str) else None
    try:
        if match is not None:
            code = ":".join(match.groups())
            pyproj.CRS.from_user_input(code)
            return None if code in ("OGC:CRS84", "EPSG:4326") else code
        reason = "no name as urn:ogc:def:crs:EPSG::32719"
    except pyproj.exceptions.CRSError as error:
        reason = str(error)
    raise LabelError(
        "a coordinate system that is known",
        f"crs {name or crs!r} in {file} ({reason})",
        "Export the file again in EPSG:4326.",
    )
