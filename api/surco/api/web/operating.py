"""What operators ask: is it alive, what does it do, who may do what, who did what."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.plugins.prometheus import PrometheusConfig, PrometheusController

from surco.api.state.audit import entries, record
from surco.api.state.keys import KeyInfo, KnownKeys, add_key, keys, revoke_key
from surco.api.web.callers import Caller, needs
from surco.api.web.server import Server

__all__ = ["NewKey", "metrics_middleware", "operating_routes"]

_MOST = 1_000


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make: whose it is, what it may do, and for how many days."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    scopes: list[str]
    days: int | None = None


def metrics_middleware() -> Any:
    """Middleware that counts and times requests, by the route that answered."""
    return PrometheusConfig(
        app_name="surco", prefix="surco", group_path=True, exclude=["^/metrics$"]
    ).middleware


def operating_routes(server: Server, known: KnownKeys) -> list[Any]:
    """Handlers of `/health`, `/metrics`, `/whoami`, `/keys` and `/audit`."""
    return [_health(server), _Metrics, *_key_routes(server, known), _audit(server)]


class _Metrics(PrometheusController):
    path = "/metrics"
    guards = (needs("read"),)
    include_in_schema = False


def _health(server: Server) -> Any:
    @get(
        "/health",
        sync_to_thread=True,
        summary="Whether the server answers",
        tags=["Operation"],
        operation_id="health",
    )
    def health() -> dict[str, Any]:
        """The store's version; another status where store or database cannot be read."""
        with server.database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
        return {"status": "ok", "version": server.store().version}

    return health


def _key_routes(server: Server, known: KnownKeys) -> list[Any]:
    @get(
        "/whoami",
        sync_to_thread=False,
        summary="What the caller may do",
        tags=["Operation"],
        operation_id="whoami",
    )
    def whoami(request: Request[Caller, Any, Any]) -> dict[str, Any]:
        """Id and name of the key that was sent, and its scopes with what they include."""
        caller = request.user
        return {"key": caller.key_id, "name": caller.name, "scopes": sorted(caller.scopes)}

    @post(
        "/keys",
        sync_to_thread=True,
        guards=[needs("admin")],
        summary="Make an API key",
        tags=["Operation"],
        operation_id="add_key",
    )
    def make(request: Request[Caller, Any, Any], data: JSONBody[NewKey]) -> dict[str, Any]:
        """The key is in `key`, this once: only its hash is kept."""
        with server.database.writing() as connection:
            info, secret = add_key(connection, data.name, data.scopes, data.days)
            record(connection, request.user, "key.add", info.id, {"name": info.name, "scopes": info.scopes})
        return {"key": secret, **_facts(info)}

    @get(
        "/keys",
        sync_to_thread=True,
        guards=[needs("admin")],
        summary="All keys, without the keys themselves",
        tags=["Operation"],
        operation_id="list_keys",
    )
    def all_keys() -> dict[str, Any]:
        """Id, name, scopes and times of each."""
        with server.database.reading() as connection:
            return {"keys": [_facts(info) for info in keys(connection)]}

    @delete(
        "/keys/{key_id:str}",
        status_code=200,
        sync_to_thread=True,
        guards=[needs("admin")],
        summary="Revoke a key",
        tags=["Operation"],
        operation_id="revoke_key",
    )
    def revoke(request: Request[Caller, Any, Any], key_id: FromPath[str]) -> dict[str, Any]:
        """It opens nothing from now on; other processes of this server notice within three seconds."""
        with server.database.writing() as connection:
            info = revoke_key(connection, key_id)
            record(connection, request.user, "key.revoke", info.id, {"name": info.name})
        known.forget()
        return _facts(info)

    return [whoami, make, all_keys, revoke]


def _audit(server: Server) -> Any:
    @get(
        "/audit",
        sync_to_thread=True,
        guards=[needs("admin")],
        summary="Every write, the newest first",
        tags=["Operation"],
        operation_id="audit",
    )
    def audit(
        limit: Annotated[int, QueryParameter(ge=1, le=_MOST)] = 100,
        before: Annotated[int | None, QueryParameter(ge=1, le=2**62)] = None,
        action: Annotated[str | None, QueryParameter(max_length=100)] = None,
        key: Annotated[str | None, QueryParameter(max_length=32)] = None,
    ) -> dict[str, Any]:
        """Who did what, when and from where. `before` is the `next` of the page before."""
        with server.database.reading() as connection:
            found = entries(connection, limit=limit, before=before, action=action, key_id=key)
        return {"entries": found, "next": found[-1]["id"] if len(found) == limit else None}

    return audit


def _facts(info: KeyInfo) -> dict[str, Any]:
    return {**msgspec.to_builtins(info), "active": info.active}
