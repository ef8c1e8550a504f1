"""All routes of label sets."""

from __future__ import annotations

from typing import Any

from litestar import Router

from surco.api.label_sets.export_routes import export_route
from surco.api.label_sets.item_routes import item_routes
from surco.api.label_sets.report_routes import report_routes
from surco.api.label_sets.set_routes import set_routes
from surco.api.label_sets.upload_routes import upload_route
from surco.api.web.server import Server

__all__ = ["label_set_routes"]


def label_set_routes(server: Server) -> list[Any]:
    """Handlers below `/labels`.

    They come as one router: handlers of one path that are registered one after the other are prepared twice, and
    those that answer with a Response then fail (Litestar 2.25).
    """
    handlers = [
        *set_routes(server),
        *item_routes(server),
        upload_route(server),
        export_route(server),
        *report_routes(server),
    ]
    return [Router(path="/", route_handlers=handlers)]
