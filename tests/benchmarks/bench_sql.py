# ruff: noqa: S608 - the queries are made of this file's own constants
"""SQL over a country: predictions, neighbours, change and areas, beside the same work without a session of ours.

`SURCO_BENCH_ROWS=7200000` for all Chile (200,000 otherwise), of each of two seasons.
"""

from __future__ import annotations

import os
from collections import Counter

import duckdb
import numpy as np
import pytest
from benchmarks.measure import measure, milliseconds, print_table, rate, ratio
from benchmarks.national_store import (
    MODEL,
    Country,
    encoded_statistics,
    national_batches,
    national_cells,
)

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api.predicting import connect_with_adapters
from surco.embedstore import Season, Store, fixed_size_matrix, run_sql_on

ROWS = int(os.environ.get("SURCO_BENCH_ROWS", "200000"))
K, LABELS = 100, 20
THREADS = 1


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two seasons of a country, and an adapter of its land covers."""
    statistics, cells = encoded_statistics(), national_cells(ROWS)
    store = Store.create(tmp_path_factory.mktemp("bench") / "store")
    rng = np.random.default_rng(0)
    pairs = zip(statistics.mean, statistics.root, strict=True)
    examples = [mean + rng.normal(size=(LABELS, len(mean))) @ root.T for mean, root in pairs]
    labels = np.repeat([f"class {i}" for i in range(len(examples))], LABELS)
    adapter = CropTypeAdapter().fit(np.concatenate(examples), labels)
    with store.transaction() as tx:
        for year in (2023, 2024):
            batches = national_batches(cells, Country(statistics, seed=year))
            tx.put_cells(batches, model_id=MODEL, season=Season(year), resolution=9)
        tx.put_adapter(
            "crops", save_adapter(adapter, name="crops", model_id=MODEL, task="crop-type", training={})
        )
    return store


@pytest.fixture(scope="module")
def session(store: Store) -> duckdb.DuckDBPyConnection:
    """One session, one thread."""
    return connect_with_adapters(store, threads=THREADS)


def test_predictions(store: Store, session: duckdb.DuckDBPyConnection) -> None:
    """A national statistic in SQL, beside reading the table and asking the adapter in Python: the same counts."""
    from surco.adapters import load_adapter

    adapter = load_adapter(store.adapter_dir("crops"))

    def by_hand() -> Counter[str]:
        table = store.read("cells", columns=["embedding", "embedding_scale"])
        vectors = fixed_size_matrix(table["embedding"])
        return Counter(adapter.predict_int8(vectors, table["embedding_scale"].to_numpy()).tolist())

    best = "(predict('crops', embedding, embedding_scale)).label"
    queries = {
        "crops by region": f"SELECT region, {best} AS crop, count(*) AS n FROM cells_latest GROUP BY ALL",
        "one class's probability": "SELECT avg(probability_of('crops', 'class 1', embedding, embedding_scale)) "
        "FROM cells_latest",
        "every class's": "SELECT avg(predict_all('crops', embedding, embedding_scale)[2].probability) "
        "FROM cells_latest",
        "hectares of all cells": "SELECT sum(h3_hectares(h3)) FROM cells_latest",
        "vectors read, nothing else": "SELECT sum(len(embedding)) FROM cells_latest",
    }
    works = [lambda query=query: run_sql_on(session, query) for query in queries.values()]
    (plain, counted), *measured = measure(by_hand, *works, repeats=3)
    found: Counter[str] = Counter()
    for row in measured[0][1].to_pylist():
        found[row["crop"]] += row["n"]
    assert found == counted
    print_table(
        f"{ROWS:,} cells, 64 values, {len(adapter.classes_)} classes, {THREADS} thread; load {os.getloadavg()}",
        ["", "time", "rows a second"],
        [
            [name, milliseconds(seconds), rate(ROWS, seconds)]
            for name, (seconds, _) in zip(queries, measured, strict=True)
        ]
        + [["read and predicted in Python, all in memory", milliseconds(plain), rate(ROWS, plain)]],
    )


def test_neighbours_and_change(store: Store, session: duckdb.DuckDBPyConnection) -> None:
    """nearest() with and without filters beside the same question in plain SQL, whose answers are equal; change()."""
    (cell,) = run_sql_on(session, "SELECT min(h3) AS h3 FROM cells_latest WHERE region = 'Maule'")["h3"]
    rows = []
    for filtered in ("true", "region = 'Maule'", "n_pixels > 1097"):
        end = "" if filtered == "true" else ", filter := ?"
        given = [] if filtered == "true" else [filtered]
        ours = f"SELECT h3, similarity FROM nearest({cell}, {K}{end})"
        plain = (
            f"SELECT h3, cosine(embedding, vector_of({cell})) AS similarity FROM cells_latest "
            f"WHERE h3 <> {cell} AND {filtered} ORDER BY similarity DESC, h3 LIMIT {K}"
        )
        (quick, found), (slow, expected) = measure(
            lambda ours=ours, given=given: run_sql_on(session, ours, given),
            lambda plain=plain: run_sql_on(session, plain),
            repeats=3,
        )
        assert len(set(found["h3"].to_pylist()) & set(expected["h3"].to_pylist())) >= K - 1
        rows.append([filtered, milliseconds(quick), milliseconds(slow), ratio(quick, slow)])
    print_table(
        f"The {K} most similar of {ROWS:,} cells, with columns",
        ["where", "nearest()", "plain SQL", "as fast"],
        rows,
    )
    ((changed, _),) = measure(
        lambda: run_sql_on(
            session, "SELECT h3, similarity FROM change('2023-24', '2024-25') ORDER BY 2 LIMIT 100"
        ),
        repeats=3,
    )
    print_table("change() of two seasons", ["", "time"], [[f"{ROWS:,} cells", milliseconds(changed)]])
