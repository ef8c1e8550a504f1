"""`/quality` over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from surco.api.quality.coverage import By
from surco.api.quality.page import report_page
from surco.api.quality.picture import report_picture
from surco.api.quality.report import Reports
from surco.api.search.gate import Gate
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server
from surco.embedstore import Table

__all__ = ["quality_routes"]

_Text = Annotated[str | None, QueryParameter(max_length=200)]
_TableName = Annotated[
    Table | None, QueryParameter(description="cells where the store has them, else parcels")
]
_Level = Annotated[
    int | None, QueryParameter(ge=0, le=15, description="H3 resolution; the finest if left out")
]
_By = Annotated[By, QueryParameter(description="what coverage and months are parted by")]
_OFFERS = {"json": "application/json", "html": "text/html", "png": "image/png"}
_ANSWERS = {
    200: ResponseSpec(
        dict[str, Any], generate_examples=False, media_type="application/json", description="The report"
    )
}


def quality_routes(server: Server) -> list[Any]:
    """The handler of `/quality`."""
    reports = Reports()
    # A report takes seconds of a national table, once; more than a few who wait for it would take all threads.
    gate = Gate("quality reports", waiting=6, patience_s=60.0)

    @get(
        "/quality",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="How good a table is: coverage, missing months, seams, holes, drift",
        tags=["Quality"],
        operation_id="quality",
        responses=_ANSWERS,
    )
    def quality(
        request: Request[Any, Any, Any],
        table: _TableName = None,
        season: _Text = None,
        res: _Level = None,
        model: _Text = None,
        by: _By = "region",
        f: _Text = None,
    ) -> Response[bytes]:
        """All rows are counted; seams and drift are measured on a sample that says its size and its intervals.

        `coverage` and `months` have a row for all and for each region or comuna. `seams` compares neighbours across
        borders with neighbours inside (a ratio of 1 is no seam). `holes` are grounds without rows, `failed_tiles` tiles
        that a run could not do, with the reason. `drift` is the change of the same places from each season to the next.
        Formats: json, html, png.
        """
        form = chosen(request, f, _OFFERS)
        with gate.inside():
            report = reports.of(server.store(), table=table, season=season, resolution=res, model_id=model)
        if form == "png":
            return Response(report_picture(report), media_type=_OFFERS[form])
        if form == "html":
            return Response(report_page(report, by).encode(), media_type=_OFFERS[form])
        parted = {name: report[name][by] for name in ("coverage", "months")}
        return Response(msgspec.json.encode({**report, **parted}), media_type=_OFFERS[form])

    return [quality]
