"""What the viewer's page asks for, below `/api`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from surco.api.answers import Answers, Question, Unit
from surco.api.kept import Kept
from surco.api.payloads import Payload, json_payload, respond
from surco.api.web.callers import needs

__all__ = ["viewer_routes"]

Name = Annotated[str | None, QueryParameter(max_length=200)]
UnitName = Annotated[Unit | None, QueryParameter()]
PlaceId = Annotated[str, QueryParameter(max_length=200)]
Resolution = Annotated[int | None, QueryParameter(ge=0, le=15)]
Month = Annotated[int, QueryParameter(ge=0, le=11)]
Count = Annotated[int, QueryParameter(ge=1)]

_OPTIONS: dict[str, Any] = {"sync_to_thread": True, "guards": [needs("read")], "include_in_schema": False}


def viewer_routes(answers: Answers) -> list[Any]:
    """Handlers of what the page draws, all of the store's latest version."""
    bodies: Kept[Payload] = Kept(48)

    def kept(
        request: Request[Any, Any, Any], key: tuple[Any, ...], answer: Callable[[], Any]
    ) -> Response[bytes]:
        whole = (answers.store().version, *key)
        return respond(request, bodies.get(whole, lambda: json_payload(answer())))

    @get("/api/overview", **_OPTIONS)
    def overview(request: Request[Any, Any, Any]) -> Response[bytes]:
        return kept(request, ("overview",), answers.overview)

    @get("/api/map", **_OPTIONS)
    def map_(
        request: Request[Any, Any, Any],
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
        adapter: Name = None,
    ) -> Response[bytes]:
        question = Question(season, unit, res, adapter)
        return kept(request, ("map", question), lambda: answers.map_columns(question))

    @get("/api/areas", **_OPTIONS)
    def areas(
        request: Request[Any, Any, Any],
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
        adapter: Name = None,
    ) -> Response[bytes]:
        question = Question(season, unit, res, adapter)
        return kept(request, ("areas", question), lambda: answers.areas(question))

    @get("/api/ndvi", **_OPTIONS)
    def ndvi(
        request: Request[Any, Any, Any],
        month: Month,
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
    ) -> Response[bytes]:
        question = Question(season, unit, res)
        return kept(request, ("ndvi", question, month), lambda: answers.ndvi(question, month))

    @get("/api/colours", **_OPTIONS)
    def colours(
        request: Request[Any, Any, Any],
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
    ) -> Response[bytes]:
        question = Question(season, unit, res)
        return kept(request, ("colours", question), lambda: answers.colours(question))

    @get("/api/place", **_OPTIONS)
    def place(
        request: Request[Any, Any, Any],
        id: PlaceId,
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
        adapter: Name = None,
    ) -> Response[bytes]:
        return respond(request, json_payload(answers.place(Question(season, unit, res, adapter), id)))

    @get("/api/similar", **_OPTIONS)
    def similar(
        request: Request[Any, Any, Any],
        id: PlaceId,
        k: Count = 20,
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
        adapter: Name = None,
    ) -> Response[bytes]:
        return respond(request, json_payload(answers.similar(Question(season, unit, res, adapter), id, k)))

    return [overview, map_, areas, ndvi, colours, place, similar]
