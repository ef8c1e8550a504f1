"""Exact search of a stored table beside a flat FAISS index in memory and DuckDB's SQL over the same files."""

from __future__ import annotations

import duckdb
import faiss
import numpy as np
import pyarrow as pa
import pytest
from benchmarks.measure import measure, milliseconds, print_table, ratio
from store_builders import MODEL, SEASON, cell_ids, cells_batch, unit_vectors

from surco.embedstore import Store, dequantize, fixed_size_matrix, nearest

ROWS, K, RESOLUTION = 200_000, 10, 11


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """200,000 cells of random vectors."""
    made = Store.create(tmp_path_factory.mktemp("bench") / "store")
    batch = cells_batch(cell_ids(ROWS, RESOLUTION), unit_vectors(ROWS))
    with made.transaction() as transaction:
        transaction.put_cells([batch], model_id=MODEL, season=SEASON, resolution=RESOLUTION)
    return made


def as_stored(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Cells and their vectors, length one, as a user of the table would load them into an index."""
    table = store.read("cells", columns=["h3", "embedding", "embedding_scale"])
    vectors = dequantize(fixed_size_matrix(table["embedding"]), table["embedding_scale"].to_numpy())
    return table["h3"].to_numpy(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_nearest(store: Store) -> None:
    """All three name the same ten cells; one thread each."""
    faiss.omp_set_num_threads(1)
    pa.set_cpu_count(1)
    query = unit_vectors(1, seed=7)[0]
    ((load, (cells, vectors)),) = measure(lambda: as_stored(store), repeats=3)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    sql = (
        "SELECT h3 FROM read_parquet($files) "
        "ORDER BY array_cosine_similarity(embedding::FLOAT[64], $query::FLOAT[64]) DESC LIMIT $k"
    )
    given = {"files": [str(file) for file in store.find("cells").files], "query": query.tolist(), "k": K}
    with duckdb.connect(config={"threads": 1}) as session:
        (ours, found), (queried, answer), (flat, (_, rows)) = measure(
            lambda: nearest(store, query, K, table="cells"),
            lambda: session.execute(sql, given).fetchall(),
            lambda: index.search(query[None], K),
        )
    assert cells[rows[0]].tolist() == found["h3"].to_pylist() == [row[0] for row in answer]
    print_table(
        f"The {K} most similar of {ROWS:,} cells, 64 values, one thread, files in the system's cache",
        ["", "time", "as fast as ours"],
        [
            ["embedstore.nearest, from the files", milliseconds(ours), ratio(1, 1)],
            ["DuckDB SQL, from the files", milliseconds(queried), ratio(queried, ours)],
            ["FAISS IndexFlatIP, search in memory", milliseconds(flat), ratio(flat, ours)],
            ["… with loading the table first", milliseconds(flat + load), ratio(flat + load, ours)],
        ],
    )
