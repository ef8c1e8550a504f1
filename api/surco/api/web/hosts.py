"""Only requests for our own names are answered: a page of another site could else reach us under a name of its own."""

from __future__ import annotations

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from surco.api.refusals import InvalidError

__all__ = ["OwnHosts"]


class OwnHosts(ASGIMiddleware):
    """Middleware that refuses requests whose `Host` (its port aside) is none of the given names.

    Args:
        names: host names or addresses, IPv6 without brackets; none for all.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(name.lower() for name in names)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let the request pass, or raise InvalidError."""
        given = Headers.from_scope(scope).get("host", "")
        if self._names and _name(given) not in self._names:
            raise InvalidError(
                f"Expected a request for {', '.join(sorted(self._names))}, got one for {given[:100]!r}. "
                "Use one of these names; `surco serve --allowed-host` adds others."
            )
        await next_app(scope, receive, send)


def _name(host: str) -> str:
    """The name in a `Host` header, in lower case, without port and brackets."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]
