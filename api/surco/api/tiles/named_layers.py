"""A layer as addresses name it, and what is said of one beside its tiles: TileJSON and the legend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response

from surco.api.tiles.addresses import Form
from surco.api.tiles.legends import legend, legend_png
from surco.api.tiles.tile_layers import TileLayer
from surco.api.tiles.tile_service import TileService
from surco.api.tiles.tilejson import tilejson
from surco.api.web.formats import chosen
from surco.embedstore import Store

__all__ = ["NamedLayer", "described_layer", "layer_legend"]

Req = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class NamedLayer:
    """A layer: its key, what opens it, the path before its tiles, and its parameters, of which None is left out."""

    key: tuple[Any, ...]
    open: Callable[[Store], TileLayer]
    path: str
    query: dict[str, Any]


async def described_layer(
    service: TileService, request: Req, named: NamedLayer, f: Form | None, style: str | None
) -> Response[Any]:
    """TileJSON of a layer; `f` is of its tiles. Raises UnknownError for a style that there is not."""
    layer = await service.layer(named.key, named.open)
    layer.style_of(style)
    address = f"{str(request.base_url).rstrip('/')}/{named.path}"
    document = tilejson(layer, address, named.query, f or "mvt", style)
    return Response(
        msgspec.json.encode(document), media_type="application/json", headers={"cache-control": "no-cache"}
    )


async def layer_legend(
    service: TileService, request: Req, named: NamedLayer, f: str | None, style: str | None
) -> Response[Any]:
    """The legend of a style, as JSON or as a picture. Raises UnknownError for a style that there is not."""
    form = chosen(request, f, {"json": "application/json", "png": "image/png"})
    layer = await service.layer(named.key, named.open)
    chosen_style = layer.style_of(style)
    # Of values it takes a prediction of many rows.
    colours = await asyncio.to_thread(layer.colours, chosen_style)
    headers = {"cache-control": "no-cache", "vary": "accept"}
    if form == "png":
        picture = await asyncio.to_thread(legend_png, colours)
        return Response(picture, media_type="image/png", headers=headers)
    body = msgspec.json.encode(legend(colours, chosen_style))
    return Response(body, media_type="application/json", headers=headers)
