"""How often a caller may ask: a moving minute for each key or address, of all processes of one database together."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from surco.api.refusals import QuotaError
from surco.api.state.database import Database
from surco.api.state.permits import Permits, Ticket
from surco.api.web.callers import Caller
from surco.embedstore import Sentence

__all__ = ["RateLimits"]

_WRITING = ("POST", "PUT", "PATCH", "DELETE")
# These are sent as POST because they do not fit into an address, and change nothing.
_QUESTIONS = ("/sql", "/search", "/embeddings", "/predict")
_FREE = ("/health", "/metrics", "/static")
# Of its own, so that counting never waits for the threads that answer.
_THREADS = 4


class RateLimits(ASGIMiddleware):
    """Middleware that counts requests, and those that write once more, and refuses what is over the limit.

    Answers say what is left in `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (IETF draft 03).

    Args:
        database: whose processes count together.
        requests: a minute, of one caller.
        writes: of these, POST, PUT, PATCH and DELETE.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, database: Database, requests: int, writes: int) -> None:
        self._limits = {"requests": requests, "writes": writes}
        self._permits = {what: Permits(database, what, limit) for what, limit in self._limits.items()}
        self._threads = CapacityLimiter(_THREADS)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Count the request, or refuse it with a QuotaError."""
        # Litestar asks nobody who they are for OPTIONS, and answers it without a guard.
        if str(scope["path"]).startswith(_FREE) or scope.get("method") == "OPTIONS":
            await next_app(scope, receive, send)
            return
        caller: Caller = scope["user"]
        ticket = await self._count("requests", caller)
        if scope.get("method") in _WRITING and not str(scope["path"]).endswith(_QUESTIONS):
            await self._count("writes", caller)
        await next_app(scope, receive, self._saying(ticket, send))

    async def _count(self, what: str, caller: Caller) -> Ticket:
        permits = self._permits[what]
        ticket = permits.held(caller.subject)
        if ticket is None:
            ticket = await to_thread.run_sync(permits.fetched, caller.subject, limiter=self._threads)
        if not ticket.granted:
            raise QuotaError(
                Sentence(
                    f"Expected at most {self._limits[what]} {what} a minute, got more. Wait {ticket.wait_s} s.",
                    "rate",
                    wait=ticket.wait_s,
                ),
                retry_after=ticket.wait_s,
            )
        return ticket

    def _saying(self, ticket: Ticket, send: Send) -> Send:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders.from_message(message)
                headers["ratelimit-limit"] = str(self._limits["requests"])
                headers["ratelimit-remaining"] = str(ticket.remaining)
                headers["ratelimit-reset"] = str(ticket.wait_s)
            await send(message)

        return say
