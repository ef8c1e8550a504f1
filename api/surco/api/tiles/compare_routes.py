"""Routes of two maps compared, as tiles: `/maps/compare/tiles`, their TileJSON and their legend."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from surco.api.map_products.maps_asked import MapAsked
from surco.api.map_products.parameters import Resolution, UnitName
from surco.api.refusals import InvalidError
from surco.api.tiles.descriptions import OPTIONS, picture_answer, tile_answer
from surco.api.tiles.named_layers import NamedLayer, described_layer, layer_legend
from surco.api.tiles.parameters import (
    ColumnName,
    FormName,
    LegendForm,
    Pin,
    RowName,
    StyleName,
    ZoomName,
    asked_tile,
)
from surco.api.tiles.tile_layers import compare_layer
from surco.api.tiles.tile_service import TileService

__all__ = ["compare_tile_routes"]

MapName = Annotated[
    str,
    QueryParameter(max_length=300, description="A map as ADAPTER/SEASON, or ADAPTER for the latest season."),
]
Req = Request[Any, Any, Any]


def compare_tile_routes(service: TileService) -> list[Any]:
    """Tiles of two adapters, or of one in two seasons."""

    @get(
        "/maps/compare/tiles/{z:str}/{x:str}/{y:str}",
        operation_id="getCompareTile",
        summary="A tile of two maps compared",
        responses=tile_answer(),
        **OPTIONS,
    )
    async def tile(
        request: Req,
        z: ZoomName,
        x: ColumnName,
        y: RowName,
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
        return await described_layer(service, request, _compared(a, b, unit, res), f, style)

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
        return await layer_legend(service, request, _compared(a, b, unit, res), f, style)

    return [tile, described, legend_]


def _compared(a: str, b: str, unit: str, res: int | None) -> NamedLayer:
    one, other = _named(a, unit, res), _named(b, unit, res)
    query = {"a": a, "b": b, "unit": None if unit == "auto" else unit, "res": res}
    key = ("compare", one, other)
    return NamedLayer(key, lambda store: compare_layer(store, one, other), "maps/compare/tiles", query)


def _named(name: str, unit: str, res: int | None) -> MapAsked:
    adapter, slash, season = name.partition("/")
    if not adapter or (slash and not season):
        raise InvalidError(
            f"Expected a map as ADAPTER/SEASON or ADAPTER, got {name[:80]!r}. Write crops/2024-25."
        )
    return MapAsked(adapter, season or "latest", unit, res)
