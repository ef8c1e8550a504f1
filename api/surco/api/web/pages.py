"""The server's own pages: the viewer and its files, the description with its page, llms.txt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from surco.api.kept import Kept
from surco.api.payloads import Payload, json_payload, make_payload, respond
from surco.api.refusals import UnknownError
from surco.api.web.callers import needs
from surco.api.web.description import described, llms_text
from surco.api.web.formats import chosen
from surco.api.web.server import Server
from surco.viewer import asset, page

__all__ = ["page_routes"]

_DOCS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Surco: the API</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/static/docs/swagger-ui.css"></head>
<body><div id="docs"></div><script src="/static/docs/swagger-ui-bundle.js"></script>
<script src="/static/docs/start.js"></script></body></html>
"""
_START = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true, docExpansion: "none",
  defaultModelsExpandDepth: 0, filter: true, validatorUrl: null, tryItOutEnabled: true});
"""
_LIBRARY = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_FRONT = {"html": "text/html", "json": "application/json"}


def page_routes(server: Server, landing: Callable[[Request[Any, Any, Any]], dict[str, Any]]) -> list[Any]:
    """Handlers of `/`, `/static/…`, `/docs`, `/openapi.json` and `/llms.txt`.

    Args:
        server: what to serve.
        landing: the landing page of the OGC API, for clients that ask `/` for JSON.
    """
    return [*_front_routes(server, landing), *_description_routes(server)]


def _front_routes(server: Server, landing: Callable[[Request[Any, Any, Any]], dict[str, Any]]) -> list[Any]:
    html = page(area=server.settings.area_name, basemap=server.settings.basemap)
    front = make_payload(html.encode(), "text/html")
    files: Kept[Payload] = Kept(32)

    @get(
        "/",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="The viewer, or the landing page of the OGC API",
        tags=["OGC API"],
        operation_id="landing",
    )
    def index(
        request: Request[Any, Any, Any], f: Annotated[str | None, QueryParameter(max_length=40)] = None
    ) -> Response[bytes]:
        """HTML for browsers; with `Accept: application/json` or `?f=json` the landing page of the OGC API."""
        if chosen(request, f, _FRONT) == "html":
            return respond(request, front)
        return respond(request, json_payload(landing(request)))

    @get("/static/{name:str}", sync_to_thread=True, include_in_schema=False)
    def static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        return respond(request, files.get(name, lambda: _page_file(name)))

    @get("/static/docs/{name:str}", sync_to_thread=True, include_in_schema=False)
    def library(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        return respond(request, files.get(f"docs/{name}", lambda: _library_file(name)))

    return [index, static, library]


def _description_routes(server: Server) -> list[Any]:
    made: list[dict[str, Any]] = []
    lock = threading.Lock()
    docs = make_payload(_DOCS.encode(), "text/html")

    def document(request: Request[Any, Any, Any]) -> dict[str, Any]:
        with lock:
            if not made:
                made.append(described(request.app))
            return made[0]

    @get("/openapi.json", sync_to_thread=True, include_in_schema=False, guards=[needs("read")])
    def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = msgspec.json.encode(document(request))
        return respond(request, make_payload(body, "application/vnd.oai.openapi+json;version=3.1"))

    @get("/docs", sync_to_thread=False, include_in_schema=False)
    def documentation(request: Request[Any, Any, Any]) -> Response[bytes]:
        return respond(request, docs)

    @get("/llms.txt", sync_to_thread=True, include_in_schema=False, guards=[needs("read")])
    def llms(request: Request[Any, Any, Any]) -> Response[bytes]:
        text = llms_text(document(request), server.settings.area_name, server.store().seasons())
        return respond(request, make_payload(text.encode(), "text/plain"))

    return [openapi, documentation, llms]


def _page_file(name: str) -> Payload:
    file = asset(name)
    return make_payload(file.body, file.media_type)


def _library_file(name: str) -> Payload:
    """A file of Swagger UI, from the wheel that carries it."""
    if name == "start.js":
        return make_payload(_START.encode(), "text/javascript")
    spec = find_spec("swagger_ui")
    if name not in _LIBRARY or spec is None or spec.origin is None:
        raise UnknownError(f"Expected one of {', '.join([*_LIBRARY, 'start.js'])}, got {name!r}. Open /docs.")
    return make_payload((Path(spec.origin).parent / "static" / name).read_bytes(), _LIBRARY[name])
