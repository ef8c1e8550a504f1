"""`/maps/{adapter}/{season}/areas`: hectares by class with intervals from a sample, and the sample to visit."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from surco.adapters import ALLOCATIONS
from surco.api.area_files import area_content
from surco.api.area_plans import PlanRequest
from surco.api.area_samples import FilledSample
from surco.api.area_tables import AreaAnswer
from surco.api.map_products.answers_kept import etag_of, unchanged
from surco.api.map_products.area_answers import AreaAnswers
from surco.api.map_products.area_draws import drawn_sample
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
from surco.api.map_products.samples_found import sample_of_body, sample_of_set
from surco.api.map_products.streaming import Slots
from surco.api.map_products.within import read_within
from surco.api.payloads import make_payload, respond
from surco.api.refusals import InvalidError
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["AREA_FORMATS", "area_routes"]

AREA_FORMATS = {"json": "application/json", "csv": "text/csv", "html": "text/html", "png": "image/png"}
"""Formats of an answer about areas by name, the default first."""

Format = Annotated[
    Literal["json", "csv", "html", "png"] | None, QueryParameter(description="Accept counts without.")
]
Method = Annotated[
    Literal["assisted", "stratified"],
    QueryParameter(
        description="With the map's probabilities, or from the sample and the map's classes alone."
    ),
]
Confidence = Annotated[float, QueryParameter(gt=0, lt=1, description="Of the intervals.")]
SampleSet = Annotated[
    str | None,
    QueryParameter(max_length=100, description="A label set of places drawn at random; without, a count."),
]
Size = Annotated[
    int | None, QueryParameter(ge=2, le=50_000, description="Places to draw, instead of standard_error.")
]
Wanted = Annotated[
    float, QueryParameter(gt=0, lt=1, description="Of overall accuracy, or of the class's area.")
]
Target = Annotated[
    str | None, QueryParameter(name="class", max_length=200, description="Whose area is aimed at.")
]
Allocated = Annotated[Literal["equal", "neyman", "proportional", "rare"], QueryParameter()]
Least = Annotated[
    int, QueryParameter(ge=2, le=10_000, description="Places of each stratum at least, for 'rare'.")
]
Expect = Annotated[
    str | None,
    QueryParameter(max_length=2_000, description="User's accuracies, such as wheat=0.85,maize=0.9."),
]
Seed = Annotated[int, QueryParameter(ge=0, description="Another seed draws other places.")]


def area_routes(server: Server, slots: Slots) -> list[Any]:
    """The routes of areas."""
    answers = AreaAnswers(slots)
    assert set(ALLOCATIONS) == {"equal", "neyman", "proportional", "rare"}  # noqa: S101 - what the query offers

    @get(
        "/maps/{adapter:str}/{season:str}/areas",
        operation_id="mapAreas",
        summary="Hectares by class and comuna, province or region",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        responses={200: ResponseSpec(dict[str, Any], description="Hectares, with notes to read.")},
    )
    def areas(
        request: Request[Any, Any, Any],
        adapter: FromPath[str],
        season: FromPath[str],
        f: Format = None,
        by: By = "none",
        sample: SampleSet = None,
        method: Method = "assisted",
        confidence: Confidence = 0.95,
        bbox: Bbox = None,
        comuna: Comuna = None,
        region: Region = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
    ) -> Response[Any]:
        """Counted from the map where there is no sample, which the answer then says; estimates with intervals with one.

        A sample is a label set whose labels have `place`, `inclusion_probability` and, where there were strata,
        `stratum`, as /areas/plan gives them.
        """
        kind = chosen(request, f, AREA_FORMATS)
        within = read_within(bbox, comuna, region)
        found = None
        if sample is not None:
            with server.database.reading() as connection:
                found = sample_of_set(connection, sample, request.user)
        opened = open_map(server.store(), MapAsked(adapter, season, unit, res, level, None, legend))
        answer = answers.answer(opened, within, by=by, sample=found, method=method, confidence=confidence)
        return _respond(request, answer, opened, kind)

    @post(
        "/maps/{adapter:str}/{season:str}/areas",
        operation_id="mapAreasOfSample",
        summary="Hectares estimated from a sample in the body",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        status_code=200,
        responses={200: ResponseSpec(dict[str, Any], description="Hectares with intervals.")},
    )
    def areas_of(
        request: Request[Any, Any, Any],
        adapter: FromPath[str],
        season: FromPath[str],
        data: JSONBody[dict[str, Any]],
        f: Format = None,
        by: By = "none",
        method: Method = "assisted",
        confidence: Confidence = 0.95,
        bbox: Bbox = None,
        comuna: Comuna = None,
        region: Region = None,
        unit: UnitName = "auto",
        res: Resolution = None,
        level: Level = None,
        legend: LegendName = None,
    ) -> Response[Any]:
        """The body is the GeoJSON of /areas/plan with every `class` filled in. Nothing of it is kept."""
        kind = chosen(request, f, AREA_FORMATS)
        within = read_within(bbox, comuna, region)
        found = sample_of_body(data)
        asked = _as_sampled(MapAsked(adapter, season, unit, res, level, None, legend), found)
        opened = open_map(server.store(), asked)
        answer = answers.answer(opened, within, by=by, sample=found, method=method, confidence=confidence)
        return _respond(request, answer, opened, kind)

    @get(
        "/maps/{adapter:str}/{season:str}/areas/plan",
        operation_id="planMapSample",
        summary="A sample of places to visit",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        responses={
            200: ResponseSpec(dict[str, Any], description="GeoJSON.", media_type="application/geo+json")
        },
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
        wanted = PlanRequest(standard_error, target, size, allocation, least, by, _expectations(expect), seed)
        opened = open_map(server.store(), MapAsked(adapter, season, unit, res, level, None, legend))
        etag = etag_of(
            opened.version, "plan", opened.asked, within.bbox, sorted(within.comunas or ()), wanted
        )
        known = unchanged(request, etag)
        if known is not None:
            return known
        sums = answers.sums(opened, within)
        with slots.take():
            body = drawn_sample(opened, sums, within, wanted)
        headers = _attached(f"{opened.name}-sample.geojson") | {"etag": etag, "cache-control": "no-cache"}
        return Response(body, media_type="application/geo+json", headers=headers)

    # Handlers of one path that are registered apart are put on their thread twice (Litestar 2.25) and fail.
    return [Router("/", route_handlers=[areas, areas_of, plan])]


def _respond(
    request: Request[Any, Any, Any], answer: AreaAnswer, opened: OpenMap, kind: str
) -> Response[Any]:
    if kind == "json":
        facts = {name: value for name, value in answer.as_dict().items() if name != "store"}
        body = json.dumps(facts, ensure_ascii=False).encode()
    else:
        body = area_content(answer, f".{kind}")
    made = respond(request, make_payload(body, AREA_FORMATS[kind]))
    # Our policy allows pages no styles of their own: the page is for opening as a file.
    if kind in ("csv", "html"):
        made.headers.update(_attached(f"{opened.name}-areas.{kind}"))
    return made


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _as_sampled(asked: MapAsked, sample: FilledSample) -> MapAsked:
    """The map with the unit and resolution that the sample was drawn from, where the request leaves them open."""
    unit, res = sample.origin.get("unit"), sample.origin.get("resolution")
    if asked.unit != "auto" or unit not in ("cells", "parcels"):
        return asked
    resolution = asked.resolution if asked.resolution is not None or type(res) is not int else res
    return MapAsked(asked.adapter, asked.season, unit, resolution, asked.level, None, asked.legend)


def _expectations(text: str | None) -> dict[str, float]:
    found = {}
    for part in (text or "").split(","):
        name, _, number = part.rpartition("=")
        try:
            if part.strip():
                found[name.strip()] = float(number)
        except ValueError as error:
            raise InvalidError(
                f"Expected CLASS=ACCURACY such as wheat=0.85 in expect, got {part[:60]!r}. Write it so."
            ) from error
    return found
