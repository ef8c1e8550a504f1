"""`/search` and `/embeddings` over HTTP."""

from __future__ import annotations

from typing import Any

from litestar import Router

from surco.api.search.embedding_routes import embedding_routes
from surco.api.search.neighbour_routes import neighbour_routes
from surco.api.search.warm_sessions import WarmSessions
from surco.api.web.server import Server

__all__ = ["search_routes"]


def search_routes(server: Server) -> list[Any]:
    """Handlers of `/search` and `/embeddings`."""
    sessions = WarmSessions()
    # Two methods of one address must be registered together: Litestar 2.25 wraps the first again with the second, and
    # then hands out the coroutine of a Response.
    handlers = [*neighbour_routes(server, sessions), *embedding_routes(server, sessions)]
    return [Router("/", route_handlers=handlers)]
