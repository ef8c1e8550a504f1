"""`/sql`: what it answers, the limits that hold, and processes that die when they must and never else."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from browser import build_valley
from sql_server import serving_sql

from surco.api.refusals import BusyError
from surco.api.sql_box.slots import Slots
from surco.embedstore import Store, run_sql

LONG = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = -1"


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that is asked."""
    return build_valley(tmp_path_factory.mktemp("box") / "valley").path


@pytest.fixture(scope="module")
def client(valley: Path) -> Iterator[httpx.Client]:
    """A client of a running server with one worker."""
    with serving_sql(valley, sql_workers=1) as url, httpx.Client(base_url=url, timeout=60) as client:
        ask(client, "SELECT 1")
        yield client


def ask(client: httpx.Client, query: str, f: str = "json", **body: Any) -> httpx.Response:
    """The answer to a query."""
    return client.post("/sql", params={"f": f}, json={"query": query, **body})


def workers(server: int | None = None) -> set[int]:
    """Processes of the box that a process has started."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if b"sql_box.worker" in line and parent == (server or os.getpid()):
                found.add(int(entry.name))
    return found


def until(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def test_nobody_pays_for_the_memory_of_the_query_before(client: httpx.Client) -> None:
    """A query that finds no memory takes its process with it; a tree of the last query is not kept beside the next."""
    columns = "SELECT " + ",".join(["1"] * 20_000)
    chosen = f"SELECT 1 IN ({','.join(map(str, range(15_000)))})"
    for _ in range(3):
        before = workers()
        assert ask(client, columns).status_code == 413
        assert until(lambda: not workers() & before)  # noqa: B023 - within the turn
        for _ in range(3):
            answer = ask(client, chosen)
            assert answer.status_code == 200, answer.text[:500]
    assert ask(client, "SELECT length(repeat('x', 200000000))").status_code == 200
    assert until(lambda: len(workers()) == 1)


def test_formats_hold_the_same_rows(client: httpx.Client, valley: Path) -> None:
    """JSON, CSV, Arrow and Parquet are what the session itself answers; H3 keeps every digit in each."""
    query = (
        "SELECT h3, ndvi, embedding, comuna, n_pixels / 7 AS r, season FROM cells WHERE res = 11 ORDER BY h3"
    )
    expected = run_sql(Store.open(valley), query)
    assert (
        pa.ipc.open_stream(ask(client, query, "arrow").content).read_all().to_pylist() == expected.to_pylist()
    )
    assert (
        pq.read_table(io.BytesIO(ask(client, query, "parquet").content)).to_pylist() == expected.to_pylist()
    )
    answer = ask(client, query).json()
    assert answer["columns"][0] == {"name": "h3", "type": "UBIGINT"} and answer["count"] == len(expected)
    assert [int(row[0]) for row in answer["rows"]] == expected["h3"].to_pylist()
    assert [row[1:] for row in answer["rows"]] == [list(row.values())[1:] for row in expected.to_pylist()]
    frame = pl.read_csv(ask(client, query, "csv").content, schema_overrides={"h3": pl.UInt64})
    assert frame["h3"].to_list() == expected["h3"].to_pylist()
    assert [json.loads(text) for text in frame["ndvi"]] == expected["ndvi"].to_pylist()


def test_accept_chooses_the_format_and_f_wins(client: httpx.Client) -> None:
    """Content negotiation, and 406 for what there is not."""
    for accept, f, kind in (
        ("text/csv", None, "text/csv"),
        ("application/vnd.apache.arrow.stream", None, "application/vnd.apache.arrow.stream"),
        ("text/csv", "parquet", "application/vnd.apache.parquet"),
        ("*/*", None, "application/json"),
    ):
        params = {"q": "SELECT 1 AS a", **({"f": f} if f else {})}
        answer = client.get("/sql", params=params, headers={"accept": accept})
        assert answer.headers["content-type"].startswith(kind)
    assert client.get("/sql", params={"q": "SELECT 1"}, headers={"accept": "image/png"}).status_code == 406
    assert client.get("/sql", params={"q": "SELECT 1", "f": "xls"}).status_code == 400
    assert client.get("/sql", params={"q": "SELECT 1", "fromat": "csv"}).status_code == 400
    for body in (
        {"query": "SELECT 1", "limits": 3},
        {"query": ""},
        {},
        {"query": "SELECT 1", "limit": 10**30},
    ):
        assert client.post("/sql", json=body).status_code == 400
    assert client.get("/sql", params={"q": "SELECT 1", "limit": 10**30}).status_code == 400


def test_geometry_is_what_each_format_expects(client: httpx.Client, valley: Path) -> None:
    """GeoJSON objects, WKT, WKB under GeoArrow's name, GeoParquet: the same outlines in each."""
    query = "SELECT id, geometry FROM parcels ORDER BY id"
    outlines = shapely.from_wkb(run_sql(Store.open(valley), query)["geometry"].to_pylist())
    features = ask(client, query, "geojson").json()["features"]
    assert [f["properties"] for f in features][:2] == [{"id": "P000"}, {"id": "P001"}]
    shapes = [shapely.from_geojson(json.dumps(f["geometry"])) for f in features]
    assert shapely.equals_exact(shapes, outlines, 1e-9).all()
    rows = ask(client, query).json()["rows"]
    assert [row[1] for row in rows] == [f["geometry"] for f in features]
    frame = pl.read_csv(ask(client, query, "csv").content)
    assert shapely.equals_exact(shapely.from_wkt(frame["geometry"].to_numpy()), outlines, 1e-6).all()
    stream = pa.ipc.open_stream(ask(client, query, "arrow").content)
    assert stream.schema.field("geometry").metadata[b"ARROW:extension:name"] == b"geoarrow.wkb"
    file = pq.ParquetFile(io.BytesIO(ask(client, query, "parquet").content))
    geo = json.loads(file.metadata.metadata[b"geo"])
    assert geo["primary_column"] == "geometry" and geo["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    assert ask(client, "SELECT 1", "geojson").status_code == 400


def test_large_numbers_and_odd_values_stay_true_in_json(client: httpx.Client) -> None:
    """Whole numbers beyond 2**53 become text, in lists too; decimals keep their digits; no NaN is written."""
    query = (
        "SELECT 18446744073709551615::UBIGINT AS a, [18446744073709551615::UBIGINT] AS b, 9007199254740993 AS c, "
        "7::BIGINT AS d, 1.10::DECIMAL(9, 2) AS e, 'nan'::DOUBLE AS f, DATE '2024-05-01' AS g, '\\xFF'::BLOB AS h"
    )
    text = ask(client, query).text
    assert '"rows":[["18446744073709551615",["18446744073709551615"],"9007199254740993",7,1.10,null,' in text
    assert json.loads(text)["rows"][0][6:] == ["2024-05-01", "/w=="]
    assert ask(client, "SELECT DATE 'infinity'").status_code == 400


def test_the_answer_says_whether_limit_left_rows_out(client: httpx.Client) -> None:
    """`limit` ends an answer early and says so; an answer that is just as long is whole."""
    cut, whole = (ask(client, "SELECT * FROM range(10)", limit=n) for n in (9, 10))
    assert (cut.headers["surco-truncated"], cut.json()["truncated"], cut.json()["count"]) == ("true", True, 9)
    assert (whole.headers["surco-truncated"], whole.json()["truncated"], whole.json()["count"]) == (
        "false",
        False,
        10,
    )
    assert ask(client, "SELECT * FROM range(10)", limit=0).status_code == 400
    long = ask(client, "SELECT * FROM range(1000000000000)", "arrow", limit=1_000_000)
    assert pa.ipc.open_stream(long.content).read_all().num_rows == 1_000_000


def test_every_question_of_the_docs_may_be_asked() -> None:
    """What docs/sql.md asks is let pass by the guard, all of it."""
    from surco.api.sql_box.guard import Guard

    page = Path(__file__).resolve().parents[1] / "docs/sql.md"
    questions = re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    guard = Guard()
    assert len([guard.statement(question) for question in questions]) >= 25


def test_a_client_that_leaves_stops_its_query(valley: Path) -> None:
    """The one worker is free, or another is in its place, a moment after the connection of a long query is closed."""
    with (
        serving_sql(valley, sql_workers=1, sql_timeout_s=50) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        ask(client, "SELECT 1")
        before = workers()
        host, _, port = url.removeprefix("http://").partition(":")
        for query in (LONG, "SELECT * FROM range(100000000)"):
            body = json.dumps({"query": query}).encode()
            with socket.create_connection((host, int(port))) as raw:
                head = "POST /sql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                raw.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                time.sleep(0.5)
            began = time.monotonic()
            assert ask(client, "SELECT 1").json()["rows"] == [[1]]
            assert time.monotonic() - began < 5
        assert len(workers()) == len(before)  # a query that does not end when it is told to is killed


def test_a_killed_worker_is_replaced(client: httpx.Client) -> None:
    """SIGKILL in the midst of a query: 503 for it, an answer for the next, another process."""
    (pid,) = workers()
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    answer = ask(client, LONG)
    assert answer.status_code == 503 and "ended it" in answer.json()["detail"]
    assert ask(client, "SELECT 1").json()["rows"] == [[1]]
    assert pid not in workers() and len(workers()) == 1


def test_limits_of_rows_bytes_time_and_memory_hold(valley: Path) -> None:
    """Each limit has its status; an answer that is cut after its first megabyte is a transfer that broke off."""
    limits = {"sql_rows": 50_000, "sql_bytes": 3_000_000, "sql_timeout_s": 4.0, "sql_memory": 200_000_000}
    with serving_sql(valley, **limits) as url, httpx.Client(base_url=url, timeout=60) as client:
        ask(client, "SELECT 1")
        for query, status, words in (
            ("SELECT * FROM range(50001)", 413, "50,000 rows"),
            ("SELECT repeat('x', 3000000)", 413, "3,000,000 bytes"),
            (LONG, 504, "4 s"),
            ("SELECT list(range || 'xxxxxxxxxxxxxxxx') FROM range(100000000)", 413, "191 MiB"),
        ):
            answer = ask(client, query)
            assert (answer.status_code, answer.headers["content-type"]) == (
                status,
                "application/problem+json",
            )
            assert words in answer.json()["detail"]
        assert ask(client, "SELECT * FROM range(50000)").json()["count"] == 50_000
        with pytest.raises(httpx.RemoteProtocolError):
            ask(client, "SELECT repeat('x', 100) FROM range(40000)")
        assert ask(client, "SELECT 1").status_code == 200


def test_memory_that_duckdb_does_not_count_is_counted(valley: Path) -> None:
    """An allocation in one of our own functions, outside DuckDB's accounts, ends within the limit too."""
    with (
        serving_sql(valley, sql_workers=1, sql_memory=150_000_000) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        ask(client, "SELECT 1")
        query = "SELECT len(h3_children(h3_parent(h3, 7), 15)) FROM cells, range(20)"
        assert ask(client, query).status_code in (400, 413, 503)
        assert ask(client, "SELECT 1").status_code == 200


def test_seconds_of_sql_are_a_quota(tmp_path: Path) -> None:
    """Who has used up the hour's seconds is told when to come again."""
    with (
        serving_sql(Store.create(tmp_path / "s").path, sql_workers=1, sql_seconds=0.3) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        assert ask(client, "SELECT sum(range) FROM range(1000000000)").status_code == 200
        assert until(lambda: ask(client, "SELECT 1").status_code == 429)
        answer = ask(client, "SELECT 1")
        assert int(answer.headers["retry-after"]) > 0 and "used up" in answer.json()["detail"]


def test_a_full_line_sends_callers_away(valley: Path) -> None:
    """More callers than places and line: 503 with Retry-After at once; those in line are answered."""
    with (
        serving_sql(valley, sql_workers=1, sql_line=2, sql_timeout_s=2, sql_wait_s=20) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        ask(client, "SELECT 1")
        ended: list[int] = []
        asking = [
            threading.Thread(target=lambda q=q: ended.append(ask(client, q).status_code))
            for q in (LONG, "SELECT 1")
        ]
        for thread in asking:
            thread.start()
            time.sleep(0.4)
        answer = ask(client, "SELECT 1")
        assert answer.status_code == 503 and "retry-after" in answer.headers
        for thread in asking:
            thread.join()
        assert ended == [504, 200]


def test_slots_keep_a_place_for_others() -> None:
    """One caller cannot take all places nor all of the line; who leaves the line passes the turn on."""

    async def play() -> None:
        slots = Slots(2, 4, 0.05)
        async with slots.taken("a"):
            with pytest.raises(BusyError):
                async with slots.taken("a"):
                    pass
            async with slots.taken("b"):
                with pytest.raises(BusyError):
                    async with slots.taken("c"):
                        pass
        async with asyncio.timeout(1), slots.taken("a"):
            pass

    asyncio.run(play())


def test_a_session_follows_the_store(tmp_path: Path) -> None:
    """The next query sees a new version, also of a store that had no such folder when the worker was caged."""
    from store_builders import MODEL, SEASON, cell_ids, cells_batch, unit_vectors

    store = Store.create(tmp_path / "growing")
    with serving_sql(store.path, sql_workers=1) as url, httpx.Client(base_url=url, timeout=60) as client:
        for count in (0, 5, 9):
            if count:
                with store.transaction() as tx:
                    batch = cells_batch(cell_ids(count), unit_vectors(count))
                    tx.put_cells([batch], model_id=MODEL, season=SEASON, resolution=9)
            answer = ask(client, "SELECT count(*) FROM cells")
            assert answer.json()["rows"] == [[count]]
            assert int(answer.headers["surco-store-version"]) == store.version


def test_workers_die_with_the_server(valley: Path) -> None:
    """A server that is killed outright leaves no process behind, not even one that computes."""
    code = (
        "import sys, time; from pathlib import Path; from sql_server import serving_sql\n"
        "with serving_sql(Path(sys.argv[1])) as url:\n    print(url, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(valley)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        with httpx.Client(base_url=url, timeout=60) as client:
            ask(client, "SELECT 1")
            asking = threading.Thread(target=_ask_in_vain, args=(url,))
            asking.start()
            time.sleep(0.5)
            mine = workers(server.pid)
            server.kill()
            asking.join()
    assert mine and until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in mine))


def _ask_in_vain(url: str) -> None:
    with httpx.Client(base_url=url, timeout=60) as client, pytest.raises(httpx.TransportError):
        ask(client, LONG)


def test_a_worker_holds_no_secret_and_no_door(client: httpx.Client) -> None:
    """Its environment is empty but for five switches; it has no powers, no new privileges, a filter, and limits."""
    ask(client, "SELECT 1")
    (pid,) = workers()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    assert int(status["CapEff"], 16) in (0, 4)  # CAP_DAC_READ_SEARCH, where the server is root
    names = {
        entry.partition("=")[0] for entry in Path(f"/proc/{pid}/environ").read_text().split("\0") if entry
    }
    assert names <= {
        *(
            "ARROW_DEFAULT_MEMORY_POOL",
            "MALLOC_ARENA_MAX",
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "LC_ALL",
        ),
    }
    limits = Path(f"/proc/{pid}/limits").read_text()
    for line, most in (("Max file size", "0"), ("Max core file size", "0"), ("Max open files", "256")):
        assert next(each for each in limits.splitlines() if each.startswith(line)).split()[-3] == most


def test_a_million_rows_pass_without_being_kept(valley: Path) -> None:
    """The server's memory does not grow with the answer: a million rows, 100 MB, add less than a fifth of that."""
    from surco.api.sql_box.cage import memory_in_use

    query = "SELECT range AS a, repeat('x', 100) AS b FROM range(1000000)"
    with serving_sql(valley, sql_workers=1) as url, httpx.Client(base_url=url, timeout=60) as client:
        ask(client, "SELECT 1")
        before, most, size = memory_in_use(), 0, 0
        with client.stream("POST", "/sql", params={"f": "csv"}, json={"query": query}) as answer:
            for part in answer.iter_bytes():
                size += len(part)
                most = max(most, memory_in_use() - before)
    assert size > 100_000_000 and most < 20_000_000
