"""`/maps/{adapter}/{season}/values`: means and totals of a yield adapter's values, of a map or part of it."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from surco.api.kept import Kept
from surco.api.map_products.area_parameters import Drawn
from surco.api.map_products.drawn_parts import drawn_part
from surco.api.map_products.maps_asked import MapAsked, OpenMap, open_map
from surco.api.map_products.parameters import Bbox, By, Comuna, Region, Resolution, UnitName
from surco.api.map_products.streaming import Slots
from surco.api.map_products.value_sums import ValueRow, ValueSums, ValueTable, sum_values, value_table
from surco.api.map_products.within import Within, read_within
from surco.api.payloads import json_payload, make_payload, respond
from surco.api.refusals import InvalidError
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["value_routes"]

_FORMATS = {"json": "application/json", "csv": "text/csv"}
_PATH = "/maps/{adapter:str}/{season:str}/values"

Format = Annotated[Literal["json", "csv"] | None, QueryParameter(description="Accept counts without.")]
Crop = Annotated[
    str | None,
    QueryParameter(
        max_length=300, description="adapter:class, such as crops:wheat: only places mapped as that crop."
    ),
]


def value_routes(server: Server, slots: Slots) -> list[Any]:
    """The routes of values."""
    kept: Kept[ValueSums] = Kept(32)

    def answered(
        request: Request[Any, Any, Any], kind: str, asked: MapAsked, within: Within, by: By, crop: str | None
    ) -> Response[Any]:
        opened = open_map(server.store(), asked)
        opened.values()
        mask = None if crop is None else _mask(server, opened, crop)

        def summed() -> ValueSums:
            with slots.take():
                return sum_values(opened, within, mask)

        key = (opened.version, opened.asked, crop, within)
        table = value_table(opened, kept.get(key, summed), by, crop)
        return respond(
            request, json_payload(table) if kind == "json" else make_payload(_csv(table), _FORMATS["csv"])
        )

    @get(
        _PATH,
        operation_id="mapValues",
        summary="Mean and total of a yield adapter's values",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        responses={200: ResponseSpec(ValueTable, description="Means and totals, with notes to read.")},
    )
    def values(
        request: Request[Any, Any, Any],
        adapter: FromPath[str],
        season: FromPath[str],
        f: Format = None,
        by: By = "none",
        crop: Crop = None,
        bbox: Bbox = None,
        comuna: Comuna = None,
        region: Region = None,
        unit: UnitName = "auto",
        res: Resolution = None,
    ) -> Response[Any]:
        """By comuna, province or region, of all places or of a crop's. Each place's interval is in /export.

        Means have no interval: the notes say why, and what is known.
        """
        kind, within = chosen(request, f, _FORMATS), read_within(bbox, comuna, region)
        return answered(request, kind, MapAsked(adapter, season, unit, res), within, by, crop)

    @post(
        _PATH,
        operation_id="mapValuesWithin",
        summary="Mean and total of a yield adapter's values within a polygon",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        status_code=200,
        responses={200: ResponseSpec(ValueTable, description="Means and totals, with notes to read.")},
    )
    def values_within(
        request: Request[Any, Any, Any],
        adapter: FromPath[str],
        season: FromPath[str],
        data: Drawn,
        f: Format = None,
        by: By = "none",
        crop: Crop = None,
        unit: UnitName = "auto",
        res: Resolution = None,
    ) -> Response[Any]:
        """As with GET, of the polygon `within` of the body; a place that it cuts counts with the share inside."""
        kind, within = chosen(request, f, _FORMATS), read_within(None, None, None, drawn_part(data))
        return answered(request, kind, MapAsked(adapter, season, unit, res), within, by, crop)

    # Handlers of one path that are registered apart are put on their thread twice (Litestar 2.25) and fail.
    return [Router("/", route_handlers=[values, values_within])]


def _mask(server: Server, opened: OpenMap, crop: str) -> tuple[OpenMap, str]:
    """The map of classes, and the class, that a crop names."""
    name, label = _named(crop)
    asked = MapAsked(name, opened.info.season, opened.unit, opened.info.resolution)
    return open_map(server.store(), asked), label


def _named(crop: str) -> tuple[str, str]:
    adapter, colon, label = crop.partition(":")
    if not (adapter and colon and label):
        raise InvalidError(
            f"Expected crop=adapter:class, got {crop[:80]!r}. Write for example crop=crops:wheat."
        )
    return adapter, label


def _csv(table: ValueTable) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(ValueRow.__struct_fields__)
    writer.writerows(msgspec.structs.astuple(row) for row in table.rows)
    return out.getvalue().encode()
