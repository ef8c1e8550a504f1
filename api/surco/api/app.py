"""The application: the page, its files, and the answers it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from litestar import Litestar, Request, Response, get
from litestar.datastructures import MutableScopeHeaders
from litestar.params import FromPath, QueryParameter
from litestar.types import Message, Scope

from surco.api.answers import Answers, Question, Unit
from surco.api.kept import Kept
from surco.api.payloads import Payload, json_payload, make_payload, respond
from surco.api.problems import problem_handlers
from surco.api.settings import Settings
from surco.viewer import asset, page

__all__ = ["content_security_policy", "create_app"]

Name = Annotated[str | None, QueryParameter(max_length=200)]
UnitName = Annotated[Unit | None, QueryParameter()]
PlaceId = Annotated[str, QueryParameter(max_length=200)]
Resolution = Annotated[int | None, QueryParameter(ge=0, le=15)]
Month = Annotated[int, QueryParameter(ge=0, le=11)]
Count = Annotated[int, QueryParameter(ge=1)]


def create_app(settings: Settings) -> Litestar:
    """Build the application over one store.

    Raises:
        EmbedstoreError: no store at `settings.store`.
    """
    answers = Answers(settings)
    answers.store()
    return Litestar(
        [*_page_routes(settings), *_answer_routes(answers), _health(answers)],
        exception_handlers=problem_handlers(settings.store),
        before_send=[_secure(content_security_policy(settings.basemap_origin))],
        openapi_config=None,
        logging_config=None,
    )


def content_security_policy(basemap_origin: str | None) -> str:
    """Nothing but our own files; pictures and tiles also from the basemap, where there is one."""
    tiles = f" {basemap_origin}" if basemap_origin else ""
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' data: blob:{tiles}",
        "connect-src": f"'self'{tiles}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _secure(policy: str) -> Callable[[Message, Scope], Any]:
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            MutableScopeHeaders.from_message(message).update(headers)

    return add


def _page_routes(settings: Settings) -> list[Any]:
    html = page(area=settings.area_name, basemap=settings.basemap)
    front = make_payload(html.encode(), "text/html")
    files: Kept[Payload] = Kept(32)

    @get("/", sync_to_thread=False)
    def index(request: Request[Any, Any, Any]) -> Response[bytes]:
        return respond(request, front)

    def load(name: str) -> Payload:
        file = asset(name)
        return make_payload(file.body, file.media_type)

    @get("/static/{name:str}", sync_to_thread=True)
    def static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        return respond(request, files.get(name, lambda: load(name)))

    return [index, static]


def _answer_routes(answers: Answers) -> list[Any]:
    bodies: Kept[Payload] = Kept(48)

    def kept(
        request: Request[Any, Any, Any], key: tuple[Any, ...], answer: Callable[[], Any]
    ) -> Response[bytes]:
        whole = (answers.store().version, *key)
        return respond(request, bodies.get(whole, lambda: json_payload(answer())))

    @get("/api/overview", sync_to_thread=True)
    def overview(request: Request[Any, Any, Any]) -> Response[bytes]:
        return kept(request, ("overview",), answers.overview)

    @get("/api/map", sync_to_thread=True)
    def map_(
        request: Request[Any, Any, Any],
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
        adapter: Name = None,
    ) -> Response[bytes]:
        question = Question(season, unit, res, adapter)
        return kept(request, ("map", question), lambda: answers.map_columns(question))

    @get("/api/areas", sync_to_thread=True)
    def areas(
        request: Request[Any, Any, Any],
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
        adapter: Name = None,
    ) -> Response[bytes]:
        question = Question(season, unit, res, adapter)
        return kept(request, ("areas", question), lambda: answers.areas(question))

    @get("/api/ndvi", sync_to_thread=True)
    def ndvi(
        request: Request[Any, Any, Any],
        month: Month,
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
    ) -> Response[bytes]:
        question = Question(season, unit, res)
        return kept(request, ("ndvi", question, month), lambda: answers.ndvi(question, month))

    @get("/api/colours", sync_to_thread=True)
    def colours(
        request: Request[Any, Any, Any],
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
    ) -> Response[bytes]:
        question = Question(season, unit, res)
        return kept(request, ("colours", question), lambda: answers.colours(question))

    @get("/api/place", sync_to_thread=True)
    def place(
        request: Request[Any, Any, Any],
        id: PlaceId,
        season: Name = None,
        unit: UnitName = None,
        res: Resolution = None,
        adapter: Name = None,
    ) -> Response[bytes]:
        return respond(request, json_payload(answers.place(Question(season, unit, res, adapter), id)))

    @get("/api/similar", sync_to_thread=True)
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


def _health(answers: Answers) -> Any:
    @get("/health", sync_to_thread=True)
    def health() -> dict[str, Any]:
        return {"status": "ok", "version": answers.store().version}

    return health
