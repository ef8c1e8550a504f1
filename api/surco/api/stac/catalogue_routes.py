"""STAC API 1.0.0: landing page, conformance, queryables and collections."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.response import Redirect

from surco.api.refusals import UnknownError
from surco.api.stac.addresses import addresses_of
from surco.api.stac.documents import Catalogue, StoredCatalogues
from surco.api.stac.item_search import ITEM_QUERYABLES
from surco.api.web.callers import needs
from surco.api.web.server import Server

__all__ = ["CONFORMS", "catalogue_routes", "collection_of"]

_STAC = "https://api.stacspec.org/v1.0.0"
_OGC = "http://www.opengis.net/spec"
CONFORMS = [
    f"{_STAC}/core",
    f"{_STAC}/collections",
    f"{_STAC}/ogcapi-features",
    f"{_STAC}/ogcapi-features#sort",
    f"{_STAC}/item-search",
    f"{_STAC}/item-search#filter",
    f"{_STAC}/item-search#sort",
    # Not oas30: our OpenAPI document is of version 3.1.
    f"{_OGC}/ogcapi-features-1/1.0/conf/core",
    f"{_OGC}/ogcapi-features-1/1.0/conf/geojson",
    f"{_OGC}/ogcapi-features-3/1.0/conf/filter",
    f"{_OGC}/ogcapi-features-3/1.0/conf/features-filter",
    f"{_OGC}/cql2/1.0/conf/cql2-text",
    f"{_OGC}/cql2/1.0/conf/cql2-json",
    f"{_OGC}/cql2/1.0/conf/basic-cql2",
]
"""What clients may rely on; tests hold each with a client of it."""

_Request = Request[Any, Any, Any]
_Options: dict[str, Any] = {"sync_to_thread": True, "guards": [needs("read")], "tags": ["STAC"]}


def catalogue_routes(server: Server, stored: StoredCatalogues) -> list[Any]:
    """Handlers of all of `/stac` but its items."""

    def catalogue() -> Catalogue:
        return stored.of(server.store())

    @get("/stac", summary="STAC API: the landing page", operation_id="stac", **_Options)
    def landing(request: _Request) -> dict[str, Any]:
        """A catalogue with links to collections, search and this description."""
        return addresses_of(request).landing(catalogue(), f"Surco: {server.settings.area_name}", CONFORMS)

    @get(
        "/stac/conformance",
        summary="STAC API: what clients may rely on",
        operation_id="stacConformance",
        **_Options,
    )
    def conformance() -> dict[str, Any]:
        """Conformance classes."""
        return {"conformsTo": CONFORMS}

    @get(
        "/stac/api",
        status_code=307,
        summary="STAC API: its OpenAPI document",
        operation_id="stacApi",
        **_Options,
    )
    def api() -> Redirect:
        """Leads to `/openapi.json`."""
        return Redirect("/openapi.json", status_code=307)

    @get(
        "/stac/queryables",
        summary="STAC API: what filters may name",
        operation_id="stacQueryables",
        responses={
            200: ResponseSpec(
                dict[str, Any],
                generate_examples=False,
                media_type="application/schema+json",
                description="Schema",
            )
        },
        **_Options,
    )
    def queryables(request: _Request) -> Response[dict[str, Any]]:
        """A JSON Schema of the items' properties."""
        schema = {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "$id": f"{addresses_of(request).root}/queryables",
            "type": "object",
            "title": "Items of the store",
            "properties": {name: each.schema() for name, each in ITEM_QUERYABLES.items()},
            "additionalProperties": False,
        }
        return Response(schema, media_type="application/schema+json")

    @get("/stac/collections", summary="STAC API: all collections", operation_id="stacCollections", **_Options)
    def collections(request: _Request) -> dict[str, Any]:
        """One for each table and model."""
        return addresses_of(request).collections(catalogue())

    @get(
        "/stac/collections/{name:str}",
        summary="STAC API: a collection",
        operation_id="stacCollection",
        **_Options,
    )
    def collection(request: _Request, name: FromPath[str]) -> dict[str, Any]:
        """Its extent, licence, vectors and sources."""
        return addresses_of(request).collection(collection_of(catalogue(), name))

    return [landing, conformance, api, queryables, collections, collection]


def collection_of(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """The collection of that id.

    Raises:
        UnknownError: there is none.
    """
    found = catalogue.collections.get(name)
    if found is None:
        raise UnknownError(
            f"Expected one of the collections {', '.join(catalogue.collections) or '(none)'}, got {name[:80]!r}. "
            "/stac/collections lists them."
        )
    return found
