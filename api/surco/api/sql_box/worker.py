"""The process that runs queries: opens the store, gives up everything else, then answers what comes over its socket.

Run as `python -I -m surco.api.sql_box.worker PARENT` with the socket as its standard input. It keeps its session, and
with it loaded adapters and mapped vectors, until the store has a newer version or it is killed.
"""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from pathlib import Path

import duckdb
import msgspec

from surco.api.predicting import connect_with_adapters
from surco.api.sql_box import frames
from surco.api.sql_box.cage import Walls, confine, die_with_parent, limit_cpu
from surco.api.sql_box.encoders import make_encoder
from surco.api.sql_box.faults import fault_of, ruins_session, too_many_bytes, too_many_rows
from surco.api.sql_box.guard import Guard
from surco.embedstore import Store

__all__ = ["main"]

_BATCH_ROWS = 8_192
_INTERRUPT_EVERY_S = 0.02
_DUCKDB_SHARE = 0.7
"""Of a worker's memory: the rest is for functions, Arrow and the format, which DuckDB does not count."""


def main() -> None:
    """Serve until the socket closes."""
    die_with_parent(int(sys.argv[1]))
    os.nice(5)
    channel = socket.socket(fileno=os.dup(0))
    _, body = frames.read_frame(channel)
    worker = _Worker(channel, msgspec.json.decode(body, type=frames.Start))
    try:
        walls = worker.open()
    except (ValueError, OSError, duckdb.Error) as error:
        frames.write_frame(channel, frames.ERROR, msgspec.json.encode(fault_of(error, "", worker.path)))
        return
    frames.write_frame(channel, frames.READY, msgspec.json.encode(walls))
    worker.serve()


class _Worker:
    """One session and what it is asked."""

    def __init__(self, channel: socket.socket, start: frames.Start) -> None:
        self._channel = channel
        self._start = start
        self.path = Path(start.store)
        self._guard = Guard(start.query_bytes)
        self._asked: queue.SimpleQueue[frames.Ask] = queue.SimpleQueue()
        self._cancelled = -1
        self._running: tuple[int, duckdb.DuckDBPyConnection] | None = None

    def open(self) -> Walls:
        """Open the store and close the cage."""
        self._connect()
        self._session.execute("SELECT count(*), min(ST_X(geometry)) FROM parcels WHERE false").fetchall()
        return confine(self.path, self._start.memory)

    def serve(self) -> None:
        """Answer question after question."""
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            ask = self._asked.get()
            limit_cpu(ask.cpu_s)
            self._answer(ask)

    def _connect(self) -> None:
        store = Store.open(self.path)
        self._version = store.version
        self._session = connect_with_adapters(
            store,
            memory_limit=f"{int(self._start.memory * _DUCKDB_SHARE) >> 20}MiB",
            threads=self._start.threads,
            check_filter=self._guard.predicate,
        )

    def _listen(self) -> None:
        try:
            while True:
                kind, body = frames.read_frame(self._channel)
                if kind == frames.ASK:
                    self._asked.put(msgspec.json.decode(body, type=frames.Ask))
                else:
                    self._cancel(int(body))
        except (EOFError, OSError):
            os._exit(0)

    def _cancel(self, number: int) -> None:
        """Interrupt a query until it ends: an interruption before DuckDB has begun is forgotten by it."""
        self._cancelled = number
        while (running := self._running) and running[0] == number:
            running[1].interrupt()
            time.sleep(_INTERRUPT_EVERY_S)

    def _answer(self, ask: frames.Ask) -> None:
        """Send the answer and how it ended."""
        try:
            if ask.version > self._version:
                self._session.close()
                self._connect()
            with self._session.cursor() as cursor:
                end = self._stream(ask, cursor)
        except _Cut as cut:
            fault = cut.fault
        except Exception as error:  # whatever it is, the client is told, and the process goes on or ends
            fault = fault_of(error, ask.query, self.path)
        else:
            frames.write_frame(self._channel, frames.END, msgspec.json.encode(end))
            return
        frames.write_frame(self._channel, frames.ERROR, msgspec.json.encode(fault))
        if ruins_session(fault):
            os._exit(1)

    def _stream(self, ask: frames.Ask, cursor: duckdb.DuckDBPyConnection) -> frames.End:
        """Send an answer's bytes as they come, interruptible."""
        self._running = (ask.id, cursor)
        try:
            if self._cancelled == ask.id:
                raise duckdb.InterruptException("INTERRUPT Error: before it began")
            return self._stream_rows(ask, cursor)
        finally:
            self._running = None

    def _stream_rows(self, ask: frames.Ask, cursor: duckdb.DuckDBPyConnection) -> frames.End:
        cursor.execute(self._guard.statement(ask.query))
        types = [str(column[1]) for column in cursor.description]
        reader = cursor.to_arrow_reader(_BATCH_ROWS)
        encoder = make_encoder(ask.form, reader.schema, types)
        rows = sent = 0
        truncated = False
        for batch in reader:
            if ask.limit is not None and rows + batch.num_rows > ask.limit:
                batch, truncated = batch.slice(0, ask.limit - rows), True
            rows += batch.num_rows
            if rows > ask.rows:
                raise _Cut(too_many_rows(ask.rows))
            sent += self._send(encoder.batch(batch), sent, ask.bytes)
            if truncated:
                break
        self._send(encoder.end(rows, truncated), sent, ask.bytes)
        return frames.End(rows, truncated)

    def _send(self, part: bytes, sent: int, most: int) -> int:
        if sent + len(part) > most:
            raise _Cut(too_many_bytes(most))
        if part:
            frames.write_frame(self._channel, frames.DATA, part)
        return len(part)


class _Cut(Exception):
    """An answer that is cut."""

    def __init__(self, fault: frames.Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


if __name__ == "__main__":
    main()
