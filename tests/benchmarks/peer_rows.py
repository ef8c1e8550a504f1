"""What the peers of the server serve: the rows of a map that Surco's own export gave, as GeoParquet of hexagons.

Peers get classes and probabilities ready made; Surco computes them when it is asked. That is to the peers' advantage.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from benchmarks.peer_servers import surco_server

from surco.embedstore import Store

A_GROUP = 16_384
"""Rows of a row group: small enough that the bounds of a group say much, large enough that the footer stays small."""


def map_rows(store: Store, adapter: str, folder: Path) -> Path:
    """GeoParquet of every cell of the latest season in the order of its H3 index, made where it is not there yet.

    Columns: h3, geometry (WKB polygon), class, probability, uncertainty, comuna; minx, miny, maxx, maxy.
    """
    path = folder / f"hexagons-{store.find('cells').rows}.parquet"
    if not path.exists():
        began, export = time.perf_counter(), path.with_suffix(".export")
        _fetch(store, adapter, export)
        with_bounds = path.with_suffix(".draft")
        _write_with_bounds(export, with_bounds)
        export.unlink()
        with_bounds.rename(path)
        print(f"  rows of the peers exported in {time.perf_counter() - began:.0f} s")
    return path


def _fetch(store: Store, adapter: str, out: Path) -> None:
    path = f"/maps/{adapter}/latest/export?f=parquet&geometry=polygon&unit=cells"
    with (
        surco_server(store.path) as server,
        out.open("wb") as file,
        httpx.stream("GET", server.address + path, timeout=600) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        for chunk in answer.iter_raw():
            file.write(chunk)


def _write_with_bounds(source: Path, out: Path) -> None:
    file = pq.ParquetFile(source)
    schema = file.schema_arrow
    bounds = [pa.field(name, pa.float64()) for name in ("minx", "miny", "maxx", "maxy")]
    # Its geometry is named as GeoParquet wants it; what else the export says of itself is not the peers'.
    schema = pa.schema([*schema, *bounds], metadata={"geo": json.dumps(_geo(schema.metadata[b"geo"]))})
    with pq.ParquetWriter(out, schema) as writer:
        for batch in file.iter_batches(batch_size=8 * A_GROUP):
            found = shapely.bounds(shapely.from_wkb(batch["geometry"].to_numpy(zero_copy_only=False)))
            columns = [*batch.columns, *(pa.array(np.ascontiguousarray(side)) for side in found.T)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=A_GROUP)


def _geo(document: bytes) -> dict[str, object]:
    read: dict[str, object] = json.loads(document)
    return read
