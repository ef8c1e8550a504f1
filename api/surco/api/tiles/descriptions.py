"""What OpenAPI says of tiles and pictures."""

from __future__ import annotations

from typing import Any

from litestar.openapi.datastructures import ResponseSpec

from surco.api.tiles.addresses import MEDIA_TYPES
from surco.api.web.callers import needs

__all__ = ["OPTIONS", "picture_answer", "tile_answer"]

OPTIONS: dict[str, Any] = {"tags": ["Tiles"], "guards": [needs("read")]}
"""Of every handler of tiles."""


def tile_answer() -> dict[int, ResponseSpec]:
    """Answers of an address of tiles."""
    return {
        200: ResponseSpec(bytes, False, "The tile", media_type=MEDIA_TYPES["mvt"]),
        204: ResponseSpec(None, False, "A vector tile with nothing in it"),
        304: ResponseSpec(None, False, "The tile that the client has is the present one"),
    }


def picture_answer() -> dict[int, ResponseSpec]:
    """Answers of an address of a legend."""
    return {
        200: ResponseSpec(dict, False, "The legend, as JSON or as a picture", media_type="application/json")
    }
