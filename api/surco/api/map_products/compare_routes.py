"""`/maps/compare`: two seasons or two adapters on the same places, as a table and as the places that differ."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from surco.api.kept import Kept
from surco.api.map_products.answers_kept import etag_of, unchanged
from surco.api.map_products.export_routes import EXPORTS
from surco.api.map_products.geojson_stream import geojson_stream
from surco.api.map_products.map_changes import (
    CHANGE_NOTE,
    ChangeTable,
    PairSums,
    change_rows,
    change_table,
    sum_pair,
)
from surco.api.map_products.map_pairs import MapPair, open_pair
from surco.api.map_products.map_rows import read_rows_asked
from surco.api.map_products.parameters import Bbox, By, Comuna, GeometryName, Region, Resolution, UnitName
from surco.api.map_products.parquet_stream import parquet_stream
from surco.api.map_products.streaming import Slots, streamed
from surco.api.map_products.within import read_within
from surco.api.payloads import json_payload, make_payload, respond
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["compare_routes"]

_TABLES = {"json": "application/json", "csv": "text/csv"}
_PLACES = {name: EXPORTS[name] for name in ("geojson", "parquet")}

First = Annotated[str, QueryParameter(max_length=200, description="adapter:season, such as crops:2023-24.")]
Second = Annotated[
    str, QueryParameter(max_length=200, description="Another season or adapter of the same places.")
]
TableFormat = Annotated[Literal["json", "csv"] | None, QueryParameter(description="Accept counts without.")]
PlaceFormat = Annotated[
    Literal["geojson", "parquet"] | None, QueryParameter(description="Accept counts without.")
]
Least = Annotated[
    float, QueryParameter(ge=0, le=1, description="Of change_probability; leaves uncertain differences out.")
]


def compare_routes(server: Server, slots: Slots) -> list[Any]:
    """The routes of comparisons."""
    kept: Kept[PairSums] = Kept(16)

    @get(
        "/maps/compare",
        operation_id="compareMaps",
        summary="Hectares of two maps from class to class",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        responses={200: ResponseSpec(ChangeTable, description="The table, with a note to read.")},
    )
    def compare(
        request: Request[Any, Any, Any],
        a: First,
        b: Second,
        f: TableFormat = None,
        by: By = "none",
        bbox: Bbox = None,
        comuna: Comuna = None,
        region: Region = None,
        unit: UnitName = "auto",
        res: Resolution = None,
    ) -> Response[Any]:
        """What two seasons or two adapters say of the same places, in total and by comuna, province or region.

        Both maps err: their difference is counted, and is no estimate of change, as the answer says.
        """
        kind = chosen(request, f, _TABLES)
        within = read_within(bbox, comuna, region)
        pair = open_pair(server.store(), a, b, unit, res)

        def summed() -> PairSums:
            with slots.take():
                return sum_pair(pair, within)

        table = change_table(pair, kept.get((_key(pair), within), summed), by)
        return respond(
            request, json_payload(table) if kind == "json" else make_payload(_csv(table), _TABLES["csv"])
        )

    @get(
        "/maps/compare/changes",
        operation_id="listMapChanges",
        summary="The places of which two maps say differently",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        responses={200: ResponseSpec(bytes, description="The places.", media_type=_PLACES["geojson"])},
    )
    def changes(
        request: Request[Any, Any, Any],
        a: First,
        b: Second,
        f: PlaceFormat = None,
        least: Least = 0.0,
        bbox: Bbox = None,
        comuna: Comuna = None,
        region: Region = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        geometry: GeometryName = None,
    ) -> Response[Any]:
        """Both classes with their probabilities, sent while they are computed; cut off where that fails."""
        kind = chosen(request, f, _PLACES)
        within = read_within(bbox, comuna, region)
        pair = open_pair(server.store(), a, b, unit, res)
        shape = read_rows_asked(within, geometry, None, pair.unit).geometry
        etag = etag_of(
            pair.first.version, _key(pair), kind, least, shape, within.bbox, sorted(within.comunas or ())
        )
        known = unchanged(request, etag)
        if known is not None:
            return known
        made = {"a": pair.first.provenance(), "b": pair.second.provenance(), "note": CHANGE_NOTE}
        stream = geojson_stream if kind == "geojson" else parquet_stream
        name = "-".join(pair.words).replace(":", "-")
        headers = {
            "etag": etag,
            "cache-control": "no-cache",
            "vary": "accept",
            "content-disposition": f'attachment; filename="changes-{name}.{kind}"',
        }
        rows = change_rows(pair, within, least, shape)
        return streamed(stream(rows, made), slots.take(), headers, _PLACES[kind])

    return [compare, changes]


def _key(pair: MapPair) -> tuple[Any, ...]:
    return (pair.first.version, *pair.words, pair.unit, pair.first.info.resolution)


def _csv(table: ChangeTable) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["domain", "from", "to", "hectares", "places"])
    writer.writerows([r.domain, r.first, r.second, f"{r.hectares:.4f}", r.places] for r in table.rows)
    return out.getvalue().encode()
