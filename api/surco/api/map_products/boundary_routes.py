"""`POST /boundaries`: the parcels of an area, found when they are asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter

from surco.api.errors import ApiError
from surco.api.map_products.parcels_asked import (
    ParcelsAsked,
    finding_parcels,
    found_parcels,
    hectares_asked,
    parcels_geojson,
    source_asked,
)
from surco.api.map_products.streaming import Slots, streamed
from surco.api.state.quotas import spend
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server
from surco.embedstore import Season, coded

__all__ = ["BoundaryBody", "boundary_routes"]

_FORMATS = {
    "geojson": "application/geo+json",
    "parquet": "application/vnd.apache.parquet",
    "steps": "application/x-ndjson",
}
_LIMIT_S = 120.0
_HECTARES_AN_HOUR = 100_000.0

Format = Annotated[
    Literal["geojson", "parquet", "steps"] | None,
    QueryParameter(
        description="steps: lines of JSON, how far it is and at last the GeoJSON. Accept counts without."
    ),
]
Name = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class BoundaryBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which area, and how to find its fields.

    `bbox` is west, south, east, north in degrees; `season` that of the scenes; `method` "network", or "gradient", which
    has learned nothing; `adapter` a boundary adapter of the store; `min_area` m² of the smallest field.
    """

    bbox: tuple[float, float, float, float]
    season: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    method: Literal["network", "gradient"] = "network"
    adapter: Name | None = None
    min_area: Annotated[float, msgspec.Meta(ge=0, le=1e8)] = 500.0


def boundary_routes(server: Server) -> list[Any]:
    """The route of parcels on demand; one search at a time."""
    slots = Slots(1)

    @post(
        "/boundaries",
        operation_id="findBoundaries",
        summary="The parcels of an area, found on demand",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        status_code=200,
        responses={
            200: ResponseSpec(dict[str, Any], description="fiboa.", media_type="application/geo+json")
        },
    )
    def boundaries(
        request: Request[Any, Any, Any], data: JSONBody[BoundaryBody], f: Format = None
    ) -> Response[Any]:
        """Fields as fiboa GeoJSON or GeoParquet, from pixel vectors or scenes that the server has of the area.

        Small areas only: 100 km² on pixel vectors, 25 km² on scenes. Nothing is kept.
        """
        kind = chosen(request, f, _FORMATS)
        asked = ParcelsAsked(data.bbox, data.season, data.method, data.adapter, data.min_area)
        hectares = hectares_asked(asked.bbox)
        if asked.adapter is not None:
            server.store().adapter_dir(asked.adapter)
        store = server.settings.store.absolute()
        source = source_asked(asked, store, server.settings.scenes)
        if source == server.settings.scenes:
            asked = replace(asked, season=_days(asked.season or "", server.store().start_month))
        if kind == "steps":
            lease = slots.take()
            spend(server.database, request.user, "hectares of boundaries", hectares, _HECTARES_AN_HOUR)
            return streamed(
                _steps(asked, source, store), lease, {"cache-control": "no-store"}, _FORMATS[kind]
            )
        with slots.take(), tempfile.TemporaryDirectory(prefix="surco-parcels-") as folder:
            spend(server.database, request.user, "hectares of boundaries", hectares, _HECTARES_AN_HOUR)
            out = Path(folder) / "parcels.parquet"
            found_parcels(asked, source, store, out, _LIMIT_S)
            body = out.read_bytes() if kind == "parquet" else parcels_geojson(out)
        headers = {"content-disposition": f'attachment; filename="parcels.{kind}"'}
        return Response(body, media_type=_FORMATS[kind], headers=headers)

    return [boundaries]


def _days(season: str, start_month: int) -> str:
    """The first and last day of a season, by the store's own calendar where it is a name."""
    if "/" in season:
        return season
    found = Season.parse(season, start_month=start_month)
    return f"{found.start}/{found.end}"


def _steps(asked: ParcelsAsked, source: str, store: Path) -> Iterator[bytes]:
    """How far the search is, line by line, and last the fields, or why there are none as `{"refused": …}`."""
    with tempfile.TemporaryDirectory(prefix="surco-parcels-") as folder:
        out = Path(folder) / "parcels.parquet"
        try:
            for step in finding_parcels(asked, source, store, out, _LIMIT_S):
                yield msgspec.json.encode(asdict(step)) + b"\n"
        except ApiError as error:
            yield msgspec.json.encode({"refused": str(error), **(coded(error) or {})}) + b"\n"
        else:
            yield parcels_geojson(out) + b"\n"
