# ruff: noqa: S608 - the queries are made of this file's own constants
"""SQL over HTTP beside the same queries in a session of one's own: small questions, and rows a second of each format.

`SURCO_BENCH_STORE` names a store of national size (tests/benchmarks/national_store.py); without it one of 200,000 cells
is made.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from benchmarks.measure import milliseconds, print_table, rate
from benchmarks.national_store import write_national
from sql_server import serving_sql

from surco.api.predicting import connect_with_adapters
from surco.api.sql_box.cage import memory_in_use
from surco.api.sql_box.encoders import FORMATS
from surco.embedstore import Store, run_sql_on

TIMES, CLIENTS = 24, 8


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Cells of one season."""
    if named := os.environ.get("SURCO_BENCH_STORE"):
        return Store.open(named)
    return write_national(tmp_path_factory.mktemp("bench") / "store", 200_000)


@pytest.fixture(scope="module")
def url(store: Store) -> Iterator[str]:
    """A server with two workers, warm."""
    with serving_sql(Path(store.path), sql_timeout_s=600, sql_seconds=1e9, sql_line=64, sql_wait_s=60) as url:
        _at_once(url, "SELECT 1", 8)
        yield url


def test_small_questions(store: Store, url: str) -> None:
    """p50 and p95 of one client, and of eight at once, beside the same query in this process."""
    (cell,) = run_sql_on(connect_with_adapters(store, threads=1), "SELECT min(h3) AS h FROM cells")[
        "h"
    ].to_pylist()
    queries = {
        "SELECT 1": "SELECT 1",
        "one cell": f"SELECT h3_string(h3), ndvi, comuna_name FROM cells WHERE h3 = {cell}",
        "cells by season": "SELECT season, count(*) AS n FROM cells GROUP BY ALL",
        "ten neighbours": f"SELECT h3, similarity FROM nearest({cell}, 10)",
        "cells by region": "SELECT region, count(*) AS n FROM cells GROUP BY ALL ORDER BY n",
    }
    rows = []
    with connect_with_adapters(store, threads=1) as session, httpx.Client(base_url=url, timeout=60) as client:
        for name, query in queries.items():
            times = TIMES if name != "cells by region" else 3
            here = _seconds(lambda query=query: run_sql_on(session, query), times)
            over = _seconds(lambda query=query: _asked(client, query), times)
            at_once = _at_once(url, query, times)
            ends = [np.quantile(each, q) for each in (here, over, at_once) for q in (0.5, 0.95)]
            rows.append([name, *(milliseconds(float(each)) for each in ends)])
    title = f"Small questions of {_cells(store):,} cells; load {os.getloadavg()}"
    print_table(
        title, ["", "here p50", "p95", "/sql p50", "p95", f"/sql, {CLIENTS} clients p50", "p95"], rows
    )


def test_long_answers(store: Store, url: str) -> None:
    """Rows a second and the server's memory, of each format, four columns and with geometry."""
    count = min(_cells(store), 300_000)
    rows = []
    for name, columns in (
        ("h3, comuna, n_pixels, season", "h3, comuna, n_pixels, season"),
        ("h3, geometry", "h3, geometry"),
        ("h3, embedding, embedding_scale", "h3, embedding, embedding_scale"),
    ):
        for form in FORMATS:
            if form == "geojson" and "geometry" not in columns:
                continue
            seconds, size, grown = _streamed(url, f"SELECT {columns} FROM cells LIMIT {count}", form)
            rows.append(
                [f"{name}: {form}", rate(count, seconds), f"{size / 1e6:,.0f} MB", f"{grown / 1e6:,.0f} MB"]
            )
    print_table(
        f"{count:,} rows over HTTP; load {os.getloadavg()}",
        ["", "rows a second", "answer", "server's growth"],
        rows,
    )


def _cells(store: Store) -> int:
    return sum(info.rows for info in store.tables() if info.table == "cells")


def _asked(client: httpx.Client, query: str) -> None:
    answer = client.post("/sql", json={"query": query})
    assert answer.status_code == 200, answer.text


def _seconds(work: Callable[[], object], times: int) -> list[float]:
    work()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def _at_once(url: str, query: str, times: int) -> list[float]:
    """Seconds of each answer where several clients ask all the time; each has an address of its own (127.0.0.x)."""
    found: list[float] = []

    def one(number: int) -> None:
        transport = httpx.HTTPTransport(local_address=f"127.0.0.{number + 2}")
        with httpx.Client(base_url=url, timeout=120, transport=transport) as client:
            found.extend(_seconds(lambda: _asked(client, query), max(1, times // CLIENTS)))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _streamed(url: str, query: str, form: str) -> tuple[float, int, int]:
    """Seconds, bytes and the growth of this process, which serves and reads."""
    before, most, size = memory_in_use(), 0, 0
    began = time.perf_counter()
    with (
        httpx.Client(base_url=url, timeout=120) as client,
        client.stream("POST", "/sql", params={"f": form}, json={"query": query}) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        for part in answer.iter_raw():
            size += len(part)
            most = max(most, memory_in_use() - before)
    return time.perf_counter() - began, size, most
