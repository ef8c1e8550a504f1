"""Adapters fitted over HTTP by eight clients at once: seconds from the request to the card, and the server's memory.

`SURCO_BENCH_STORE` names a store made by national_store.py (7.2 million cells are Chile); without it one of
`SURCO_BENCH_ROWS` cells is made. Adapters are called bench-fit-*, and are taken out of the store again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.measure import milliseconds, print_table
from benchmarks.national_store import write_national

from surco.embedstore import Store
from surco.embedstore.files import read_rows
from surco.embedstore.schema import fixed_size_matrix

CLIENTS, FITS, LABELS = 8, 80, 100
CLASSES = ("bosque", "cerezo", "maíz", "pradera", "trigo", "viñedo")
GOAL_S = 0.3
OURS = "bench-fit-"


def labels_of(store: Store, seed: int) -> dict[str, Any]:
    """A FeatureCollection of labels on cells of forty files: a class by direction of the vector, a fifth by chance."""
    rng = np.random.default_rng(seed)
    info = store.find("cells")
    files = [info.files[i] for i in rng.choice(len(info.files), min(40, len(info.files)), replace=False)]
    parts = [_some(file, -(-LABELS // len(files)), rng) for file in files]
    lonlat, vectors = (np.concatenate([part[i] for part in parts])[:LABELS] for i in (0, 1))
    towards = vectors @ np.random.default_rng(0).normal(size=(vectors.shape[1], len(CLASSES)))
    code = ((towards - towards.mean(axis=0)) / towards.std(axis=0)).argmax(axis=1)
    code = np.where(rng.random(len(code)) < 0.2, rng.integers(0, len(CLASSES), len(code)), code)
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": place},
            "properties": {"class": CLASSES[c]},
        }
        for place, c in zip(lonlat.tolist(), code.tolist(), strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _some(file: Path, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    table = read_rows(file, ["geometry", "embedding"])
    rows = rng.choice(table.num_rows, min(count, table.num_rows), replace=False)
    wkb = np.array(table["geometry"].take(rows).to_pylist(), object)
    lonlat = np.stack([np.frombuffer(each, "<f8", 2, 5) for each in wkb])
    return lonlat, fixed_size_matrix(table["embedding"].take(rows)).astype(float)


@contextmanager
def serving(store: Path, state: Path) -> Iterator[tuple[str, int]]:
    """A server in a process of its own on two processors; its address and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, str(store), str(state), str(port)]
    server = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{port}/health").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait()


def timed(address: str, bodies: list[dict[str, Any]], clients: int, path: str = "/adapters") -> np.ndarray:
    """Seconds of each of so many requests, sent by so many clients who never wait."""

    def ask(body: dict[str, Any]) -> float:
        began = time.perf_counter()
        answer = httpx.post(f"{address}{path}", json=body, timeout=60)
        assert answer.status_code == 201, answer.text
        assert answer.json()["scores"]["scores"] is not None
        return time.perf_counter() - began

    with ThreadPoolExecutor(clients) as pool:
        return np.array(list(pool.map(ask, bodies)))


def cpu_s(pid: int) -> float:
    """Seconds of processors that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int, what: str) -> float:
    """Resident memory of a process, MB: VmHWM the most so far, RssAnon what is not mapped from files."""
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{what}:")
    ]
    return int(line.split()[1]) / 1024


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store."""
    named = os.environ.get("SURCO_BENCH_STORE")
    if named:
        return Path(named)
    path = tmp_path_factory.mktemp("country") / "store"
    write_national(path, int(os.environ.get("SURCO_BENCH_ROWS", "720000")))
    return path


def test_fit_from_a_hundred_labels(country: Path, tmp_path: Path) -> None:
    """The card comes within the goal from one client; eight at once share two processors."""
    store = Store.open(country)
    bodies = [{"name": f"{OURS}{n % 16}", "labels": labels_of(store, n)} for n in range(FITS)]
    try:
        with serving(country, tmp_path / "state.sqlite") as (address, pid):
            first = timed(address, bodies[:1], 1)
            found = {"1 client": timed(address, bodies[:20], 1)}
            before = cpu_s(pid)
            found[f"{CLIENTS} clients"] = timed(address, bodies, CLIENTS)
            used = (cpu_s(pid) - before) / len(bodies)
            found["1 client, all baselines"] = timed(address, bodies[:3], 1, "/adapters?scores=full")
            peak, own = resident_mb(pid, "VmHWM"), resident_mb(pid, "RssAnon")
    finally:
        with Store.open(country).transaction() as transaction:
            for name in Store.open(country).adapters():
                if name.startswith(OURS):
                    transaction.remove_adapter(name)
    rows = store.find("cells").rows
    print_table(
        f"Fits from {LABELS} labels on {rows:,} cells; the first, which opens the table, {milliseconds(first[0])}; "
        f"{milliseconds(used)} of processor a fit; peak {peak:,.0f} MB, {own:,.0f} MB of them not mapped from files",
        ["", "p50", "p95", "fits/s"],
        [
            [
                name,
                milliseconds(float(np.percentile(s, 50))),
                milliseconds(float(np.percentile(s, 95))),
                f"{len(s) / s.sum() * (CLIENTS if name.startswith(str(CLIENTS)) else 1):.1f}",
            ]
            for name, s in found.items()
        ],
    )
    assert used < GOAL_S and peak < 2048


def _serve(store: str, state: str, port: str) -> None:
    import uvicorn

    from surco.api.app import create_app
    from surco.api.settings import Settings

    many = 1_000_000
    settings = Settings(
        Path(store),
        anonymous=("read", "train"),
        database=f"sqlite:///{state}",
        requests_per_minute=many,
        writes_per_minute=many,
    )
    uvicorn.run(create_app(settings), host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
