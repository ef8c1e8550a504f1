"""/search, /embeddings and /stac of a country over HTTP: p50, p95 and answers a second with eight clients.

A server in a process of its own, one process, over a copy of the store whose files are links, so that an index can be
made there. `SURCO_BENCH_STORE` names a store of national_store.py; without it one of `SURCO_BENCH_ROWS` is made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from benchmarks.measure import milliseconds, print_table, rate
from benchmarks.national_store import write_national

from surco.api.search.cell_ranges import centres_of
from surco.embedstore import Store
from surco.embedstore.inverted import stored_lists
from surco.embedstore.list_making import make_lists
from surco.embedstore.vector_sources import source_of
from surco.embedstore.vectors import table_vectors

ROWS = int(os.environ.get("SURCO_BENCH_ROWS", "200000"))
CLIENTS, REQUESTS = 8, int(os.environ.get("SURCO_BENCH_REQUESTS", "64"))
SERVER = Path(__file__).with_name("tile_server.py")

Ask = Callable[[httpx.Client, np.random.Generator], httpx.Response]


@dataclass(frozen=True)
class Case:
    """What is asked, and how."""

    name: str
    ask: Ask


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A country, beside the one that is named: the same files, and an index."""
    given, path = os.environ.get("SURCO_BENCH_STORE"), tmp_path_factory.mktemp("bench") / "store"
    if given is None:
        made = write_national(path, ROWS)
    else:
        # What was derived before is taken along: an index is made in minutes.
        left = shutil.ignore_patterns(".draft-*", ".server", ".staging", ".writers")
        shutil.copytree(given, path, copy_function=_link, ignore=left)
        made = Store.open(path)
    began, source = time.perf_counter(), source_of(made, "cells")
    index = stored_lists(source) or make_lists(source)
    print(
        f"\n\n{source.info.rows:,} rows; vectors and index in {time.perf_counter() - began:.0f} s: "
        f"{len(index.centroids)} lists, {index.probes} looked at, recall {index.recall:.4f}"
    )
    return made


def _link(source: str, target: str) -> None:
    """Stores never edit a file, so that a link is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def server(store: Store) -> Iterator[tuple[str, int]]:
    """Address and process of a running server."""
    with subprocess.Popen(
        [sys.executable, str(SERVER), str(store.path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[1])
        yield f"http://127.0.0.1:{port}", process.pid
        process.terminate()


def places_of(store: Store, number: int = 2_000) -> np.ndarray:
    """(N, 2) places of cells by chance."""
    cells = table_vectors(source_of(store, "cells")).keys.to_numpy()
    return centres_of(np.sort(np.random.default_rng(5).choice(cells, number, replace=False)))


def cases(store: Store) -> list[Case]:
    """Everything that is measured."""
    places, numbers = places_of(store), count()

    def place(rng: np.random.Generator) -> list[float]:
        return places[rng.integers(len(places))].tolist()

    def search(**given: Any) -> Ask:
        def ask(client: httpx.Client, rng: np.random.Generator) -> httpx.Response:
            made = {name: value() if callable(value) else value for name, value in given.items()}
            return client.post("/search", json={"like": [{"place": place(rng)}], "k": 100, **made})

        return ask

    def box(rng: np.random.Generator, side: float) -> str:
        lon, lat = place(rng)
        return ",".join(str(round(value, 5)) for value in (lon - side, lat - side, lon + side, lat + side))

    def area(side: float, form: str, **given: Any) -> Ask:
        return lambda client, rng: client.get(
            "/embeddings", params={"bbox": box(rng, side), "f": form, **given}
        )

    def fresh() -> str:
        """A filter that no session remembers."""
        return f"n_pixels > {900 + next(numbers) % 100} AND n_radar > {20 + next(numbers) / 1000}"

    def point(client: httpx.Client, rng: np.random.Generator) -> httpx.Response:
        return client.get("/embeddings", params={"point": ",".join(map(str, place(rng)))})

    def points(client: httpx.Client, rng: np.random.Generator) -> httpx.Response:
        return client.post("/embeddings?f=arrow", json={"points": [place(rng) for _ in range(100)]})

    def catalogue(client: httpx.Client, rng: np.random.Generator) -> httpx.Response:
        return client.get("/stac/search", params={"bbox": box(rng, 0.1)})

    return [
        Case("search, indexed", search()),
        Case("search, exact", search(exact=True)),
        Case("search, in a comuna", search(comuna=7301)),
        Case("search, in a box of 1 degree", search(bbox=[-71.7, -35.6, -70.7, -34.6])),
        Case("search, a known filter in a region", search(region="Maule", filter="n_optical > 30")),
        Case("search, a new filter in a region", search(region="Maule", filter=fresh)),
        Case("search, a new filter on all land", search(filter=fresh)),
        Case("embeddings, 1 point, JSON", point),
        Case("embeddings, 100 points, Arrow", points),
        Case("embeddings, box of 10 km, JSON", area(0.05, "json")),
        Case("embeddings, box of 10 km, Arrow", area(0.05, "arrow", columns="all")),
        Case("embeddings, box of 1 degree, Arrow", area(0.5, "arrow")),
        Case("embeddings, box of 1 degree, Parquet", area(0.5, "parquet")),
        Case("stac search", catalogue),
    ]


def load(address: str, case: Case, requests: int) -> tuple[list[float], float, int]:
    """Seconds of each answer, seconds of all, and bytes; answers that the server was too busy for count as infinite."""

    def work(number: int) -> tuple[list[float], int]:
        rng, taken, size = np.random.default_rng(number), [], 0
        with httpx.Client(base_url=address, timeout=120) as client:
            for _ in range(requests // CLIENTS):
                began = time.perf_counter()
                answer = case.ask(client, rng)
                taken.append(time.perf_counter() - began)
                assert answer.status_code in (200, 503), answer.text
                taken[-1] = taken[-1] if answer.status_code == 200 else np.inf
                size += len(answer.content)
        return taken, size

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        found = list(pool.map(work, range(CLIENTS)))
    whole = time.perf_counter() - began
    return [each for taken, _ in found for each in taken], whole, sum(size for _, size in found)


def most_memory(process: int) -> float:
    """The server's largest resident size in GiB; files that it mapped count."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 2**20


def test_latency(store: Store, server: tuple[str, int]) -> None:
    """Of each case, after a first answer that opens what it needs."""
    address, process = server
    rows = []
    for case in cases(store):
        with httpx.Client(base_url=address, timeout=120) as client:
            began = time.perf_counter()
            case.ask(client, np.random.default_rng(99)).raise_for_status()
            first = time.perf_counter() - began
        taken, whole, size = load(address, case, REQUESTS)
        p50, p95 = np.quantile(taken, (0.5, 0.95), method="higher")
        figures = [milliseconds(first), milliseconds(p50), milliseconds(p95), rate(len(taken), whole)]
        rows.append([case.name, *figures, f"{size / whole / 1e6:.1f}"])
        print(rows[-1], flush=True)
    print_table(
        f"{store.find('cells').rows:,} cells, {CLIENTS} clients, {REQUESTS} requests each case; "
        f"most memory of the server {most_memory(process):.2f} GiB; load {os.getloadavg()}",
        ["", "first", "p50", "p95", "answers/s", "MB/s"],
        rows,
    )
