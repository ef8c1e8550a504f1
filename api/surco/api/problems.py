"""Errors as RFC 9457 problem documents: one table turns a room's error into a status."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from surco.adapters import AdapterError
from surco.api.errors import ApiError
from surco.api.refusals import (
    BusyError,
    ConflictError,
    NoKeyError,
    NoRevisionError,
    NotAcceptableError,
    NotAllowedError,
    QuotaError,
    StaleError,
    StateError,
    TimedOutError,
    TooLargeError,
    UnknownError,
    UnsupportedMediaError,
)
from surco.embedstore import (
    EmbedstoreError,
    ModelMismatchError,
    SearchError,
    Sentence,
    StoreConflictError,
    StoreError,
    coded,
)
from surco.viewer import AssetError, ViewerError

__all__ = ["STATUS", "problem_handlers"]

STATUS: dict[type[ValueError], int] = {
    AdapterError: 409,
    ApiError: 400,
    AssetError: 404,
    BusyError: 503,
    ConflictError: 409,
    EmbedstoreError: 400,
    ModelMismatchError: 409,
    NoKeyError: 401,
    NoRevisionError: 428,
    NotAcceptableError: 406,
    NotAllowedError: 403,
    QuotaError: 429,
    SearchError: 404,
    StaleError: 412,
    StateError: 503,
    StoreConflictError: 409,
    StoreError: 404,
    TimedOutError: 504,
    TooLargeError: 413,
    UnknownError: 404,
    UnsupportedMediaError: 415,
    ViewerError: 400,
}
"""HTTP status of each error base and of the errors that differ from their base; the nearest base counts."""

_TITLES = {
    400: "The question cannot be read",
    401: "An API key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "This address does not take that method",
    406: "Not to be had in that format",
    409: "The store and the question do not fit together",
    412: "Somebody changed it first",
    413: "Too large",
    415: "A format that is not read",
    428: "Say which revision you have seen",
    429: "Too much at once",
    500: "A fault in Surco",
    503: "Busy",
    504: "It took too long",
}

_AWAY = Sentence(
    "Expected the database of labels and keys to answer; it does not. What was stored is kept: try again in a few "
    "seconds, and tell who runs this server if it lasts.",
    "database-away",
)
_AWAY_S = 5

Handler = Callable[[Request[Any, Any, Any], Any], Response[bytes]]


def problem_handlers(store: Path) -> dict[type[Exception] | int, Handler]:
    """Exception handlers for the application.

    Args:
        store: the store's folder; where a message names it, clients read only its last part.
    """
    whole = str(store.absolute())

    def room(request: Request[Any, Any, Any], error: ValueError) -> Response[bytes]:
        status = next(STATUS[base] for base in type(error).__mro__ if base in STATUS)
        return _problem(
            request, status, str(error).replace(whole, store.absolute().name), _headers(error), coded(error)
        )

    def http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        return _problem(request, error.status_code, _http_words(request, error), error.headers)

    def deep(request: Request[Any, Any, Any], error: RecursionError) -> Response[bytes]:
        return _problem(
            request, 400, "Expected a body of flat JSON, got one nested too deeply. Send less nested JSON."
        )

    def away(request: Request[Any, Any, Any], error: SQLAlchemyError) -> Response[bytes]:
        said = getattr(error, "orig", error)  # the driver's own words, without what was to be written
        # To SQLite a fault in our SQL is an operational error too.
        if getattr(said, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            return fault(request, error)
        logging.getLogger("surco.api").error("%s %s: no database: %s", request.method, request.url.path, said)
        return _problem(request, 503, str(_AWAY), {"retry-after": str(_AWAY_S)}, coded(_AWAY))

    def fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        logging.getLogger("surco.api").error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _problem(request, 500, "Surco failed on this question; its log says where. Please report it.")

    return {
        **dict.fromkeys(STATUS, room),
        **dict.fromkeys((InterfaceError, NoConnectionError, OperationalError), away),
        HTTPException: http,
        RecursionError: deep,
        Exception: fault,
    }


def _http_words(request: Request[Any, Any, Any], error: HTTPException) -> str:
    if error.status_code == 404:
        return f"Expected an address of this server, got {request.url.path!r}. Start at /."
    faults = error.extra if isinstance(error.extra, list) else []
    said = "; ".join(f"{f.get('key', '?')}: {f.get('message', '')}" for f in faults if isinstance(f, dict))
    return f"{error.detail} {said}".strip()


def _headers(error: ValueError) -> dict[str, str]:
    if isinstance(error, QuotaError):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, NoKeyError):
        return {"www-authenticate": 'Bearer realm="surco"'}
    return {"retry-after": "2"} if isinstance(error, BusyError) else {}


def _problem(
    request: Request[Any, Any, Any],
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    code: Mapping[str, Any] | None = None,
) -> Response[bytes]:
    """The document; `code` names the sentence, and what stands in it, for pages in other languages."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status, "The question was refused"),
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        **(code or {}),
    }
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/problem+json",
        headers=dict(headers or {}),
    )
