"""Export of a whole country over HTTP: rows a second, time to the first byte, most memory of the server.

A server in a process of its own, one client, one answer at a time. `SURCO_BENCH_STORE=FOLDER` takes a store of
`national_store.py` that is there, with an adapter `bench-map`; without, one of `SURCO_BENCH_ROWS` (200,000) is made.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from benchmarks.measure import milliseconds, print_table, rate
from benchmarks.national_store import MODEL, encoded_statistics, write_national

from surco.adapters import CropTypeAdapter, save_adapter
from surco.embedstore import Store

ROWS = int(os.environ.get("SURCO_BENCH_ROWS", "200000"))
ADAPTER, LABELS, LARGEST_MB = "bench-map", 30, 2048
SERVE = (
    "import sys, pathlib, uvicorn; from surco.api.app import create_app; from surco.api.settings import Settings; "
    "uvicorn.run(create_app(Settings(pathlib.Path(sys.argv[1]))), port=int(sys.argv[2]), log_level='warning')"
)
KINDS = ("parquet, points", "parquet, no geometry", "parquet, hexagons", "GeoJSON, points of Maule")
QUERIES = ("f=parquet", "f=parquet&geometry=none", "f=parquet&geometry=polygon", "f=geojson&region=Maule")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A country, and an adapter of its land covers."""
    if "SURCO_BENCH_STORE" in os.environ:
        return Store.open(os.environ["SURCO_BENCH_STORE"])
    store = write_national(tmp_path_factory.mktemp("bench") / "store", ROWS)
    statistics, rng = encoded_statistics(), np.random.default_rng(0)
    pairs = zip(statistics.mean, statistics.root, strict=True)
    examples = [mean + rng.normal(size=(LABELS, len(mean))) @ root.T for mean, root in pairs]
    labels = np.repeat([f"class {i}" for i in range(len(examples))], LABELS)
    adapter = CropTypeAdapter().fit(np.concatenate(examples), labels)
    files = save_adapter(adapter, name=ADAPTER, model_id=MODEL, task="crop-type", training={})
    with store.transaction() as tx:
        tx.put_adapter(ADAPTER, files)
    return store


@contextmanager
def served(store: Store) -> Iterator[tuple[str, int]]:
    """A server in a process of its own: its address and its number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-c", SERVE, str(store.path), str(port)]
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{address}/health").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def resident_mb(pid: int, what: str) -> float:
    """Memory of a process, MB: "VmHWM" the most so far, "VmRSS" now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def cpu_seconds(pid: int) -> float:
    """Seconds of processors that a process has used."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def fetched(address: str, out: Path) -> tuple[float, float, int]:
    """Seconds to the first byte of the body and to the last, and bytes."""
    began, first = time.perf_counter(), 0.0
    with out.open("wb") as file, httpx.stream("GET", address, timeout=600) as answer:
        assert answer.status_code == 200, answer.read()
        for chunk in answer.iter_raw():
            first = first or time.perf_counter() - began
            file.write(chunk)
    return first, time.perf_counter() - began, out.stat().st_size


def rows_of(path: Path) -> int:
    """How many rows or features a file has."""
    if path.read_bytes()[:4] == b"PAR1":
        return pq.read_metadata(path).num_rows
    return path.read_bytes().count(b'{"type":"Feature"')


def test_exports_of_a_country(store: Store, tmp_path: Path) -> None:
    """Every row arrives, in formats that stream, from a server that stays below two gigabytes."""
    info = store.find("cells")
    rows = []
    with served(store) as (address, pid):
        export = f"{address}/maps/{ADAPTER}/{info.season}/export"
        fetched(f"{export}?f=parquet&bbox=-71.8,-35.6,-71.4,-35.3", tmp_path / "warm")
        idle = resident_mb(pid, "VmRSS")
        for kind, query in zip(KINDS, QUERIES, strict=True):
            before = cpu_seconds(pid)
            first, seconds, size = fetched(f"{export}?{query}", tmp_path / "answer")
            count = rows_of(tmp_path / "answer")
            assert count == info.rows or "region" in query
            most = resident_mb(pid, "VmHWM")
            work = cpu_seconds(pid) - before
            sizes = [f"{size / 1e6:,.0f} MB", f"{most:,.0f} MB"]
            rows.append([kind, rate(count, seconds), f"{work:.1f} s", milliseconds(first), *sizes])
            assert most < LARGEST_MB
    print_table(
        f"{info.rows:,} cells over HTTP, one client; server idle at {idle:,.0f} MB; load {os.getloadavg()}",
        ["", "rows a second", "processors", "first byte", "body", "most memory"],
        rows,
    )
