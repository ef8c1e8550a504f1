"""Routes of maps as tiles: `/maps/{adapter}/{season}/tiles`, their TileJSON and legends, comparisons, embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from surco.api.map_products.maps_asked import MapAsked
from surco.api.map_products.parameters import Abstain, LegendName, Level, Resolution, UnitName
from surco.api.refusals import InvalidError
from surco.api.tiles.addresses import Form
from surco.api.tiles.descriptions import OPTIONS, picture_answer, tile_answer
from surco.api.tiles.legends import legend, legend_png
from surco.api.tiles.parameters import (
    FormName,
    LegendForm,
    ModelName,
    Pin,
    StyleName,
    asked_tile,
)
from surco.api.tiles.tile_layers import TileLayer, compare_layer, map_layer, table_layer
from surco.api.tiles.tile_service import TileService
from surco.api.tiles.tilejson import tilejson
from surco.api.web.formats import chosen
from surco.embedstore import Store

__all__ = ["map_tile_routes"]

MapName = Annotated[
    str,
    QueryParameter(max_length=300, description="A map as ADAPTER/SEASON, or ADAPTER for the latest season."),
]
Req = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _Layer:
    """How a layer is named in addresses: its key, what opens it, the path before its tiles, and its parameters."""

    key: tuple[Any, ...]
    open: Callable[[Store], TileLayer]
    path: str
    query: dict[str, Any]


def map_tile_routes(service: TileService) -> list[Any]:
    """All routes below `/maps` that answer with tiles, and those of embeddings below `/tiles`."""
    return [*_map_routes(service), *_compare_routes(service), *_embedding_routes(service)]


def _map_routes(service: TileService) -> list[Any]:
    @get(
        "/maps/{adapter:str}/{season:str}/tiles/{z:str}/{x:str}/{y:str}",
        operation_id="getMapTile",
        summary="A tile of a map",
        responses=tile_answer(),
        **OPTIONS,
    )
    async def tile(
        request: Req,
        adapter: FromPath[str],
        season: FromPath[str],
        z: FromPath[str],
        x: FromPath[str],
        y: FromPath[str],
        f: FormName = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
        abstain: Abstain = None,
        v: Pin = None,
    ) -> Response[bytes]:
        """Computed when asked, zooms 0 to 22. `y` may end in .mvt, .png or @2x.png; unit auto is cells, if there are.

        Vector tiles have one layer, `cells` or `parcels`, with `class`, `probability` and `uncertainty`, or `value`,
        `low` and `high`. At low zooms a hexagon stands for `n` cells, of which `drawn` were looked at.
        """
        asked = asked_tile(request, (z, x, y), f, style, v)
        named = _map(MapAsked(adapter, season, unit, res, level, abstain, legend))
        return await service.answer(request, await service.layer(named.key, named.open), asked)

    @get(
        "/maps/{adapter:str}/{season:str}/tilejson",
        operation_id="getMapTileJson",
        summary="TileJSON of a map",
        **OPTIONS,
    )
    async def described(
        request: Req,
        adapter: FromPath[str],
        season: FromPath[str],
        f: FormName = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
        abstain: Abstain = None,
    ) -> Response[Any]:
        """What MapLibre, QGIS or deck.gl need: the tiles' address, bounds and properties. `f=png` is of pictures."""
        named = _map(MapAsked(adapter, season, unit, res, level, abstain, legend))
        return await _described(service, request, named, f, style)

    @get(
        "/maps/{adapter:str}/{season:str}/legend",
        operation_id="getMapLegend",
        summary="Legend of a map",
        responses=picture_answer(),
        **OPTIONS,
    )
    async def legend_(
        request: Req,
        adapter: FromPath[str],
        season: FromPath[str],
        f: LegendForm = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
        abstain: Abstain = None,
    ) -> Response[Any]:
        """Colours of a style's classes or numbers, as JSON or as a picture."""
        named = _map(MapAsked(adapter, season, unit, res, level, abstain, legend))
        return await _legend(service, request, named, f, style)

    return [tile, described, legend_]


def _compare_routes(service: TileService) -> list[Any]:
    @get(
        "/maps/compare/tiles/{z:str}/{x:str}/{y:str}",
        operation_id="getCompareTile",
        summary="A tile of two maps compared",
        responses=tile_answer(),
        **OPTIONS,
    )
    async def tile(
        request: Req,
        z: FromPath[str],
        x: FromPath[str],
        y: FromPath[str],
        a: MapName,
        b: MapName,
        f: FormName = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        v: Pin = None,
    ) -> Response[bytes]:
        """Two adapters, or two seasons of one: class in `a` and `b`, and whether it `changed`."""
        asked = asked_tile(request, (z, x, y), f, style, v)
        named = _compared(a, b, unit, res)
        return await service.answer(request, await service.layer(named.key, named.open), asked)

    @get(
        "/maps/compare/tilejson",
        operation_id="getCompareTileJson",
        summary="TileJSON of a comparison",
        **OPTIONS,
    )
    async def described(
        request: Req,
        a: MapName,
        b: MapName,
        f: FormName = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
    ) -> Response[Any]:
        """As of a map."""
        return await _described(service, request, _compared(a, b, unit, res), f, style)

    @get(
        "/maps/compare/legend",
        operation_id="getCompareLegend",
        summary="Legend of a comparison",
        responses=picture_answer(),
        **OPTIONS,
    )
    async def legend_(
        request: Req,
        a: MapName,
        b: MapName,
        f: LegendForm = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
    ) -> Response[Any]:
        """As of a map."""
        return await _legend(service, request, _compared(a, b, unit, res), f, style)

    return [tile, described, legend_]


def _embedding_routes(service: TileService) -> list[Any]:
    @get(
        "/tiles/embedding/{season:str}/{z:str}/{x:str}/{y:str}",
        operation_id="getEmbeddingTile",
        summary="A tile of the embedding itself",
        responses=tile_answer(),
        **OPTIONS,
    )
    async def tile(
        request: Req,
        season: FromPath[str],
        z: FromPath[str],
        x: FromPath[str],
        y: FromPath[str],
        f: FormName = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        model: ModelName = None,
        v: Pin = None,
    ) -> Response[bytes]:
        """Places without an adapter: `colour` is alike where vectors are (principal components), NDVI, quality."""
        asked = asked_tile(request, (z, x, y), f, style, v)
        named = _embedding(season, unit, res, model)
        return await service.answer(request, await service.layer(named.key, named.open), asked)

    @get(
        "/tiles/embedding/{season:str}/tilejson",
        operation_id="getEmbeddingTileJson",
        summary="TileJSON of the embedding",
        **OPTIONS,
    )
    async def described(
        request: Req,
        season: FromPath[str],
        f: FormName = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        model: ModelName = None,
    ) -> Response[Any]:
        """As of a map."""
        return await _described(service, request, _embedding(season, unit, res, model), f, style)

    return [tile, described]


def _map(asked: MapAsked) -> _Layer:
    query = {
        "unit": None if asked.unit == "auto" else asked.unit,
        "res": asked.resolution,
        "level": asked.level,
        "legend": asked.legend,
        "abstain": asked.abstain,
    }
    path = f"maps/{asked.adapter}/{asked.season}/tiles"
    return _Layer(("map", asked), lambda store: map_layer(store, asked), path, query)


def _compared(a: str, b: str, unit: str, res: int | None) -> _Layer:
    one, other = _named(a, unit, res), _named(b, unit, res)
    query = {"a": a, "b": b, "unit": None if unit == "auto" else unit, "res": res}
    key = ("compare", one, other)
    return _Layer(key, lambda store: compare_layer(store, one, other), "maps/compare/tiles", query)


def _embedding(season: str, unit: str, res: int | None, model: str | None) -> _Layer:
    query = {"unit": None if unit == "auto" else unit, "res": res, "model": model}

    def open_(store: Store) -> TileLayer:
        held = any(info.table == "cells" for info in store.tables())
        table = "parcels" if unit == "parcels" or (unit == "auto" and not held) else "cells"
        wanted = None if season == "latest" else season
        return table_layer(
            store, "cells" if table == "cells" else "parcels", season=wanted, resolution=res, model_id=model
        )

    return _Layer(("embedding", season, unit, res, model), open_, f"tiles/embedding/{season}", query)


def _named(name: str, unit: str, res: int | None) -> MapAsked:
    adapter, slash, season = name.partition("/")
    if not adapter or (slash and not season):
        raise InvalidError(
            f"Expected a map as ADAPTER/SEASON or ADAPTER, got {name[:80]!r}. Write crops/2024-25."
        )
    return MapAsked(adapter, season or "latest", unit, res)


async def _described(
    service: TileService, request: Req, named: _Layer, f: Form | None, style: str | None
) -> Response[Any]:
    layer = await service.layer(named.key, named.open)
    layer.colours(style)
    address = f"{str(request.base_url).rstrip('/')}/{named.path}"
    document = tilejson(layer, address, named.query, f or "mvt", style)
    return Response(
        msgspec.json.encode(document), media_type="application/json", headers={"cache-control": "no-cache"}
    )


async def _legend(
    service: TileService, request: Req, named: _Layer, f: str | None, style: str | None
) -> Response[Any]:
    form = chosen(request, f, {"json": "application/json", "png": "image/png"})
    layer = await service.layer(named.key, named.open)
    colours = layer.colours(style)
    headers = {"cache-control": "no-cache", "vary": "accept"}
    if form == "png":
        return Response(legend_png(colours), media_type="image/png", headers=headers)
    body = msgspec.json.encode(legend(colours, style or layer.styles[0]))
    return Response(body, media_type="application/json", headers=headers)
