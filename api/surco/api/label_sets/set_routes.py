"""Routes of sets as such: made, listed, changed, removed, shared."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from surco.api.label_sets.answers import set_answer, set_facts
from surco.api.label_sets.bodies import NewSet, SetChange, ShareBody
from surco.api.label_sets.counting import kept_by
from surco.api.label_sets.parameters import IfMatch, Text, User
from surco.api.label_sets.querying import class_counts
from surco.api.label_sets.rights import share, shares, unshare
from surco.api.label_sets.sets import change_set, find_set, list_sets, make_set, remove_set, touch_set
from surco.api.refusals import UnknownError
from surco.api.state.audit import record
from surco.api.web.callers import needs
from surco.api.web.server import Server

__all__ = ["set_routes"]

_TAGS = ["Labels"]


def set_routes(server: Server) -> list[Any]:
    """Handlers of `/labels`, `/labels/{set}` and `/labels/{set}/shares`."""
    return [*_collection(server), *_one(server), *_shares(server)]


def _collection(server: Server) -> list[Any]:
    @post(
        "/labels",
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Make a label set",
        tags=_TAGS,
        operation_id="make_label_set",
    )
    def make(request: User, data: JSONBody[NewSet]) -> Response[bytes]:
        """An empty set, owned by the key. Callers without a key, where the server lets them label, make public ones."""
        with server.database.writing() as connection:
            made = make_set(connection, request.user, **msgspec.to_builtins(data))
        return set_answer(made, status=201)

    @get(
        "/labels",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Label sets that the caller sees",
        tags=_TAGS,
        operation_id="list_label_sets",
    )
    def listed(
        request: User,
        limit: Annotated[int, QueryParameter(ge=1, le=1_000)] = 100,
        after: Text = None,
        mine: FromQuery[bool] = False,
    ) -> dict[str, Any]:
        """Its own, those shared with its key, and public ones. `you` says the key's id, for others to share with."""
        caller = request.user
        with server.database.reading() as connection:
            found = list_sets(connection, caller, limit=limit, after=after, mine=mine)
            kept = kept_by(connection, caller)
        you = {
            "key": caller.key_id,
            "name": caller.name,
            "labels": kept,
            "most": server.settings.labels_per_key,
        }
        return {
            "sets": [set_facts(each) for each in found],
            "next": found[-1].id if len(found) == limit else None,
            "you": you,
        }

    return [make, listed]


def _one(server: Server) -> list[Any]:
    @get(
        "/labels/{set_id:str}",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="A label set",
        tags=_TAGS,
        operation_id="label_set",
    )
    def one(request: User, set_id: FromPath[str]) -> Response[bytes]:
        """What it is, what the caller may do with it, and how many labels it has of each class."""
        with server.database.reading() as connection:
            found = find_set(connection, set_id, request.user)
            counts = class_counts(connection, set_id)
        return set_answer(found, more={"classes": counts})

    @patch(
        "/labels/{set_id:str}",
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Change a label set",
        tags=_TAGS,
        operation_id="change_label_set",
    )
    def change(
        request: User, set_id: FromPath[str], data: JSONBody[SetChange], if_match: IfMatch = None
    ) -> Response[bytes]:
        """Its name, description, unit, season, whether it is public and who adds. Needs If-Match with its ETag."""
        with server.database.writing() as connection:
            changed = change_set(connection, request.user, set_id, if_match, **msgspec.to_builtins(data))
        return set_answer(changed)

    @delete(
        "/labels/{set_id:str}",
        status_code=204,
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Remove a label set",
        tags=_TAGS,
        operation_id="remove_label_set",
    )
    def remove(request: User, set_id: FromPath[str], if_match: IfMatch = None) -> None:
        """With its labels and their history, for good. Needs If-Match with its ETag."""
        with server.database.writing() as connection:
            remove_set(connection, request.user, set_id, if_match)

    return [one, change, remove]


def _shares(server: Server) -> list[Any]:
    @get(
        "/labels/{set_id:str}/shares",
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Keys that a label set is shared with",
        tags=_TAGS,
        operation_id="label_set_shares",
    )
    def shared(request: User, set_id: FromPath[str]) -> dict[str, Any]:
        """Id and name of each key, and whether it may read or write. For the owner."""
        with server.database.reading() as connection:
            find_set(connection, set_id, request.user, "own")
            return {"shares": shares(connection, set_id)}

    @put(
        "/labels/{set_id:str}/shares/{key_id:str}",
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Share a label set with a key",
        tags=_TAGS,
        operation_id="share_label_set",
    )
    def add(
        request: User, set_id: FromPath[str], key_id: FromPath[str], data: JSONBody[ShareBody]
    ) -> dict[str, Any]:
        """The key may read it, or also change any label. `GET /labels` tells the holder of a key its id."""
        with server.database.writing() as connection:
            find_set(connection, set_id, request.user, "own", lock=True)
            share(connection, set_id, key_id, data.may)
            touch_set(connection, set_id)
            record(connection, request.user, "labels.share", set_id, {"key": key_id, "may": data.may})
            return {"shares": shares(connection, set_id)}

    @delete(
        "/labels/{set_id:str}/shares/{key_id:str}",
        status_code=200,
        sync_to_thread=True,
        guards=[needs("label")],
        summary="Share a label set with a key no longer",
        tags=_TAGS,
        operation_id="unshare_label_set",
    )
    def end(request: User, set_id: FromPath[str], key_id: FromPath[str]) -> dict[str, Any]:
        """Labels that the key added stay."""
        with server.database.writing() as connection:
            find_set(connection, set_id, request.user, "own", lock=True)
            if not unshare(connection, set_id, key_id):
                raise UnknownError(
                    f"Expected a key that the set is shared with, got {key_id[:40]!r}. GET /labels/{set_id}/shares "
                    "lists them."
                )
            touch_set(connection, set_id)
            record(connection, request.user, "labels.unshare", set_id, {"key": key_id})
            return {"shares": shares(connection, set_id)}

    return [shared, add, end]
