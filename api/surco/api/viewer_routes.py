"""What the viewer's page starts from, below `/api`; all else it asks of the same routes as everybody."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from surco.api.kept import Kept
from surco.api.payloads import Payload, json_payload, make_payload, respond
from surco.api.viewer_answers import borders, names, overview
from surco.api.web.callers import needs
from surco.api.web.server import Server

__all__ = ["viewer_routes"]

_OPTIONS: dict[str, Any] = {"sync_to_thread": True, "guards": [needs("read")], "include_in_schema": False}


def viewer_routes(server: Server) -> list[Any]:
    """Handlers of `/api/overview`, `/api/borders` and `/api/names`."""
    kept: Kept[Payload] = Kept(4)

    @get("/api/overview", **_OPTIONS)
    def the_overview(request: Request[Any, Any, Any]) -> Response[bytes]:
        store = server.store()
        key = ("overview", store.version)
        return respond(request, kept.get(key, lambda: json_payload(overview(store, server.settings))))

    @get("/api/borders", **_OPTIONS)
    def the_borders(request: Request[Any, Any, Any]) -> Response[bytes]:
        return respond(request, kept.get("borders", lambda: make_payload(borders(), "application/geo+json")))

    @get("/api/names", **_OPTIONS)
    def the_names(request: Request[Any, Any, Any]) -> Response[bytes]:
        return respond(request, kept.get("names", lambda: json_payload(names())))

    return [the_overview, the_borders, the_names]
