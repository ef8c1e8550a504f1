"""Routes of maps as tiles: `/maps/{adapter}/{season}/tiles`, their TileJSON and their legends."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get

from surco.api.map_products.maps_asked import MapAsked
from surco.api.map_products.parameters import Abstain, LegendName, Level, Resolution, UnitName
from surco.api.tiles.descriptions import OPTIONS, picture_answer, tile_answer
from surco.api.tiles.named_layers import NamedLayer, described_layer, layer_legend
from surco.api.tiles.parameters import (
    AdapterName,
    ColumnName,
    FormName,
    LegendForm,
    Pin,
    RowName,
    SeasonPath,
    StyleName,
    ZoomName,
    asked_tile,
)
from surco.api.tiles.tile_layers import map_layer
from surco.api.tiles.tile_service import TileService

__all__ = ["map_tile_routes"]

Req = Request[Any, Any, Any]


def map_tile_routes(service: TileService) -> list[Any]:
    """Tiles of the map of one adapter in one season."""

    @get(
        "/maps/{adapter:str}/{season:str}/tiles/{z:str}/{x:str}/{y:str}",
        operation_id="getMapTile",
        summary="A tile of a map",
        responses=tile_answer(),
        **OPTIONS,
    )
    async def tile(
        request: Req,
        adapter: AdapterName,
        season: SeasonPath,
        z: ZoomName,
        x: ColumnName,
        y: RowName,
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
        adapter: AdapterName,
        season: SeasonPath,
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
        return await described_layer(service, request, named, f, style)

    @get(
        "/maps/{adapter:str}/{season:str}/legend",
        operation_id="getMapLegend",
        summary="Legend of a map",
        responses=picture_answer(),
        **OPTIONS,
    )
    async def legend_(
        request: Req,
        adapter: AdapterName,
        season: SeasonPath,
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
        return await layer_legend(service, request, named, f, style)

    return [tile, described, legend_]


def _map(asked: MapAsked) -> NamedLayer:
    query = {
        "unit": None if asked.unit == "auto" else asked.unit,
        "res": asked.resolution,
        "level": asked.level,
        "legend": asked.legend,
        "abstain": asked.abstain,
    }
    path = f"maps/{quote(asked.adapter)}/{quote(asked.season)}/tiles"
    return NamedLayer(("map", asked), lambda store: map_layer(store, asked), path, query)
