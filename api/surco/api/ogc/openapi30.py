"""The description of the OGC API as OpenAPI 3.0, which QGIS and GDAL read; the whole server's own is 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["OPENAPI_30", "openapi_30"]

OPENAPI_30: Final = "application/vnd.oai.openapi+json;version=3.0"
"""Media type."""

_PATHS: Final = ("/ogc", "/conformance", "/collections")


def openapi_30(document: Mapping[str, Any], base: str, largest_page: int) -> dict[str, Any]:
    """The part of an OpenAPI 3.1 document that is the OGC API, as OpenAPI 3.0.

    Args:
        document: as `surco.api.web.description.described` makes it.
        base: address of the server.
        largest_page: most features of a page.
    """
    paths = {
        path: _downgraded(item)
        for path, item in document["paths"].items()
        if path == "/" or path.startswith(_PATHS)
    }
    _limit(paths["/collections/{collectionId}/items"]["get"]["parameters"], largest_page)
    schemas = document["components"].get("schemas", {})
    named = _named(paths, schemas)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": document["info"]["title"],
            "version": document["info"]["version"],
            "description": document["info"]["description"],
            "license": {"name": "Apache-2.0"},
        },
        "servers": [{"url": base}],
        "paths": paths,
        "components": {"schemas": {name: _downgraded(schemas[name]) for name in sorted(named)}},
    }


def _named(paths: Any, schemas: Mapping[str, Any]) -> set[str]:
    """Names of the schemas that the paths refer to, and of those that these refer to."""
    found: set[str] = set()
    rest = [paths]
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("#/components/schemas/")[2]
            if name in schemas and name not in found:
                found.add(name)
                rest.append(schemas[name])
            rest.extend(node.values())
        elif isinstance(node, list):
            rest.extend(node)
    return found


def _limit(parameters: list[dict[str, Any]], largest: int) -> None:
    """Say the largest page: clients take it as the size of theirs."""
    for parameter in parameters:
        if parameter["name"] == "limit":
            parameter["schema"]["maximum"] = largest


def _downgraded(node: Any) -> Any:
    """What 3.0 has not: a type of null, `const`, `examples` of a schema, keys of security that we leave out."""
    if isinstance(node, list):
        return [_downgraded(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _downgraded(value) for name, value in node.items() if name not in ("security", "examples")}
    for name in ("oneOf", "anyOf"):
        several = kept.get(name)
        if isinstance(several, list) and {"type": "null"} in several:
            rest = [each for each in several if each != {"type": "null"}]
            del kept[name]
            kept = {**(rest[0] if len(rest) == 1 else {name: rest}), **kept, "nullable": True}
    if isinstance(kept.get("type"), list):
        known = [each for each in kept["type"] if each != "null"]
        kept |= {"type": known[0]} | ({"nullable": True} if len(known) < len(kept["type"]) else {})
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    return kept
