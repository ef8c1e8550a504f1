"""An answer of `/sql` as an ASGI application: refusals before the first byte, bytes as they come, no end that is none.

Up to a megabyte is held back: a query that ends or fails within it is answered whole, with its length, or by a problem
document. An answer that is cut later is not ended: the connection is closed without HTTP's last chunk, which every
client takes for a failed transfer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from surco.api.errors import ApiError
from surco.api.sql_box.encoders import FORMATS
from surco.api.sql_box.running import Question, Running

__all__ = ["SqlAnswer"]

_HELD = 1 << 20


class SqlAnswer(ASGIResponse):
    """The answer to one question.

    Args:
        question: what is asked.
        run: gives an async context manager of the query, when there is a place for it.
        spent: told the seconds of work that it took, at the end.
        stream_s: seconds until the last byte must be sent.
    """

    def __init__(
        self,
        question: Question,
        run: Callable[[], Any],
        spent: Callable[[float], Awaitable[None]],
        stream_s: float,
    ) -> None:
        super().__init__()
        self._question = question
        self._run = run
        self._spent = spent
        self._stream_s = stream_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or stop the query when the client is gone."""
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
            if not sending.cancelled():
                sending.result()
        finally:
            leaving.cancel()
            sending.cancel()

    async def _send_all(self, send: Send) -> None:
        async with self._run() as query:
            try:
                await self._send_query(query, send)
            finally:
                await asyncio.shield(asyncio.ensure_future(self._spent(query.seconds)))

    async def _send_query(self, query: Running, send: Send) -> None:
        until = time.monotonic() + self._stream_s
        parts = query.parts()
        held = await _held(parts)
        await send(self._head(query, len(held)))
        await send({"type": "http.response.body", "body": held, "more_body": query.end is None})
        if query.end is not None:
            return
        try:
            async with asyncio.timeout(until - time.monotonic()):
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except (ApiError, TimeoutError) as error:
            # Status and headers are out. Without a last body event the server closes the connection.
            logging.getLogger("surco.api").warning(
                "an answer of /sql was cut: %s", error or "stream_s is over"
            )
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _head(self, query: Running, held: int) -> Any:
        headers = [
            (b"content-type", FORMATS[self._question.form].encode()),
            (b"content-disposition", f'inline; filename="answer.{self._question.form}"'.encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"accept, authorization"),
            (b"surco-store-version", b"%d" % self._question.version),
        ]
        if query.end is not None:
            headers += [
                (b"content-length", b"%d" % held),
                (b"surco-rows", b"%d" % query.end.rows),
                (b"surco-truncated", b"true" if query.end.truncated else b"false"),
            ]
        return {"type": "http.response.start", "status": 200, "headers": headers}


async def _held(parts: AsyncIterator[bytes]) -> bytes:
    """The whole answer where it is short, else its beginning; refusals come out of here."""
    held = bytearray()
    async for part in parts:
        held += part
        if len(held) >= _HELD:
            break
    return bytes(held)


async def _gone(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
