"""TileJSON 3.0: what a map client needs to be told of a layer (https://github.com/mapbox/tilejson-spec)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from surco.api.tiles.addresses import DEEPEST, Form
from surco.api.tiles.tile_layers import TileLayer

__all__ = ["tilejson"]

_VIEW_ZOOM = 9


def tilejson(
    layer: TileLayer, address: str, query: dict[str, Any], form: Form, style: str | None
) -> dict[str, Any]:
    """The document.

    Args:
        layer: what is drawn.
        address: of its tiles, before `/{z}/{x}/{y}`.
        query: parameters that name the layer; None is left out.
        form: of the tiles.
        style: of pictures, None for the default.
    """
    asked = {**query, "style": style if form == "png" else None, "v": layer.digest}
    given = urlencode({name: value for name, value in asked.items() if value is not None})
    west, south, east, north = layer.bounds
    said = {"tilejson": "3.0.0", "name": layer.title, "version": "1.0.0", "scheme": "xyz"}
    document = {
        **said,
        "tiles": [f"{address}/{{z}}/{{x}}/{{y}}.{form}?{given}"],
        "minzoom": 0,
        "maxzoom": DEEPEST,
        "bounds": [west, south, east, north],
        "center": [(west + east) / 2, (south + north) / 2, _VIEW_ZOOM],
        "attribution": str(layer.facts.get("credits") or layer.facts.get("licence") or ""),
        "surco": {**layer.facts, "digest": layer.digest, "styles": list(layer.styles)},
    }
    if form == "mvt":
        document["vector_layers"] = [
            {
                "id": layer.name,
                "description": layer.title,
                "minzoom": 0,
                "maxzoom": DEEPEST,
                "fields": dict(layer.fields),
            }
        ]
    return document
