"""The routes of OGC API Features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from surco.api.kept import Kept
from surco.api.ogc.collections import Chosen, collection_of
from surco.api.ogc.conformance import CONFORMS_TO
from surco.api.ogc.days import days_of
from surco.api.ogc.documents import (
    collection_document,
    collections_document,
    landing_document,
    queryables_document,
)
from surco.api.ogc.item_formats import FORMATS, answer
from surco.api.ogc.item_parameters import (
    Bbox,
    BboxCrs,
    Crs,
    Datetime,
    Drawn,
    Filter,
    FilterCrs,
    FilterLang,
    Format,
    JsonOnly,
    Limit,
    Model,
    Properties,
    Res,
    Season,
    Token,
    Unit,
)
from surco.api.ogc.items import LARGEST_PAGE, Asked, feature_document, page_of
from surco.api.ogc.openapi30 import OPENAPI_30, openapi_30
from surco.api.web.callers import needs
from surco.api.web.description import described
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["landing_page", "ogc_routes"]

_TAGS = ["OGC API Features"]
_GEOJSON = "application/geo+json"
_SCHEMA = "application/schema+json"
_DESCRIBED: dict[str, Any] = {"sync_to_thread": True, "guards": [needs("read")], "tags": _TAGS}


def landing_page(server: Server, base_url: str, links: Iterable[Mapping[str, str]] = ()) -> dict[str, Any]:
    """The landing page of the OGC API.

    Args:
        server: whose it is.
        base_url: its address.
        links: to what is there beside features, as tiles.
    """
    return landing_document(server.settings, base_url.rstrip("/"), links)


def ogc_routes(
    server: Server, conforms_to: Iterable[str] = (), links: Iterable[Mapping[str, str]] = ()
) -> list[Any]:
    """Handlers of `/ogc`, `/conformance` and `/collections…`.

    Args:
        server: what to serve.
        conforms_to: URIs of further classes, which other routes prove.
        links: of the landing page, to what is there beside features.
    """
    return [*_document_routes(server, tuple(conforms_to), tuple(links)), *_item_routes(server)]


def _document_routes(
    server: Server, conforms_to: tuple[str, ...], links: tuple[Mapping[str, str], ...]
) -> list[Any]:
    descriptions: Kept[dict[str, Any]] = Kept(4)

    @get("/ogc", summary="Landing page of the OGC API", operation_id="ogc_landing", **_DESCRIBED)
    def landing(request: Request[Any, Any, Any], f: JsonOnly = None) -> Response[bytes]:
        """Links to the collections, the description and what the server conforms to."""
        return _json(request, f, landing_page(server, _base(request), links))

    @get("/ogc/openapi.json", summary="Description as OpenAPI 3.0", operation_id="ogc_openapi", **_DESCRIBED)
    def description(request: Request[Any, Any, Any], f: JsonOnly = None) -> Response[bytes]:
        """The OGC API alone, in the version that QGIS and GDAL read."""
        base = _base(request)
        found = descriptions.get(base, lambda: openapi_30(described(request.app), base, LARGEST_PAGE))
        return _json(request, f, found, OPENAPI_30)

    @get("/conformance", summary="Conformance classes", operation_id="ogc_conformance", **_DESCRIBED)
    def conformance(request: Request[Any, Any, Any], f: JsonOnly = None) -> Response[bytes]:
        """URIs of the classes that the server conforms to; each has a test that proves it."""
        return _json(request, f, {"conformsTo": sorted({*CONFORMS_TO, *conforms_to})})

    @get("/collections", summary="Collections", operation_id="ogc_collections", **_DESCRIBED)
    def collections(request: Request[Any, Any, Any], f: JsonOnly = None) -> Response[bytes]:
        """Cells, parcels, comunas, and the map of each adapter."""
        return _json(request, f, collections_document(server.store(), _base(request)))

    @get(
        "/collections/{collectionId:str}",
        summary="A collection",
        operation_id="ogc_collection",
        **_DESCRIBED,
    )
    def collection(
        request: Request[Any, Any, Any], collectionId: FromPath[str], f: JsonOnly = None
    ) -> Response[bytes]:
        """Its extent in place and time, and its reference systems."""
        return _json(
            request, f, collection_document(collection_of(server.store(), collectionId), _base(request))
        )

    @get(
        "/collections/{collectionId:str}/queryables",
        summary="Queryables of a collection",
        operation_id="ogc_queryables",
        **_DESCRIBED,
    )
    def queryables(
        request: Request[Any, Any, Any],
        collectionId: FromPath[str],
        season: Season = None,
        res: Res = None,
        model: Model = None,
        unit: Unit = None,
        f: JsonOnly = None,
    ) -> Response[bytes]:
        """What a filter may name, as JSON Schema."""
        store = server.store()
        wanted = Chosen(season, res, model, unit)
        found = queryables_document(store, collection_of(store, collectionId), wanted, _base(request))
        return _json(request, f, found, _SCHEMA)

    return [landing, description, conformance, collections, collection, queryables]


def _item_routes(server: Server) -> list[Any]:
    @get(
        "/collections/{collectionId:str}/items",
        summary="Features of a collection",
        operation_id="ogc_items",
        **_DESCRIBED,
    )
    def items(
        request: Request[Any, Any, Any],
        collectionId: FromPath[str],
        limit: Limit = 100,
        bbox: Bbox = None,
        bbox_crs: BboxCrs = None,
        crs: Crs = None,
        datetime: Datetime = None,
        filter: Filter = None,
        filter_lang: FilterLang = "cql2-text",
        filter_crs: FilterCrs = None,
        properties: Properties = None,
        geometry: Drawn = "polygon",
        season: Season = None,
        res: Res = None,
        model: Model = None,
        unit: Unit = None,
        token: Token = None,
        f: Format = None,
    ) -> Response[bytes]:
        """One page of features, and a link to the next, which shows the store as it was at the first."""
        asked = Asked(
            limit, bbox, bbox_crs, crs, filter, filter_lang, filter_crs, properties, geometry, token,
            Chosen(season, res, model, unit, days_of(datetime)),
        )  # fmt: skip
        form = chosen(request, f, FORMATS)
        page = page_of(server.store(), collectionId, asked)
        return answer(page, form, collectionId, _base(request), dict(request.query_params.items()))

    @get(
        "/collections/{collectionId:str}/items/{featureId:str}",
        summary="One feature",
        operation_id="ogc_item",
        **_DESCRIBED,
    )
    def item(
        request: Request[Any, Any, Any],
        collectionId: FromPath[str],
        featureId: FromPath[str],
        crs: Crs = None,
        properties: Properties = None,
        geometry: Drawn = "polygon",
        season: Season = None,
        res: Res = None,
        model: Model = None,
        unit: Unit = None,
        f: JsonOnly = None,
    ) -> Response[bytes]:
        """The feature of an id: of cells the H3 index in hexadecimal."""
        asked = Asked(
            crs=crs, properties=properties, geometry=geometry, chosen=Chosen(season, res, model, unit)
        )
        given = dict(request.query_params.items())
        found, uri = feature_document(server.store(), collectionId, featureId, asked, _base(request), given)
        response = _json(request, f, found, _GEOJSON)
        response.headers["content-crs"] = f"<{uri}>"
        return response

    return [items, item]


def _json(
    request: Request[Any, Any, Any], f: str | None, document: object, media_type: str = "application/json"
) -> Response[bytes]:
    offers = {"json": media_type} if media_type == "application/json" else _either(media_type)
    return Response(msgspec.json.encode(document), media_type=offers[chosen(request, f, offers)])


def _either(media_type: str) -> dict[str, str]:
    """Clients that ask for plain JSON are content with its special kinds."""
    return {"json": media_type, "plain": "application/json"}


def _base(request: Request[Any, Any, Any]) -> str:
    return str(request.base_url).rstrip("/")
