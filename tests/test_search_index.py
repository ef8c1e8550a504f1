"""Search at size: files beside a table, an index with measured recall, examples, and filters by brute force."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.embedstore import (
    Contrast,
    SearchError,
    Store,
    StoreError,
    build_index,
    comuna_of,
    connect,
    how_found,
    nearest,
    quantize,
)
from surco.embedstore import vectors as vectors_module
from surco.embedstore.scan import best_rows
from surco.embedstore.sidecar import open_sidecar, publish_sidecar
from surco.embedstore.similar import similar
from surco.embedstore.vector_sources import source_of
from surco.embedstore.vectors import TableVectors, table_vectors

ROWS = 6_000


def clustered(n: int, seed: int = 0) -> np.ndarray:
    """(N, 64) vectors around forty centres, as land covers are."""
    rng = np.random.default_rng(seed)
    centres = unit_vectors(40, seed=seed + 1)
    return (centres[rng.integers(0, 40, n)] + 0.08 * rng.normal(size=(n, 64))).astype(np.float32)


def written(path: Path, vectors: np.ndarray) -> Store:
    """A store of cells, in two far places so that they lie in several files."""
    half = len(vectors) // 2
    cells = cell_ids(half) + cell_ids(len(vectors) - half, lon=-70.9, lat=-33.5)
    store = Store.create(path)
    rows = cells_batch(cells, vectors)
    place = rows.schema.get_field_index("comuna")
    rows = rows.set_column(place, rows.schema.field(place), comuna_of(cells))
    with store.transaction() as tx:
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9)
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Six thousand cells with an index."""
    made = written(tmp_path_factory.mktemp("index") / "s", clustered(ROWS))
    build_index(made, table="cells")
    return made


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables of any size get files beside them, as those of a hundred thousand rows and more."""
    monkeypatch.setattr(vectors_module, "_SMALL", 0)
    vectors_module._table_vectors.cache_clear()
    yield
    vectors_module._table_vectors.cache_clear()


def held(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Keys and int8 rows in float64, by key, as read by nobody but the store."""
    table = store.read("cells", columns=["h3", "embedding"]).sort_by("h3")
    return table["h3"].to_numpy(), np.array(table["embedding"].to_pylist(), np.float64)


def brute(store: Store, query: np.ndarray, k: int, passing: np.ndarray | None = None) -> list[int]:
    """Keys of the k rows of largest cosine to the query as float32, summed in float64; equal ones by key."""
    keys, rows = held(store)
    direction = (query / np.linalg.norm(query)).astype(np.float32).astype(np.float64)
    cosine = rows @ direction / np.linalg.norm(rows, axis=1)
    order = np.argsort(-cosine.astype(np.float32), kind="stable")
    return keys[order if passing is None else order[passing[order]]][:k].tolist()


def test_an_index_finds_what_it_promises(store: Store) -> None:
    """The share of true neighbours over two hundred rows is at least 0.99, and so is what the answer says."""
    keys, _ = held(store)
    shares, quick = [], 0
    for key in np.random.default_rng(3).choice(keys, 200, replace=False).tolist():
        found, true = (nearest(store, key, 100, table="cells", exact=exact) for exact in (None, True))
        quick += not how_found(found).exact
        assert how_found(true).exact and how_found(true).compared == ROWS
        shares.append(len(set(found["h3"].to_pylist()) & set(true["h3"].to_pylist())) / 100)
        assert how_found(found).recall >= 0.99
        assert how_found(found).exact or how_found(found).compared < ROWS / 4
    assert np.mean(shares) >= 0.99 and quick > 190


def test_similarities_of_the_index_are_exact(store: Store) -> None:
    """What the index finds has the same cosines as in the exact answer, and never the item itself."""
    key = held(store)[0][17].item()
    found, true = (nearest(store, key, 50, table="cells", exact=exact) for exact in (False, True))
    known = dict(zip(true["h3"].to_pylist(), true["similarity"].to_pylist(), strict=True))
    pairs = zip(found["h3"].to_pylist(), found["similarity"].to_pylist(), strict=True)
    assert all(known.get(cell, similarity) == similarity for cell, similarity in pairs)
    assert key not in found["h3"].to_pylist()


def test_what_an_index_cannot_answer_is_exact(store: Store) -> None:
    """Filtered, for more neighbours and for stranger queries than recall was measured for, all rows are compared."""
    query = clustered(ROWS)[5]
    many = nearest(store, query, 101, table="cells")
    assert how_found(many).exact and how_found(many).compared == ROWS
    strange = unit_vectors(1, seed=77)[0]
    assert how_found(nearest(store, strange, 5, table="cells")).exact
    demanded = nearest(store, strange, 100, table="cells", exact=False)
    assert not how_found(demanded).exact and demanded.num_rows == 100
    filtered = nearest(store, query, 5, table="cells", where="n_pixels = 100")
    assert how_found(filtered).exact and how_found(filtered).recall == 1.0


def test_an_index_belongs_to_a_version(tmp_path: Path) -> None:
    """After a write the old index is not used, and demanding one is refused until it is made anew."""
    store = written(tmp_path / "s", clustered(2_000))
    made = build_index(store, table="cells")
    assert made.rows == 2_000 and 1 <= made.probes <= made.lists and made.recall >= 0.99
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(3, lon=-73.0, lat=-40.0), clustered(3))
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9, merge=True)
    query = clustered(2_000)[7]
    found = nearest(store, query, 5, table="cells")
    assert how_found(found).exact and how_found(found).compared == 2_003
    with pytest.raises(SearchError, match="build_index"):
        nearest(store, query, 5, table="cells", exact=False)
    build_index(store, table="cells")
    assert not how_found(nearest(store, query, 5, table="cells", exact=False)).exact


def test_indices_that_cannot_be_are_refused(tmp_path: Path, store: Store) -> None:
    """A small table, and recall of one or none, say what to do."""
    with pytest.raises(SearchError, match="1000 rows or more"):
        build_index(written(tmp_path / "s", clustered(20)), table="cells")
    for recall in (0.0, 1.0):
        with pytest.raises(SearchError, match="recall between 0 and 1"):
            build_index(store, table="cells", recall=recall)
    with pytest.raises(SearchError, match=r"answer of nearest\(\)"):
        how_found(pa.table({"h3": [1]}))


def test_a_damaged_index_is_not_used(tmp_path: Path) -> None:
    """A flipped bit in an index, or in vectors beside the table, is noticed when it is opened."""
    store = written(tmp_path / "s", clustered(1_500))
    build_index(store, table="cells")
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy)
    (rows,) = copy.glob(".search/*-lists/rows.npy")
    content = bytearray(rows.read_bytes())
    content[-3] ^= 1
    rows.write_bytes(content)
    assert open_sidecar(rows.parent) is None
    found = nearest(Store.open(copy), clustered(1)[0], 3, table="cells")
    assert how_found(found).exact


@pytest.mark.usefixtures("mapped")
def test_mapped_vectors_are_those_of_the_table(tmp_path: Path) -> None:
    """Keys ascend over all files, also where a merge put later cells first; damage is repaired from the table."""
    store = written(tmp_path / "s", clustered(600))
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(50, lon=-73.0, lat=-40.0), clustered(50, seed=5))
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9, merge=True)
    for _ in range(2):
        found = table_vectors(source_of(store, "cells"))
        keys, embedding = held(store)
        assert found.keys.to_pylist() == keys.tolist()
        np.testing.assert_array_equal(found.embedding, embedding)
        comunas = store.read("cells", columns=["h3", "comuna"]).sort_by("h3")["comuna"]
        assert [code or None for code in found.comuna.tolist()] == comunas.to_pylist()
        np.testing.assert_allclose(found.inverse_length, 1 / np.linalg.norm(embedding, axis=1), rtol=1e-6)
        (file,) = store.path.glob(".search/*-vectors/embedding.npy")
        content = bytearray(file.read_bytes())
        content[-1] ^= 255
        file.write_bytes(content)
        vectors_module._table_vectors.cache_clear()


@pytest.mark.usefixtures("mapped")
def test_files_of_old_versions_go(tmp_path: Path) -> None:
    """Of one table's versions the two newest keep their files; another table keeps its own."""
    store = written(tmp_path / "s", clustered(20))
    with store.transaction() as tx:
        parcels = parcels_batch(squares(5), clustered(5), [None] * 5)
        tx.put_parcels([parcels], model_id=MODEL, season=SEASON)
    nearest(store, "p1", 1, table="parcels")
    for seed in range(4):
        with store.transaction() as tx:
            tx.put_cells(
                [cells_batch(cell_ids(9), clustered(9, seed))], model_id=MODEL, season=SEASON, resolution=9
            )
        assert nearest(store, clustered(1)[0], 9, table="cells").num_rows == 9
    assert len(list(store.path.glob(".search/*-vectors"))) == 3


@pytest.mark.usefixtures("mapped")
def test_a_store_that_cannot_be_written_answers(tmp_path: Path) -> None:
    """Where no folder can be made, vectors are loaded and the answer is the same; an index is refused."""
    store = written(tmp_path / "s", clustered(1_200))
    (store.path / ".search").write_text("no folder", encoding="utf-8")
    query = clustered(1)[0]
    assert nearest(store, query, 7, table="cells")["h3"].to_pylist() == brute(store, query, 7)
    with pytest.raises((StoreError, FileExistsError)):
        build_index(store, table="cells")


def test_a_killed_builder_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    """A writer that fails half-way shows nothing, and what was there before stays."""
    folder = tmp_path / ".search" / "one"

    def half(draft: Path) -> dict[str, str]:
        (draft / "rows").write_bytes(b"new")
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        publish_sidecar(folder, half)
    assert open_sidecar(folder) is None and list(folder.parent.iterdir()) == []

    def whole(draft: Path) -> dict[str, str]:
        (draft / "rows").write_bytes(b"old")
        return {"table": "x"}

    publish_sidecar(folder, whole)
    with pytest.raises(OSError, match="no room"):
        publish_sidecar(folder, half)
    assert open_sidecar(folder) == {"table": "x"} and (folder / "rows").read_bytes() == b"old"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 130), st.floats(0, 1))
def test_filters_are_those_of_brute_force(store: Store, seed: int, k: int, share: float) -> None:
    """Under a filter that lets any share of rows pass, the answer is brute force over them."""
    keys, _ = held(store)
    rng = np.random.default_rng(seed)
    allowed = keys[rng.random(len(keys)) < share]
    query = rng.normal(size=64)
    # Keys that are not in the table count for nothing, nor do repeated ones.
    among = pa.array(np.concatenate([allowed, allowed[:3], np.array([1, 2**63], np.uint64)]))
    found = similar(store, query, k, table="cells", among=among)
    assert found["h3"].to_pylist() == brute(store, query, k, np.isin(keys, allowed))
    assert how_found(found).exact


@pytest.mark.parametrize(
    "where",
    [
        "h3 % 100 = 7",
        "h3 % 3 <> 1",
        "n_pixels = 100",
        "false",
        "comuna IS NOT NULL",
        "comuna IS NULL OR comuna_name < 'O'",
        "region = 'MAULE'",
        "provincia = 'Talca' AND h3 % 5 = 0",
        "coalesce(region, 'abroad') LIKE 'M%'",
    ],
)
def test_predicates_are_those_of_brute_force(store: Store, where: str) -> None:
    """SQL predicates of any selectivity give brute force, the first time and from what the session remembers."""
    session = connect(store)
    passing = {cell for (cell,) in session.table("cells").filter(where).project("h3").fetchall()}
    query = clustered(1, seed=4)[0]
    keys, _ = held(store)
    true = brute(store, query, 100, np.isin(keys, np.array(list(passing), np.uint64)))
    for _ in range(2):
        found = nearest(store, query, 100, table="cells", where=where, session=session)
        assert found["h3"].to_pylist() == true


def test_a_session_forgets_what_may_change(store: Store) -> None:
    """A predicate over another table, or of chance, is asked anew each time."""
    session = connect(store)
    query = clustered(1)[0]
    keys = held(store)[0]
    for chosen in (keys[:4], keys[4:7]):
        session.execute(
            "CREATE OR REPLACE TABLE mine AS SELECT unnest(?::UBIGINT[]) AS cell", [chosen.tolist()]
        )
        found = nearest(
            store, query, 9, table="cells", where="h3 IN (SELECT cell FROM mine)", session=session
        )
        assert sorted(found["h3"].to_pylist()) == sorted(chosen.tolist())
    draws = {
        how_found(nearest(store, query, 1, table="cells", where="random() < 0.5", session=session)).compared
        for _ in range(5)
    }
    assert len(draws) > 1


def test_examples_are_rocchios_formula(store: Store) -> None:
    """Like these and unlike those is the mean of unit vectors minus the weighted mean of the others."""
    keys, rows = held(store)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    like, unlike, extra = [3, 40, 700], [5, 9], clustered(1, seed=8)[0]
    sought = Contrast([*keys[like].tolist(), extra], keys[unlike].tolist(), weight=0.7)
    found = nearest(store, sought, 40, table="cells", exact=True)
    direction = (unit[like].sum(axis=0) + extra / np.linalg.norm(extra)) / 4 - 0.7 * unit[unlike].mean(axis=0)
    others = ~np.isin(np.arange(len(keys)), [*like, *unlike])
    assert found["h3"].to_pylist() == brute(store, direction, 40, others)
    only = nearest(store, Contrast([keys[3].item()]), 5, table="cells", exact=True)
    assert only.equals(nearest(store, keys[3].item(), 5, table="cells", exact=True))


def test_examples_that_say_nothing_are_refused(store: Store) -> None:
    """No example, a weight below nothing, and examples that cancel out are errors of the room."""
    key = held(store)[0][0].item()
    with pytest.raises(SearchError, match="at least one example"):
        Contrast([])
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SearchError, match="weight of 0 or more"):
            Contrast([key], [key], weight)
    with pytest.raises(SearchError, match="examples that differ"):
        nearest(store, Contrast([key], [key], 1.0), 3, table="cells")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(1, 90), st.integers(0, 2**32), st.sampled_from([3, 64, 512]))
def test_the_scan_is_exact_for_ties_and_zeros(n: int, k: int, seed: int, dimension: int) -> None:
    """Few different rows, rows of zeros and any length: the k best are those of float64, equal ones by key."""
    rng = np.random.default_rng(seed)
    palette = rng.integers(-127, 128, (8, dimension)).astype(np.int8)
    palette[0] = 0
    rows = palette[rng.integers(0, 8, n)]
    length = np.linalg.norm(rows.astype(float), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(length > 0, 1 / length, np.nan).astype(np.float32)
    query = rng.normal(size=dimension)
    query /= np.linalg.norm(query)
    found, similarity = best_rows(
        TableVectors(pa.array(np.arange(n).astype(np.uint64)), rows, inverse, np.zeros(n, np.uint16)),
        query.astype(np.float32),
        k,
    )
    directed = np.flatnonzero(length > 0)
    cosine = (rows[directed] @ query.astype(np.float32).astype(float)) / length[directed]
    order = np.lexsort((directed, -cosine.astype(np.float32)))[:k]
    np.testing.assert_allclose(similarity, cosine[order], atol=1e-6)
    assert found.tolist() == directed[order].tolist()


def test_threads_do_not_change_the_answer() -> None:
    """Two hundred thousand rows in one part and in three give the same rows, also picked ones."""
    vectors = quantize(clustered(200_000))[0]
    inverse = (1 / np.linalg.norm(vectors.astype(np.float32), axis=1)).astype(np.float32)
    keys, comuna = pa.array(np.arange(200_000).astype(np.uint64)), np.zeros(200_000, np.uint16)
    table = TableVectors(keys, vectors, inverse, comuna)
    query = unit_vectors(1, seed=2)[0]
    some = np.arange(0, 200_000, 3)
    for among in (None, some, np.setdiff1d(np.arange(200_000), some)):
        one, three = (best_rows(table, query, 100, among=among, threads=threads) for threads in (1, 3))
        np.testing.assert_array_equal(one[0], three[0])
        np.testing.assert_array_equal(one[1], three[1])
