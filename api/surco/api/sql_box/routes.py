"""`/sql`: the store's SQL for strangers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, QueryParameter

from surco.api.sql_box.answer import SqlAnswer
from surco.api.sql_box.description import SqlOperation
from surco.api.sql_box.encoders import FORMATS
from surco.api.sql_box.frames import Start
from surco.api.sql_box.limits import SqlLimits
from surco.api.sql_box.pool import Pool
from surco.api.sql_box.running import Question, Running, running
from surco.api.sql_box.search_files import SearchFiles
from surco.api.sql_box.slots import Slots
from surco.api.state import quotas
from surco.api.web.callers import Caller, needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["SqlBox", "SqlQuestion", "sql_routes"]

_QUOTA = "seconds of SQL"
_MOST_ROWS = 10**12

Form = Annotated[
    str | None, QueryParameter(max_length=20, description="json, csv, arrow, parquet or geojson")
]
Limit = Annotated[
    int | None, QueryParameter(ge=1, le=_MOST_ROWS, description="Rows after which the answer ends")
]
QueryText = Annotated[
    str, QueryParameter(min_length=1, max_length=8_000, description="One SELECT of DuckDB's SQL")
]


class SqlQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query of docs/sql.md.

    Attributes:
        query: one SELECT, DESCRIBE, SUMMARIZE or EXPLAIN.
        limit: rows after which the answer ends; the answer says whether it left any out.
    """

    query: Annotated[
        str, msgspec.Meta(min_length=1, examples=["SELECT season, count(*) AS n FROM cells GROUP BY 1"])
    ]
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST_ROWS)] | None = None


class SqlBox:
    """The processes that run queries of one server, and who may ask them."""

    def __init__(self, server: Server) -> None:
        self.limits = SqlLimits.of(server.settings)
        start = Start(
            store=str(server.settings.store.absolute()),
            memory=self.limits.memory,
            threads=self.limits.threads,
            query_bytes=self.limits.query_bytes,
        )
        self.pool = Pool(start, self.limits.workers)
        self._slots = Slots(self.limits.workers, self.limits.line, self.limits.wait_s)
        self._search_files = SearchFiles()
        self._server = server

    async def answer(
        self, request: Request[Any, Any, Any], query: str, f: str | None, limit: int | None
    ) -> SqlAnswer:
        """The answer to a caller's query, once its quota is looked at.

        Raises:
            QuotaError: the caller's seconds of this hour are used up.
            NotAcceptableError: no format that the client takes.
        """
        caller: Caller = request.user
        form = chosen(request, f, FORMATS)
        await asyncio.to_thread(
            quotas.check, self._server.database, caller, _QUOTA, self.limits.seconds_per_hour
        )
        store = await asyncio.to_thread(self._server.store)
        if "nearest" in query.lower():
            await asyncio.to_thread(self._search_files.see_to, store)
        question = Question(query, form, store.version, limit)

        async def spent(seconds: float) -> None:
            await asyncio.to_thread(self._spend, caller, seconds)

        return SqlAnswer(question, lambda: self._run(question, caller), spent, self.limits.stream_s)

    @asynccontextmanager
    async def _run(self, question: Question, caller: Caller) -> AsyncIterator[Running]:
        async with self._slots.taken(caller.subject), running(self.pool, question, self.limits) as query:
            yield query

    def _spend(self, caller: Caller, seconds: float) -> None:
        """Write down what a query took; its last one may pass the limit, and then counts as far as there is room."""
        database, limit = self._server.database, self.limits.seconds_per_hour
        left = limit - quotas.used(database, caller, _QUOTA)
        if left > 0:
            quotas.spend(database, caller, _QUOTA, min(seconds, left), limit)


def sql_routes(server: Server) -> list[Any]:
    """`POST /sql`, and `GET /sql?q=` for short queries."""
    box = SqlBox(server)
    server.at_close(box.pool.close)

    @post(
        "/sql",
        status_code=200,
        guards=[needs("read")],
        operation_id="askSql",
        operation_class=SqlOperation,
        summary="Answer a query in SQL",
        tags=["SQL"],
    )
    async def ask_sql(
        request: Request[Any, Any, Any], data: JSONBody[SqlQuestion], f: Form = None
    ) -> SqlAnswer:
        """Run one SELECT over cells, parcels, labels, seasons, models, adapters and comunas (docs/sql.md).

        The answer is JSON, CSV, an Arrow stream, Parquet or (of one geometry column) GeoJSON. It comes while the query
        runs; an answer that had to be cut ends without HTTP's last chunk, so that it cannot be taken for whole.
        """
        return await box.answer(request, data.query, f, data.limit)

    @get(
        "/sql",
        guards=[needs("read")],
        operation_id="getSql",
        operation_class=SqlOperation,
        summary="Answer a short query in SQL",
        tags=["SQL"],
    )
    async def get_sql(
        request: Request[Any, Any, Any], q: QueryText, f: Form = None, limit: Limit = None
    ) -> SqlAnswer:
        """As `POST /sql`, for queries that fit into an address."""
        return await box.answer(request, q, f, limit)

    return [ask_sql, get_sql]
