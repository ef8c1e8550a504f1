"""A request's body on its way to a file: raw or as a form, piece by piece, never more than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from litestar import Request
from multipart import (  # type: ignore[import-untyped]  # it publishes no types
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from surco.api.refusals import InvalidError, TooLargeError

__all__ = ["Received", "receive"]

_PIECE: Final = 1 << 20
_FORM: Final = 64 << 10
_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Received:
    """A file that came: where it is, and what it is called, for people only."""

    path: Path
    name: str


async def receive(request: Request[Any, Any, Any], target: Path, most: int, filename: str | None) -> Received:
    """Write the body, or the one file of a form, to `target`.

    Raises:
        InvalidError: no body, or a form without exactly one file.
        TooLargeError: more than `most` bytes; the rest is not read.
    """
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > most + _FORM:
        raise _too_large(most)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    with target.open("wb") as file:
        sink = _Sink(file, most)
        if kind == "multipart/form-data":
            name = await _form(request, options.get("boundary", ""), sink)
        else:
            name = "the upload"
            async for piece in request.stream():
                await sink.write(piece)
        await sink.flush()
    if sink.written == 0:
        raise InvalidError(
            "Expected a file as the body or as the part `file` of a form, got nothing. Send one."
        )
    return Received(target, _shown(filename or name))


class _Sink:
    """Bytes gathered to larger pieces, which another thread writes, so that no disk holds the others up."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.written = 0
        self._file, self._most, self._waiting = file, most, bytearray()

    async def write(self, piece: bytes | bytearray) -> None:
        self.written += len(piece)
        if self.written > self._most:
            raise _too_large(self._most)
        self._waiting += piece
        if len(self._waiting) >= _PIECE:
            await self.flush()

    async def flush(self) -> None:
        waiting, self._waiting = self._waiting, bytearray()
        if waiting:
            await asyncio.to_thread(self._file.write, waiting)


async def _form(request: Request[Any, Any, Any], boundary: str, sink: _Sink) -> str:
    """Write the one file of a form; its name."""
    name: str | None = None
    try:
        with PushMultipartParser(boundary, max_segment_count=4, strict=True) as parser:
            async for event in _events(request, parser):
                if isinstance(event, MultipartSegment):
                    if event.filename is None and event.name != "file":
                        raise _no_form(f"the field {event.name[:40]!r}")
                    if name is not None:
                        raise _no_form("two files")
                    name = event.filename or "the upload"
                elif event is not None:
                    await sink.write(event)
    except MultipartError as error:
        raise InvalidError(
            f"Expected a form of multipart/form-data, got one that cannot be read ({error}). "
            "Send the file as the body, or with curl -F file=@FILE."
        ) from error
    if name is None:
        raise _no_form("none")
    return name


async def _events(request: Request[Any, Any, Any], parser: PushMultipartParser) -> AsyncIterator[Any]:
    async for piece in request.stream():
        for event in parser.parse(piece):
            yield event


def _no_form(came: str) -> InvalidError:
    return InvalidError(
        f"Expected one file in the form, got {came}. Say everything else in the address, after '?'."
    )


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(
        f"Expected a file of at most {most >> 20:,} MB, got a larger one. Split it, or zip it."
    )


def _shown(name: str) -> str:
    """The last part of a file name, without what cannot be shown; it is never a path here."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable())[:_NAME] or "the upload"
