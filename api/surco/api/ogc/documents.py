"""The landing page, the collections and their queryables as JSON documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import shapely

from surco.api.ogc.collections import Chosen, Collection, collections_of
from surco.api.ogc.comuna_outlines import comuna_outlines
from surco.api.ogc.layers import queryables_of
from surco.api.ogc.openapi30 import OPENAPI_30
from surco.api.ogc.reference_systems import CRS84, CRS_URIS
from surco.api.settings import Settings
from surco.embedstore import Store

__all__ = [
    "address_of",
    "collection_document",
    "collections_document",
    "landing_document",
    "link",
    "queryables_document",
]

Link = dict[str, str]

_QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"


def link(href: str, rel: str, media_type: str, title: str) -> Link:
    """A link as OGC API's documents have them."""
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def landing_document(settings: Settings, base: str, more: Iterable[Mapping[str, str]] = ()) -> dict[str, Any]:
    """The landing page.

    Args:
        settings: of the server.
        base: address of the server, without a slash at its end.
        more: links to what is beside the features, their `href` from the server's root.
    """
    return {
        "title": f"Surco: {settings.area_name}",
        "description": "Embeddings of the land: cells and parcels of each season, and the maps that adapters make.",
        "links": [
            link(f"{base}/?f=json", "self", "application/json", "This page"),
            link(f"{base}/?f=html", "alternate", "text/html", "The viewer"),
            link(f"{base}/ogc/openapi.json", "service-desc", OPENAPI_30, "Description of the OGC API"),
            link(
                f"{base}/openapi.json",
                "service-desc",
                "application/vnd.oai.openapi+json;version=3.1",
                "Description of all routes",
            ),
            link(f"{base}/docs", "service-doc", "text/html", "The same for people"),
            link(f"{base}/conformance", "conformance", "application/json", "What the server conforms to"),
            link(f"{base}/collections", "data", "application/json", "The collections"),
            *({**each, "href": f"{base}{each['href']}"} for each in more),
        ],
    }


def collections_document(store: Store, base: str) -> dict[str, Any]:
    """All collections."""
    return {
        "links": [link(f"{base}/collections", "self", "application/json", "The collections")],
        "crs": list(CRS_URIS),
        "collections": [collection_document(each, base) for each in collections_of(store).values()],
    }


def collection_document(collection: Collection, base: str) -> dict[str, Any]:
    """One collection, with its extent and reference systems."""
    address = address_of(collection, base)
    return {
        "id": collection.id,
        "title": collection.title,
        "description": collection.description,
        "itemType": "feature",
        "extent": _extent(collection),
        "crs": list(CRS_URIS),
        "storageCrs": CRS84,
        "links": [
            link(address, "self", "application/json", "This collection"),
            link(f"{address}/items", "items", "application/geo+json", "Its features"),
            link(f"{address}/queryables", _QUERYABLES, "application/schema+json", "What filters may name"),
            # GDAL up to 3.12 looks for the relation of a draft.
            link(f"{address}/queryables", "queryables", "application/json", "What filters may name"),
        ],
    }


def queryables_document(store: Store, collection: Collection, wanted: Chosen, base: str) -> dict[str, Any]:
    """The queryables of a collection as JSON Schema."""
    queryables = queryables_of(store, collection, wanted)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{address_of(collection, base)}/queryables",
        "type": "object",
        "title": collection.title,
        "properties": {name: queryable.schema() for name, queryable in queryables.items()},
        "additionalProperties": False,
        # No keyword of JSON Schema: what the draft had, and GDAL up to 3.12 reads.
        "queryables": [{"id": name} for name, each in queryables.items() if each.kind != "geometry"],
    }


def address_of(collection: Collection, base: str) -> str:
    """Address of a collection."""
    return f"{base}/collections/{quote(collection.id)}"


def _extent(collection: Collection) -> dict[str, Any]:
    extent: dict[str, Any] = {"spatial": {"bbox": [list(collection.bbox or _chile())], "crs": CRS84}}
    seasons = collection.seasons
    if seasons:
        first, last = seasons[0].start, max(season.end for season in seasons)
        interval = [f"{first}T00:00:00Z", f"{last}T23:59:59Z"]
        extent["temporal"] = {
            "interval": [interval],
            "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
        }
    return extent


@lru_cache(maxsize=1)
def _chile() -> tuple[float, ...]:
    shapes = shapely.from_wkb(comuna_outlines()["geometry"].to_numpy())
    return tuple(round(float(side), 6) for side in shapely.total_bounds(shapes))
