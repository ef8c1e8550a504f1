"""The country that the benchmarks search is like a real one."""

from __future__ import annotations

import h3
import numpy as np
import pytest
from benchmarks.national_store import (
    Country,
    encoded_statistics,
    national_batches,
    national_cells,
    write_national,
)

from surco.embedstore import Store, dequantize, fixed_size_matrix

ROWS = 12_000


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Twelve thousand cells."""
    return write_national(tmp_path_factory.mktemp("country") / "s", ROWS)


def unit(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Keys and vectors of length one."""
    table = store.read("cells", columns=["h3", "embedding", "embedding_scale"])
    vectors = dequantize(fixed_size_matrix(table["embedding"]), table["embedding_scale"].to_numpy())
    return table["h3"].to_numpy(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_cells_are_chiles(country: Store) -> None:
    """As many cells of resolution 9 as asked for, each once and nearly all in a comuna."""
    table = country.read("cells", columns=["h3", "comuna"])
    assert table.num_rows == ROWS == len(set(table["h3"].to_pylist()))
    assert table["comuna"].null_count < ROWS / 20
    assert 7_000_000 < len(national_cells()) < 8_000_000


def test_the_same_country_every_time(country: Store) -> None:
    """Made again, every row is the same."""
    cells = national_cells(ROWS)
    (first, *_) = national_batches(cells, Country(encoded_statistics()))
    again = dict(zip(first["h3"].to_pylist(), first["embedding"].to_pylist(), strict=True))
    table = country.read("cells", columns=["h3", "embedding"]).slice(0, 500)
    assert all(
        again[key] == values
        for key, values in zip(table["h3"].to_pylist(), table["embedding"].to_pylist(), strict=True)
    )


def test_near_cells_are_alike(country: Store) -> None:
    """Neighbouring cells are more similar than cells far apart, and not the same."""
    keys, vectors = unit(country)
    row = {key: number for number, key in enumerate(keys.tolist())}
    pairs = [
        (number, row[h3.str_to_int(other)])
        for number, key in enumerate(keys[::40].tolist())
        for number in (row[key],)
        for other in h3.grid_ring(h3.int_to_str(key), 1)
        if h3.str_to_int(other) in row
    ]
    one, other = np.array(pairs).T
    near = np.einsum("nd,nd->n", vectors[one], vectors[other]).mean()
    far = np.einsum("nd,nd->n", vectors[one], vectors[np.random.default_rng(0).permutation(other)]).mean()
    assert far + 0.05 < near < 0.99


def test_vectors_spread_as_encoded_ones(country: Store) -> None:
    """The table's variance lies in about as many directions as that of the encoder's own vectors."""
    _, vectors = unit(country)
    statistics = encoded_statistics()
    within = np.einsum("cij,ckj->ik", statistics.root, statistics.root) / len(statistics.mean)
    encoded = within + np.cov(statistics.mean.T)
    ours = np.cov(vectors.T)
    effective = [np.trace(each) ** 2 / np.sum(each**2) for each in (encoded, ours)]
    assert 0.4 < effective[1] / effective[0] < 2
    assert 0.3 < np.trace(ours) / np.trace(encoded) < 2
