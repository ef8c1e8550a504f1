# ruff: noqa: S608 - the queries of these tests are made of their own constants
"""The store's adapters as functions of SQL."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api.predicting import connect_with_adapters
from surco.embedstore import QueryError, Season, Store, dequantize, quantize, run_sql_on

N = 5_000
CELLS = cell_ids(N)
VECTORS = unit_vectors(N)
CROPS = ["cherry", "maize", "vineyard"]


def fitted(seed: int, classes: list[str], dimension: int = 64) -> CropTypeAdapter:
    """An adapter of classes that lie in random directions."""
    X = unit_vectors(20 * len(classes), dimension, seed=seed)
    return CropTypeAdapter().fit(X, classes * 20)


def files(adapter: CropTypeAdapter, name: str, model_id: str = MODEL) -> dict[str, bytes]:
    """As a store keeps it."""
    return save_adapter(adapter, name=name, model_id=model_id, task="crop-type", training={})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """5,000 cells, every seventh without data, 40 parcels, and two adapters."""
    vectors = VECTORS.copy()
    vectors[::7] = 0
    store = Store.create(tmp_path_factory.mktemp("predict") / "s")
    with store.transaction() as tx:
        tx.put_cells([cells_batch(CELLS, vectors)], model_id=MODEL, season=SEASON, resolution=9)
        parcels = parcels_batch(squares(40), unit_vectors(40, seed=1), [None] * 40)
        tx.put_parcels([parcels], model_id=MODEL, season=SEASON)
        tx.put_adapter("crops", files(fitted(5, CROPS), "crops"))
        tx.put_adapter("water", files(fitted(6, ["irrigated", "rainfed"]), "water"))
    return store


@pytest.fixture(scope="module")
def session(store: Store) -> duckdb.DuckDBPyConnection:
    """One session with adapters."""
    return connect_with_adapters(store)


def test_predictions_are_the_adapters(session: duckdb.DuckDBPyConnection) -> None:
    """Class, probability, all classes and one class of each row are what the adapter says of the stored vectors."""
    found = run_sql_on(
        session,
        "SELECT h3, predict('crops', embedding, embedding_scale) AS best, "
        "predict_all('crops', embedding, embedding_scale) AS every, "
        "probability_of('crops', 'maize', embedding, embedding_scale) AS maize FROM cells",
    )
    adapter = fitted(5, CROPS)
    chances = adapter.predict_proba(dequantize(*quantize(VECTORS)))
    place = {cell: i for i, cell in enumerate(CELLS)}
    for row in found.to_pylist():
        i = place[row["h3"]]
        if i % 7 == 0:
            assert (row["best"], row["every"], row["maize"]) == (None, None, None)
            continue
        assert row["best"]["label"] == adapter.classes_[chances[i].argmax()]
        assert row["best"]["probability"] == pytest.approx(chances[i].max(), abs=1e-5)
        every = {each["label"]: each["probability"] for each in row["every"]}
        assert every == pytest.approx(dict(zip(CROPS, chances[i], strict=True)), abs=1e-5)
        assert row["every"][0] == row["best"]
        assert list(every.values()) == sorted(every.values(), reverse=True)
        assert row["maize"] == pytest.approx(chances[i, 1], abs=1e-5)


def test_sets_and_support_are_the_adapters(session: duckdb.DuckDBPyConnection) -> None:
    """Sets of classes and support of each row are what the adapter says; a coverage that cannot be is refused."""
    found = run_sql_on(
        session,
        "SELECT h3, predict_set('crops', 0.8, embedding, embedding_scale) AS likely, "
        "support_of('crops', embedding, embedding_scale) AS usual FROM cells",
    )
    adapter = fitted(5, CROPS)
    rows = dequantize(*quantize(VECTORS))
    sets, usual, chances = adapter.predict_set(rows, 0.8), adapter.support(rows), adapter.predict_proba(rows)
    place = {cell: i for i, cell in enumerate(CELLS)}
    same = 0
    for row in found.to_pylist():
        i = place[row["h3"]]
        if i % 7 == 0:
            assert (row["likely"], row["usual"]) == (None, None)
            continue
        order = [c for c in np.argsort(-chances[i]) if sets[i, c]]
        same += row["likely"] == [CROPS[c] for c in order]
        assert row["usual"] == pytest.approx(usual[i], abs=0.02)
    assert same > 0.99 * (N - N // 7 - 1)  # float32 rounding at a threshold may go either way
    with pytest.raises(QueryError, match=r"coverage from 0\.5 to 0\.99; got 7"):
        run_sql_on(session, "SELECT predict_set('crops', 7, embedding, embedding_scale) FROM cells")


def test_a_national_statistic_is_one_query(session: duckdb.DuckDBPyConnection) -> None:
    """The query of the handbook: crops counted by region, with cells that nothing is known of counted apart."""
    found = run_sql_on(
        session,
        "SELECT region, (predict('crops', embedding, embedding_scale)).label AS crop, count(*) AS n "
        "FROM cells GROUP BY ALL",
    )
    kept = np.arange(N) % 7 != 0
    labels = fitted(5, CROPS).predict(dequantize(*quantize(VECTORS[kept])))
    expected = Counter(labels.tolist()) + Counter({None: int((~kept).sum())})
    assert {row["crop"]: row["n"] for row in found.to_pylist()} == expected


def test_each_row_may_name_its_adapter(session: duckdb.DuckDBPyConnection) -> None:
    """The adapter's name may be a column; null names none."""
    found = run_sql_on(
        session,
        "SELECT id, predict(CASE (substr(id, 2)::INT) % 3 WHEN 0 THEN 'crops' WHEN 1 THEN 'water' END, "
        "embedding, embedding_scale).label AS label FROM parcels",
    ).to_pylist()
    rows = dequantize(*quantize(unit_vectors(40, seed=1)))
    crops, water = fitted(5, CROPS).predict(rows), fitted(6, ["irrigated", "rainfed"]).predict(rows)
    for row in found:
        i = int(row["id"][1:])
        assert row["label"] == [crops[i], water[i], None][i % 3]


def test_predictions_filter_neighbours(session: duckdb.DuckDBPyConnection) -> None:
    """nearest() within a class gives the nearest of that class, whatever other classes are nearer."""
    label = "predict('crops', embedding, embedding_scale).label"
    everything = run_sql_on(session, f"SELECT id, {label} AS crop FROM nearest('p0', 40)").to_pylist()
    filtered = run_sql_on(
        session, "SELECT id FROM nearest('p0', 4, filter := ?)", [f"{label} = 'cherry'"]
    ).to_pylist()
    assert [row["id"] for row in filtered] == [row["id"] for row in everything if row["crop"] == "cherry"][:4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("predict('nosuch', embedding, embedding_scale)", r"'crops', 'water'.*'nosuch'"),
        ("probability_of('crops', 'rice', embedding, embedding_scale)", r"'cherry', 'maize'.*'rice'"),
        ("probability_of('crops', h3_string(h3), embedding, embedding_scale)", "one class for all rows"),
        ("predict('crops', [1, 2]::TINYINT[], embedding_scale)", "surco-test-1.*2.*values"),
        ("predict('crops', embedding, embedding_scale, 'other-1')", "surco-test-1.*other-1"),
        ("predict('crops', embedding)", "predict"),
    ],
)
def test_what_cannot_be_predicted_is_said(
    session: duckdb.DuckDBPyConnection, call: str, message: str
) -> None:
    """Unknown adapters and classes, vectors of another length or model: a sentence that names both."""
    with pytest.raises(QueryError, match=message) as refused:
        run_sql_on(session, f"SELECT {call} FROM cells")
    assert ".py" not in str(refused.value)


def test_nulls_predict_nothing(session: duckdb.DuckDBPyConnection) -> None:
    """A null adapter, class, vector or scale gives null."""
    found = run_sql_on(
        session,
        "SELECT predict(NULL, embedding, embedding_scale) AS a, predict('crops', NULL, embedding_scale) AS b, "
        "predict('crops', embedding, NULL) AS c, probability_of('crops', NULL, embedding, embedding_scale) AS d, "
        "predict_all(NULL, embedding, embedding_scale) AS e FROM cells WHERE embedding_scale > 0",
    )
    assert all(found.column(name).null_count == found.num_rows > 0 for name in "abcde")


def test_rows_of_another_model_are_refused(tmp_path: Path) -> None:
    """In a store of two models of one length, rows must say their model, and only the adapter's own are taken."""
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        for model, season in ((MODEL, SEASON), ("other-1", SEASON), (MODEL, Season(2025))):
            tx.put_cells([cells_batch(CELLS[:50], VECTORS[:50])], model_id=model, season=season, resolution=9)
        tx.put_cells(
            [cells_batch(CELLS[:50], unit_vectors(50, 128))],
            model_id="m128",
            season=SEASON,
            resolution=9,
        )
        tx.put_adapter("crops", files(fitted(5, CROPS), "crops"))
        tx.put_adapter("long", files(fitted(5, CROPS, 128), "long", "m128"))
    with connect_with_adapters(store) as session:

        def ask(call: str, where: str = "true") -> pa.Table:
            return run_sql_on(session, f"SELECT {call}.label AS label FROM cells WHERE {where}")

        plain, named = (f"predict('crops', embedding, embedding_scale{end})" for end in ("", ", model"))
        with pytest.raises(QueryError, match=r"surco-test-1.*other-1.*last argument"):
            ask(plain, f"model = '{MODEL}'")
        with pytest.raises(QueryError, match=r"surco-test-1.*m128|surco-test-1.*other-1"):
            ask(named)
        with pytest.raises(QueryError, match=r"surco-test-1.*other-1"):
            ask(named, "model = 'other-1'")
        assert ask(named, f"model = '{MODEL}'").num_rows == 100
        assert ask("predict('long', embedding, embedding_scale)", "model = 'm128'").num_rows == 50


def test_an_adapter_of_a_model_that_the_store_lacks(tmp_path: Path) -> None:
    """Without a model named, vectors of the same length of another model are refused too."""
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        tx.put_cells([cells_batch(CELLS[:50], VECTORS[:50])], model_id="other-1", season=SEASON, resolution=9)
        tx.put_adapter("crops", files(fitted(5, CROPS), "crops"))
    with (
        connect_with_adapters(store) as session,
        pytest.raises(QueryError, match=r"surco-test-1.*other-1"),
    ):
        run_sql_on(session, "SELECT predict('crops', embedding, embedding_scale) FROM cells")


def test_a_session_keeps_its_adapters(tmp_path: Path) -> None:
    """An adapter that is written later, under the same name too, is not that of a session that is open."""
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        tx.put_cells([cells_batch(CELLS[:50], VECTORS[:50])], model_id=MODEL, season=SEASON, resolution=9)
        tx.put_adapter("crops", files(fitted(5, CROPS), "crops"))
    with connect_with_adapters(store) as session:
        with store.transaction() as tx:
            tx.put_adapter("crops", files(fitted(6, ["irrigated", "rainfed"]), "crops"))
        found = run_sql_on(
            session, "SELECT predict('crops', embedding, embedding_scale).label AS l FROM cells"
        )
        assert set(found.column("l").to_pylist()) <= set(CROPS)
