"""From a request to its caller: the API key it carries, or what anonymous callers may do here."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult, DefineMiddleware

from surco.api.refusals import NoKeyError, NotAllowedError
from surco.api.state.keys import PREFIX, KnownKeys
from surco.api.web.callers import Caller
from surco.embedstore import Sentence

__all__ = ["authentication"]

_READING = ("GET", "HEAD", "OPTIONS")
_LONGEST_KEY = 200


def authentication(known: KnownKeys, anonymous: tuple[str, ...]) -> DefineMiddleware:
    """Middleware that sets `request.user` to a `Caller`.

    Args:
        known: the keys.
        anonymous: scopes of callers without a key.
    """
    return DefineMiddleware(_Authentication, known=known, anonymous=frozenset(anonymous))


class _Authentication(AbstractAuthenticationMiddleware):
    def __init__(self, app: Any, known: KnownKeys, anonymous: frozenset[str]) -> None:
        super().__init__(app)
        self._known = known
        self._anonymous = anonymous

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        address = connection.client.host if connection.client else "unknown"
        secret = _sent_key(connection)
        if secret is None:
            _refuse_other_sites(connection)
            return AuthenticationResult(Caller.of(None, "anonymous", self._anonymous, address), None)
        key = None
        if secret.startswith(PREFIX) and len(secret) <= _LONGEST_KEY:
            key = await to_thread.run_sync(self._known.find, secret)
        if key is None:
            raise NoKeyError(
                Sentence(
                    "Expected an API key that is known here, got one that is unknown, expired or revoked. "
                    "Ask an administrator for another, or leave it out.",
                    "key-unknown",
                )
            )
        return AuthenticationResult(Caller.of(key.id, key.name, frozenset(key.scopes), address), None)


def _sent_key(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    header = connection.headers.get("authorization")
    if header is None:
        return connection.headers.get("x-api-key")
    kind, _, secret = header.partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise NoKeyError("Expected `Authorization: Bearer KEY`, got another kind. Send the key like this.")
    return secret.strip()


def _refuse_other_sites(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """A page of another site must not write through its visitor's browser, which needs no key on his own machine."""
    if connection.scope.get("method") not in _READING and connection.headers.get("sec-fetch-site") in (
        "cross-site",
        "same-site",
    ):
        raise NotAllowedError(
            "Expected a write from our own page or with an API key, got one that another site sent. Send a key."
        )
