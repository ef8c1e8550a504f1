"""How often a caller may ask: a moving window for each key or address, kept in this process."""

from __future__ import annotations

import math
import time
from typing import Any

from limits import RateLimitItemPerMinute, storage, strategies
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from surco.api.refusals import QuotaError
from surco.api.web.callers import Caller

__all__ = ["RateLimits"]

_WRITING = ("POST", "PUT", "PATCH", "DELETE")
# These are sent as POST because they do not fit into an address, and change nothing.
_QUESTIONS = ("/sql", "/search", "/embeddings", "/predict")
_FREE = ("/health", "/metrics", "/static")


class RateLimits(ASGIMiddleware):
    """Middleware that counts requests, and those that write once more, and refuses what is over the limit.

    Answers say what is left in `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (IETF draft 03).

    Args:
        requests: a minute, of one caller.
        writes: of these, POST, PUT, PATCH and DELETE.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, requests: int, writes: int) -> None:
        self._requests = RateLimitItemPerMinute(requests, namespace="requests")
        self._writes = RateLimitItemPerMinute(writes, namespace="writes")
        self._window = strategies.SlidingWindowCounterRateLimiter(storage.MemoryStorage())

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Count the request, or refuse it with a QuotaError."""
        # Litestar asks nobody who they are for OPTIONS, and answers it without a guard.
        if str(scope["path"]).startswith(_FREE) or scope.get("method") == "OPTIONS":
            await next_app(scope, receive, send)
            return
        caller: Caller = scope["user"]
        self._count(self._requests, caller, "requests")
        if scope.get("method") in _WRITING and not str(scope["path"]).endswith(_QUESTIONS):
            self._count(self._writes, caller, "writes")
        await next_app(scope, receive, self._saying(caller, send))

    def _count(self, item: Any, caller: Caller, what: str) -> None:
        if not self._window.hit(item, caller.subject):
            wait = self._seconds_left(item, caller)
            raise QuotaError(
                f"Expected at most {item.amount} {what} a minute, got more. Wait {wait} s.", retry_after=wait
            )

    def _seconds_left(self, item: Any, caller: Caller) -> int:
        return max(1, math.ceil(self._window.get_window_stats(item, caller.subject).reset_time - time.time()))

    def _saying(self, caller: Caller, send: Send) -> Send:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                left = self._window.get_window_stats(self._requests, caller.subject)
                headers = MutableScopeHeaders.from_message(message)
                headers["ratelimit-limit"] = str(self._requests.amount)
                headers["ratelimit-remaining"] = str(max(0, left.remaining))
                headers["ratelimit-reset"] = str(self._seconds_left(self._requests, caller))
            await send(message)

        return say
