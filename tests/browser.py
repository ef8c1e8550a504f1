"""A small real store to look at, a server to look at it through, and a browser to look with."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h3ronpy.vector
import numpy as np
import pyarrow as pa
import pytest
import shapely
import uvicorn

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api import Settings, create_app
from surco.embedstore import Season, Store, cells_schema, parcels_schema, quantize

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
MODEL = "valley-1"
SEASON = Season(2024)
CROPS = ("wheat", "maize", "cherry", "wine grape", "alfalfa", "walnut", "rice", "avocado")
WILD = "matorral"
PEAKS = {
    **dict(zip(CROPS, (5.5, 8.2, 7.2, 7.8, 7.0, 7.6, 8.6, 6.0), strict=True)),
    WILD: 4.5,
}
CORNER = (-71.26, -34.99)
STEP = (0.00165, 0.00135)


@dataclass(frozen=True)
class Valley:
    """A store on disk and what is true in it: each parcel's outline and crop."""

    path: Path
    outlines: list[Any]
    crops: list[str]

    @property
    def store(self) -> Store:
        """The store, opened now."""
        return Store.open(self.path)


def build_valley(
    path: Path, *, columns: int = 8, rows: int = 5, adapter: bool = True, seed: int = 4
) -> Valley:
    """Write a valley of fields with separable vectors: cells of resolution 9 and 11, parcels, and a fitted adapter."""
    rng = np.random.default_rng(seed)
    outlines = [_field(i, j, rng) for j in range(rows) for i in range(columns)]
    crops = [CROPS[int(k)] for k in (rng.permutation(len(outlines)) % len(CROPS))]
    centres = _unit(rng.normal(size=(len(CROPS) + 1, 64)))
    store = Store.create(path)
    with store.transaction() as write:
        write.put_parcels([_parcel_batch(outlines, crops, centres, rng)], model_id=MODEL, season=SEASON)
        for resolution in (9, 11):
            batch = _cell_batch(outlines, crops, centres, resolution, (columns, rows), rng)
            write.put_cells([batch], model_id=MODEL, season=SEASON, resolution=resolution)
        write.put_model(MODEL, {"name": MODEL, "dimension": 64})
        if adapter:
            write.put_adapter("crops", _adapter_files(centres, rng))
    return Valley(path, outlines, crops)


def _field(i: int, j: int, rng: np.random.Generator) -> Any:
    x, y = CORNER[0] + i * STEP[0] + j * 0.0002, CORNER[1] + j * STEP[1] - i * 0.0001
    corners = np.array([(0.04, 0.04), (0.94, 0.05), (0.96, 0.93), (0.05, 0.95)]) + rng.uniform(
        -0.03, 0.03, (4, 2)
    )
    return shapely.Polygon([(x + a * STEP[0], y + b * STEP[1]) for a, b in corners])


def _unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _around(centres: Any, kind: Any, rng: np.random.Generator) -> Any:
    return _unit(centres[kind] + rng.normal(scale=0.05, size=(len(kind), 64)))


def _shared_columns(kind: Any, centres: Any, rng: np.random.Generator) -> dict[str, Any]:
    embedding, scale = quantize(_around(centres, kind, rng))
    spread, spread_scale = quantize(np.abs(rng.normal(scale=0.03, size=(len(kind), 64))).astype(np.float32))
    peaks = np.array([PEAKS[name] for name in (*CROPS, WILD)])[kind][:, None]
    greenness = (
        18
        + 64 * np.exp(-(((np.arange(12)[None] - peaks) / 2.2) ** 2))
        + rng.normal(scale=2, size=(len(kind), 12))
    )
    greenness = greenness.round().tolist()
    for months in greenness:
        months[2] = None
    return {
        "embedding": _lists(embedding),
        "embedding_scale": scale,
        "spread": _lists(spread),
        "spread_scale": spread_scale,
        "ndvi": pa.array(greenness, pa.list_(pa.int8(), 12)),
        "n_pixels": np.full(len(kind), 24, np.uint32),
        "valid_fraction": rng.uniform(0.6, 0.95, len(kind)).astype(np.float32),
        "n_optical": np.full(len(kind), 31, np.uint16),
        "n_radar": np.full(len(kind), 28, np.uint16),
        "comuna": np.full(len(kind), 7301, np.uint16),
    }


def _lists(values: Any) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), pa.int8()), 64)


def _parcel_batch(
    outlines: list[Any], crops: list[str], centres: Any, rng: np.random.Generator
) -> pa.RecordBatch:
    bounds = shapely.bounds(outlines).astype(np.float32)
    metres = shapely.transform(outlines, lambda xy: xy * (111_320 * np.cos(np.radians(35)), 111_320))
    columns = {
        "id": [f"P{n:03d}" for n in range(len(outlines))],
        "geometry": [shapely.to_wkb(shape) for shape in outlines],
        "bbox": [dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, b), strict=True)) for b in bounds],
        "metrics:area": shapely.area(metres).astype(np.float32),
        "metrics:perimeter": shapely.length(metres).astype(np.float32),
        **_shared_columns(np.array([CROPS.index(c) for c in crops]), centres, rng),
        "crop:name": [c if n % 5 == 0 else None for n, c in enumerate(crops)],
    }
    return pa.record_batch(columns, schema=parcels_schema(64))


def _cell_batch(
    outlines: list[Any],
    crops: list[str],
    centres: Any,
    resolution: int,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> pa.RecordBatch:
    west, south = CORNER[0] - 0.0005, CORNER[1] - size[0] * 0.0001 - 0.0005
    east, north = CORNER[0] + size[0] * STEP[0] + size[1] * 0.0002, CORNER[1] + size[1] * STEP[1] + 0.0005
    lon, lat = (
        g.ravel() for g in np.meshgrid(np.arange(west, east, 0.0002), np.arange(south, north, 0.0002))
    )
    found = pa.array(h3ronpy.vector.coordinates_to_cells(pa.array(lat), pa.array(lon), resolution))
    cells = np.unique(found.to_numpy())
    points = pa.array(h3ronpy.vector.cells_to_wkb_points(pa.array(cells))).to_pylist()
    tree = shapely.STRtree(outlines)
    kind = np.full(len(cells), len(CROPS))
    inside, parcel = tree.query(shapely.from_wkb(points), predicate="within")
    kind[inside] = [CROPS.index(crops[p]) for p in parcel]
    columns = {"h3": cells, "geometry": points, **_shared_columns(kind, centres, rng)}
    return pa.record_batch(columns, schema=cells_schema(64))


def _adapter_files(centres: Any, rng: np.random.Generator) -> dict[str, bytes]:
    kind = np.repeat(np.arange(len(centres)), 6)
    names = np.array([*CROPS, WILD])[kind]
    fitted = CropTypeAdapter().fit(_around(centres, kind, rng), names)
    return save_adapter(
        fitted, name="crops", model_id=MODEL, task="crop-type", training={"sources": ["valley"]}
    )


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """A running server; gives its address and stops it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings), "127.0.0.1", port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def need_chromium() -> None:
    """Skip where there is no browser, or fail where one is demanded (SURCO_REQUIRE_BROWSER=1)."""
    if CHROMIUM.exists():
        return
    reason = f"no {CHROMIUM}: install Debian's chromium package"
    if os.environ.get("SURCO_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
