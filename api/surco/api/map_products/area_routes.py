"""`/maps/{adapter}/{season}/areas`: hectares by class, of a map or part of it, with intervals from a sample."""

from __future__ import annotations

import json
from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from surco.adapters import AreaMethod
from surco.api.area_domains import Division
from surco.api.area_files import area_content
from surco.api.area_samples import FilledSample
from surco.api.map_products.area_answers import AreaAnswers
from surco.api.map_products.area_parameters import (
    AREA_FORMATS,
    Confidence,
    Drawn,
    Format,
    Method,
    SampleSet,
    attached,
)
from surco.api.map_products.area_plan_routes import area_plan_routes
from surco.api.map_products.drawn_parts import WITHIN, drawn_part
from surco.api.map_products.maps_asked import MapAsked, open_map
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
from surco.api.map_products.within import Within, read_within
from surco.api.payloads import make_payload, respond
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["area_routes"]

Asking = Request[Any, Any, Any]


def area_routes(server: Server, slots: Slots) -> list[Any]:
    """The routes of areas and of the samples that they rest on."""
    answers = AreaAnswers(slots)

    def named_sample(request: Asking, name: str | None) -> FilledSample | None:
        if name is None:
            return None
        with server.database.reading() as connection:
            return sample_of_set(connection, name, request.user)

    def answered(
        request: Asking,
        kind: str,
        asked: MapAsked,
        within: Within,
        sample: FilledSample | None,
        how: tuple[Division, AreaMethod, float],
    ) -> Response[Any]:
        opened = open_map(server.store(), asked)
        by, method, confidence = how
        answer = answers.answer(opened, within, by=by, sample=sample, method=method, confidence=confidence)
        if kind == "json":
            facts = {name: value for name, value in answer.as_dict().items() if name != "store"}
            body = json.dumps(facts, ensure_ascii=False).encode()
        else:
            body = area_content(answer, f".{kind}")
        made = respond(request, make_payload(body, AREA_FORMATS[kind]))
        # Our policy allows pages no styles of their own: the page is for opening as a file.
        if kind in ("csv", "html"):
            made.headers.update(attached(f"{opened.name}-areas.{kind}"))
        return made

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
        request: Asking,
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
        asked = MapAsked(adapter, season, unit, res, level, None, legend)
        return answered(request, kind, asked, within, named_sample(request, sample), (by, method, confidence))

    @post(
        "/maps/{adapter:str}/{season:str}/areas",
        operation_id="mapAreasOfSample",
        summary="Hectares within a polygon, or estimated from a sample, in the body",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        status_code=200,
        responses={200: ResponseSpec(dict[str, Any], description="Hectares, with notes to read.")},
    )
    def areas_of(
        request: Asking,
        adapter: FromPath[str],
        season: FromPath[str],
        data: Drawn,
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
        """The body is the GeoJSON of /areas/plan with every `class` filled in, a polygon as member `within`, or both.

        Of a polygon places count with the share inside. Nothing of the body is kept.
        """
        kind = chosen(request, f, AREA_FORMATS)
        within = read_within(bbox, comuna, region, drawn_part(data))
        asked = MapAsked(adapter, season, unit, res, level, None, legend)
        rest = {name: value for name, value in data.items() if name != WITHIN}
        if data and not rest:
            found = named_sample(request, sample)
        else:
            found = sample_of_body(rest)
            asked = _as_sampled(asked, found)
        return answered(request, kind, asked, within, found, (by, method, confidence))

    # Handlers of one path that are registered apart are put on their thread twice (Litestar 2.25) and fail.
    return [Router("/", route_handlers=[areas, areas_of]), *area_plan_routes(server, slots, answers)]


def _as_sampled(asked: MapAsked, sample: FilledSample) -> MapAsked:
    """The map with the unit and resolution that the sample was drawn from, where the request leaves them open."""
    unit, res = sample.origin.get("unit"), sample.origin.get("resolution")
    if asked.unit != "auto" or unit not in ("cells", "parcels"):
        return asked
    resolution = asked.resolution if asked.resolution is not None or type(res) is not int else res
    return MapAsked(asked.adapter, asked.season, unit, resolution, asked.level, None, asked.legend)
