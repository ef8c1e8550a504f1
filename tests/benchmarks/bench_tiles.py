"""Tiles of a country from a real server: 8 client processes, an adapter never seen before, zooms 4 to 14.

`SURCO_BENCH_ROWS=7200000` for all Chile (200,000 otherwise); `SURCO_BENCH_STORE` keeps the store there, or takes the
one that is there. Places are rows drawn by chance, so that tiles lie where the country does; each tile is asked for
once cold, then all of them once more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.measure import milliseconds, print_table
from benchmarks.national_store import MODEL, write_national

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api.tiles.cell_levels import cell_levels
from surco.api.tiles.mercator import separated
from surco.embedstore import Store
from surco.embedstore.vector_sources import source_of
from surco.embedstore.vectors import table_vectors

ROWS = int(os.environ.get("SURCO_BENCH_ROWS", "200000"))
CLIENTS, A_ZOOM = 8, 40
ZOOMS = range(4, 15)
HERE = Path(__file__).resolve().parent
CROPS = ("alfalfa", "bare", "cherry", "forest", "maize", "vineyard", "wheat", "avocado", "olive", "walnut")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """All Chile's cells, or some of them, with a tile index and an adapter that nobody has drawn."""
    path = Path(os.environ.get("SURCO_BENCH_STORE") or tmp_path_factory.mktemp("bench") / "store")
    if not (path / "store.json").exists():
        write_national(path, ROWS)
    with Store.open(path).transaction() as write:
        write.put_adapter("bench-tiles", tiles_adapter(Store.open(path)))
    return Store.open(path)


def test_index(store: Store) -> None:
    """How long the index of a table takes, and how large it is."""
    source = source_of(store, "cells")
    table_vectors(source)
    folder = source.folder("cell-levels-1")
    for file in folder.glob("*"):
        file.unlink()
    cell_levels.cache_clear()
    began = time.perf_counter()
    cell_levels(source)
    making = time.perf_counter() - began
    cell_levels.cache_clear()
    began = time.perf_counter()
    cell_levels(source)
    opening = time.perf_counter() - began
    size = sum(file.stat().st_size for file in folder.glob("*"))
    print(
        f"\nindex of {source.info.rows:,} cells: made in {making:.1f} s, opened in {opening:.2f} s, "
        f"{size / 1e6:,.0f} MB, {size / source.info.rows:.1f} bytes a cell"
    )


def test_tiles(store: Store) -> None:
    """Latency of tiles, cold and kept, and the server's memory."""
    tiles = country_tiles(store)
    rows, memory = [], []
    # Each form asks a server that has drawn nothing: the adapter is as new to it as to a fresh one.
    for form in ("mvt", "png"):
        with_server = _server(store.path)
        process, port = next(with_server)
        _ask(port, [f"/maps/bench-tiles/2024-25/tiles/0/0/0.{form}"])
        paths = [f"/maps/bench-tiles/2024-25/tiles/{z}/{x}/{y}.{form}" for z, x, y in tiles]
        for name in ("cold", "kept"):
            used = _processor_seconds(process)
            answers = _ask(port, paths)
            rows.append(_row(f"{form}, {name}", answers, _processor_seconds(process) - used))
            assert {status for _, status, _ in answers} <= {200, 204}
        memory.append((form, *_memory(process)))
        next(with_server, None)
    header = ("", "tiles", "p50", "p95", "p99", "worst", "CPU a tile", "mean kB")
    print_table(f"{CLIENTS} clients, {len(tiles)} tiles of z{ZOOMS[0]} to z{ZOOMS[-1]}", header, rows)
    for form, peak, own in memory:
        print(
            f"  server after {form}: peak {peak:,.0f} MB resident, of which {own:,.0f} MB are no mapped files"
        )


def tiles_adapter(store: Store) -> dict[str, bytes]:
    """Bundle of an adapter of ten crops, fitted upon 400 cells of a national store."""
    vectors = table_vectors(source_of(store, "cells"))
    rng = np.random.default_rng(7)
    rows = np.sort(rng.choice(len(vectors.embedding), 400, replace=False))
    values = vectors.embedding[rows] * vectors.inverse_length[rows, None]
    axis = values @ rng.normal(size=(values.shape[1], len(CROPS)))
    fitted = CropTypeAdapter().fit(values, np.array(CROPS)[axis.argmax(axis=1)])
    training: dict[str, Any] = {"sources": ["bench"]}
    return save_adapter(fitted, name="bench-tiles", model_id=MODEL, task="crop-type", training=training)


def country_tiles(
    store: Store, zooms: range = ZOOMS, a_zoom: int = A_ZOOM, seed: int = 3
) -> list[tuple[int, int, int]]:
    """Tiles of places by chance, as many of each zoom as there are or `a_zoom`, in an order by chance."""
    code = cell_levels(source_of(store, "cells")).levels[-1].code
    rng = np.random.default_rng(seed)
    x, y = separated(code[np.sort(rng.choice(len(code), 20_000))])
    found = []
    for zoom in zooms:
        places = np.unique(np.stack([x >> (32 - zoom), y >> (32 - zoom)], axis=1), axis=0)
        chosen = rng.permutation(len(places))[:a_zoom]
        found += [(zoom, int(a), int(b)) for a, b in places[chosen]]
    return [found[number] for number in rng.permutation(len(found))]


def _server(path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, str(HERE / "tile_server.py"), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline().split()[1])
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def _ask(port: int, paths: list[str]) -> list[tuple[float, int, int]]:
    """What each path's answer took; the clients begin together, each with its share."""
    shares = [paths[number::CLIENTS] for number in range(min(CLIENTS, len(paths)))]
    command = [sys.executable, str(HERE / "tile_client.py")]
    clients = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in shares
    ]
    for client, share in zip(clients, shares, strict=True):
        assert client.stdin is not None
        client.stdin.write("\n".join([str(port), *share]) + "\n")
        client.stdin.flush()
    time.sleep(1)
    answers = [client.communicate("go\n")[0] for client in _started(clients)]
    return [tuple(answer) for share in answers for answer in json.loads(share)]


def _started(clients: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()
    return clients


def _row(name: str, answers: list[tuple[float, int, int]], processor: float) -> list[str]:
    times = np.array([took for took, _, _ in answers])
    marks = [milliseconds(float(mark)) for mark in np.percentile(times, [50, 95, 99, 100])]
    size = np.mean([size for _, _, size in answers]) / 1000
    return [name, str(len(times)), *marks, milliseconds(processor / len(times)), f"{size:,.0f}"]


def _processor_seconds(process: subprocess.Popen[str]) -> float:
    """What the server has used so far: unlike latency it does not grow with what else the machine does."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Peak of resident memory and what is resident now without mapped files, in MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmHWM", "RssAnon"))}
    return int(found["VmHWM"]) / 1024, int(found["RssAnon"]) / 1024
