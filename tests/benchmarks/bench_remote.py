"""Pushing a store to an object store on loopback and pulling it: seconds, requests and memory.

`SURCO_BENCH_ROWS` cells (400,000 otherwise). Beside it `shutil.copytree` of the same files, which checks nothing.
moto's server is Python and holds all in memory, in this process: the figures say what our side costs, not a network.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import pytest
from store_builders import MODEL, SEASON, cell_ids, cells_batch, unit_vectors

from surco.embedstore import Store, Transfer, pull, push

pytest.importorskip("obstore", reason="obstore is not installed (extra `cloud`)")
pytest.importorskip("moto", reason="moto's server is not installed (dependency group `dev`)")

from s3_server import SECRETS, S3Server

ROWS = int(os.environ.get("SURCO_BENCH_ROWS", 400_000))


def test_a_store_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First and second push and pull, each with its requests; memory does not grow with the store."""
    store, cells, vectors = Store.create(tmp_path / "here"), cell_ids(ROWS), unit_vectors(ROWS)
    with store.transaction() as tx:
        batches = (
            cells_batch(cells[i : i + 50_000], vectors[i : i + 50_000]) for i in range(0, ROWS, 50_000)
        )
        tx.put_cells(batches, model_id=MODEL, season=SEASON, resolution=9)
    with S3Server() as server:
        for name, value in {
            **SECRETS,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": server.endpoint,
        }.items():
            monkeypatch.setenv(name, value)
        server.put("bench")
        before = _peak()
        for name, there in (("s3", "s3://bench/valley"), ("file", f"file://{tmp_path}/disk")):
            for which in ("first", "second"):
                _report(f"{name} push, {which}", server, lambda url=there: push(store, url))
                _report(f"{name} pull, {which}", server, lambda url=there, to=name: pull(url, tmp_path / to))
        started = perf_counter()
        shutil.copytree(store.path, tmp_path / "copied")
        print(f"{'copytree':18} {perf_counter() - started:8.2f} s")
        print(f"peak memory {before} MiB before, {_peak()} MiB after (server and client in one process)")


def _report(name: str, server: S3Server, work: Callable[[], Transfer]) -> None:
    server.seen.clear()
    started = perf_counter()
    done = work()
    took = perf_counter() - started
    print(
        f"{name:18} {took:8.2f} s  {done.files:4} files {done.bytes / 1e6:8.1f} MB {len(server.seen):5} requests"
    )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
