"""The server's description of itself: OpenAPI for programs, its page for people, llms.txt for assistants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme

from surco.api.web.callers import needs

__all__ = ["described", "llms_text", "openapi_config", "operations"]

_METHODS = ("get", "post", "put", "patch", "delete")
_PROBLEM = "#/components/schemas/Problem"
# Answers that are written as bytes: Litestar cannot know what is in them.
_GEOJSON = ("application/geo+json", "application/json")
_OF_SEVERAL_KINDS = {
    "/": ("text/html", "application/json"),
    "/collections/{collectionId}/items": (
        *_GEOJSON,
        "text/csv",
        "application/vnd.apache.parquet",
        "application/vnd.apache.arrow.stream",
    ),
    "/collections/{collectionId}/items/{featureId}": _GEOJSON,
    "/collections/{collectionId}/queryables": ("application/schema+json", "application/json"),
    "/ogc/openapi.json": ("application/vnd.oai.openapi+json;version=3.0",),
}
_ABOUT = (
    "Embeddings of the land as a database: cells and parcels of each season with their vectors, searched, mapped and "
    "counted over HTTP. Errors are RFC 9457 problem documents that say what was expected, what came and what to do."
)


def openapi_config() -> OpenAPIConfig:
    """What Litestar is to make the document from; the page and /openapi.json are served by `pages`."""
    key = SecurityScheme(
        type="http",
        scheme="bearer",
        description="An API key, made by `surco keys add`. Scopes: read, label, train, admin.",
    )
    return OpenAPIConfig(
        title="Surco",
        version=version("surco"),
        description=_ABOUT,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        components=Components(security_schemes={"key": key}),
        security=[{}, {"key": []}],
        use_handler_docstrings=True,
        openapi_router=Router(
            "/docs/schema", route_handlers=[], guards=[needs("read")], include_in_schema=False
        ),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
    )


def described(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document (as plain values), with the problem document as every operation's error."""
    document: dict[str, Any] = app.openapi_schema.to_schema()
    document["components"].setdefault("schemas", {})["Problem"] = _problem_schema()
    for path, media_types in _OF_SEVERAL_KINDS.items():
        if path in document["paths"]:
            document["paths"][path]["get"]["responses"]["200"]["content"] = {kind: {} for kind in media_types}
    for _, _, operation in operations(document):
        found = operation.setdefault("responses", {})
        for status in [status for status in found if status >= "400"]:
            del found[status]
        found["4XX"] = _refusal("The request was refused; `detail` says what was expected and what to do.")
        found["5XX"] = _refusal("Busy (503), too slow (504), or a fault in Surco (500).")
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method in capitals and operation of each that an OpenAPI document has."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method.upper(), item[method]


def llms_text(document: dict[str, Any], area: str, seasons: list[str]) -> str:
    """llms.txt (llmstxt.org): what is here and how to ask, each route in a line."""
    lines = [
        f"# Surco: {area}",
        "",
        f"> {_ABOUT}",
        "",
        f"Seasons (a southern one runs May to April): {', '.join(seasons) or 'none yet'}.",
        "Keys go into `Authorization: Bearer KEY`. Formats by `Accept` or `?f=`. Start with `POST /sql`.",
        "The whole description is at /openapi.json.",
    ]
    tagged: dict[str, list[str]] = {}
    for path, method, operation in operations(document):
        tag = (operation.get("tags") or ["Other"])[0]
        tagged.setdefault(tag, []).append(f"- {method} {path}: {operation.get('summary', '')}")
    for tag in sorted(tagged):
        lines += ["", f"## {tag}", "", *tagged[tag]]
    return re.sub(r"[ \t]+\n", "\n", "\n".join(lines)) + "\n"


def _refusal(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/problem+json": {"schema": {"$ref": _PROBLEM}}}}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "title": "Problem",
        "description": "RFC 9457",
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": text,
            "instance": text,
            "code": text | {"description": "Which sentence it is, for pages in other languages."},
            "values": {"type": "object", "description": "What stands in the sentence."},
        },
    }
