"""The application: every room's answers over HTTP, and what stands before them."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State

from surco.api.fits.routes import adapter_routes
from surco.api.label_sets.routes import label_set_routes
from surco.api.map_products.routes import map_product_routes
from surco.api.ogc.routes import landing_page, ogc_routes
from surco.api.problems import problem_handlers
from surco.api.quality.routes import quality_routes
from surco.api.search.routes import search_routes
from surco.api.settings import Settings
from surco.api.sql_box.routes import sql_routes
from surco.api.stac.routes import stac_routes
from surco.api.state.database import Database
from surco.api.state.keys import KnownKeys
from surco.api.tiles.collection_routes import TILES_CONFORMANCE
from surco.api.tiles.routes import tile_routes
from surco.api.viewer_routes import viewer_routes
from surco.api.web.authentication import authentication
from surco.api.web.description import openapi_config
from surco.api.web.following import follow, hold_here
from surco.api.web.headers import content_security_policy, secure
from surco.api.web.hosts import OwnHosts
from surco.api.web.operating import metrics_middleware, operating_routes
from surco.api.web.pages import page_routes
from surco.api.web.parameters import known_parameters
from surco.api.web.rates import RateLimits
from surco.api.web.server import Server
from surco.embedstore import Store

__all__ = ["create_app"]

_JSON = "application/json"
_LINKS = (
    {
        "href": "/tileMatrixSets",
        "rel": "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes",
        "type": _JSON,
        "title": "Tile matrix sets",
    },
    {"href": "/stac", "rel": "related", "type": _JSON, "title": "The store's catalogue as a STAC API"},
    {"href": "/maps", "rel": "related", "type": _JSON, "title": "Maps of the adapters"},
    {"href": "/quality", "rel": "related", "type": _JSON, "title": "What was observed, and what was not"},
)
"""What the landing page leads to beside features; addresses from the server's root."""


def create_app(settings: Settings) -> Litestar:
    """Build the application over one store.

    Raises:
        EmbedstoreError: no store at `settings.store`.
        StateError: no database at `settings.database`.
    """
    hold_here(settings.store)
    Store.open(settings.store)
    database = Database.open(settings.store, settings.database, settings.database_connections)
    server = Server(settings, database)
    follow(server)
    known = KnownKeys(server.database)
    return Litestar(
        # Handlers of one path that are registered one by one are prepared twice by Litestar 2.25, and then fail.
        [Router("/", route_handlers=_routes(server, known))],
        middleware=[
            OwnHosts(settings.allowed_hosts),
            metrics_middleware(),
            authentication(known, settings.anonymous),
            RateLimits(database, settings.requests_per_minute, settings.writes_per_minute),
        ],
        guards=[known_parameters],
        exception_handlers=problem_handlers(settings.store),
        before_send=[
            secure(content_security_policy(settings.basemap_origin), shared=bool(settings.cors_origins))
        ],
        cors_config=_cors(settings),
        request_max_body_size=settings.max_body,
        on_shutdown=[server.close],
        openapi_config=openapi_config(),
        logging_config=None,
        state=State({"server": server}),
    )


def _routes(server: Server, known: KnownKeys) -> list[Any]:
    def landing(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return landing_page(server, str(request.base_url), _LINKS)

    return [
        *page_routes(server, landing),
        *operating_routes(server, known),
        *ogc_routes(server, TILES_CONFORMANCE, _LINKS),
        *tile_routes(server),
        *stac_routes(server),
        *sql_routes(server),
        *search_routes(server),
        *label_set_routes(server),
        *adapter_routes(server),
        *map_product_routes(server),
        *quality_routes(server),
        *viewer_routes(server),
    ]


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=[*settings.cors_origins],
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["authorization", "x-api-key", "content-type", "if-match", "if-none-match"],
        expose_headers=[
            *("etag", "link", "content-crs", "content-disposition", "retry-after"),
            *("surco-rows", "surco-truncated", "surco-store-version"),
        ],
    )
