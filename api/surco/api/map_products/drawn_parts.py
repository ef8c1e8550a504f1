"""A polygon that somebody drew, in the body of a question: the part of a map that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import shapely

from surco.api.label_sets.shapes import placed, shape_of_geojson
from surco.api.refusals import InvalidError, TooLargeError
from surco.embedstore import Sentence

__all__ = ["MOST_CORNERS", "WITHIN", "drawn_part"]

MOST_CORNERS = 10_000
"""Vertices of a drawn part: those of a comuna's outline, not of a coast."""
WITHIN = "within"
"""The member of a body that holds the polygon."""


def drawn_part(body: Mapping[str, Any]) -> shapely.Geometry | None:
    """The polygon of a body `{"within": GeoJSON geometry}`, made valid; None where it has none.

    Raises:
        InvalidError: no polygon in degrees that encloses an area.
        TooLargeError: more than `MOST_CORNERS` vertices.
    """
    given = body.get(WITHIN)
    if given is None:
        return None
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise InvalidError(
            Sentence(
                "Expected within to be the geometry of a GeoJSON Polygon or MultiPolygon, got "
                f"{str(kind or type(given).__name__)[:40]!r}. Send its geometry, in degrees, longitude first.",
                "within-kind",
            )
        )
    shape = shape_of_geojson(msgspec.json.encode(given))
    corners = 0 if shape is None else int(shapely.get_num_coordinates(shape))
    if corners > MOST_CORNERS:
        raise TooLargeError(
            Sentence(
                f"Expected within to have at most {MOST_CORNERS:,} vertices, got {corners:,}. Simplify it.",
                "within-corners",
                most=MOST_CORNERS,
                count=corners,
            )
        )
    return shapely.from_wkb(placed(shape).wkb)
