"""Parts of a file over HTTP: what `Range`, `If-Range` and `If-None-Match` ask for (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Part", "part_of"]

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """What to send: the status, and bytes from `start` up to and without `stop`."""

    status: int
    start: int = 0
    stop: int = 0


def part_of(headers: Mapping[str, str], etag: str, size: int) -> Part:
    """The part of a file that a request asks for.

    Several ranges at once, or what is no range of bytes, is answered with the whole file, as the standard lets.

    Args:
        headers: of the request, names in lower case.
        etag: of the file, with its quotes.
        size: of the file, in bytes.

    Returns:
        With status 200 (all), 206 (a part), 304 (the client has it) or 416 (no byte of it is asked for).
    """
    known = {tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")}
    if etag in known or "*" in known:
        return Part(304)
    asked = _ONE_RANGE.fullmatch(headers.get("range", ""))
    if asked is None or not any(asked.groups()) or headers.get("if-range", etag) != etag:
        return Part(200, 0, size)
    first, last = asked.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return Part(200, 0, size)
    return Part(206, start, stop) if start < stop else Part(416)
