"""WebMercatorQuad as OGC's Two Dimensional Tile Matrix Set 2.0 defines it (17-083r4, annex D)."""

from __future__ import annotations

import math
from typing import Any

from surco.api.tiles.addresses import DEEPEST
from surco.api.tiles.mercator import MOST_LATITUDE

__all__ = ["CRS", "CRS84", "QUAD", "QUAD_URI", "limits", "web_mercator_quad"]

QUAD = "WebMercatorQuad"
"""The id of the only tile matrix set."""
QUAD_URI = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
CRS = "http://www.opengis.net/def/crs/EPSG/0/3857"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"

_HALF = 20_037_508.342_789_244
_PIXEL_M = 0.28e-3


def web_mercator_quad() -> dict[str, Any]:
    """The whole definition, zooms 0 to 22."""
    return {
        "id": QUAD,
        "title": "Google Maps Compatible for the World",
        "uri": QUAD_URI,
        "crs": CRS,
        "orderedAxes": ["X", "Y"],
        "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
        "tileMatrices": [_matrix(zoom) for zoom in range(DEEPEST + 1)],
    }


def limits(bounds: tuple[float, float, float, float]) -> list[dict[str, Any]]:
    """The tiles of each zoom that a box in degrees (west, south, east, north) touches."""
    west, south, east, north = bounds
    return [
        {
            "tileMatrix": str(zoom),
            "minTileRow": _row(north, zoom),
            "maxTileRow": _row(south, zoom),
            "minTileCol": _column(west, zoom),
            "maxTileCol": _column(east, zoom),
        }
        for zoom in range(DEEPEST + 1)
    ]


def _matrix(zoom: int) -> dict[str, Any]:
    cell = 2 * _HALF / 256 / (1 << zoom)
    return {
        "id": str(zoom),
        "scaleDenominator": cell / _PIXEL_M,
        "cellSize": cell,
        "cornerOfOrigin": "topLeft",
        "pointOfOrigin": [-_HALF, _HALF],
        "tileWidth": 256,
        "tileHeight": 256,
        "matrixWidth": 1 << zoom,
        "matrixHeight": 1 << zoom,
    }


def _column(lon: float, zoom: int) -> int:
    return min(max(int((lon + 180) / 360 * (1 << zoom)), 0), (1 << zoom) - 1)


def _row(lat: float, zoom: int) -> int:
    sine = math.sin(math.radians(min(max(lat, -MOST_LATITUDE), MOST_LATITUDE)))
    return min(max(int((0.5 - math.atanh(sine) / (2 * math.pi)) * (1 << zoom)), 0), (1 << zoom) - 1)
