"""`/maps/{adapter}/{season}/areas/plan`: the sample of places to visit, of a map or part of it."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from surco.adapters import ALLOCATIONS
from surco.api.area_plans import PlanRequest
from surco.api.map_products.answers_kept import etag_of, unchanged
from surco.api.map_products.area_answers import AreaAnswers
from surco.api.map_products.area_draws import drawn_sample
from surco.api.map_products.area_parameters import (
    Allocated,
    Drawn,
    Expect,
    Least,
    Seed,
    Size,
    Target,
    Wanted,
    attached,
    expectations,
)
from surco.api.map_products.drawn_parts import drawn_part
from surco.api.map_products.maps_asked import MapAsked, OpenMap, open_map
from surco.api.map_products.parameters import (
    Bbox,
    By,
    Comuna,
    LegendName,
    Level,
    Region,
    Resolution,
    UnitName,
)
from surco.api.map_products.streaming import Slots
from surco.api.map_products.within import Within, read_within
from surco.api.web.callers import needs
from surco.api.web.server import Server

__all__ = ["area_plan_routes"]

_GEOJSON = {200: ResponseSpec(dict[str, Any], description="GeoJSON.", media_type="application/geo+json")}
_PATH = "/maps/{adapter:str}/{season:str}/areas/plan"


def area_plan_routes(server: Server, slots: Slots, answers: AreaAnswers) -> list[Any]:
    """The routes of samples; `answers` holds the maps' sums."""
    assert set(ALLOCATIONS) == {"equal", "neyman", "proportional", "rare"}  # noqa: S101 - what the query offers

    def drawn(
        opened: OpenMap, within: Within, wanted: PlanRequest, headers: dict[str, str]
    ) -> Response[bytes]:
        sums = answers.sums(opened, within)
        with slots.take():
            body = drawn_sample(opened, sums, within, wanted)
        headers = attached(f"{opened.name}-sample.geojson") | headers
        return Response(body, media_type="application/geo+json", headers=headers)

    @get(
        _PATH,
        operation_id="planMapSample",
        summary="A sample of places to visit",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        responses=_GEOJSON,
    )
    def plan(
        request: Request[Any, Any, Any],
        adapter: FromPath[str],
        season: FromPath[str],
        standard_error: Wanted = 0.01,
        target: Target = None,
        size: Size = None,
        allocation: Allocated = "rare",
        least: Least = 50,
        by: By = "none",
        expect: Expect = None,
        seed: Seed = 0,
        bbox: Bbox = None,
        comuna: Comuna = None,
        region: Region = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
    ) -> Response[Any]:
        """A stratified sample of the map's classes as GeoJSON with an empty `class` of each place to fill in.

        The same question draws the same places, as `surco areas plan` does.
        """
        within = read_within(bbox, comuna, region)
        wanted = PlanRequest(standard_error, target, size, allocation, least, by, expectations(expect), seed)
        opened = open_map(server.store(), MapAsked(adapter, season, unit, res, level, None, legend))
        etag = etag_of(
            opened.version, "plan", opened.asked, within.bbox, sorted(within.comunas or ()), wanted
        )
        known = unchanged(request, etag)
        return known or drawn(opened, within, wanted, {"etag": etag, "cache-control": "no-cache"})

    @post(
        _PATH,
        operation_id="planDrawnSample",
        summary="A sample of places to visit within a polygon",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        status_code=200,
        responses=_GEOJSON,
    )
    def plan_within(
        adapter: FromPath[str],
        season: FromPath[str],
        data: Drawn,
        standard_error: Wanted = 0.01,
        target: Target = None,
        size: Size = None,
        allocation: Allocated = "rare",
        least: Least = 50,
        expect: Expect = None,
        seed: Seed = 0,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
    ) -> Response[Any]:
        """As with GET, of the places that the polygon `within` of the body touches."""
        within = read_within(None, None, None, drawn_part(data))
        wanted = PlanRequest(
            standard_error, target, size, allocation, least, "none", expectations(expect), seed
        )
        opened = open_map(server.store(), MapAsked(adapter, season, unit, res, level, None, legend))
        return drawn(opened, within, wanted, {"cache-control": "no-store"})

    # Handlers of one path that are registered apart are put on their thread twice (Litestar 2.25) and fail.
    return [Router("/", route_handlers=[plan, plan_within])]
