"""Bodies that are sent while they are made: cut off where making fails, ended where the client goes or stalls."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from itertools import chain
from typing import Any

from anyio import CancelScope, fail_after, to_thread
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import HTTPResponseBodyEvent, Send

from surco.api.refusals import BusyError
from surco.embedstore import Sentence

__all__ = ["Lease", "Slots", "streamed"]

_STALLED_S = 60.0
_LARGEST_CHUNK = 1 << 20


class Slots:
    """So many heavy answers at a time as memory and cores allow."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._count = count

    def take(self) -> Lease:
        """One of the slots, to be given back by `Lease.release`; raises BusyError where all are taken."""
        if not self._free.acquire(blocking=False):
            raise BusyError(
                Sentence(
                    f"Expected at most {self._count} exports and counts at a time, got one more. Ask again in "
                    "some seconds.",
                    "busy",
                )
            )
        return Lease(self._free.release)


class Lease:
    """A slot that is taken; given back once, at the latest when nobody holds the lease any more."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Give the slot back; a second time does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


def streamed(
    chunks: Iterator[bytes],
    lease: Lease,
    headers: dict[str, str],
    media_type: str,
    *,
    stalled_s: float = _STALLED_S,
) -> Stream:
    """A response that sends chunks as they come.

    The first is made at once, so that what is wrong from the start is a problem document. Where making a later one
    fails the connection is cut, so that no client takes a part for the whole. Where the client goes away, or takes
    nothing for `stalled_s`, the iterator is closed and the slot given back.

    Args:
        chunks: of the body; its `close` ends the work.
        lease: the slot that the work holds.
        headers: of the response.
        media_type: of the body.
        stalled_s: seconds.
    """
    try:
        first = next(chunks, b"")
    except BaseException:
        lease.release()
        raise
    body = _in_threads(chunks, chain([first], chunks), lease)
    return _Guarded(body, headers=headers, media_type=media_type, stalled_s=stalled_s)


async def _in_threads(chunks: Iterator[bytes], body: Iterable[bytes], lease: Lease) -> AsyncIterator[bytes]:
    """The chunks, each made on a thread; whatever ends the sending ends the work."""
    source = iter(body)
    try:
        while (chunk := await to_thread.run_sync(next, source, None)) is not None:
            for start in range(0, len(chunk), _LARGEST_CHUNK):
                yield chunk[start : start + _LARGEST_CHUNK]
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(_end, chunks, lease)


def _end(chunks: Iterator[bytes], lease: Lease) -> None:
    try:
        close: Callable[[], None] | None = getattr(chunks, "close", None)
        if close is not None:
            close()
    finally:
        lease.release()


class _Guarded(Stream):
    def __init__(
        self, body: AsyncIterator[bytes], *, headers: dict[str, str], media_type: str, stalled_s: float
    ) -> None:
        super().__init__(body, headers=headers, media_type=media_type)
        self._body = body
        self._stalled_s = stalled_s

    def to_asgi_response(self, *args: Any, **kwargs: Any) -> ASGIResponse:
        made = _GuardedSending(
            iterator=self._body,
            background=self.background or kwargs.get("background"),
            cookies=[*self.cookies, *(kwargs.get("cookies") or ())],
            encoded_headers=kwargs.get("encoded_headers"),
            headers={**(kwargs.get("headers") or {}), **self.headers},
            is_head_response=kwargs.get("is_head_response", False),
            media_type=self.media_type,
            status_code=self.status_code or kwargs.get("status_code"),
        )
        made.stalled_s = self._stalled_s
        return made


class _GuardedSending(ASGIStreamingResponse):
    """As its base, with the iterator closed for certain, and an end to clients that take nothing."""

    stalled_s = _STALLED_S

    async def _stream(self, send: Send) -> None:
        async with aclosing(self.iterator) as body:  # type: ignore[type-var]  # ours is a generator
            async for chunk in body:
                with fail_after(self.stalled_s):
                    await send(_event(chunk, more=True))
        await send(_event(b"", more=False))


def _event(body: Any, *, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": body, "more_body": more}
