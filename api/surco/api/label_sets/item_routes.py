"""Routes of labels: added, paged through, read, changed, deleted, and back to what they said before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from litestar import Response, delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from surco.api.label_sets.answers import GEOJSON, geojson_answer, label_answer
from surco.api.label_sets.bodies import (
    FeatureBody,
    LabelChange,
    LabelsBody,
    changed_fields,
    new_label,
    new_labels,
)
from surco.api.label_sets.history import history_of, restore_label
from surco.api.label_sets.items import NewLabel, add_labels, change_label, find_label, remove_label
from surco.api.label_sets.labels import Label
from surco.api.label_sets.parameters import (
    Bbox,
    ClassName,
    IfMatch,
    IfNoneMatch,
    Since,
    Text,
    User,
    wanted_labels,
)
from surco.api.label_sets.querying import page
from surco.api.label_sets.sets import find_set
from surco.api.label_sets.writing import csv_pieces
from surco.api.refusals import InvalidError
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["item_routes"]

_TAGS = ["Labels"]
_PAGES = {"geojson": GEOJSON, "csv": "text/csv"}
_ITEM = "/labels/{set_id:str}/items/{label_id:str}"


def item_routes(server: Server) -> list[Any]:
    """Handlers of `/labels/{set}/items` and what is below it."""
    return [_add(server), _page(server), *_one(server), *_past(server)]


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


def _one(server: Server) -> list[Any]:
    @get(
        _ITEM,
        sync_to_thread=True,
        guards=[needs("read")],
        summary="A label",
        tags=_TAGS,
        operation_id="label",
    )
    def one(request: User, set_id: FromPath[str], label_id: FromPath[str]) -> Response[bytes]:
        """A GeoJSON feature; its ETag goes into If-Match of a change."""
        with server.database.reading() as connection:
            find_set(connection, set_id, request.user)
            return label_answer(set_id, find_label(connection, set_id, label_id))

    @put(
        _ITEM,
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Replace a label, or make one of that id",
        tags=_TAGS,
        operation_id="put_label",
    )
    def replace(
        request: User,
        set_id: FromPath[str],
        label_id: FromPath[str],
        data: JSONBody[FeatureBody],
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[bytes]:
        """With If-Match everything that it says is replaced; with `If-None-Match: *` it is made."""
        label, quota = _of_address(data, label_id), server.settings.labels_per_key
        with server.database.writing() as connection:
            if if_none_match is not None:
                add_labels(connection, request.user, set_id, [label], quota=quota)
                return label_answer(set_id, find_label(connection, set_id, label_id), status=201)
            changed = change_label(
                connection,
                request.user,
                set_id,
                label_id,
                if_match,
                shape=label.shape,
                said=label.said,
                quota=quota,
            )
        return label_answer(set_id, changed)

    @patch(
        _ITEM,
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Change a label",
        tags=_TAGS,
        operation_id="change_label",
    )
    def change(
        request: User,
        set_id: FromPath[str],
        label_id: FromPath[str],
        data: JSONBody[LabelChange],
        if_match: IfMatch = None,
    ) -> Response[bytes]:
        """Its geometry, or the properties that are named; null empties one. Needs If-Match with its ETag."""
        shape, said = changed_fields(data)
        with server.database.writing() as connection:
            changed = change_label(
                connection,
                request.user,
                set_id,
                label_id,
                if_match,
                shape=shape,
                said=said,
                quota=server.settings.labels_per_key,
            )
        return label_answer(set_id, changed)

    @delete(
        _ITEM,
        status_code=204,
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Delete a label",
        tags=_TAGS,
        operation_id="delete_label",
    )
    def remove(
        request: User, set_id: FromPath[str], label_id: FromPath[str], if_match: IfMatch = None
    ) -> None:
        """Its history keeps it, and `restore` brings it back. Needs If-Match with its ETag."""
        with server.database.writing() as connection:
            remove_label(connection, request.user, set_id, label_id, if_match)

    return [one, replace, change, remove]


def _past(server: Server) -> list[Any]:
    @get(
        f"{_ITEM}/history",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="What a label said before",
        tags=_TAGS,
        operation_id="label_history",
    )
    def history(request: User, set_id: FromPath[str], label_id: FromPath[str]) -> dict[str, Any]:
        """Every earlier revision with who ended it and when, the oldest first; also of a deleted label."""
        with server.database.reading() as connection:
            find_set(connection, set_id, request.user)
            return history_of(connection, set_id, label_id)

    @post(
        f"{_ITEM}/restore",
        status_code=200,
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Let a label say again what it said",
        tags=_TAGS,
        operation_id="restore_label",
    )
    def restore(
        request: User,
        set_id: FromPath[str],
        label_id: FromPath[str],
        revision: Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1)] = None,
        if_match: IfMatch = None,
    ) -> Response[bytes]:
        """At `revision`, else at the one before the present, or as it was deleted. It becomes a new revision."""
        with server.database.writing() as connection:
            find_set(connection, set_id, request.user, "add", lock=True)
            back = restore_label(
                connection,
                request.user,
                set_id,
                label_id,
                if_match,
                revision=revision,
                quota=server.settings.labels_per_key,
            )
        return label_answer(set_id, back)

    return [history, restore]


def _of_address(feature: FeatureBody, label_id: str) -> NewLabel:
    if feature.id is not None and str(feature.id) != label_id:
        raise InvalidError(
            f"Expected the id of the address, {label_id[:60]!r}, got {str(feature.id)[:60]!r}. "
            "Leave it out of the feature."
        )
    label = new_label(feature)
    return NewLabel(label_id, label.shape, label.said)


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
