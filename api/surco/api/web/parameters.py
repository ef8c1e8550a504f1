"""Unknown query parameters are refused, so that a misspelt filter is not taken for none."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from surco.api.refusals import InvalidError

__all__ = ["known_parameters"]


def known_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard that lets a request pass whose query parameters its handler declares.

    A handler with `opt={"any_parameters": True}` reads the query itself.

    Raises:
        InvalidError: names what is unknown, and what there is.
    """
    given = set(connection.query_params)
    if not given or handler.opt.get("any_parameters"):
        return
    known = _declared(handler)
    unknown = sorted(given - known)
    if unknown:
        near = get_close_matches(unknown[0], sorted(known), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidError(
            f"Expected query parameters of {', '.join(sorted(known)) or '(none)'}, got {unknown[0][:80]!r}.{hint} "
            "Leave it out, or correct its name."
        )


@lru_cache(maxsize=1024)
def _declared(handler: BaseRouteHandler) -> frozenset[str]:
    """Names of the query parameters of a handler."""
    in_path = {
        name
        for path in handler.paths
        for name in (part.strip("{}").partition(":")[0] for part in path.split("/") if part.startswith("{"))
    }
    found = set()
    for name, field in handler.parsed_fn_signature.parameters.items():
        alias = getattr(field.kwarg_definition, "name", None)
        if name not in in_path and name not in ("request", "data", "body", "headers", "state", "scope"):
            found.add(alias or name)
    return frozenset(found)
