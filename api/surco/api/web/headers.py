"""Headers that keep a browser from doing what our pages do not need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

__all__ = ["content_security_policy", "secure"]


def content_security_policy(basemap_origin: str | None) -> str:
    """Nothing but our own files; pictures and tiles also from the basemap, where there is one."""
    tiles = f" {basemap_origin}" if basemap_origin else ""
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' data: blob:{tiles}",
        "connect-src": f"'self'{tiles}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def secure(policy: str, *, shared: bool = False) -> Callable[[Message, Scope], Awaitable[None]]:
    """A `before_send` hook that adds the headers to every answer, errors too.

    Args:
        policy: the content security policy.
        shared: whether pages of other origins may use the answers, as where CORS is set.
    """
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "cross-origin" if shared else "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            MutableScopeHeaders.from_message(message).update(headers)

    return add
