"""tipg on PostGIS at its best: an own cluster, hexagons in the order of place, indexed, analysed, read into memory.

The cluster is kept in the folder of the peers, so that a second run starts at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from benchmarks.peer_servers import PeerServer, free_port, started
from postgres_server import running_cluster

TABLE, TILED = "cells", "cells_mercator"
COLUMNS = ("h3", "geometry", "class", "probability", "uncertainty", "comuna")
SETTINGS = (
    "shared_buffers=5GB",
    "autovacuum=off",
    "effective_cache_size=12GB",
    "maintenance_work_mem=1GB",
    "work_mem=64MB",
    "max_wal_size=8GB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "random_page_cost=1.1",
    # Eight clients fill both cores: compiling queries and splitting them only costs.
    "jit=off",
    "max_parallel_workers_per_gather=0",
)
MAKE = f"""
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE EXTENSION IF NOT EXISTS pg_prewarm;
DROP TABLE IF EXISTS {TABLE}, {TILED};
CREATE UNLOGGED TABLE {TABLE} (
    h3 bigint, geometry geometry(Polygon, 4326), class text, probability real, uncertainty real, comuna integer
);
"""
# Tiles need no transformation of a table that is in their system, which makes them a sixth faster.
PROJECT = f"""
CREATE UNLOGGED TABLE {TILED} AS
SELECT h3, ST_Transform(geometry, 3857)::geometry(Polygon, 3857) AS geometry, class, probability, uncertainty, comuna
FROM {TABLE} ORDER BY h3
"""  # noqa: S608


@contextmanager
def postgis(rows: Path, folder: Path) -> Iterator[str]:
    """URL of a database that has the rows of a GeoParquet file; loaded where it has not been yet."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    home = folder / f"postgis-{rows.stem}"
    home.mkdir(exist_ok=True)
    done = home / "loaded"
    with running_cluster(home, *SETTINGS) as url, psycopg.connect(url, autocommit=True) as connection:
        if not done.exists():
            _load(connection, rows)
            done.touch()
        for table in (TABLE, TILED):
            for relation in (table, f"{table}_place", f"{table}_pkey"):
                connection.execute("SELECT pg_prewarm(%s)", [relation])
        yield url


@contextmanager
def tipg_server(url: str, folder: Path) -> Iterator[PeerServer]:
    """Tipg with uvicorn, one process, over a database on this machine."""
    port = free_port()
    command = [
        str(folder / "tipg" / "bin" / "uvicorn"), "tipg.main:app", "--host", "127.0.0.1", "--port", str(port),
        "--log-level", "warning", "--no-access-log",
    ]  # fmt: skip
    environment = {"DATABASE_URL": url, "DB_MIN_CONN_SIZE": "8", "DB_MAX_CONN_SIZE": "8"}
    with started(command, port, environment, folder / "tipg.log", also=[postmaster(url)]) as server:
        yield server


def items(box: str) -> str:
    """Address of a page of a hundred."""
    return f"/collections/public.{TABLE}/items?f=geojson&limit=100&bbox={box}"


def tile(z: int, x: int, y: int) -> str:
    """Address of a vector tile."""
    return f"/collections/public.{TILED}/tiles/WebMercatorQuad/{z}/{x}/{y}"


def _load(connection: Any, rows: Path) -> None:
    began = time.perf_counter()
    try:
        connection.execute(MAKE)
    except Exception as error:
        if "postgis" not in str(error):
            raise
        pytest.skip(f"PostgreSQL has no PostGIS (Debian: postgresql-15-postgis-3): {error}")
    with connection.cursor().copy(f"COPY {TABLE} FROM STDIN (FORMAT csv)") as copy:
        for batch in pq.ParquetFile(rows).iter_batches(batch_size=65_536, columns=list(COLUMNS)):
            copy.write(_csv(batch))
    loaded = time.perf_counter() - began
    connection.execute(PROJECT)
    for table in (TABLE, TILED):
        # Rows come in the order of H3, which is one of place: clustering by geohash would move little.
        connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (h3)")
        connection.execute(f"CREATE INDEX {table}_place ON {table} USING gist (geometry)")
        connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
    size = connection.execute("SELECT pg_database_size(current_database())").fetchone()[0]
    print(
        f"  PostGIS: copied in {loaded:.0f} s, with indexes {time.perf_counter() - began:.0f} s, {size / 1e9:.1f} GB"
    )


def _csv(batch: pa.RecordBatch) -> bytes:
    columns = [_hexadecimal(batch["geometry"]) if name == "geometry" else batch[name] for name in COLUMNS]
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(
        pa.RecordBatch.from_arrays(columns, names=list(COLUMNS)),
        sink,
        pyarrow.csv.WriteOptions(include_header=False),
    )
    return sink.getvalue().to_pybytes()


def _hexadecimal(column: pa.Array) -> pa.Array:
    """Binary values as text of hexadecimal digits."""
    digits = b"".join(column.to_pylist()).hex().encode()
    lengths = pa.compute.binary_length(column).to_numpy().astype("int64")
    offsets = [0, *(2 * lengths.cumsum())]
    return pa.LargeStringArray.from_buffers(
        len(column), pa.array(offsets, pa.int64()).buffers()[1], pa.py_buffer(digits)
    )


def postmaster(url: str) -> int:
    """Process of PostgreSQL, from the folder that it says it serves."""
    import psycopg

    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return int((Path(row[0]) / "postmaster.pid").read_text().split()[0])
