"""Routes of one label: read, replaced, changed, deleted, and back to what it said before."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from surco.api.label_sets.answers import label_answer
from surco.api.label_sets.bodies import FeatureBody, LabelChange, changed_fields, new_label
from surco.api.label_sets.history import history_of, restore_label
from surco.api.label_sets.item_rows import NewLabel
from surco.api.label_sets.items import add_labels, change_label, find_label, remove_label
from surco.api.label_sets.parameters import IfMatch, IfNoneMatch, User
from surco.api.label_sets.sets import find_set
from surco.api.refusals import InvalidError
from surco.api.web.callers import needs
from surco.api.web.server import Server

__all__ = ["single_item_routes"]

_TAGS = ["Labels"]
_ITEM = "/labels/{set_id:str}/items/{label_id:str}"


def single_item_routes(server: Server) -> list[Any]:
    """Handlers of `/labels/{set}/items/{label}` and what is below it."""
    return [*_one(server), *_past(server)]


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
