"""All routes of label sets."""

from __future__ import annotations

from typing import Any

from surco.api.label_sets.file_routes import file_routes
from surco.api.label_sets.item_routes import item_routes
from surco.api.label_sets.report_routes import report_routes
from surco.api.label_sets.set_routes import set_routes
from surco.api.web.server import Server

__all__ = ["label_set_routes"]


def label_set_routes(server: Server) -> list[Any]:
    """Handlers below `/labels`."""
    return [*set_routes(server), *item_routes(server), *file_routes(server), *report_routes(server)]
