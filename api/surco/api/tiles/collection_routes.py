"""OGC API Tiles 1.0 (20-057): tile matrix sets, and the tile sets of collections in WebMercatorQuad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request, Response, get

from surco.api.map_products.maps_asked import MapAsked
from surco.api.map_products.parameters import Resolution, UnitName
from surco.api.ogc.collections import Chosen, collection_of
from surco.api.refusals import InvalidError, UnknownError
from surco.api.tiles.addresses import MEDIA_TYPES, TileAddress
from surco.api.tiles.comuna_layer import ComunaLayer
from surco.api.tiles.descriptions import OPTIONS, tile_answer
from surco.api.tiles.matrix_sets import CRS, CRS84, QUAD, QUAD_URI, limits, web_mercator_quad
from surco.api.tiles.parameters import (
    CollectionName,
    ColumnName,
    MatrixSet,
    ModelName,
    Pin,
    RowName,
    SeasonName,
    ZoomName,
)
from surco.api.tiles.tile_layers import TileLayer, map_layer, table_layer
from surco.api.tiles.tile_service import Asked, TileService
from surco.embedstore import Store, Table

__all__ = ["TILES_CONFORMANCE", "collection_tile_routes"]

TILES_CONFORMANCE = (
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/mvt",
    "http://www.opengis.net/spec/tms/2.0/conf/tilematrixset",
    "http://www.opengis.net/spec/tms/2.0/conf/json-tilematrixset",
)
"""Conformance classes that these routes keep."""

_SCHEME = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme"
_TYPES = {"String": {"type": "string"}, "Number": {"type": "number"}, "Boolean": {"type": "boolean"}}
_UNCHANGED = {"cache-control": "no-cache"}

Req = Request[Any, Any, Any]


def collection_tile_routes(service: TileService) -> list[Any]:
    """`/tileMatrixSets` and everything below `/collections/{id}/tiles`."""
    return [*_matrix_routes(), *_tileset_routes(service), _tile_route(service)]


def _matrix_routes() -> list[Any]:
    @get("/tileMatrixSets", operation_id="getTileMatrixSets", summary="Tile matrix sets", **OPTIONS)
    async def sets(request: Req) -> Response[Any]:
        """The tiling schemes that tiles are to be had in: WebMercatorQuad."""
        link = {"rel": "self", "type": "application/json", "href": f"{_root(request)}/tileMatrixSets/{QUAD}"}
        whole = web_mercator_quad()
        entry = {name: whole[name] for name in ("id", "title", "uri", "crs")}
        return _json({"tileMatrixSets": [{**entry, "links": [link]}]})

    @get(
        "/tileMatrixSets/{matrix_set:str}",
        operation_id="getTileMatrixSet",
        summary="A tile matrix set",
        **OPTIONS,
    )
    async def one(request: Req, matrix_set: MatrixSet) -> Response[Any]:
        """Its whole definition."""
        _check_quad(matrix_set)
        return _json(web_mercator_quad())

    return [sets, one]


def _tileset_routes(service: TileService) -> list[Any]:
    @get(
        "/collections/{collection_id:str}/tiles",
        operation_id="getTileSets",
        summary="Tile sets of a collection",
        **OPTIONS,
    )
    async def tilesets(request: Req, collection_id: CollectionName) -> Response[Any]:
        """The tile sets of a collection: one of vector tiles."""
        layer = await _layer(service, collection_id, Chosen())
        here = f"{_root(request)}/collections/{quote(collection_id)}/tiles"
        entry = {name: value for name, value in _tileset(request, here, layer, {}).items() if name in _LISTED}
        return _json({"tilesets": [entry], "links": [_link("self", here, "application/json")]})

    @get(
        "/collections/{collection_id:str}/tiles/{matrix_set:str}",
        operation_id="getTileSet",
        summary="A tile set of a collection",
        **OPTIONS,
    )
    async def tileset(
        request: Req,
        collection_id: CollectionName,
        matrix_set: MatrixSet,
        season: SeasonName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        model: ModelName = None,
    ) -> Response[Any]:
        """Its layers with their properties, its limits at every zoom, and the address of its tiles."""
        _check_quad(matrix_set)
        layer = await _layer(service, collection_id, _chosen(season, unit, res, model))
        here = f"{_root(request)}/collections/{quote(collection_id)}/tiles"
        query = {"season": season, "unit": None if unit == "auto" else unit, "res": res, "model": model}
        return _json(_tileset(request, here, layer, query))

    return [tilesets, tileset]


def _tile_route(service: TileService) -> Any:
    @get(
        "/collections/{collection_id:str}/tiles/{matrix_set:str}/{tile_matrix:str}/{tile_row:str}/{tile_col:str}",
        operation_id="getCollectionTile",
        summary="A tile of a collection",
        responses=tile_answer(),
        **OPTIONS,
    )
    async def tile(
        request: Req,
        collection_id: CollectionName,
        matrix_set: MatrixSet,
        tile_matrix: ZoomName,
        tile_row: RowName,
        tile_col: ColumnName,
        season: SeasonName = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        model: ModelName = None,
        v: Pin = None,
    ) -> Response[bytes]:
        """A vector tile; the row comes before the column."""
        _check_quad(matrix_set)
        numbers = [
            text
            for text in (tile_matrix, tile_row, tile_col)
            if text.isascii() and text.isdigit() and len(text) < 10
        ]
        if len(numbers) < 3:
            raise InvalidError(
                "Expected /{tileMatrix}/{tileRow}/{tileCol} as numbers, got "
                f"/{tile_matrix[:20]}/{tile_row[:20]}/{tile_col[:20]}. Write /10/620/308, for example."
            )
        z, y, x = (int(text) for text in numbers)
        layer = await _layer(service, collection_id, _chosen(season, unit, res, model))
        return await service.answer(request, layer, Asked(TileAddress.checked(z, x, y), "mvt", pin=v))

    return tile


async def _layer(service: TileService, name: str, wanted: Chosen) -> TileLayer | ComunaLayer:
    def open_(store: Store) -> TileLayer | ComunaLayer:
        collection = collection_of(store, name)
        if collection.kind == "comunas":
            return ComunaLayer()
        if collection.adapter is not None:
            asked = MapAsked(collection.adapter, wanted.season or "latest", wanted.unit or "auto", wanted.res)
            return map_layer(store, asked)
        info = collection.chosen(wanted)
        if info is None:
            raise UnknownError(f"Expected a table of {name}, got none that fits. Leave season and unit out.")
        table: Table = "parcels" if info.table == "parcels" else "cells"
        return table_layer(
            store,
            table,
            season=info.season,
            resolution=info.resolution,
            model_id=info.model_id,
        )

    return await service.layer(("collection", name, wanted), open_)


def _chosen(season: str | None, unit: str, res: int | None, model: str | None) -> Chosen:
    return Chosen(season, res, model, None if unit == "auto" else unit)


def _check_quad(name: str) -> None:
    if name != QUAD:
        raise UnknownError(f"Expected the tile matrix set {QUAD}, got {name[:60]!r}. There is no other.")


_LISTED = ("title", "dataType", "crs", "tileMatrixSetURI", "links")


def _tileset(
    request: Req, here: str, layer: TileLayer | ComunaLayer, query: Mapping[str, Any]
) -> dict[str, Any]:
    given = {name: value for name, value in query.items() if value is not None}
    tail = f"?{urlencode(given)}" if given else ""
    west, south, east, north = layer.bounds
    item = f"{here}/{QUAD}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}{tail}"
    return {
        "title": layer.title,
        "dataType": "vector",
        "crs": CRS,
        "tileMatrixSetURI": QUAD_URI,
        "tileMatrixSetLimits": limits(layer.bounds),
        "boundingBox": {"lowerLeft": [west, south], "upperRight": [east, north], "crs": CRS84},
        "layers": [
            {
                "id": layer.name,
                "dataType": "vector",
                "geometryDimension": 2,
                "propertiesSchema": {
                    "type": "object",
                    "properties": {name: _TYPES[kind] for name, kind in layer.fields.items()},
                },
            }
        ],
        "links": [
            _link("self", f"{here}/{QUAD}{tail}", "application/json"),
            _link(_SCHEME, f"{_root(request)}/tileMatrixSets/{QUAD}", "application/json"),
            {**_link("item", item, MEDIA_TYPES["mvt"]), "templated": True},
        ],
    }


def _link(rel: str, href: str, kind: str) -> dict[str, Any]:
    return {"rel": rel, "type": kind, "href": href}


def _root(request: Req) -> str:
    return str(request.base_url).rstrip("/")


def _json(document: Mapping[str, Any]) -> Response[Any]:
    return Response(msgspec.json.encode(document), media_type="application/json", headers=_UNCHANGED)
