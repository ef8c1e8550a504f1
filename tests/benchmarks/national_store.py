"""A store of a country's size: real H3 cells of Chile, vectors with the statistics of encoded ones, alike where near.

Each cell has a land cover, drawn from smooth fields over longitude and latitude, and a vector from the normal
distribution that the shipped encoder's vectors of that cover have (4,096 series of the synthetic country): its mean,
and its covariance's root times a smooth field plus noise of the cell's own.

Alone: `python tests/benchmarks/national_store.py FOLDER --rows 7200000`; `--resolution 10` has 50 million cells.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import h3ronpy
import h3ronpy.vector
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from surco.embedstore import Season, Store, cells_schema, comuna_of, fixed_size_column, quantize
from surco.encoder import load_encoder
from surco.encoder.simulate import simulate_series

SEASON, RESOLUTION = Season(2024), 9
MODEL = "surco-national-1"
SERIES, FEWEST_OF_A_CLASS = 4_096, 100
BATCH = 65_536
# Wavelengths in degrees: valleys, fields of neighbouring cells.
SMOOTH = (2.0, 0.3, 0.03)
FEATURES = 96
OWN_NOISE = 0.5
PARENT = 4


@dataclass(frozen=True)
class Statistics:
    """Of C classes: mean (C, D) and root (C, D, D), so that mean + root @ normal(D) is like an encoded vector."""

    mean: np.ndarray
    root: np.ndarray


def encoded_statistics(seed: int = 0) -> Statistics:
    """Of the shipped encoder's vectors of the synthetic country's land covers."""
    series = simulate_series(SERIES, seed=seed)
    values = np.where(series.valid, series.values, 0).astype(np.float32)
    vectors = load_encoder().encode(values, series.valid, series.dates, series.lonlat, series.static)
    names, counts = np.unique(series.label, return_counts=True)
    groups = [vectors[series.label == name] for name in names[counts >= FEWEST_OF_A_CLASS]]
    return Statistics(
        np.stack([group.mean(axis=0) for group in groups]), np.stack([_root(group) for group in groups])
    )


def national_cells(rows: int | None = None, seed: int = 0, resolution: int = RESOLUTION) -> np.ndarray:
    """(N,) cells of Chile's land in ascending order, of whole coarse parents by chance until there are `rows`."""
    with as_file(files("surco.embedstore") / "chile" / "comuna_cells.parquet") as path:
        facts = pq.read_table(path, columns=["h3"], partitioning=None)["h3"].combine_chunks()
    cells = pa.array(h3ronpy.change_resolution(facts, resolution)).to_numpy()
    if rows is None or rows >= len(cells):
        return np.sort(cells)
    parents = pa.array(h3ronpy.change_resolution(pa.array(cells), PARENT)).to_numpy()
    named, which = np.unique(parents, return_inverse=True)
    order = np.empty(len(named), np.int64)
    order[np.random.default_rng(seed).permutation(len(named))] = np.arange(len(named))
    taken = np.argsort(order[which], kind="stable")[:rows]
    return np.sort(cells[taken])


class Country:
    """Vectors by place."""

    def __init__(self, statistics: Statistics, seed: int = 0) -> None:
        self._statistics = statistics
        self._seed = seed
        rng = np.random.default_rng(seed)
        classes, dimension = statistics.mean.shape
        self._waves = [
            (rng.normal(0, 2 * np.pi / length, (2, FEATURES)), rng.uniform(0, 2 * np.pi, FEATURES))
            for length in SMOOTH
        ]
        count = FEATURES * len(SMOOTH)
        self._to_class = (rng.normal(size=(count, classes)) / np.sqrt(count / 2)).astype(np.float32)
        self._to_vector = (rng.normal(size=(count, dimension)) / np.sqrt(count / 2)).astype(np.float32)

    def vectors(self, lonlat: np.ndarray, batch: int) -> np.ndarray:
        """(N, D) float32 of (N, 2) places, never longer than one; `batch` seeds the noise."""
        rng = np.random.default_rng((self._seed, batch))
        n, dimension = len(lonlat), self._statistics.mean.shape[1]
        # Random Fourier features (Rahimi and Recht 2007).
        features = np.hstack([np.cos(lonlat @ turn + shift) for turn, shift in self._waves]).astype(
            np.float32
        )
        likely = features @ self._to_class + 0.3 * rng.normal(size=(n, len(self._statistics.mean)))
        smooth = features @ self._to_vector
        own = rng.normal(size=(n, dimension)).astype(np.float32)
        normal = np.sqrt(1 - OWN_NOISE) * smooth + np.sqrt(OWN_NOISE) * own
        cover = likely.argmax(axis=1)
        vectors = np.empty((n, dimension), np.float32)
        for number in np.unique(cover):
            of_it = cover == number
            vectors[of_it] = self._statistics.mean[number] + normal[of_it] @ self._statistics.root[number].T
        # The mean of a cell's unit vectors is the shorter, the more they differ.
        length = rng.uniform(0.85, 1.0, (n, 1)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * length


def national_batches(cells: np.ndarray, country: Country) -> Iterator[pa.RecordBatch]:
    """Rows of `cells_schema`, without the optional spread."""
    for number, start in enumerate(range(0, len(cells), BATCH)):
        yield _batch(cells[start : start + BATCH], country, number)


def write_national(path: Path, rows: int | None = None, resolution: int = RESOLUTION) -> Store:
    """Make the store."""
    country = Country(encoded_statistics())
    store = Store.create(path)
    with store.transaction() as transaction:
        transaction.put_cells(
            national_batches(national_cells(rows, resolution=resolution), country),
            model_id=MODEL,
            season=SEASON,
            resolution=resolution,
        )
    return store


def _batch(cells: np.ndarray, country: Country, number: int) -> pa.RecordBatch:
    rng = np.random.default_rng((1, number))
    h3 = pa.array(cells)
    places = pa.record_batch(h3ronpy.vector.cells_to_coordinates(h3))
    lonlat = np.stack([places["lng"].to_numpy(), places["lat"].to_numpy()], axis=1)
    embedding, scale = quantize(country.vectors(lonlat, number))
    n, dimension = embedding.shape
    months = np.cos((np.arange(12) - 7) / 6 * np.pi)
    ndvi = np.clip(40 + 20 * months + rng.normal(0, 4, (n, 12)), -100, 100).astype(np.int8)
    schema = cells_schema(dimension)
    columns = {
        "h3": h3,
        "geometry": pa.array(h3ronpy.vector.cells_to_wkb_points(h3)).cast(pa.binary()),
        "embedding": fixed_size_column(embedding),
        "embedding_scale": pa.array(scale),
        "spread": pa.nulls(n, schema.field("spread").type),
        "spread_scale": pa.nulls(n, pa.float32()),
        "ndvi": fixed_size_column(ndvi),
        "n_pixels": pa.array(rng.integers(900, 1100, n).astype(np.uint32)),
        "valid_fraction": pa.array(np.round(rng.uniform(0.5, 1, n), 2).astype(np.float32)),
        "n_optical": pa.array(rng.integers(10, 40, n).astype(np.uint16)),
        "n_radar": pa.array(rng.integers(20, 30, n).astype(np.uint16)),
        "comuna": comuna_of(cells),
    }
    return pa.record_batch(columns, schema=schema)


def _root(group: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(np.cov(group.T))
    return (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)


def main() -> None:
    """Make a store and say how long it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--resolution", type=int, default=RESOLUTION)
    given = parser.parse_args()
    began = time.perf_counter()
    store = write_national(given.folder, given.rows, given.resolution)
    info = store.find("cells")
    size = sum(file.stat().st_size for file in info.files)
    seconds = time.perf_counter() - began
    print(
        f"{info.rows:,} rows in {len(info.files)} files, {size / info.rows:.1f} bytes a row, {seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
