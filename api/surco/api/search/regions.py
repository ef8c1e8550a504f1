"""Where to look: a box, a polygon, a comuna or a region, and the rows of a table that lie there."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from surco.api.refusals import InvalidError, TooLargeError, UnknownError
from surco.embedstore import comunas

__all__ = ["MOST_VERTICES", "Region", "box_shape", "comuna_codes", "geojson_shape", "read_geojson"]

MOST_VERTICES = 20_000
"""Of a polygon that a client sends."""

Codes = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Region:
    """Where places are looked for; both None is everywhere.

    Attributes:
        shape: polygons in degrees.
        comunas: official codes.
    """

    shape: shapely.Geometry | None = None
    comunas: tuple[int, ...] | None = None

    @classmethod
    def asked(
        cls,
        bbox: Sequence[float] | None = None,
        area: Mapping[str, Any] | None = None,
        comuna: int | str | None = None,
        region: int | str | None = None,
    ) -> Region:
        """What a request asks for; what is named twice must hold both times.

        Raises:
            InvalidError: a box or polygon that is none.
            TooLargeError: a polygon of too many vertices.
            UnknownError: no comuna or region of that name or code.
        """
        shapes = [
            *([] if bbox is None else [box_shape(bbox)]),
            *([] if area is None else [geojson_shape(area)]),
        ]
        codes = [
            comuna_codes(name, kind)
            for kind, name in (("comuna", comuna), ("region", region))
            if name is not None
        ]
        return cls(
            shapely.intersection_all(shapes) if shapes else None,
            tuple(sorted(set.intersection(*map(set, codes)))) if codes else None,
        )


def box_shape(bbox: Sequence[float]) -> shapely.Geometry:
    """The polygon of west, south, east, north in degrees; a line where it has no area.

    Where west is east of east it is two boxes, on both sides of the 180th meridian. Six numbers
    are taken too: heights, third and sixth, count for nothing.

    Raises:
        InvalidError: another number of values, or none that are degrees.
    """
    if len(bbox) == 6:
        bbox = (*bbox[:2], *bbox[3:5])
    good = len(bbox) == 4 and all(np.isfinite(bbox))
    west, south, east, north = bbox if good else (0, 0, 0, 0)
    if not good or not -90 <= south <= north <= 90 or not all(-180 <= side <= 180 for side in (west, east)):
        raise InvalidError(
            f"Expected a bbox of west, south, east, north in degrees, got {list(bbox)[:8]}. "
            "Write it like -71.6,-35.5,-71.4,-35.3."
        )
    if west == east or south == north:
        return shapely.LineString([(west, south), (east, north)])
    if west < east:
        return shapely.box(west, south, east, north)
    return shapely.union_all([shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)])


def geojson_shape(geometry: Mapping[str, Any]) -> shapely.Geometry:
    """A polygon or multipolygon of GeoJSON (a geometry, or a feature that has one).

    Raises:
        InvalidError: another type, coordinates that are no degrees, or outlines that cross themselves.
        TooLargeError: more than `MOST_VERTICES`.
    """
    shape = read_geojson(geometry)
    if shapely.get_type_id(shape) not in (3, 6) or shape.is_empty:
        raise InvalidError(f"Expected a Polygon or MultiPolygon, got {shape.geom_type}. Draw an area.")
    if not shape.is_valid:
        raise InvalidError(
            f"Expected an area whose outline does not cross itself, got: {shapely.is_valid_reason(shape)}. Repair it."
        )
    return shape


def read_geojson(geometry: Mapping[str, Any]) -> shapely.Geometry:
    """Any geometry of GeoJSON in degrees (or that of a feature), flat.

    Raises:
        InvalidError: no GeoJSON, or coordinates that are no degrees.
        TooLargeError: more than `MOST_VERTICES`.
    """
    inner = geometry.get("geometry") if geometry.get("type") == "Feature" else geometry
    try:
        shape = shapely.force_2d(shapely.from_geojson(json.dumps(inner)))
    except (ValueError, TypeError, RecursionError, shapely.errors.GEOSException) as error:
        raise InvalidError(
            f"Expected a geometry in GeoJSON, got another value ({error}). Correct it."
        ) from error
    if shape is None or shapely.get_num_coordinates(shape) > MOST_VERTICES:
        raise TooLargeError(
            f"Expected an area of at most {MOST_VERTICES:,} vertices, got more. Simplify its outline."
        )
    west, south, east, north = shapely.bounds(shape)
    if not (west >= -180 and south >= -90 and east <= 180 and north <= 90) and not shape.is_empty:
        raise InvalidError(
            f"Expected longitudes and latitudes in degrees, got bounds {west}, {south}, {east}, {north}. "
            "Reproject the area to longitude and latitude."
        )
    return shape


def comuna_codes(name: int | str, kind: str) -> Codes:
    """Official codes of the comunas of that code or name, with or without accents, itself a "comuna" or a "region".

    Raises:
        UnknownError: there is none.
    """
    found = _by_name(kind).get(_folded(str(name)))
    if found is None:
        known = sorted({str(row[kind]) for row in comunas().to_pylist()}, key=_folded)
        listed = (
            ", ".join(known) if len(known) < 30 else f"{len(known)} names, such as {', '.join(known[:5])}"
        )
        raise UnknownError(
            f"Expected a {kind} of Chile by its official code or name ({listed}), got {str(name)[:80]!r}. Correct it."
        )
    return np.array(found, np.uint16)


@cache
def _by_name(kind: str) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    code = "cut" if kind == "comuna" else "region_cut"
    for row in comunas().to_pylist():
        for key in (_folded(row[kind]), str(row[code])):
            found.setdefault(key, []).append(row["cut"])
    return found


def _folded(name: str) -> str:
    """Without accents and capitals."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(sign for sign in letters if not unicodedata.combining(sign))
