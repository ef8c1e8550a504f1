"""Sending a file of the store, whole or in part; what is read is compared with its checksums."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from litestar import Request, Response
from litestar.response import Stream

from surco.api.refusals import UnknownError
from surco.api.stac.documents import Catalogue, ServedFile
from surco.api.stac.ranges import Part, part_of
from surco.embedstore import StoreError

__all__ = ["send_file"]

_PIECE = 1 << 18


def send_file(request: Request[Any, Any, Any], catalogue: Catalogue, path: str) -> Response[Any]:
    """The answer to GET or HEAD of a file.

    Only names that the version's manifest has are served; nothing of the client's is ever made a path.

    Args:
        request: what is asked for.
        catalogue: of the version.
        path: relative to the store.

    Raises:
        UnknownError: no file of that name in this version.
        StoreError: the part's beginning is damaged.
    """
    file = catalogue.files.get(path)
    if file is None:
        raise UnknownError(
            f"Expected a file of version {catalogue.version} of the store, got {path[:200]!r}. "
            "Take the address from an item of /stac again: tables that were written anew have other files."
        )
    etag = f'"{file.sha256}"'
    part = part_of(request.headers, etag, file.size)
    headers = {"etag": etag, "accept-ranges": "bytes", "cache-control": "no-cache"}
    if part.status in (304, 416):
        size = {"content-range": f"bytes */{file.size}"} if part.status == 416 else {}
        return Response(b"", status_code=part.status, headers=headers | size, media_type=file.media_type)
    if part.status == 206:
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{file.size}"
    headers["content-length"] = str(part.stop - part.start)
    pieces = iter([b""]) if request.method == "HEAD" else _pieces(file, part)
    return Stream(_begun(pieces), status_code=part.status, headers=headers, media_type=file.media_type)


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first piece now: damage there is an error, and no file that breaks off."""
    first = next(pieces, b"")

    def whole() -> Iterator[bytes]:
        yield first
        yield from pieces

    return whole()


def _pieces(file: ServedFile, part: Part) -> Iterator[bytes]:
    descriptor = os.open(file.checks.path, os.O_RDONLY)
    try:
        for position in range(part.start, part.stop, _PIECE):
            yield _read(file, descriptor, min(_PIECE, part.stop - position), position)
    finally:
        os.close(descriptor)


def _read(file: ServedFile, descriptor: int, size: int, position: int) -> bytes:
    try:
        return file.checks.read(descriptor, size, position)
    except OSError as error:
        raise StoreError(
            f"{file.checks.path.name} as it was written",
            str(error),
            "Find all damaged files with `surco store verify`, and restore them from a copy.",
        ) from error
