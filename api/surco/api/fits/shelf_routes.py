"""Handlers that fit adapters, list them, show their versions, go back to one and take them away."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, QueryParameter

from surco.adapters.adapter_store import CARD_FILE, WEIGHTS_FILE
from surco.api.fits.bodies import NewAdapter, Rollback
from surco.api.fits.making import make_adapter, publish
from surco.api.fits.registry import owners, release, require_owner
from surco.api.fits.telling import told_card, told_fit, told_version
from surco.api.fits.workshop import Workshop
from surco.api.refusals import ConflictError
from surco.api.state.audit import record
from surco.api.web.callers import Caller, needs
from surco.embedstore import adapter_versions

__all__ = ["shelf_routes"]

_TAGS = ["Adapters"]
_WISHES = [
    Example(
        summary="On a label set", value={"name": "crops", "labels": "s_5f0c2a9be1d34470", "season": "2024-25"}
    ),
    Example(
        summary="On labels in the request",
        value={
            "name": "crops",
            "labels": {
                "type": "FeatureCollection",
                "features": [
                    {
                        "type": "Feature",
                        "geometry": {"type": "Point", "coordinates": [-71.64, -35.44]},
                        "properties": {"crop": name},
                    }
                    for name in ("wheat", "vineyard")
                ],
            },
            "column": "crop",
        },
    ),
    Example(
        summary="Of measured values",
        value={
            "name": "tons",
            "labels": "s_77ab01d2c9e84f16",
            "task": "yield",
            "target": "wheat",
            "target_unit": "t/ha",
        },
    ),
]
_BACK = [Example(summary="To the version that the store's version 12 brought", value={"version": 12})]
Version = Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1, description="An earlier version of it.")]
Scores = Annotated[
    str, QueryParameter(pattern="^(quick|full)$", description="Baselines that take no time, or all.")
]


def shelf_routes(shop: Workshop) -> list[Any]:
    """Handlers of `/adapters`, `/adapters/{id}`, its versions and its rollback."""
    return [_make(shop), _list(shop), _show(shop), _versions(shop), _rollback(shop), _delete(shop)]


def _told(what: str) -> ResponseSpec:
    """What a handler answers, in the server's description."""
    return ResponseSpec(dict[str, Any], generate_examples=False, description=what)


def _make(shop: Workshop) -> Any:
    @post(
        "/adapters",
        sync_to_thread=True,
        guards=[needs("train")],
        summary="Fit an adapter",
        tags=_TAGS,
        operation_id="fit_adapter",
        responses={
            201: _told("The adapter, its scores, calibration, areas, and what is wrong with the labels.")
        },
    )
    def fit_adapter(
        request: Request[Caller, Any, Any],
        data: Annotated[NewAdapter, Body(examples=_WISHES)],
        scores: Scores = "quick",
    ) -> dict[str, Any]:
        """Fit on a label set, or on a GeoJSON FeatureCollection in `labels`, and keep the adapter in the store.

        The answer has the adapter's card; scores on labels held out by blocks of land, which `scores.blocks` names,
        beside plain classifiers, each with its 95 % interval; the points of the reliability diagram; hectares by class
        as mapped; and what is wrong, or may be, with the labels. A name fitted again is a new version of that adapter.
        """
        made = make_adapter(shop, request.user, data, full=scores == "full")
        shelved = shop.shelf.find(made.store, data.name)
        label_set = data.labels if isinstance(data.labels, str) else None
        return told_fit(made, shelved) | {"owner": request.user.key_id, "label_set": label_set}

    return fit_adapter


def _list(shop: Workshop) -> Any:
    @get(
        "/adapters",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="All adapters",
        tags=_TAGS,
        operation_id="list_adapters",
        responses={200: _told("All adapters with their cards.")},
    )
    def list_adapters() -> dict[str, Any]:
        """Every adapter of the store at its present version, with its card."""
        store = shop.server.store()
        with shop.server.database.reading() as connection:
            owned = owners(connection)
        found = [told_card(shop.shelf.find(store, name), owned.get(name)) for name in store.adapters()]
        return {"store_version": store.version, "adapters": found}

    return list_adapters


def _show(shop: Workshop) -> Any:
    @get(
        "/adapters/{name:str}",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="One adapter",
        tags=_TAGS,
        operation_id="show_adapter",
        responses={200: _told("The adapter's card.")},
    )
    def show_adapter(name: FromPath[str], version: Version = None) -> dict[str, Any]:
        """Its card: what it tells apart, from how many labels of which season, how well on places it had not seen."""
        store = shop.server.store()
        with shop.server.database.reading() as connection:
            owned = owners(connection).get(name)
        return told_card(shop.shelf.find(store, name, version), owned)

    return show_adapter


def _versions(shop: Workshop) -> Any:
    @get(
        "/adapters/{name:str}/versions",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Versions of an adapter",
        tags=_TAGS,
        operation_id="list_adapter_versions",
        responses={200: _told("Its versions, the oldest first.")},
    )
    def list_adapter_versions(name: FromPath[str]) -> dict[str, Any]:
        """Every version that the store still has, the oldest first; each is numbered as the store's version was."""
        store = shop.server.store()
        present = shop.shelf.find(store, name)
        there = shop.shelf.versions(store, name)
        return {"name": name, "versions": [told_version(each, present.version) for each in there]}

    return list_adapter_versions


def _rollback(shop: Workshop) -> Any:
    @post(
        "/adapters/{name:str}/rollback",
        status_code=200,
        sync_to_thread=True,
        guards=[needs("train")],
        summary="Go back to an earlier version",
        tags=_TAGS,
        operation_id="roll_back_adapter",
        responses={200: _told("The new version.")},
    )
    def roll_back_adapter(
        request: Request[Caller, Any, Any],
        name: FromPath[str],
        data: Annotated[Rollback, Body(examples=_BACK)],
    ) -> dict[str, Any]:
        """Make a new version of the adapter that equals an older one; for its owner and administrators."""
        store = shop.server.store()
        present, older = shop.shelf.find(store, name), shop.shelf.find(store, name, data.version)
        with shop.server.database.reading() as connection:
            require_owner(connection, request.user, name)
        if older.folder == present.folder:
            raise ConflictError(
                f"Expected an earlier version than {present.version}, the present one of {name!r}, got "
                f"{data.version}. Nothing has to be done."
            )
        files = {file: (older.folder / file).read_bytes() for file in (CARD_FILE, WEIGHTS_FILE)}
        written = publish(shop, request.user, name, files, action="adapter.rollback")
        with shop.server.database.reading() as connection:
            owned = owners(connection).get(name)
        return told_card(shop.shelf.find(written, name), owned)

    return roll_back_adapter


def _delete(shop: Workshop) -> Any:
    @delete(
        "/adapters/{name:str}",
        status_code=200,
        sync_to_thread=True,
        guards=[needs("train")],
        summary="Delete an adapter",
        tags=_TAGS,
        operation_id="delete_adapter",
        responses={200: _told("What is kept.")},
    )
    def delete_adapter(request: Request[Caller, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        """Leave it out of a new version of the store; earlier versions keep it. For its owner and administrators."""
        shop.shelf.find(shop.server.store(), name)
        with shop.server.database.reading() as connection:
            require_owner(connection, request.user, name)
        version = shop.publisher.remove(name).version
        kept = adapter_versions(shop.server.settings.store, name)
        with shop.server.database.writing() as connection:
            release(connection, name)
            record(connection, request.user, "adapter.delete", name, {"store_version": version})
        return {"name": name, "store_version": version, "versions_kept": [each.version for each in kept]}

    return delete_adapter
