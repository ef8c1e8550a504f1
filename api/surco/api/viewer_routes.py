"""What the viewer's page starts from, below `/api`; all else it asks of the same routes as everybody."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import h3
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from surco.api.border_tiles import border_tile
from surco.api.kept import Kept
from surco.api.payloads import Payload, json_payload, make_payload, respond
from surco.api.viewer_answers import names, overview
from surco.api.web.callers import needs
from surco.api.web.server import Server
from surco.viewer import class_styles, known_styles

__all__ = ["viewer_routes"]

_MOST_NAMES = 300  # some screens of classes; more is no palette
_KEPT = 256  # border tiles, mostly, of some 15 kB
_MOST_CELLS = 200  # an address of some 5 kB
_OPTIONS: dict[str, Any] = {"sync_to_thread": True, "guards": [needs("read")], "include_in_schema": False}

Names = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=200)]] | None,
    QueryParameter(
        max_items=_MOST_NAMES, description="Classes; without it all that have a colour of their own."
    ),
]

Cells = Annotated[
    list[Annotated[str, Meta(pattern="^8[0-9a-f]{14}$")]],
    QueryParameter(max_items=_MOST_CELLS, description="H3 cells in hexadecimal."),
]


def viewer_routes(server: Server) -> list[Any]:
    """Handlers of `/api/overview`, `/api/borders/…`, `/api/names`, `/api/styles` and `/api/hexagons`."""
    kept: Kept[Payload] = Kept(_KEPT)

    @get("/api/overview", **_OPTIONS)
    def the_overview(request: Request[Any, Any, Any]) -> Response[bytes]:
        store = server.store()
        key = ("overview", store.version)
        return respond(request, kept.get(key, lambda: json_payload(overview(store, server.settings))))

    @get("/api/borders/{z:int}/{x:int}/{y:int}", **_OPTIONS)
    def the_borders(
        request: Request[Any, Any, Any], z: FromPath[int], x: FromPath[int], y: FromPath[int]
    ) -> Response[bytes]:
        made = kept.get(("borders", z, x, y), lambda: make_payload(border_tile(z, x, y), "application/json"))
        return respond(request, made)

    @get("/api/names", **_OPTIONS)
    def the_names(request: Request[Any, Any, Any]) -> Response[bytes]:
        return respond(request, kept.get("names", lambda: json_payload(names())))

    @get("/api/styles", **_OPTIONS)
    def the_styles(request: Request[Any, Any, Any], name: Names = None) -> Response[bytes]:
        styles = known_styles() if name is None else class_styles(name)
        return respond(request, json_payload({"styles": [asdict(style) for style in styles]}))

    @get("/api/hexagons", **_OPTIONS)
    def the_hexagons(request: Request[Any, Any, Any], cell: Cells) -> Response[bytes]:
        return respond(request, json_payload({"outlines": {each: _outline(each) for each in cell}}))

    return [the_overview, the_borders, the_names, the_styles, the_hexagons]


def _outline(cell: str) -> dict[str, Any] | None:
    """A cell as a GeoJSON polygon; None where the text names none."""
    if not h3.is_valid_cell(cell):
        return None
    ring = [[round(lon, 7), round(lat, 7)] for lat, lon in h3.cell_to_boundary(cell)]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
