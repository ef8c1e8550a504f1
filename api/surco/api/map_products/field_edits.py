"""Outlines of found fields as a person corrects them: parted by a line, joined, redrawn, and measured again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import shapely
from shapely.ops import split

from surco.api.label_sets.shapes import placed, shape_of_geojson
from surco.api.refusals import InvalidError
from surco.embedstore import Sentence
from surco.encoder.parcels import measure

__all__ = ["Field", "joined", "parted", "redrawn"]

BY_HAND = "manual"
"""fiboa's word for outlines that a person drew."""
_SLIVER_M2 = 10.0
_EDGE_M = 1.0  # neighbours share at least so much of an edge
_METRES_A_DEGREE = 110_574.0


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field: its id, its outline in degrees, and what else is said of it (fiboa's names)."""

    id: str
    outline: shapely.Geometry
    said: dict[str, Any]

    @classmethod
    def of_geojson(cls, feature: dict[str, Any]) -> Field:
        """Read a feature with an `id`; an outline that crosses itself is repaired.

        Raises:
            InvalidError: no id, no polygon in degrees.
        """
        name = feature.get("id")
        if not isinstance(name, str) or not 0 < len(name) <= 200:
            raise InvalidError("Expected an id of up to 200 characters of every field, got none. Name it.")
        shape = shape_of_geojson(msgspec.json.encode(feature.get("geometry")))
        if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
            raise _shapeless(name)
        try:
            outline = shapely.from_wkb(placed(shape).wkb)
        except InvalidError as error:
            raise _shapeless(name) from error
        said = feature.get("properties")
        said = dict(said) if isinstance(said, dict) else {}
        parents = said.pop("parents", None)
        earlier = [each for each in parents if isinstance(each, str)] if isinstance(parents, list) else []
        return cls(name, outline, said | ({"parents": earlier} if earlier else {}))

    def geojson(self) -> dict[str, Any]:
        """The feature, measured: `metrics:area` in m² and `metrics:perimeter` in m on the ellipsoid."""
        area, perimeter = measure(np.array([self.outline], object))
        rounded = shapely.transform(shapely.orient_polygons(self.outline), lambda xy: np.round(xy, 7))
        measured = {
            "metrics:area": round(float(area[0]), 1),
            "metrics:perimeter": round(float(perimeter[0]), 1),
        }
        return {
            "type": "Feature",
            "id": self.id,
            "geometry": msgspec.json.decode(shapely.to_geojson(rounded)),
            "properties": self.said | measured,
        }


def parted(field: Field, line: list[tuple[float, float]], taken: set[str]) -> list[Field]:
    """The parts of a field on both sides of a line in degrees; the largest keeps the id, the others name it as parent.

    Raises:
        InvalidError: a line that does not part it.
    """
    if len(line) < 2 or not all(math.isfinite(number) for place in line for number in place):
        raise InvalidError("Expected a line of two places or more, got fewer. Draw it across the field.")
    cut = split(field.outline, shapely.LineString(line)) if len(set(line)) > 1 else None
    parts = [] if cut is None else [part for part in cut.geoms if _square_metres(part) > _SLIVER_M2]
    if len(parts) < 2:
        raise InvalidError(
            Sentence(
                f"Expected a line that parts field {field.id!r}, got one that does not cross it. Draw it from "
                "edge to edge.",
                "fields-line",
            )
        )
    parts.sort(key=_square_metres, reverse=True)
    names = [field.id, *_fresh(field.id, len(parts) - 1, taken)]
    kinds: list[tuple[str, ...]] = [tuple(field.said.get("parents") or ()), *[(field.id,)] * (len(parts) - 1)]
    return [_by_hand(Field(n, p, dict(field.said)), k) for n, p, k in zip(names, parts, kinds, strict=True)]


def joined(fields: list[Field]) -> Field:
    """Fields that touch as one; it has the id of the largest and names the others as parents.

    Raises:
        InvalidError: one field, or fields that do not hang together.
    """
    whole = shapely.union_all([field.outline for field in fields], grid_size=1e-7)
    # What touches in a corner only opens under a step back and forth.
    step = _EDGE_M / 2 / _METRES_A_DEGREE
    if len(fields) < 2 or whole.geom_type != "Polygon" or whole.buffer(-step).geom_type != "Polygon":
        raise InvalidError(
            Sentence(
                f"Expected two fields or more that share an edge, got {len(fields)} that do not. Choose neighbours.",
                "fields-apart",
            )
        )
    largest, *others = sorted(fields, key=lambda field: _square_metres(field.outline), reverse=True)
    parents = {*(largest.said.get("parents") or ()), *(other.id for other in others)}
    return _by_hand(replace(largest, outline=whole), tuple(sorted(parents)))


def redrawn(field: Field) -> Field:
    """A field whose outline was changed by hand."""
    return _by_hand(field, tuple(field.said.get("parents") or ()))


def _by_hand(field: Field, parents: tuple[str, ...]) -> Field:
    said = {name: value for name, value in field.said.items() if name not in ("confidence", "parents")}
    said |= {"determination:method": BY_HAND} | ({"parents": [*parents]} if parents else {})
    return replace(field, said=said)


def _square_metres(shape: shapely.Geometry) -> float:
    return float(measure(np.array([shape], object))[0][0])


def _fresh(name: str, count: int, taken: set[str]) -> list[str]:
    """So many ids that nobody has: the name with a number."""
    found: list[str] = []
    number = 2
    while len(found) < count:
        if (each := f"{name}-{number}") not in taken:
            found.append(each)
        number += 1
    return found


def _shapeless(name: str) -> InvalidError:
    return InvalidError(
        Sentence(
            f"Expected field {name!r} to be a polygon in degrees that encloses an area, got another. Draw it again.",
            "fields-shape",
        )
    )
