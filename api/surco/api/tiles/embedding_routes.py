"""Routes of the embedding itself as tiles: `/tiles/embedding/{season}` and its TileJSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get

from surco.api.map_products.parameters import Resolution, UnitName
from surco.api.tiles.descriptions import OPTIONS, tile_answer
from surco.api.tiles.named_layers import NamedLayer, described_layer
from surco.api.tiles.parameters import (
    ColumnName,
    FormName,
    ModelName,
    Pin,
    RowName,
    SeasonPath,
    StyleName,
    ZoomName,
    asked_tile,
)
from surco.api.tiles.tile_layers import TileLayer, table_layer
from surco.api.tiles.tile_service import TileService
from surco.embedstore import Store, Table

__all__ = ["embedding_tile_routes"]

Req = Request[Any, Any, Any]


def embedding_tile_routes(service: TileService) -> list[Any]:
    """Tiles of a table without any adapter."""

    @get(
        "/tiles/embedding/{season:str}/{z:str}/{x:str}/{y:str}",
        operation_id="getEmbeddingTile",
        summary="A tile of the embedding itself",
        responses=tile_answer(),
        **OPTIONS,
    )
    async def tile(
        request: Req,
        season: SeasonPath,
        z: ZoomName,
        x: ColumnName,
        y: RowName,
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
        season: SeasonPath,
        f: FormName = None,
        style: StyleName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        model: ModelName = None,
    ) -> Response[Any]:
        """As of a map."""
        return await described_layer(service, request, _embedding(season, unit, res, model), f, style)

    return [tile, described]


def _embedding(season: str, unit: str, res: int | None, model: str | None) -> NamedLayer:
    query = {"unit": None if unit == "auto" else unit, "res": res, "model": model}

    def open_(store: Store) -> TileLayer:
        held = any(info.table == "cells" for info in store.tables())
        table: Table = "parcels" if unit == "parcels" or (unit == "auto" and not held) else "cells"
        wanted = None if season == "latest" else season
        return table_layer(store, table, season=wanted, resolution=res, model_id=model)

    return NamedLayer(
        ("embedding", season, unit, res, model), open_, f"tiles/embedding/{quote(season)}", query
    )
