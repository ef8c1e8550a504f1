"""A range of the bytes of a file: exactly what was asked for, of the file that it was asked of, or a failure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import urllib3

from surco.encoder.reading.addresses import bare
from surco.encoder.reading.failures import PassingFailure, ReadFailure
from surco.encoder.reading.transport import Body, Signed, Transport

__all__ = ["Part", "Ranges"]

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")
_EMPTY_RANGE = re.compile(r"bytes \*/(\d+)$")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file: `content` from where it was asked; `total` bytes of the file; `tag` of its version."""

    content: bytes
    total: int
    tag: str


class Ranges:
    """Range requests. `sign(href, refused)` makes the address that is asked, see `transport.Sign`."""

    def __init__(self, transport: Transport, sign: Callable[[str, Signed | None], Signed]) -> None:
        self._transport = transport
        self._sign = sign

    def fetch(self, href: str, start: int, stop: int, *, public: bool) -> Part:
        """Bytes `start` to `stop` (not included) of a file, fewer only where it ends before.

        Raises:
            ReadFailure: what cannot pass, or did not in time.
        """

        def receive(answer: urllib3.BaseHTTPResponse, body: Body) -> Part:
            return _received(href, start, stop, answer, body)

        asked = {"Range": f"bytes={start}-{stop - 1}"}
        return self._transport.get(lambda refused: self._sign(href, refused), receive, asked, public=public)


def _received(href: str, start: int, stop: int, answer: urllib3.BaseHTTPResponse, body: Body) -> Part:
    tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    stated = answer.headers.get("Content-Range", "")
    if answer.status == 416:
        beyond = _EMPTY_RANGE.match(stated)
        if beyond and int(beyond[1]) <= start:
            return Part(b"", int(beyond[1]), tag)
        raise ReadFailure(f"no bytes {start} to {stop} of {bare(href)} (HTTP status 416)")
    if answer.status == 200:
        return _whole(href, start, stop, answer, body, tag)
    found = _CONTENT_RANGE.match(stated)
    if found is None:
        raise PassingFailure(f"Content-Range {stated!r} from {bare(href)}")
    first, last, total = (int(number) for number in found.groups())
    if (first, last) != (start, min(stop, total) - 1):
        raise PassingFailure(f"bytes {first} to {last} instead of {start} to {stop - 1} of {bare(href)}")
    content = body(stop - start)
    if len(content) != last - first + 1:
        raise PassingFailure(f"{len(content)} of {last - first + 1} bytes of {bare(href)}")
    return Part(content, total, tag)


def _whole(href: str, start: int, stop: int, answer: urllib3.BaseHTTPResponse, body: Body, tag: str) -> Part:
    """A server that knows no ranges sends the file: taken only where that is what was asked for."""
    length = answer.headers.get("Content-Length", "")
    if start or not length.isdigit() or int(length) > stop:
        raise ReadFailure(f"the whole file instead of a range of {bare(href)}: its server serves no ranges")
    content = body(stop)
    if len(content) != int(length):
        raise PassingFailure(f"{len(content)} of {length} bytes of {bare(href)}")
    return Part(content, len(content), tag)
