"""All routes of map products, over one pool of slots."""

from __future__ import annotations

from typing import Any

from surco.api.map_products.area_routes import area_routes
from surco.api.map_products.boundary_routes import boundary_routes
from surco.api.map_products.compare_routes import compare_routes
from surco.api.map_products.export_routes import export_routes
from surco.api.map_products.field_edit_routes import field_edit_routes
from surco.api.map_products.listing_routes import listing_routes
from surco.api.map_products.streaming import Slots
from surco.api.map_products.value_routes import value_routes
from surco.api.web.server import Server

__all__ = ["map_product_routes"]

_AT_A_TIME = 3


def map_product_routes(server: Server) -> list[Any]:
    """Routes below `/maps`, but for tiles, and `/boundaries`."""
    slots = Slots(_AT_A_TIME)
    return [
        *listing_routes(server),
        *export_routes(server, slots),
        *area_routes(server, slots),
        *compare_routes(server, slots),
        *value_routes(server, slots),
        *boundary_routes(server),
        *field_edit_routes(server),
    ]
