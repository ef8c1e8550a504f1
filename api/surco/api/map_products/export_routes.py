"""`/maps/{adapter}/{season}/export`: a map, or part of it, as a file that is sent while it is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from surco.api.map_products.answers_kept import etag_of, unchanged
from surco.api.map_products.area_parameters import Drawn, attached
from surco.api.map_products.drawn_parts import drawn_part
from surco.api.map_products.geojson_stream import geojson_stream
from surco.api.map_products.map_rows import RowsAsked, map_rows, read_rows_asked
from surco.api.map_products.maps_asked import MapAsked, OpenMap, open_map
from surco.api.map_products.parameters import (
    Abstain,
    Bbox,
    Columns,
    Comuna,
    GeometryName,
    LegendName,
    Level,
    Region,
    Resolution,
    UnitName,
)
from surco.api.map_products.parquet_stream import parquet_stream
from surco.api.map_products.streaming import Slots, streamed
from surco.api.map_products.whole_formats import WholeLimits, flatgeobuf, geotiff
from surco.api.map_products.within import read_within
from surco.api.refusals import InvalidError
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["EXPORTS", "export_routes"]

_PATH = "/maps/{adapter:str}/{season:str}/export"

EXPORTS = {
    "parquet": "application/vnd.apache.parquet",
    "geojson": "application/geo+json",
    "fgb": "application/vnd.flatgeobuf",
    "tif": "image/tiff; application=geotiff; profile=cloud-optimized",
}
"""Formats of an export by name, the default first."""

Format = Annotated[
    Literal["parquet", "geojson", "fgb", "tif"] | None,
    QueryParameter(
        description="GeoParquet, GeoJSON, FlatGeobuf or cloud-optimised GeoTIFF; Accept counts without."
    ),
]
Pixel = Annotated[
    float | None, QueryParameter(gt=0, description="Edge of a pixel in metres, of f=tif. Default 20.")
]


def export_routes(server: Server, slots: Slots) -> list[Any]:
    """The routes of exports; `slots` bounds how many are made at a time."""

    def sent(
        opened: OpenMap, rows: RowsAsked, kind: str, pixel: float | None, headers: dict[str, str]
    ) -> Response[Any]:
        headers = {"vary": "accept"} | attached(f"{opened.name}.{kind}") | headers
        return streamed(_chunks(opened, rows, kind, pixel or 20.0), slots.take(), headers, EXPORTS[kind])

    @get(
        _PATH,
        operation_id="exportMap",
        summary="A map, or part of it, as a file",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        responses={200: ResponseSpec(bytes, description="The file.", media_type=EXPORTS["parquet"])},
    )
    def export(
        request: Request[Any, Any, Any],
        adapter: FromPath[str],
        season: FromPath[str],
        f: Format = None,
        bbox: Bbox = None,
        comuna: Comuna = None,
        region: Region = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
        abstain: Abstain = None,
        geometry: GeometryName = None,
        columns: Columns = None,
        pixel: Pixel = None,
    ) -> Response[Any]:
        """Class, probability and uncertainty (of a yield adapter value, low and high) of every cell or parcel.

        GeoParquet and GeoJSON are sent while they are computed and have no limit; FlatGeobuf and GeoTIFF are made first
        and have one. An answer that fails on its way is cut off: it never looks whole.
        """
        kind = chosen(request, f, EXPORTS)
        within = read_within(bbox, comuna, region)
        opened = open_map(server.store(), MapAsked(adapter, season, unit, res, level, abstain, legend))
        rows = read_rows_asked(within, geometry, columns, opened.unit)
        _refuse_misfits(kind, geometry, columns, pixel)
        etag = etag_of(opened.version, opened.asked, kind, rows, sorted(within.comunas or ()), pixel)
        known = unchanged(request, etag)
        return known or sent(opened, rows, kind, pixel, {"etag": etag, "cache-control": "no-cache"})

    @post(
        _PATH,
        operation_id="exportMapWithin",
        summary="What of a map lies within a polygon, as a file",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        status_code=200,
        responses={200: ResponseSpec(bytes, description="The file.", media_type=EXPORTS["parquet"])},
    )
    def export_within(
        request: Request[Any, Any, Any],
        adapter: FromPath[str],
        season: FromPath[str],
        data: Drawn,
        f: Format = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
        abstain: Abstain = None,
        geometry: GeometryName = None,
        columns: Columns = None,
        pixel: Pixel = None,
    ) -> Response[Any]:
        """As with GET, of the polygon `within` of the body: cells whose centre, parcels whose outline it touches."""
        kind = chosen(request, f, EXPORTS)
        within = read_within(None, None, None, drawn_part(data))
        opened = open_map(server.store(), MapAsked(adapter, season, unit, res, level, abstain, legend))
        rows = read_rows_asked(within, geometry, columns, opened.unit)
        _refuse_misfits(kind, geometry, columns, pixel)
        return sent(opened, rows, kind, pixel, {"cache-control": "no-store"})

    # Handlers of one path that are registered apart are put on their thread twice (Litestar 2.25) and fail.
    return [Router("/", route_handlers=[export, export_within])]


def _chunks(opened: OpenMap, rows: RowsAsked, kind: str, pixel: float) -> Iterator[bytes]:
    if kind == "fgb":
        return flatgeobuf(opened, rows, WholeLimits())
    if kind == "tif":
        return geotiff(opened, rows, pixel, WholeLimits())
    stream = geojson_stream if kind == "geojson" else parquet_stream
    return stream(map_rows(opened, rows), opened.provenance())


def _refuse_misfits(kind: str, geometry: str | None, columns: str | None, pixel: float | None) -> None:
    if pixel is not None and kind != "tif":
        raise InvalidError(f"Expected pixel with f=tif only, got it with f={kind}. Leave it out.")
    if kind == "tif" and (geometry is not None or columns is not None):
        raise InvalidError(
            "Expected neither geometry nor columns with f=tif, whose pixels are codes. Leave them out."
        )
    if kind == "fgb" and geometry == "none":
        raise InvalidError(
            "Expected geometry=point or polygon with f=fgb, got none. Ask for f=parquet without geometry."
        )
