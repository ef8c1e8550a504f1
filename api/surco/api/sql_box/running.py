"""One query while it runs: its bytes as they come, watched for time and memory, stopped when nobody wants it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from surco.api.refusals import BusyError, InvalidError, TimedOutError, TooLargeError
from surco.api.sql_box import frames
from surco.api.sql_box.faults import ruins_session
from surco.api.sql_box.limits import SqlLimits
from surco.api.sql_box.pool import Pool
from surco.api.sql_box.process import GoneError, WorkerProcess

__all__ = ["Question", "Running", "running"]

_NUMBERS = itertools.count(1)
_START_S = 60.0
_GRACE_S = 1.0
_LOOK_S = 0.05


class Question(msgspec.Struct, frozen=True):
    """A query, the format of its answer, the store's version, and the `limit` of rows that the client set."""

    query: str
    form: str
    version: int
    limit: int | None = None


class Running:
    """A query in a worker.

    Attributes:
        seconds: that the worker was busy with it; the client's slowness does not count.
        end: how the whole answer ended; None before.
    """

    def __init__(self, worker: WorkerProcess, question: Question, limits: SqlLimits) -> None:
        self._worker = worker
        self._question = question
        self._limits = limits
        self._number = next(_NUMBERS)
        self._settled = True
        self._overgrown = False
        self.seconds = 0.0
        self.end: frames.End | None = None

    async def parts(self) -> AsyncIterator[bytes]:
        """Bytes of the answer; `end` is set after the last.

        Raises:
            InvalidError: a query that is not allowed or that DuckDB refuses.
            TooLargeError: more rows, bytes or memory than an answer may have.
            TimedOutError: it took too long.
            BusyError: its process had to be killed, or died.
        """
        try:
            await self._begin()
            while True:
                kind, body = await self._next(self._limits.timeout_s - self.seconds)
                if kind == frames.DATA:
                    yield body
                    continue
                self._settled = True
                if kind != frames.END:
                    raise self._refusal(msgspec.json.decode(body, type=frames.Fault))
                self.end = msgspec.json.decode(body, type=frames.End)
                return
        except (GoneError, msgspec.MsgspecError) as error:
            self._worker.kill()
            raise self._lost() from error

    async def watch(self) -> None:
        """Kill the worker when it holds more memory than it may."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._worker.ready and self._worker.too_large:
                self._overgrown = True
                self._worker.kill()
                return

    async def settle(self) -> None:
        """Stop the query if it still runs; a worker that does not stop soon is killed."""
        if self._settled or not self._worker.alive:
            return
        self._worker.cancel(self._number)
        try:
            async with asyncio.timeout(_GRACE_S):
                while (await self._worker.frame())[0] == frames.DATA:
                    pass
            self._settled = True
        except (TimeoutError, GoneError):
            self._worker.kill()

    def abandon(self) -> None:
        """As `settle`, where there is no time to wait."""
        if not self._settled:
            self._worker.kill()

    async def _begin(self) -> None:
        if not self._worker.ready:
            self._settled = False
            kind, body = await self._first_frame()
            if kind != frames.READY:
                fault = msgspec.json.decode(body, type=frames.Fault)
                raise BusyError(f"Expected a store to ask, got: {fault.message} Ask who runs this server.")
            self._worker.mark_ready(body)
        self._settled = False
        limits, asked = self._limits, self._question
        ask = frames.Ask(
            id=self._number,
            version=asked.version,
            query=asked.query,
            form=asked.form,
            limit=asked.limit,
            rows=limits.rows,
            bytes=limits.bytes,
            cpu_s=limits.cpu_s,
        )
        await self._worker.send(frames.ASK, msgspec.json.encode(ask))

    async def _first_frame(self) -> tuple[bytes, bytes]:
        try:
            async with asyncio.timeout(_START_S):
                return await self._worker.frame()
        except TimeoutError as error:
            raise BusyError(
                f"Expected a process for SQL to open the store within {_START_S:g} s, got none. Ask again later."
            ) from error

    async def _next(self, left_s: float) -> tuple[bytes, bytes]:
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(left_s, 0.0)):
                return await self._worker.frame()
        except TimeoutError as error:
            raise self._too_slow() from error
        finally:
            self.seconds += time.monotonic() - began

    def _refusal(self, fault: frames.Fault) -> Exception:
        if fault.kind in ("rows", "bytes"):
            return TooLargeError(fault.message)
        if ruins_session(fault):
            self._worker.kill()
        if fault.kind == "memory":
            return TooLargeError(self._memory_words())
        if fault.kind == "stopped":
            return self._too_slow()
        if fault.kind == "broken":
            logging.getLogger("surco.api").error("a query of /sql met a fault: %s", fault.message)
            return BusyError(self._lost_words())
        if fault.kind == "store":
            return BusyError(fault.message)
        return InvalidError(fault.message)

    def _lost(self) -> BusyError:
        return BusyError(self._memory_words() if self._overgrown else self._lost_words())

    def _too_slow(self) -> TimedOutError:
        return TimedOutError(
            f"Expected an answer within {self._limits.timeout_s:g} s of work, got none. "
            "Ask for fewer rows: filter by season, res or place."
        )

    def _memory_words(self) -> str:
        return (
            f"Expected a query that needs at most {self._limits.memory / 2**20:,.0f} MiB of memory, got one that needs "
            "more. Ask for fewer rows or columns, or count by group."
        )

    def _lost_words(self) -> str:
        return (
            "Expected a query that its process survives, got one that ended it: by its memory, its time, or a fault of "
            "DuckDB. Ask for less at once, or in another way."
        )


@asynccontextmanager
async def running(pool: Pool, question: Question, limits: SqlLimits) -> AsyncIterator[Running]:
    """A query in a worker of the pool; whatever happens, at the end it has stopped and the worker is back or dead."""
    try:
        worker = await pool.take()
    except OSError as error:
        raise BusyError(
            f"Expected a process for SQL, got: {error.strerror}. Ask again in a few seconds."
        ) from error
    query = Running(worker, question, limits)
    watch = asyncio.create_task(query.watch())
    try:
        yield query
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.shield(asyncio.ensure_future(query.settle()))
        query.abandon()
        pool.give_back(worker)
