"""Routes of a set's labels: added, and paged through; those of one label are in `single_item_routes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from surco.api.label_sets.answers import GEOJSON, geojson_answer
from surco.api.label_sets.bodies import LabelsBody, new_labels
from surco.api.label_sets.items import add_labels
from surco.api.label_sets.labels import Label
from surco.api.label_sets.parameters import Bbox, ClassName, Since, Text, User, wanted_labels
from surco.api.label_sets.querying import page
from surco.api.label_sets.sets import find_set
from surco.api.label_sets.single_item_routes import single_item_routes
from surco.api.label_sets.writing import csv_pieces
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["item_routes"]

_TAGS = ["Labels"]
_PAGES = {"geojson": GEOJSON, "csv": "text/csv"}


def item_routes(server: Server) -> list[Any]:
    """Handlers of `/labels/{set}/items` and what is below it."""
    return [_add(server), _page(server), *single_item_routes(server)]


def _add(server: Server) -> Any:
    @post(
        "/labels/{set_id:str}/items",
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Add labels",
        tags=_TAGS,
        operation_id="add_labels",
    )
    def add(
        request: User,
        set_id: FromPath[str],
        data: JSONBody[LabelsBody],
        existing: FromQuery[Literal["refuse", "replace"]] = "refuse",
    ) -> dict[str, Any]:
        """One Feature or a FeatureCollection, all or none; on disk when it is answered. `ids` come in their order."""
        labels = new_labels(data)
        quota = server.settings.labels_per_key
        with server.database.writing() as connection:
            outcome = add_labels(connection, request.user, set_id, labels, existing=existing, quota=quota)
        return {"ids": outcome.ids, "added": outcome.added, "replaced": outcome.replaced}

    return add


def _page(server: Server) -> Any:
    @get(
        "/labels/{set_id:str}/items",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Labels of a set, page by page",
        tags=_TAGS,
        operation_id="labels",
    )
    def listed(
        request: User,
        set_id: FromPath[str],
        f: Text = None,
        limit: Annotated[int, QueryParameter(ge=1, le=10_000)] = 1_000,
        after: Annotated[int, QueryParameter(ge=0, le=2**62)] = 0,
        class_: ClassName = None,
        who: Text = None,
        season: Text = None,
        place: Text = None,
        bbox: Bbox = None,
        since: Since = None,
    ) -> Response[bytes]:
        """In the order in which they came. `next` of `links` (in CSV of the Link header) leads to the page after."""
        kind = chosen(request, f, _PAGES)
        wanted = wanted_labels(class_, who, season, place, bbox, since)
        with server.database.reading() as connection:
            find_set(connection, set_id, request.user)
            found = page(connection, set_id, wanted, limit=limit, after=after)
        onward = _next(request, set_id, found, limit)
        if kind == "csv":
            headers = {"link": f'<{onward}>; rel="next"'} if onward else {}
            return Response(b"".join(csv_pieces([found])), media_type="text/csv", headers=headers)
        return geojson_answer(_collection(found, onward))

    return listed


def _collection(found: Sequence[Label], onward: str | None) -> dict[str, Any]:
    links = [{"rel": "next", "href": onward, "type": GEOJSON}] if onward else []
    return {
        "type": "FeatureCollection",
        "features": [label.feature() for label in found],
        "numberReturned": len(found),
        "links": links,
    }


def _next(request: User, set_id: str, found: Sequence[Label], limit: int) -> str | None:
    """Address of the page after, relative to the server."""
    if len(found) < limit:
        return None
    asked: Mapping[str, Any] = dict(request.query_params.items())
    return f"/labels/{set_id}/items?{urlencode({**asked, 'after': found[-1].number})}"
