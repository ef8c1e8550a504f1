"""Documents of the static catalogue with the addresses of this server in their links."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request

from surco.api.stac.documents import Catalogue, Item, stored_path

__all__ = ["GEOJSON", "Addresses", "addresses_of"]

GEOJSON = "application/geo+json"
_JSON = "application/json"
_SCHEMA = "application/schema+json"
_KEPT = ("emb:model", "emb:source-data")

Json = dict[str, Any]


class Addresses:
    """Links below one base address.

    Args:
        base: scheme, host and port by which the client reached the server, without a slash at the end.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self.root = f"{base}/stac"

    def file(self, path: str) -> str:
        """Where a file of the store is downloaded."""
        return f"{self._base}/files/{quote(path, safe='/=')}"

    def collection_address(self, name: str) -> str:
        """Of a collection."""
        return f"{self.root}/collections/{quote(name, safe='')}"

    def landing(self, catalogue: Catalogue, title: str, conforms: list[str]) -> Json:
        """The catalogue that a client opens first."""
        search = {"rel": "search", "type": GEOJSON, "href": f"{self.root}/search"}
        return {
            "type": "Catalog",
            "stac_version": "1.1.0",
            "id": "surco",
            "title": title,
            "description": f"Embeddings of the land as tables; version {catalogue.version} of the store.",
            "conformsTo": conforms,
            "links": [
                _link("self", self.root),
                _link("root", self.root),
                _link("conformance", f"{self.root}/conformance"),
                _link("data", f"{self.root}/collections"),
                search | {"method": "GET"},
                search | {"method": "POST"},
                _link(
                    "http://www.opengis.net/def/rel/ogc/1.0/queryables", f"{self.root}/queryables", _SCHEMA
                ),
                _link(
                    "service-desc",
                    f"{self._base}/openapi.json",
                    "application/vnd.oai.openapi+json;version=3.1",
                ),
                _link("service-doc", f"{self._base}/docs", "text/html"),
                *(_link("child", self.collection_address(name)) for name in catalogue.collections),
            ],
        }

    def collections(self, catalogue: Catalogue) -> Json:
        """All collections."""
        here = f"{self.root}/collections"
        found = [self.collection(document) for document in catalogue.collections.values()]
        return {"collections": found, "links": [_link("self", here), _link("root", self.root)]}

    def collection(self, document: Json) -> Json:
        """One collection."""
        here = self.collection_address(document["id"])
        links = [
            _link("self", here),
            _link("root", self.root),
            _link("parent", self.root),
            _link("items", f"{here}/items", GEOJSON),
            _link("http://www.opengis.net/def/rel/ogc/1.0/queryables", f"{self.root}/queryables", _SCHEMA),
        ]
        return {**document, "links": [*links, *self._kept_links(document)]}

    def item(self, item: Item) -> Json:
        """One item, its assets as addresses of the files."""
        parent = self.collection_address(item.collection)
        links = [
            _link("self", f"{parent}/items/{quote(item.id, safe='')}", GEOJSON),
            _link("root", self.root),
            _link("parent", parent),
            _link("collection", parent),
        ]
        assets = {
            name: {**asset, "href": self.file(stored_path(asset["href"]) or "")}
            for name, asset in item.document["assets"].items()
        }
        return {**item.document, "links": links, "assets": assets}

    def _kept_links(self, document: Json) -> list[Json]:
        """To the model's card and the sources."""
        kept = [link for link in document["links"] if link["rel"] in _KEPT]
        inside = [(link, stored_path(link["href"])) for link in kept]
        return [link if path is None else {**link, "href": self.file(path)} for link, path in inside]


def addresses_of(request: Request[Any, Any, Any]) -> Addresses:
    """By the address that the client itself used."""
    return Addresses(str(request.base_url).rstrip("/"))


def _link(rel: str, href: str, kind: str = _JSON) -> Json:
    return {"rel": rel, "type": kind, "href": href}
