"""STAC API 1.0.0 below `/stac`, and the files that its assets lead to below `/files`."""

from __future__ import annotations

from typing import Any

from litestar import Router

from surco.api.search.warm_sessions import WarmSessions
from surco.api.stac.catalogue_routes import catalogue_routes
from surco.api.stac.documents import StoredCatalogues
from surco.api.stac.file_routes import file_routes
from surco.api.stac.item_routes import item_routes
from surco.api.web.server import Server

__all__ = ["stac_routes"]


def stac_routes(server: Server) -> list[Any]:
    """Handlers of `/stac` and `/files`."""
    stored, sessions = StoredCatalogues(), WarmSessions()
    handlers = [
        *catalogue_routes(server, stored),
        *item_routes(server, stored, sessions),
        *file_routes(server, stored),
    ]
    return [Router("/", route_handlers=handlers)]  # together, see `search_routes`
