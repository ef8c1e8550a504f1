"""Exact similarity search."""

from __future__ import annotations

from pathlib import Path

import h3
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_builders import MODEL, SEASON, cell_ids, cells_batch, small_store, unit_vectors

from surco.embedstore import QueryError, SearchError, Season, Store, StoreError, connect, nearest, quantize
from surco.embedstore.predicate import passing_rows
from surco.embedstore.vector_sources import source_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of 200 cells and 40 parcels."""
    return small_store(tmp_path_factory.mktemp("search") / "s")


def exact(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Cosines of int8 rows with a query, in float64."""
    rows = quantize(vectors)[0].astype(float)
    return rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 199), st.integers(1, 250))
def test_neighbours_are_those_of_brute_force(store: Store, item: int, k: int) -> None:
    """For any cell and k, the cells and cosines are those of comparing with all rows."""
    cells, vectors = np.array(cell_ids(200), np.uint64), unit_vectors(200)
    embedding, scale = quantize(vectors[item : item + 1])
    similarity = exact(vectors, (embedding * scale[:, None])[0].astype(float))
    order = [i for i in np.argsort(-similarity) if i != item][:k]
    found = nearest(store, int(cells[item]), k, table="cells")
    assert found.column("h3").to_pylist() == cells[order].tolist()
    np.testing.assert_allclose(found.column("similarity").to_numpy(), similarity[order], atol=1e-6)


def test_several_files_are_one_answer(tmp_path: Path) -> None:
    """Neighbours in another file, and equal rows there, are found; equal ones are ordered by key."""
    store = Store.create(tmp_path / "s")
    cells = cell_ids(30) + cell_ids(30, lon=-70.9, lat=-33.5)
    vectors = np.tile(unit_vectors(30), (2, 1))
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cells, vectors)], model_id=MODEL, season=SEASON, resolution=9)
    assert len(store.find("cells").files) > 1
    assert nearest(store, cells[3], 1, table="cells").column("h3").to_pylist() == [cells[33]]
    both = nearest(store, vectors[3], 2, table="cells").column("h3").to_pylist()
    assert both == sorted([cells[3], cells[33]])


def test_an_item_may_be_a_number_a_text_or_a_vector(store: Store) -> None:
    """A cell by number and by text is the same; its vector finds the cell itself first."""
    cell = cell_ids(5)[4]
    by_number = nearest(store, cell, 3, table="cells")
    assert nearest(store, h3.int_to_str(cell), 3, table="cells").equals(by_number)
    assert nearest(store, np.uint64(cell), 3, table="cells").equals(by_number)
    by_vector = nearest(store, unit_vectors(200)[4], 4, table="cells")
    assert by_vector.column("h3").to_pylist() == [cell, *by_number.column("h3").to_pylist()]
    parcel = nearest(store, "p3", 2, table="parcels")
    assert parcel.schema.names == ["id", "similarity"]
    assert "p3" not in parcel.column("id").to_pylist()


@pytest.mark.parametrize("own_session", [True, False])
def test_a_filter_is_exact(store: Store, own_session: bool) -> None:
    """Under a filter the answer is the unfiltered order without the rows that do not pass."""
    session = connect(store) if own_session else None
    everything = nearest(store, "p3", 40, table="parcels").column("id").to_pylist()
    found = nearest(store, "p3", 5, table="parcels", where="\"crop:name\" = 'maize'", session=session)
    maize = [name for name in everything if int(name[1:]) % 4 == 0]
    assert found.column("id").to_pylist() == maize[:5]
    assert nearest(store, "p3", 5, table="parcels", where="false", session=session).num_rows == 0
    inside = "ST_X(geometry) > -71.55 AND h3_parent(h3, 5) IS NOT NULL AND n_pixels BETWEEN 1 AND 200"
    assert 0 < nearest(store, cell_ids(1)[0], 200, table="cells", where=inside).num_rows < 199
    if session is not None:
        assert session.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "where", ["colour = 1", "1=1) UNION SELECT (1", "1=1; SELECT 2", "true) -- ", "", "n_pixels >", "'x'"]
)
def test_a_filter_is_only_a_predicate(store: Store, where: str) -> None:
    """What is no predicate, or tries to be another query, is a QueryError."""
    with pytest.raises(QueryError, match="predicate over the columns of cells"):
        nearest(store, cell_ids(1)[0], 3, table="cells", where=where)


def test_each_season_answers_for_itself(tmp_path: Path) -> None:
    """The season asked for is searched, the latest where none is named."""
    store = small_store(tmp_path / "s", 20)
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(10), unit_vectors(10))
        tx.put_cells([rows], model_id=MODEL, season=Season(2025), resolution=9)
    cell = cell_ids(1)[0]
    assert nearest(store, cell, 50, table="cells").num_rows == 9
    assert nearest(store, cell, 50, table="cells", season="2024-25").num_rows == 19
    assert nearest(store, cell, 50, table="cells", season="2025-26", where="true").num_rows == 9
    with pytest.raises(StoreError, match="1999-00"):
        nearest(store, cell, 1, table="cells", season="1999-00")


def test_rows_without_direction_are_left_out(tmp_path: Path) -> None:
    """A row of zeros is nobody's neighbour, and has no neighbours."""
    store = Store.create(tmp_path / "s")
    vectors = unit_vectors(5)
    vectors[2] = 0
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cell_ids(5), vectors)], model_id=MODEL, season=SEASON, resolution=9)
    assert cell_ids(5)[2] not in nearest(store, cell_ids(5)[0], 9, table="cells").column("h3").to_pylist()


@pytest.mark.parametrize(
    ("what", "k", "table"),
    [
        (cell_ids(1, 10)[0], 3, "cells"),
        (-1, 3, "cells"),
        (2**64, 3, "cells"),
        ("no cell", 3, "cells"),
        ("p99", 3, "parcels"),
        (np.ones(32, np.float32), 3, "cells"),
        (np.zeros(64, np.float32), 3, "cells"),
        (np.full(64, np.nan), 3, "cells"),
        (np.ones((1, 64)), 3, "cells"),
        (["a"] * 64, 3, "cells"),
        (cell_ids(1)[0], 0, "cells"),
    ],
)
def test_what_cannot_be_searched_is_refused(store: Store, what: object, k: int, table: str) -> None:
    """Unknown items, vectors of another kind, and k below one are errors of the room."""
    with pytest.raises(SearchError, match=r"Expected .*; got "):
        nearest(store, what, k, table=table)  # type: ignore[arg-type]


def test_many_filters_in_a_row(store: Store) -> None:
    """Five hundred filtered searches end, and leave no file open."""
    session = connect(store)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(500):
        nearest(store, "p3", 5, table="parcels", where="true", session=session)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5


def test_a_predicate_may_take_so_long_and_no_longer(store: Store) -> None:
    """A slow predicate is interrupted, is not remembered, and the session answers the next one."""
    source, session = source_of(store, "cells"), connect(store)
    slow = "list_sum(list_transform(range(n_pixels * 500), x -> x % 7)) > 0"
    for chosen in (session, None):
        with pytest.raises(QueryError, match=r"at most 0\.001 s"):
            passing_rows(store, source, slow, chosen, timeout_s=0.001)
    assert len(passing_rows(store, source, "n_pixels > 0", session, timeout_s=60.0)) == 200
    assert len(passing_rows(store, source, slow, session)) == 200
