"""All handlers of `/adapters`."""

from __future__ import annotations

from typing import Any

from litestar import Router

from surco.api.fits.asking_routes import asking_routes
from surco.api.fits.shelf_routes import shelf_routes
from surco.api.fits.workshop import Workshop
from surco.api.web.server import Server

__all__ = ["adapter_routes"]


def adapter_routes(server: Server) -> list[Any]:
    """Handlers of `/adapters` and below, which share what they keep of tables and adapters."""
    shop = Workshop.of(server)
    # Methods of one address that are registered one after the other are wrapped twice by Litestar 2.25.
    return [Router("/", route_handlers=[*shelf_routes(shop), *asking_routes(shop)])]
