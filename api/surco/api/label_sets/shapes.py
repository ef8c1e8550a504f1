"""Shapes of labels: points and polygons in longitude and latitude, checked, repaired, and as WKB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely

from surco.api.refusals import InvalidError
from surco.embedstore import Sentence

__all__ = ["KINDS", "MOST_VERTICES", "Placed", "geojson_of", "placed", "shape_of_geojson"]

KINDS: Final = ("Point", "Polygon", "MultiPolygon")
MOST_VERTICES: Final = 100_000
"""Vertices of one label. A field has some tens; a country's coast is no label."""

_LARGEST_TEXT = 8 << 20


@dataclass(frozen=True, slots=True)
class Placed:
    """A sound shape in longitude and latitude.

    Attributes:
        wkb: without Z, little-endian.
        bounds: west, south, east, north in degrees.
        notes: what was done to it.
    """

    wkb: bytes
    bounds: tuple[float, float, float, float]
    notes: tuple[str, ...] = ()


def placed(shape: shapely.Geometry | None) -> Placed:
    """Check a shape in degrees, longitude first.

    A third coordinate is dropped; an outline that crosses itself is repaired where areas are left.

    Raises:
        InvalidError: none, empty, another kind, too many vertices, coordinates that are no place on Earth.
    """
    shape = _single(shape)
    count = int(shapely.get_num_coordinates(shape))
    if count > MOST_VERTICES:
        raise InvalidError(
            Sentence(
                f"Expected a label of at most {MOST_VERTICES:,} vertices, got {count:,}. Simplify it, or split it.",
                "shape-vertices",
                most=MOST_VERTICES,
                count=count,
            )
        )
    notes = []
    if shapely.has_z(shape) or shapely.has_m(shape):
        shape = shapely.force_2d(shape)
        notes.append("third coordinate dropped")
    _on_earth(shape)
    if not shapely.is_valid(shape):
        shape = _repaired(shape)
        notes.append("outline that crosses itself repaired")
    west, south, east, north = shapely.bounds(shape).tolist()
    wkb: bytes = shapely.to_wkb(shape, byte_order=1, output_dimension=2)
    return Placed(wkb, (west, south, east, north), tuple(notes))


def shape_of_geojson(text: bytes | str) -> shapely.Geometry | None:
    """The shape of a GeoJSON geometry; None where it is none that can be read."""
    if len(text) > _LARGEST_TEXT:
        raise InvalidError(
            f"Expected a geometry of at most {_LARGEST_TEXT >> 20} MB, got {len(text):,} bytes. Simplify it."
        )
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # numbers beyond all floats are refused as no numbers later
        return shapely.from_geojson(text if isinstance(text, str) else text.decode(), on_invalid="ignore")


def geojson_of(wkb: bytes) -> str:
    """A shape as the text of a GeoJSON geometry, in full precision."""
    return str(shapely.to_geojson(shapely.from_wkb(wkb)))


def _single(shape: Any) -> shapely.Geometry:
    if shape is None or shapely.is_empty(shape):
        came = "none" if shape is None else f"an empty {shape.geom_type}"
        raise InvalidError(
            Sentence(
                f"Expected a point or a polygon, got {came} that can be read. Draw it again.", "shape-none"
            )
        )
    if shape.geom_type == "MultiPoint" and len(shape.geoms) == 1:
        return shape.geoms[0]
    if shape.geom_type not in KINDS:
        raise InvalidError(
            Sentence(
                f"Expected a {', '.join(KINDS[:-1])} or {KINDS[-1]}, got a {shape.geom_type}. Draw it so.",
                "shape-kind",
                kind=shape.geom_type,
            )
        )
    return shape


def _on_earth(shape: shapely.Geometry) -> None:
    xy = shapely.get_coordinates(shape)
    if not np.isfinite(xy).all():
        raise InvalidError(
            Sentence(
                "Expected coordinates that are numbers, got NaN or infinity. Draw the label again.",
                "shape-numbers",
            )
        )
    if (np.abs(xy) <= (180.0, 90.0)).all():
        return
    x, y = xy[int(np.argmax((np.abs(xy) > (180.0, 90.0)).any(axis=1)))].tolist()
    swapped = abs(x) <= 90 and abs(y) <= 180
    hint = (
        "Longitude comes first: they look swapped."
        if swapped
        else "Say the coordinate system, or reproject to EPSG:4326."
    )
    raise InvalidError(
        Sentence(
            f"Expected longitude -180 to 180 and latitude -90 to 90, got {x:.7g}, {y:.7g}. {hint}",
            "shape-elsewhere",
            x=x,
            y=y,
        )
    )


def _repaired(shape: shapely.Geometry) -> shapely.Geometry:
    """What areas an outline encloses, without the lines and points that repairing may leave."""
    made = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    parts = [part for part in shapely.get_parts(made) if part.geom_type == "Polygon" and part.area > 0]
    if not parts:
        raise InvalidError(
            Sentence(
                "Expected a polygon that encloses an area, got one that collapses to a line. Draw it again.",
                "shape-flat",
            )
        )
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
