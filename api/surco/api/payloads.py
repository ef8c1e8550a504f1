"""Bodies that are made once and sent many times: encoded, compressed, and named by their content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response

__all__ = ["Payload", "json_payload", "make_payload", "respond"]

_SMALL = 1_000


@dataclass(frozen=True, slots=True)
class Payload:
    """A body, its gzip form (None where it is too small to gain), its media type and its ETag."""

    body: bytes
    gzipped: bytes | None
    media_type: str
    etag: str


def json_payload(answer: object) -> Payload:
    """An answer as JSON; NaN becomes null."""
    return make_payload(msgspec.json.encode(answer), "application/json")


def make_payload(body: bytes, media_type: str) -> Payload:
    """Compress a body and name it by its SHA-256."""
    gzipped = gzip.compress(body, 6, mtime=0) if len(body) > _SMALL else None
    return Payload(body, gzipped, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def respond(request: Request[Any, Any, Any], payload: Payload) -> Response[bytes]:
    """Send a payload: 304 where the client has it already, gzip where it takes it (RFC 9110)."""
    headers = {"etag": payload.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if payload.etag in known:
        return Response(b"", status_code=304, headers=headers)
    if payload.gzipped is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
        headers["content-encoding"] = "gzip"
        return Response(payload.gzipped, media_type=payload.media_type, headers=headers)
    return Response(payload.body, media_type=payload.media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    offers = [offer.replace(" ", "").partition(";") for offer in accepted.lower().split(",")]
    return any(name in ("gzip", "*") and weight not in ("q=0", "q=0.0") for name, _, weight in offers)
