"""The page: one HTML document and the files it is made of, all of them served by ourselves."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from surco.viewer.decks import page_deck
from surco.viewer.errors import AssetError

__all__ = ["Asset", "asset", "asset_names", "page"]

_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "html": "text/html",
}
_BUNDLE = "deck.js"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page: its bytes and its media type."""

    body: bytes
    media_type: str


def page(*, area: str, api: str = "/api", static: str = "/static", basemap: str | None = None) -> str:
    """The HTML document.

    Args:
        area: name of the place, shown beside the product's name.
        api: address of the answers, without a slash at the end.
        static: address of the files named by `asset_names`, without a slash at the end.
        basemap: raster tile address with `{z}`, `{x}` and `{y}`, or None for a plain ground.

    It holds no inline script and no inline style, so that a Content-Security-Policy of 'self' is enough. What the
    script needs stands in a JSON block that a browser does not execute.
    """
    facts: Mapping[str, object] = {
        "area": area,
        "api": api,
        "basemap": basemap,
        "deck": json.loads(page_deck().to_json()),
    }
    block = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    template = (_folder() / "page.html").read_text(encoding="utf-8")
    return (
        template.replace("{{area}}", html.escape(area))
        .replace("{{static}}", static)
        .replace("{{facts}}", block)
    )


@cache
def asset_names() -> tuple[str, ...]:
    """Names of all files the page asks for."""
    own = (f.name for f in _folder().iterdir() if f.name.rpartition(".")[2] in ("css", "js", "svg"))
    return tuple(sorted((*own, _BUNDLE)))


def asset(name: str) -> Asset:
    """One file of the page; `deck.js` is the deck.gl bundle out of pydeck's own wheel.

    Raises:
        AssetError: the name is none of `asset_names`. Names are compared, never joined to a path.
    """
    if name not in asset_names():
        raise AssetError("one of the page's files", repr(name), f"Ask for one of {', '.join(asset_names())}.")
    place = files("pydeck") / "nbextension" / "static" / "index.js" if name == _BUNDLE else _folder() / name
    body = place.read_bytes()
    if name == _BUNDLE:
        body = body[: body.rindex(b"//# sourceMappingURL=")]
    return Asset(body, _TYPES[name.rpartition(".")[2]])


def _folder() -> Traversable:
    return files("surco.viewer") / "static"
