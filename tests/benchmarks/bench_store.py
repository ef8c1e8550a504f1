"""Writing a country and adding an area to it, beside LanceDB and a plain Parquet file of DuckDB: time, size, memory.

`SURCO_BENCH_ROWS=5000000` for five million rows (200,000 otherwise). The vectors of 262,144 rows are made before the
clock starts and used again and again; cells, geometries and comunas are each row's own and made while it runs.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import h3ronpy.vector
import numpy as np
import pyarrow as pa
import pytest
from benchmarks.measure import print_table, rate, ratio
from benchmarks.national_store import (
    BATCH,
    MODEL,
    RESOLUTION,
    SEASON,
    Country,
    encoded_statistics,
    national_batches,
    national_cells,
)
from benchmarks.search_peers import folder_bytes

from surco.embedstore import Store, comuna_of

ROWS = int(os.environ.get("SURCO_BENCH_ROWS", "200000"))
ADDED = 50_000

Batches = Callable[[], Iterator[pa.RecordBatch]]


@pytest.fixture(scope="module")
def country() -> tuple[np.ndarray, list[pa.RecordBatch]]:
    """The cells, and the batches whose vectors are used again."""
    cells = national_cells(ROWS + ADDED)
    pattern = cells[: min(len(cells), 4 * BATCH)]
    return cells, list(national_batches(pattern, Country(encoded_statistics())))


def rows_of(cells: np.ndarray, pattern: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of `cells_schema` of these cells."""
    for number, start in enumerate(range(0, len(cells), BATCH)):
        own = cells[start : start + BATCH]
        like = pattern[number % len(pattern)]
        if len(like) < len(own):
            like = pattern[0]
        h3 = pa.array(own)
        places = pa.array(h3ronpy.vector.cells_to_wkb_points(h3)).cast(pa.binary())
        given: dict[str, Any] = {"h3": h3, "geometry": places, "comuna": comuna_of(own)}
        columns = [given.get(name, like.column(name).slice(0, len(own))) for name in like.schema.names]
        yield pa.record_batch(columns, schema=like.schema)


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def write_store(path: Path) -> Callable[[Iterator[pa.RecordBatch]], None]:
    """One transaction, which joins what is there."""

    def write(batches: Iterator[pa.RecordBatch]) -> None:
        with Store.open_or_create(path).transaction() as transaction:
            transaction.put_cells(batches, model_id=MODEL, season=SEASON, resolution=RESOLUTION, merge=True)

    return write


def write_lance(path: Path) -> Callable[[Iterator[pa.RecordBatch]], None]:
    """A table, or rows added to it."""
    import lancedb

    def write(batches: Iterator[pa.RecordBatch]) -> None:
        first = next(batches)
        stream = (batch for part in ([first], batches) for batch in part)
        reader = pa.RecordBatchReader.from_batches(first.schema, stream)
        database = lancedb.connect(path)
        if path.exists() and database.list_tables().tables:
            database.open_table("t").add(reader)
        else:
            database.create_table("t", reader)

    return write


def write_duckdb(path: Path) -> Callable[[Iterator[pa.RecordBatch]], None]:
    """One ZSTD Parquet file sorted by cell; rows are added by writing another."""

    def write(batches: Iterator[pa.RecordBatch]) -> None:
        first = next(batches)
        stream = (batch for part in ([first], batches) for batch in part)
        path.mkdir(exist_ok=True)
        with duckdb.connect() as session:
            session.register("rows", pa.RecordBatchReader.from_batches(first.schema, stream))
            target = path / f"{len(list(path.iterdir()))}.parquet"
            session.execute(f"COPY (FROM rows ORDER BY h3) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")

    return write


def test_writing(country: tuple[np.ndarray, list[pa.RecordBatch]], tmp_path: Path) -> None:
    """All rows, then an area of fifty thousand more: both are there, and memory stays below two gigabytes."""
    cells, pattern = country
    # The last coarse parents are the area that comes later.
    old, new = cells[:-ADDED], cells[-ADDED:]
    writers = {"embedstore": write_store}
    if importlib.util.find_spec("lancedb"):
        writers["LanceDB"] = write_lance
    writers["DuckDB COPY, sorted"] = write_duckdb
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    taken, memory = {}, 0.0
    making = timed(lambda: sum(len(batch) for batch in rows_of(old, pattern)))
    for name, writer in writers.items():
        path = tmp_path / name
        write = writer(path)
        seconds = timed(lambda write=write: write(rows_of(old, pattern)))
        size = folder_bytes(path) / len(old)
        added = timed(lambda write=write: write(rows_of(new, pattern)))
        taken[name] = (seconds, added, size)
        memory = memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    ours = taken["embedstore"]
    print_table(
        f"Making {len(old):,} rows ({making:.1f} s) and writing them, then {ADDED:,} more; load {os.getloadavg()}; "
        f"our peak memory {memory:.2f} GiB ({before:.2f} before)",
        ["", "s", "rows/s", "as fast as ours", "s to add", "as fast as ours", "bytes a row"],
        [
            [
                name,
                f"{s:.1f}",
                rate(len(old), s),
                ratio(s, ours[0]),
                f"{a:.2f}",
                ratio(a, ours[1]),
                f"{size:.1f}",
            ]
            for name, (s, a, size) in taken.items()
        ],
    )
    found = Store.open(tmp_path / "embedstore").find("cells")
    assert found.rows == len(cells) and memory < 2
