"""STAC API 1.0.0: items, by search or by collection."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example as Sample
from litestar.params import Body, FromPath, QueryParameter

from surco.api.refusals import InvalidError, UnknownError
from surco.api.search.asking_by_url import listed, numbers, with_parameter
from surco.api.search.warm_sessions import WarmSessions
from surco.api.stac.addresses import GEOJSON, Addresses, addresses_of
from surco.api.stac.catalogue_routes import collection_of
from surco.api.stac.documents import StoredCatalogues
from surco.api.stac.item_search import MOST_ITEMS, ItemSearch, Page, Sort, items_found
from surco.api.web.callers import needs
from surco.api.web.server import Server

__all__ = ["item_routes"]

_Request = Request[Any, Any, Any]
_Text = Annotated[str | None, QueryParameter(max_length=2_000)]
_Filter = Annotated[str | None, QueryParameter(max_length=8_000, description="CQL2 over /stac/queryables")]
_Language = Annotated[Literal["cql2-text", "cql2-json"] | None, QueryParameter(name="filter-lang")]
_Crs = Annotated[
    Literal["http://www.opengis.net/def/crs/OGC/1.3/CRS84"] | None, QueryParameter(name="filter-crs")
]
_Limit = Annotated[
    int, QueryParameter(ge=1, description=f"items of a page; more than {MOST_ITEMS} count as that")
]
_Sorted = Annotated[str | None, QueryParameter(max_length=200, description="-start_datetime,id")]
_Name = FromPath[str]
_Options: dict[str, Any] = {"sync_to_thread": True, "guards": [needs("read")], "tags": ["STAC"]}
_SEARCHES = [
    Sample("That cover a place", value={"bbox": [-71.3, -35.0, -71.2, -34.9], "filter": "id LIKE 'cells%'"}),
    Sample("Of one season", value={"datetime": "2024-05-01T00:00:00Z/2025-04-30T00:00:00Z", "limit": 5}),
]


def item_routes(server: Server, stored: StoredCatalogues, sessions: WarmSessions) -> list[Any]:
    """Handlers of `/stac/search` and of collections' items."""
    answers = {
        200: ResponseSpec(dict[str, Any], generate_examples=False, media_type=GEOJSON, description="Items")
    }

    def page(request: _Request, asked: ItemSearch, path: str) -> Response[bytes]:
        store = server.store()
        found = items_found(store, sessions, stored.of(store), asked)
        addresses = addresses_of(request)
        body = {
            "type": "FeatureCollection",
            "features": [addresses.item(item) for item in found.items],
            "links": [*_page_links(request, addresses, path, asked, found)],
            "numberMatched": found.matched,
            "numberReturned": len(found.items),
        }
        return _geojson(body)

    @get("/stac/search", summary="STAC API: search", operation_id="stacSearch", responses=answers, **_Options)
    def search(
        request: _Request,
        ids: _Text = None,
        collections: _Text = None,
        bbox: _Text = None,
        intersects: _Filter = None,
        datetime: _Text = None,
        limit: _Limit = 10,
        token: _Text = None,
        filter: _Filter = None,
        filter_lang: _Language = None,
        filter_crs: _Crs = None,
        sortby: _Sorted = None,
    ) -> Response[bytes]:
        """Items by id, collection, place, time and CQL2 filter; lists between commas, `intersects` as GeoJSON."""
        asked = ItemSearch(
            ids=listed(ids) or None, collections=listed(collections) or None, bbox=numbers(bbox, "bbox"),
            intersects=_geometry(intersects), datetime=datetime, limit=limit, token=token, filter=filter,
            filter_lang=filter_lang, filter_crs=filter_crs, sortby=_sorts(sortby),
        )  # fmt: skip
        return page(request, asked, "/search")

    @post(
        "/stac/search",
        status_code=200,
        summary="STAC API: search, with a body",
        operation_id="stacSearchBody",
        responses=answers,
        **_Options,
    )
    def search_body(
        request: _Request, data: Annotated[ItemSearch, Body(examples=_SEARCHES)]
    ) -> Response[bytes]:
        """As `GET /stac/search`."""
        return page(request, data, "/search")

    @get(
        "/stac/collections/{name:str}/items",
        summary="STAC API: items of a collection",
        operation_id="stacItems",
        responses=answers,
        **_Options,
    )
    def items(
        request: _Request,
        name: _Name,
        ids: _Text = None,
        collections: _Text = None,
        bbox: _Text = None,
        datetime: _Text = None,
        limit: _Limit = 10,
        token: _Text = None,
        filter: _Filter = None,
        filter_lang: _Language = None,
        filter_crs: _Crs = None,
        sortby: _Sorted = None,
    ) -> Response[bytes]:
        """One for each season, and for cells each resolution.

        `ids` and `collections` are what pystac-client sends here, too; the latter says nothing that the path does not.
        """
        collection_of(stored.of(server.store()), name)
        asked = ItemSearch(
            ids=listed(ids) or None, collections=[name] if name in (listed(collections) or [name]) else [],
            bbox=numbers(bbox, "bbox"), datetime=datetime, limit=limit, token=token,
            filter=filter, filter_lang=filter_lang, filter_crs=filter_crs, sortby=_sorts(sortby),
        )  # fmt: skip
        return page(request, asked, f"/collections/{name}/items")

    @get(
        "/stac/collections/{name:str}/items/{item:str}",
        summary="STAC API: an item",
        operation_id="stacItem",
        responses=answers,
        **_Options,
    )
    def one_item(request: _Request, name: _Name, item: _Name) -> Response[bytes]:
        """Its place, time, quantisation, and its files with size and SHA-256."""
        catalogue = stored.of(server.store())
        collection_of(catalogue, name)
        found = catalogue.items.get(item)
        if found is None or found.collection != name:
            raise UnknownError(
                f"Expected an item of {name}, got {item[:80]!r}. /stac/collections/{name}/items lists them."
            )
        return _geojson(addresses_of(request).item(found))

    return [search, search_body, items, one_item]


def _geojson(body: dict[str, Any]) -> Response[bytes]:
    return Response(msgspec.json.encode(body), media_type=GEOJSON)


def _page_links(
    request: _Request, addresses: Addresses, path: str, asked: ItemSearch, found: Page
) -> list[dict[str, Any]]:
    here = {"rel": "self", "type": GEOJSON, "href": f"{addresses.root}{path}"}
    links = [{"rel": "root", "type": "application/json", "href": addresses.root}, here]
    if found.next_token is None:
        return links
    if request.method == "GET":
        return [
            *links,
            {
                **here,
                "rel": "next",
                "method": "GET",
                "href": with_parameter(request, "token", found.next_token),
            },
        ]
    body = {name: value for name, value in msgspec.to_builtins(asked).items() if value is not None}
    return [*links, {**here, "rel": "next", "method": "POST", "body": {**body, "token": found.next_token}}]


def _geometry(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidError(
            f"Expected intersects as GeoJSON, got {text[:80]!r} ({error}). Correct it."
        ) from error
    if not isinstance(found, dict):
        raise InvalidError(f"Expected intersects as GeoJSON, got {text[:80]!r}. Send a geometry.")
    return found


def _sorts(text: str | None) -> list[Sort] | None:
    """`-a,+b` as properties; a plus sign in an address reads as a space."""
    names = listed(text)
    return [Sort(name.lstrip("+-"), "desc" if name.startswith("-") else "asc") for name in names] or None
