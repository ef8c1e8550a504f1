# ruff: noqa: S608 - the queries of these tests are made of their own constants
"""nearest(), change() and the other functions on vectors in SQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import h3
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builders import (
    MODEL,
    SEASON,
    cell_ids,
    cells_batch,
    parcels_batch,
    small_store,
    squares,
    unit_vectors,
)

from surco.embedstore import QueryError, Season, Store, connect, nearest, quantize, run_sql, run_sql_on

N = 300
CELLS = np.array(cell_ids(N), np.uint64)
VECTORS = unit_vectors(N)
PIXELS = np.random.default_rng(3).integers(0, 200, N).astype(np.uint32)
COMUNAS = np.random.default_rng(4).choice([7101, 7102, 13101], N).astype(np.uint16)
OPTICAL = np.random.default_rng(5).integers(0, 30, N).astype(np.uint16)
LATER = Season(2025)


def varied_cells() -> pa.RecordBatch:
    """Cells that differ in what filters ask about."""
    batch = cells_batch(CELLS.tolist(), VECTORS)
    for name, values in {"n_pixels": PIXELS, "comuna": COMUNAS, "n_optical": OPTICAL}.items():
        batch = batch.set_column(batch.schema.get_field_index(name), name, pa.array(values))
    return batch


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """300 cells and 40 parcels of a season, 100 other cells of the next, and coarser ones."""
    store = small_store(tmp_path_factory.mktemp("nearest") / "s", 5)
    crops = ["maize", "vineyard", None, "cherry"] * 10
    with store.transaction() as tx:
        tx.put_cells([varied_cells()], model_id=MODEL, season=SEASON, resolution=9)
        tx.put_cells(
            [cells_batch(cell_ids(100), unit_vectors(100, seed=9))],
            model_id=MODEL,
            season=LATER,
            resolution=9,
        )
        tx.put_cells(
            [cells_batch(cell_ids(20, 7), unit_vectors(20, seed=2))],
            model_id=MODEL,
            season=SEASON,
            resolution=7,
        )
        parcels = parcels_batch(squares(40), unit_vectors(40, seed=1), crops)
        tx.put_parcels([parcels], model_id=MODEL, season=SEASON)
    return store


@pytest.fixture(scope="module")
def session(store: Store) -> duckdb.DuckDBPyConnection:
    """One guarded session."""
    return connect(store)


def cosines(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Cosines of rows, as int8 keeps them, with a query, in float64."""
    rows = quantize(vectors)[0].astype(float)
    return rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)


Predicate = tuple[str, np.ndarray]
plain = st.one_of(
    st.integers(0, 200).map(lambda n: (f"n_pixels > {n}", n < PIXELS)),
    st.sampled_from([7101, 7102, 13101]).map(lambda c: (f"comuna = {c}", c == COMUNAS)),
    st.sampled_from(["talca", "SANTIAGO"]).map(
        lambda name: (f"comuna_name = '{name}'", {"talca": 7101, "SANTIAGO": 13101}[name] == COMUNAS)
    ),
    st.just(("region = 'Maule'", COMUNAS < 8000)),
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(
        lambda ab: (f"n_optical BETWEEN {ab[0]} AND {ab[1]}", (ab[0] <= OPTICAL) & (ab[1] >= OPTICAL))
    ),
    st.sets(st.integers(0, N - 1), max_size=5).map(
        lambda rows: (
            f"h3 IN ({', '.join(map(str, [0, *CELLS[list(rows)].tolist()]))})",
            np.isin(np.arange(N), list(rows)),
        )
    ),
)
predicates = st.recursive(
    plain,
    lambda inner: st.one_of(
        inner.map(lambda p: (f"NOT ({p[0]})", ~p[1])),
        st.tuples(inner, inner).map(lambda pq: (f"({pq[0][0]}) AND ({pq[1][0]})", pq[0][1] & pq[1][1])),
        st.tuples(inner, inner).map(lambda pq: (f"{pq[0][0]} OR {pq[1][0]}", pq[0][1] | pq[1][1])),
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(predicates, st.integers(0, N - 1), st.integers(1, 2 * N))
def test_filters_are_those_of_brute_force(
    store: Store, session: duckdb.DuckDBPyConnection, predicate: Predicate, item: int, k: int
) -> None:
    """Under any predicate the answer is exactly the k best rows that satisfy it: recall is 1."""
    text, passing = predicate
    embedding, _ = quantize(VECTORS[item : item + 1])
    similarity = cosines(VECTORS, embedding[0].astype(float))
    order = [i for i in np.argsort(-similarity, kind="stable") if passing[i] and i != item][:k]
    found = run_sql_on(
        session,
        "SELECT h3, similarity FROM nearest(?, ?, filter := ?, season := '2024-25')",
        [int(CELLS[item]), k, text],
    )
    assert found.column("h3").to_pylist() == CELLS[order].tolist()
    np.testing.assert_allclose(found.column("similarity").to_numpy(), similarity[order], atol=1e-6)


def test_sql_and_python_agree(store: Store, session: duckdb.DuckDBPyConnection) -> None:
    """nearest() in SQL names what nearest() in Python names, for cells, parcels and vectors."""
    questions = [
        (f"nearest({CELLS[7]}, 20, season := '2024-25')", int(CELLS[7]), "cells"),
        (f"nearest('{h3.int_to_str(CELLS[7])}', 20, season := '2024-25')", int(CELLS[7]), "cells"),
        ("nearest('p3', 20)", "p3", "parcels"),
        (f"nearest({VECTORS[5].tolist()}, 20, unit := 'parcels')", VECTORS[5], "parcels"),
        (f"nearest({VECTORS[5].tolist()}, 20, season := '2024-25')", VECTORS[5], "cells"),
    ]
    for call, what, table in questions:
        key = "h3" if table == "cells" else "id"
        ours = run_sql_on(session, f"SELECT {key}, similarity FROM {call}")
        resolution = 9 if table == "cells" else None
        theirs = nearest(store, what, 20, table=table, season="2024-25", resolution=resolution)
        assert ours.column(key).to_pylist() == theirs.column(key).to_pylist(), call


def test_a_cell_searches_its_own_resolution_in_the_latest_season(session: duckdb.DuckDBPyConnection) -> None:
    """Without names the season is the latest that the resolution has, and the answer carries all columns of a row."""
    found = run_sql_on(session, f"SELECT * FROM nearest({CELLS[0]}, 3)")
    assert set(found.column("season").to_pylist()) == {"2025-26"}
    assert set(found.column("res").to_pylist()) == {9}
    assert found.schema.names[:2] == ["h3", "similarity"]
    assert {"geometry", "embedding", "n_pixels", "comuna_name"} <= set(found.schema.names)
    coarse = run_sql_on(session, f"SELECT res, season FROM nearest({cell_ids(1, 7)[0]}, 3)")
    assert set(coarse.to_pylist()[0].values()) == {7, "2024-25"}


def test_examples_draw_and_push_away(session: duckdb.DuckDBPyConnection) -> None:
    """Likes and unlikes are Rocchio's direction: mean of unit vectors less half the mean of the others."""
    vectors = quantize(unit_vectors(40, seed=1))[0].astype(float)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    sought = units[[1, 2]].mean(axis=0) - units[[3]].mean(axis=0) / 2
    similarity = units @ sought / np.linalg.norm(sought)
    order = [f"p{i}" for i in np.argsort(-similarity) if i not in (1, 2, 3)]
    found = run_sql_on(session, "SELECT id FROM nearest({'like': ['p1', 'p2'], 'unlike': 'p3'}, 40)")
    assert found.column("id").to_pylist() == order
    only = run_sql_on(session, "SELECT id FROM nearest(['p1', 'p2'], 1)").column("id").to_pylist()
    assert only == [f"p{i}" for i in np.argsort(-units @ units[[1, 2]].mean(axis=0)) if i not in (1, 2)][:1]


def test_an_item_may_come_from_another_season_or_table(session: duckdb.DuckDBPyConnection) -> None:
    """A cell as it was last season may be looked for in this one, itself included; a parcel among cells."""
    cell = int(CELLS[3])
    found = run_sql_on(session, "SELECT h3 FROM nearest(?, 100)", [{"like": cell, "season": "2024-25"}])
    assert cell in found.column("h3").to_pylist()
    assert cell not in run_sql_on(session, f"SELECT h3 FROM nearest({cell}, 100)").column("h3").to_pylist()
    cells = run_sql_on(session, "SELECT h3, res FROM nearest('p3', 5, unit := 'cells', season := '2024-25')")
    assert set(cells.column("res").to_pylist()) == {9}


def test_vector_of_is_the_items_direction(session: duckdb.DuckDBPyConnection) -> None:
    """vector_of() takes what nearest() takes, a season, a model, and whole columns."""
    (row,) = run_sql_on(
        session,
        "SELECT cosine(embedding, vector_of('p3')) AS c, vector_of(NULL) AS n, "
        f"cosine(vector_of({CELLS[0]}, '2024-25'), {VECTORS[0].tolist()}) AS d, "
        f"len(vector_of('p1', '2024-25', '{MODEL}')) AS length FROM parcels WHERE id = 'p3'",
    ).to_pylist()
    assert row == {
        "c": pytest.approx(1),
        "n": None,
        "d": pytest.approx(1, abs=1e-3),
        "length": 64,
    }
    each = run_sql_on(session, "SELECT min(cosine(embedding, vector_of(id))) AS c FROM parcels")
    assert each.to_pylist()[0]["c"] == pytest.approx(1)


def test_rows_without_direction_are_left_out(tmp_path: Path) -> None:
    """A row of zeros is nobody's neighbour, can be no example, and has no change."""
    store = Store.create(tmp_path / "s")
    vectors = unit_vectors(5)
    vectors[2] = 0
    with store.transaction() as tx:
        for season in (SEASON, LATER):
            tx.put_cells([cells_batch(cell_ids(5), vectors)], model_id=MODEL, season=season, resolution=9)
    zero = cell_ids(5)[2]
    with connect(store) as session:
        found = run_sql_on(session, f"SELECT h3 FROM nearest({cell_ids(5)[0]}, 9)")
        assert zero not in found.column("h3").to_pylist()
        with pytest.raises(QueryError, match="direction"):
            run_sql_on(session, f"SELECT h3 FROM nearest({zero}, 9)")
        change = run_sql_on(session, f"SELECT similarity FROM change('2024-25', '2025-26') WHERE h3 = {zero}")
        assert change.to_pylist() == [{"similarity": None}]


def test_change_joins_two_seasons(session: duckdb.DuckDBPyConnection) -> None:
    """change() has the cells that both seasons have, with the cosine of their vectors and both vectors."""
    found = run_sql_on(
        session,
        "SELECT h3, similarity, season_earlier, season_later, embedding_earlier, embedding_later, comuna "
        "FROM change('2024-25', '2025-26') ORDER BY h3",
    ).to_pylist()
    assert [row["h3"] for row in found] == sorted(CELLS[:100].tolist())
    later = quantize(unit_vectors(100, seed=9))[0].astype(float)
    earlier = quantize(VECTORS)[0].astype(float)
    place = {int(cell): i for i, cell in enumerate(CELLS)}
    for row in found:
        a, b = earlier[place[row["h3"]]], later[place[row["h3"]]]
        assert row["similarity"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)
        assert (row["embedding_earlier"], row["embedding_later"]) == (a.tolist(), b.tolist())
        assert (row["season_earlier"], row["season_later"]) == ("2024-25", "2025-26")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("nearest('nosuch', 3)", "nosuch"),
        ("nearest(NULL, 3)", "a parcel id"),
        ("nearest('', 3)", "a parcel id"),
        ("nearest([]::INT[], 3)", "a parcel id"),
        ("nearest(TRUE, 3)", "a parcel id"),
        ("nearest({'dislike': 'p1'}, 3)", "dislike"),
        ("nearest({'like': 'p1', 'season': 3}, 3)", "a parcel id"),
        ("nearest({'like': [1.5, 'x']::VARCHAR[]}, 3)", "1.5"),
        ("nearest({'like': 'p1', 'unlike': 'nosuch'}, 3)", "nosuch"),
        ("nearest({'like': 'p1', 'season': '1999-00'}, 3)", "1999-00"),
        ("nearest([1, 2, 3], 3)", "64 values"),
        ("nearest(list_resize([]::FLOAT[], 64, 0), 3)", "direction"),
        ("nearest(list_resize([]::FLOAT[], 64, 'nan'::FLOAT), 3)", "not finite"),
        ("nearest('p1', 0)", "k from 1"),
        ("nearest('p1', NULL)", "k from 1"),
        ("nearest('p1', 100000000)", "k from 1"),
        ("nearest('p1', 3, unit := 'fields')", "fields"),
        ("nearest('p1', 3, season := '1999-00')", "1999-00"),
        ("nearest('p1', 3, model := 'nosuch')", "nosuch"),
        ("nearest('p1', 3, unit := 'cells', res := 3)", "resolution 3"),
        ("nearest('p1', 3, filter := 'colour = 1')", "colour"),
        ("nearest('p1', 3, filter := '')", "predicate"),
        ("nearest('p1', 3, filter := '1=1) UNION SELECT (1')", "predicate"),
        ("nearest('p1', 3, filter := '1=1; SELECT 2')", "predicate"),
        ("nearest('p1', 3, filter := 'n_pixels >')", "predicate"),
        ("change('2024-25', '2024-25')", "two of the seasons"),
        ("change('2024-25', NULL)", "two of the seasons"),
        ("change('2024-25', '1999-00')", "1999-00"),
        ("change('2024-25', '2025-26', res := 7)", "resolution 7"),
        ("change('2024-25', '2025-26', unit := 'parcels')", "parcels"),
    ],
)
def test_what_cannot_be_asked_is_said(session: duckdb.DuckDBPyConnection, call: str, message: str) -> None:
    """Unknown items, vectors of another length, seasons, predicates that are none: a sentence, and no Python stack."""
    with pytest.raises(QueryError, match=message) as refused:
        run_sql_on(session, f"SELECT * FROM {call}")
    assert "At:" not in str(refused.value)
    assert ".py" not in str(refused.value)


def test_a_slow_filter_can_be_stopped(session: duckdb.DuckDBPyConnection) -> None:
    """A filter that takes too long is interrupted as any query is, and the session goes on."""
    endless = "n_pixels > (SELECT count(*) FROM range(100000000000) r WHERE random() < 0)"
    with pytest.raises(QueryError, match=r"within 0\.2 s"):
        run_sql_on(
            session, "SELECT h3 FROM nearest(?, 3, filter := ?)", [int(CELLS[0]), endless], timeout_s=0.2
        )
    assert run_sql_on(session, f"SELECT h3 FROM nearest({CELLS[0]}, 3)").num_rows == 3


def test_threads_search_side_by_side(session: duckdb.DuckDBPyConnection) -> None:
    """Cursors of one session in several threads get the neighbours that one alone gets."""
    query = (
        f"SELECT h3, similarity FROM nearest({CELLS[0]}, 50, filter := 'n_pixels > 10', season := '2024-25')"
    )
    alone = run_sql_on(session, query)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: run_sql_on(session.cursor(), query), range(12)))
    assert all(table.equals(alone) for table in found)


@pytest.mark.parametrize(
    "call",
    [
        "nearest_cells('soon', NULL)",
        "nearest_cells(NULL, NULL)",
        "nearest_cells('{}', NULL)",
        "nearest_parcels(repeat('[', 100000), ['p1'])",
        "vector_of_json(repeat('[', 100000), NULL, NULL)",
        "vector_of_json('{', NULL, NULL)",
        "nearest_query('9e999', 3, NULL, NULL, NULL, NULL, NULL, NULL)",
    ],
)
def test_functions_behind_the_macros_refuse_what_they_did_not_write(
    session: duckdb.DuckDBPyConnection, call: str
) -> None:
    """The functions that macros are made of can be called too: nonsense is a sentence, not a stack."""
    with pytest.raises(QueryError, match="Expected") as refused:
        run_sql_on(session, f"SELECT {call}")
    assert ".py" not in str(refused.value)


def test_exact_may_be_demanded(session: duckdb.DuckDBPyConnection) -> None:
    """`exact` is handed to the search: true compares all rows, false wants an index, which this store has not."""
    plain, exact = (
        run_sql_on(session, f"SELECT h3 FROM nearest({CELLS[0]}, 9{end})") for end in ("", ", exact := true")
    )
    assert plain.equals(exact)
    with pytest.raises(QueryError, match="index"):
        run_sql_on(session, f"SELECT h3 FROM nearest({CELLS[0]}, 9, exact := false)")


def test_no_row_passing_is_not_every_row(session: duckdb.DuckDBPyConnection) -> None:
    """A filter that nothing passes gives nothing, and one that is null for a row leaves it out."""
    assert run_sql_on(session, f"SELECT h3 FROM nearest({CELLS[0]}, 9, filter := 'false')").num_rows == 0
    query = 'SELECT "crop:name" AS crop FROM nearest(?, 40, filter := ?)'
    crops = run_sql_on(session, query, ["p3", "\"crop:name\" <> 'maize'"]).column("crop").to_pylist()
    assert set(crops) == {"vineyard", "cherry"}


def test_a_filter_of_comments_stays_a_filter(session: duckdb.DuckDBPyConnection) -> None:
    """A comment at a predicate's end does not swallow the order and the limit behind it."""
    call = "nearest('p3', 2, filter := '\"crop:name\" = ''maize'' -- only these')"
    found = run_sql_on(session, f'SELECT id, "crop:name" AS crop FROM {call}').to_pylist()
    assert [row["crop"] for row in found] == ["maize", "maize"]


def test_two_models_must_be_told_apart(tmp_path: Path) -> None:
    """Where a store holds two models, nearest() asks for one, and searches it alone."""
    store = small_store(tmp_path / "s", 30)
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cell_ids(30), unit_vectors(30, 128))],
            model_id="m128",
            season=SEASON,
            resolution=9,
        )
    cell = cell_ids(1)[0]
    with connect(store) as session:
        with pytest.raises(QueryError, match=r"m128.*surco-test-1"):
            run_sql_on(session, f"SELECT h3 FROM nearest({cell}, 3)")
        found = run_sql_on(
            session, f"SELECT model, len(embedding) AS d FROM nearest({cell}, 9, model := 'm128')"
        )
        assert set(found.column("model").to_pylist()) == {"m128"}
        assert set(found.column("d").to_pylist()) == {128}


def test_functions_keep_the_sessions_version(tmp_path: Path) -> None:
    """A write through the same store object does not move nearest() of a session that is open."""
    store = small_store(tmp_path / "s", 20)
    with connect(store) as session:
        with store.transaction() as tx:
            tx.put_cells(
                [cells_batch(cell_ids(9), unit_vectors(9))], model_id=MODEL, season=LATER, resolution=9
            )
        found = run_sql_on(session, f"SELECT season FROM nearest({cell_ids(1)[0]}, 50)")
        assert found.column("season").to_pylist() == ["2024-25"] * 19


def test_the_latest_season_and_the_labels_are_views(store: Store, session: duckdb.DuckDBPyConnection) -> None:
    """`cells_latest` has each resolution's latest season, `labels` the parcels whose crop is known."""
    latest = run_sql_on(
        session, "SELECT res, min(season) AS s, max(season) AS t, count(*) AS n FROM cells_latest GROUP BY 1"
    )
    assert sorted(tuple(row.values()) for row in latest.to_pylist()) == [
        (7, "2024-25", "2024-25", 20),
        (9, "2025-26", "2025-26", 100),
    ]
    labels = run_sql_on(
        session, "SELECT label, count(*) AS n, sum(hectares) AS ha FROM labels GROUP BY 1 ORDER BY 1"
    )
    assert labels.to_pylist() == [
        {"label": name, "n": 10, "ha": pytest.approx(40)} for name in ("cherry", "maize", "vineyard")
    ]


@pytest.mark.parametrize("column", ["model", "season", "res"])
def test_columns_of_folders_have_least_and_greatest(tmp_path: Path, column: str) -> None:
    """min() and max() of what a file's folder says, which crash DuckDB 1.5.5 elsewhere; files are still left out."""
    store = small_store(tmp_path / "s", 5)
    with connect(store) as session:
        found = run_sql_on(session, f"SELECT min({column}) AS a, max({column}) AS b FROM cells").to_pylist()
        assert found[0]["a"] == found[0]["b"]
        value = found[0]["a"]
        plan = run_sql_on(
            session, f"EXPLAIN ANALYZE SELECT sum(n_pixels) FROM cells WHERE {column} <> '{value}'"
        )
        assert "Scanning Files: 0/1" in plan.column(1)[0].as_py()


def test_an_empty_store_has_nobody_near(tmp_path: Path) -> None:
    """nearest() on an empty store says that there is no such table."""
    store = Store.create(tmp_path / "s")
    with pytest.raises(QueryError, match="no such table"):
        run_sql(store, "SELECT * FROM nearest('p1', 3)")
    assert run_sql(store, "SELECT * FROM cells_latest").num_rows == 0
    assert run_sql(store, "SELECT * FROM labels").num_rows == 0
