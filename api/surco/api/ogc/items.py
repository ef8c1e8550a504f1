"""A request for items → one page of features, with the link that leads on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np

from surco.api.ogc.collections import Chosen, collection_of
from surco.api.ogc.cql2_parsing import Language
from surco.api.ogc.documents import address_of, link
from surco.api.ogc.features import Form, Geometry, features, wanted_properties
from surco.api.ogc.filters import EVERYTHING, RowFilter, row_filter
from surco.api.ogc.layers import check_token, layer_of, queryables_of, store_at
from surco.api.ogc.reference_systems import known_crs, to_lonlat
from surco.api.ogc.regions import region_of
from surco.api.ogc.scanning import Layer, PageRows, page_rows
from surco.api.ogc.tokens import Place, read_token, written_token
from surco.api.refusals import InvalidError, UnknownError
from surco.embedstore import Store

__all__ = ["LARGEST_PAGE", "Asked", "Page", "feature_document", "next_address", "page_document", "page_of"]

LARGEST_PAGE = 10_000
"""Most features of a page; a larger `limit` is taken as this."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for items says.

    Attributes:
        limit: most features, 1 or more.
        bbox: text, in `bbox_crs`.
        bbox_crs: URI; None for longitude and latitude.
        crs: URI of the answer's coordinates; None for longitude and latitude.
        filter: CQL2; `filter_lang` and `filter_crs` say how it is written.
        properties: names with commas between; None for the usual ones.
        geometry: outlines, points inside, or none.
        token: of a `next` link.
        chosen: season, resolution, model, unit and days.
    """

    limit: int = 100
    bbox: str | None = None
    bbox_crs: str | None = None
    crs: str | None = None
    filter: str | None = None
    filter_lang: Language = "cql2-text"
    filter_crs: str | None = None
    properties: str | None = None
    geometry: Geometry = "polygon"
    token: str | None = None
    chosen: Chosen = field(default_factory=Chosen)


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A page found: its layer (None where no season has the days), rows, and what else an answer says.

    Attributes:
        layer: what it was cut from.
        rows: which rows.
        form: how they are to be written.
        token: of the next page; None at the end.
        matched: features of all pages, where they are known without counting.
    """

    layer: Layer | None
    rows: PageRows
    form: Form
    token: str | None
    matched: int | None


def page_of(latest: Store, name: str, asked: Asked) -> Page:
    """Find the rows of a page.

    Raises:
        InvalidError: a parameter that cannot be read.
        UnknownError: no such collection, or no such table of it.
    """
    version, row, check = read_token(asked.token) if asked.token is not None else (latest.version, 0, None)
    store = store_at(latest, version)
    collection = collection_of(store, name)
    crs = known_crs(asked.crs, "crs")
    region = region_of(asked.bbox, known_crs(asked.bbox_crs, "bbox-crs")) if asked.bbox is not None else None
    where = _where(store, name, asked)
    layer = layer_of(store, collection, asked.chosen)
    if layer is None:
        return Page(None, PageRows(np.empty(0, np.int64), None), Form((), crs), None, 0)
    if check is not None:
        check_token(check, layer)
    form = Form(wanted_properties(layer, asked.properties), crs, asked.geometry)
    rows = page_rows(layer, row, min(asked.limit, LARGEST_PAGE), region, where)
    token = None
    if rows.after is not None:
        token = written_token(Place(store.version, rows.after, layer.mirror.digest))
    return Page(layer, rows, form, token, _matched(layer, rows, row, region is None and where is EVERYTHING))


def page_document(page: Page, name: str, base: str, given: Mapping[str, str]) -> dict[str, Any]:
    """A page as a GeoJSON FeatureCollection.

    Args:
        page: the page.
        name: the collection's.
        base: address of the server.
        given: query parameters of the request, which the next link repeats.
    """
    address = f"{base}/collections/{quote(name)}"
    media_type = "application/geo+json"
    links = [link(_with(f"{address}/items", given), "self", media_type, "This page")]
    if page.token is not None:
        links.append(link(next_address(page, name, base, given) or "", "next", media_type, "The next page"))
    links.append(link(address, "collection", "application/json", "The collection"))
    found = [] if page.layer is None else features(page.layer, page.rows.rows, page.form)
    matched = {} if page.matched is None else {"numberMatched": page.matched}
    return {
        "type": "FeatureCollection",
        **matched,
        "numberReturned": len(found),
        "timeStamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "links": links,
        "features": found,
    }


def next_address(page: Page, name: str, base: str, given: Mapping[str, str]) -> str | None:
    """Address of the next page; None at the end."""
    if page.token is None:
        return None
    return _with(f"{base}/collections/{quote(name)}/items", {**given, "token": page.token})


def feature_document(
    store: Store, name: str, fid: str, asked: Asked, base: str, given: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    """One feature, and the URI of its reference system; `given` are the query parameters, for its link to itself.

    Raises:
        UnknownError: no such collection, table or feature.
        InvalidError: a parameter that cannot be read.
    """
    collection = collection_of(store, name)
    layer = layer_of(store, collection, asked.chosen)
    row = None if layer is None else layer.mirror.row_of(fid)
    if layer is None or row is None:
        raise UnknownError(
            f"Expected the id of a feature of {name}, got {fid[:100]!r}. Take one of /collections/{name}/items."
        )
    form = Form(wanted_properties(layer, asked.properties), known_crs(asked.crs, "crs"), asked.geometry)
    (found,) = features(layer, np.array([row]), form)
    address = address_of(collection, base)
    own = _with(f"{address}/items/{quote(fid, safe='')}", given)
    links = [
        link(own, "self", "application/geo+json", "This feature"),
        link(address, "collection", "application/json", "The collection"),
    ]
    return {**found, "links": links}, form.crs


def _where(store: Store, name: str, asked: Asked) -> RowFilter:
    if asked.filter is None:
        if asked.filter_crs is not None:
            raise InvalidError("Expected filter with filter-crs, got none. Add it, or leave filter-crs out.")
        return EVERYTHING
    collection = collection_of(store, name)
    queryables = queryables_of(store, collection, asked.chosen)
    dear = set(queryables) & {"class", "probability", "uncertainty", "value", "low", "high"}
    reproject = to_lonlat(known_crs(asked.filter_crs, "filter-crs"))
    return row_filter(asked.filter, asked.filter_lang, queryables, dear, reproject)


def _matched(layer: Layer, rows: PageRows, start: int, everything: bool) -> int | None:
    if everything:
        return len(layer.mirror)
    return len(rows.rows) if start == 0 and rows.after is None else None


def _with(address: str, parameters: Mapping[str, str]) -> str:
    return f"{address}?{urlencode(parameters)}" if parameters else address
