"""ETags of answers that a store's version and a question determine, and what a client already has."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from litestar import Request, Response

__all__ = ["etag_of", "unchanged"]

_FORMAT = 1  # to be raised when the same question gets another answer from the same store


def etag_of(version: int, *question: Any) -> str:
    """An ETag: of the store's version and whatever else determines the answer, as plain values."""
    text = json.dumps([_FORMAT, version, *question], sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def unchanged(request: Request[Any, Any, Any], etag: str) -> Response[bytes] | None:
    """304 where the client says that it has the answer of that ETag (RFC 9110, 13.1.2); else None."""
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag not in known and "*" not in known:
        return None
    return Response(b"", status_code=304, headers={"etag": etag, "cache-control": "no-cache"})
