"""GeoJSON by RFC 7946 as JSON Schema: FeatureCollections of points, polygons and multipolygons, as our answers have."""

from __future__ import annotations

from typing import Any

_POSITION = {"type": "array", "minItems": 2, "maxItems": 3, "items": {"type": "number"}}
_RING = {"type": "array", "minItems": 4, "items": _POSITION}
_POLYGON = {"type": "array", "minItems": 1, "items": _RING}
_COORDINATES = {
    "Point": _POSITION,
    "Polygon": _POLYGON,
    "MultiPolygon": {"type": "array", "minItems": 1, "items": _POLYGON},
}
_LINK = {
    "type": "object",
    "required": ["href", "rel"],
    "properties": {name: {"type": "string"} for name in ("href", "rel", "type", "title")},
}
_GEOMETRY = {
    "oneOf": [
        {"type": "null"},
        *(
            {
                "type": "object",
                "required": ["type", "coordinates"],
                "properties": {"type": {"const": kind}, "coordinates": coordinates},
                "additionalProperties": False,
            }
            for kind, coordinates in _COORDINATES.items()
        ),
    ]
}
_FEATURE = {
    "type": "object",
    "required": ["type", "id", "properties", "geometry"],
    "properties": {
        "type": {"const": "Feature"},
        "id": {"type": ["string", "number"]},
        "properties": {"type": ["object", "null"]},
        "geometry": _GEOMETRY,
        "links": {"type": "array", "items": _LINK},
    },
}
FEATURE_COLLECTION: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": _FEATURE},
        "links": {"type": "array", "items": _LINK},
        "timeStamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "numberMatched": {"type": "integer", "minimum": 0},
        "numberReturned": {"type": "integer", "minimum": 0},
    },
    # RFC 7946, section 7.1: what belongs to a geometry or a feature must not be here.
    "not": {
        "anyOf": [{"required": [name]} for name in ("coordinates", "geometries", "geometry", "properties")]
    },
}
"""With the members that OGC API Features adds (Part 1, section 7.16)."""
