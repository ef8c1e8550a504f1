# ruff: noqa: S608 - the queries of these tests are made of their own constants
"""SQL over a store, and what it must not do."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path
from typing import Any

import duckdb
import h3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builders import MODEL, SEASON, cell_ids, cells_batch, small_store, unit_vectors

from surco.embedstore import (
    ColumnFunction,
    Macro,
    QueryError,
    SearchError,
    Season,
    Store,
    connect,
    run_sql,
    run_sql_on,
)
from surco.embedstore.cells import parents_of

places = st.tuples(st.floats(-180, 180), st.floats(-89.9, 89.9))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of two seasons and two resolutions."""
    store = small_store(tmp_path_factory.mktemp("sql") / "s", 100)
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cell_ids(30), unit_vectors(30))], model_id=MODEL, season=Season(2025), resolution=9
        )
        tx.put_cells(
            [cells_batch(cell_ids(40, 10), unit_vectors(40))], model_id=MODEL, season=SEASON, resolution=10
        )
        tx.put_adapter("crops", {"card.json": b"{}"})
    return store


@pytest.fixture(scope="module")
def session(store: Store) -> duckdb.DuckDBPyConnection:
    """One guarded session."""
    return connect(store)


def rows(session: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    """All rows of a query."""
    return session.execute(query).fetchall()


def test_views_hold_all_seasons_and_resolutions(session: duckdb.DuckDBPyConnection) -> None:
    """Cells and parcels carry model, season as text, and res."""
    held = rows(session, "SELECT model, season, res, count(*) FROM cells GROUP BY ALL ORDER BY ALL")
    assert held == [(MODEL, "2024-25", 9, 100), (MODEL, "2024-25", 10, 40), (MODEL, "2025-26", 9, 30)]
    assert rows(session, "SELECT DISTINCT model, season FROM parcels") == [(MODEL, "2024-25")]
    assert rows(session, "SELECT season, res, rows FROM seasons WHERE table_name = 'parcels'") == [
        ("2024-25", None, 40)
    ]
    assert rows(session, "SELECT model, card->>'title' FROM models") == [(MODEL, "a test")]
    assert rows(session, "SELECT * FROM adapters") == [("crops", "{}")]


def test_an_empty_store_has_the_views(tmp_path: Path) -> None:
    """Queries on a store without tables give no rows, with the same columns."""
    empty = Store.create(tmp_path / "s")
    full = small_store(tmp_path / "t", 5)
    for table in ("cells", "parcels"):
        nothing = run_sql(empty, f"SELECT * FROM {table}")
        assert nothing.num_rows == 0
        assert set(nothing.schema.names) == set(run_sql(full, f"SELECT * FROM {table}").schema.names)


def test_the_session_keeps_its_version(tmp_path: Path) -> None:
    """A session goes on seeing the version it was made for."""
    store = small_store(tmp_path / "s", 5)
    with connect(store) as session:
        with store.transaction() as tx:
            tx.put_cells(
                [cells_batch(cell_ids(9), unit_vectors(9))], model_id=MODEL, season=SEASON, resolution=9
            )
        assert rows(session, "SELECT count(*) FROM cells") == [(5,)]
    assert run_sql(store, "SELECT count(*) AS n FROM cells").to_pylist() == [{"n": 9}]


def test_models_of_two_lengths_can_be_asked(tmp_path: Path) -> None:
    """A store with vectors of two lengths is one view; cosine works within each model."""
    store = small_store(tmp_path / "s", 5)
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cell_ids(7), unit_vectors(7, 128))], model_id="m128", season=SEASON, resolution=9
        )
    found = run_sql(
        store,
        "SELECT model, len(embedding) AS d, min(cosine(embedding, embedding)) AS c FROM cells GROUP BY ALL ORDER BY d",
    )
    assert found.column("d").to_pylist() == [64, 128]
    assert found.column("c").to_pylist() == pytest.approx([1, 1])


def test_cosine_and_vector_are_those_of_the_vectors(store: Store, session: duckdb.DuckDBPyConnection) -> None:
    """SQL's cosine of stored rows, and of floats, is that of the vectors within int8's step."""
    vectors = unit_vectors(40, seed=1)
    found = run_sql_on(
        session,
        "SELECT id, cosine(embedding, ?) AS similarity, vector(embedding, embedding_scale) AS v FROM parcels",
        [vectors[3].tolist()],
    )
    order = [int(name[1:]) for name in found.column("id").to_pylist()]
    assert found.column("similarity").to_numpy() == pytest.approx(vectors[order] @ vectors[3], abs=0.005)
    assert np.abs(np.array(found.column("v").to_pylist()) - vectors[order]).max() < 0.005


def test_geometry_is_spatial(session: duckdb.DuckDBPyConnection) -> None:
    """ST_ functions join cells and parcels by place."""
    (joined,) = rows(
        session,
        "SELECT count(*), count(DISTINCT id) FROM parcels p JOIN cells c ON ST_Contains(p.geometry, c.geometry) "
        "WHERE res = 10",
    )
    assert joined[0] >= joined[1] > 0
    inside = "ST_Within(geometry, ST_MakeEnvelope(-71.551, -35.421, -71.539, -35.411))"
    assert rows(session, f"SELECT count(*) FROM parcels WHERE {inside}") == [(20,)]


def test_h3_functions_agree_with_h3(session: duckdb.DuckDBPyConnection) -> None:
    """Text, resolution, parent, boundary and place of a cell are those of the H3 library."""
    found = run_sql_on(
        session,
        "SELECT h3, h3_string(h3) AS text, h3_resolution(h3) AS res, h3_parent(h3, 5) AS parent, "
        "h3_parse(h3_string(h3)) AS parsed, h3_cell(ST_X(geometry), ST_Y(geometry), 9) AS again, "
        "ST_NPoints(h3_boundary(h3)) AS corners, ST_Contains(h3_boundary(h3), geometry) AS inside "
        "FROM cells WHERE res = 9",
    ).to_pylist()
    assert len(found) == 130
    for row in found:
        text = h3.int_to_str(row["h3"])
        assert (row["text"], row["res"], row["parent"]) == (
            text,
            9,
            h3.str_to_int(h3.cell_to_parent(text, 5)),
        )
        assert row["parsed"] == row["again"] == row["h3"]
        assert (row["corners"], row["inside"]) == (7, True)


def test_h3_functions_give_null_for_what_is_none(session: duckdb.DuckDBPyConnection) -> None:
    """Nulls, numbers that are no cells, finer parents and places off the globe are NULL, not errors."""
    (found,) = rows(
        session,
        "SELECT h3_parent(NULL, 3), h3_parent(5, 3), h3_parent(h3, 10), h3_parse('soon'), h3_parse(NULL), "
        "h3_boundary(5), h3_cell(NULL, 1, 9), h3_cell('nan'::DOUBLE, 1, 9), h3_cell(1, 91, 9), h3_cell(1, 1, 16), "
        "h3_children(5, 9), h3_children(NULL, 9), h3_children(h3, 8), h3_children(h3, 16), h3_children(h3, NULL), "
        "h3_disk(5, 1), h3_disk(NULL, 1), h3_disk(h3, -1), h3_disk(h3, NULL), h3_hectares(5), h3_hectares(NULL), "
        "h3_centre(5), h3_centre(NULL), h3_cell(NULL::GEOMETRY, 9) "
        "FROM cells WHERE res = 9 LIMIT 1",
    )
    assert found == (None,) * 24


def test_widening_and_measuring_agree_with_h3(session: duckdb.DuckDBPyConnection) -> None:
    """Children, disks, centres and areas are those of the H3 library, whatever number each row asks for."""
    found = run_sql_on(
        session,
        "SELECT h3, res, h3_children(h3, (res + h3 % 3)::UTINYINT) AS children, "
        "h3_disk(h3, (h3 % 4)::INTEGER) AS disk, "
        "h3_hectares(h3) AS hectares, h3_cell(h3_centre(h3), res::UTINYINT) = h3 AS centre, "
        "ST_X(geometry) + 0.0003 AS x, ST_Y(geometry) + 0.0002 AS y, h3_cell(ST_Point(x, y), 7) AS point FROM cells",
    ).to_pylist()
    assert len(found) == 170
    for row in found:
        text = h3.int_to_str(row["h3"])
        children = h3.cell_to_children(text, row["res"] + row["h3"] % 3)
        assert sorted(row["children"]) == sorted(map(h3.str_to_int, children))
        assert sorted(row["disk"]) == sorted(map(h3.str_to_int, h3.grid_disk(text, row["h3"] % 4)))
        assert row["hectares"] == pytest.approx(h3.cell_area(text, "m^2") / 1e4, rel=1.2e-4)
        assert row["centre"]
        assert h3.int_to_str(row["point"]) == h3.latlng_to_cell(row["y"], row["x"], 7)


@pytest.mark.parametrize("resolution", range(16))
def test_areas_are_right_everywhere(session: duckdb.DuckDBPyConnection, resolution: int) -> None:
    """Hectares are those of H3 to 0.012 %, over all the globe, at every resolution, in and around pentagons too."""
    rng = np.random.default_rng(resolution)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, 150)))
    cells = [
        h3.latlng_to_cell(y, x, resolution) for y, x in zip(lat, rng.uniform(-180, 180, 150), strict=True)
    ]
    for pentagon in h3.get_pentagons(resolution):
        cells += h3.grid_disk(pentagon, 2)
    numbers = [h3.str_to_int(cell) for cell in cells]
    found = run_sql_on(session, "SELECT h3_hectares(unnest(?::UBIGINT[])) AS hectares", [numbers])
    expected = [h3.cell_area(cell, "m^2") / 1e4 for cell in cells]
    np.testing.assert_allclose(found.column("hectares").to_numpy(), expected, rtol=1.2e-4)


@pytest.mark.parametrize("call", ["h3_children(h3, 15)", "h3_disk(h3, 2000000000)", "h3_disk(h3, 20000)"])
def test_widening_is_bounded(session: duckdb.DuckDBPyConnection, call: str) -> None:
    """A number that would take all memory is refused with the number of cells."""
    with pytest.raises(QueryError, match="at most 10,000,000 cells"):
        run_sql_on(session, f"SELECT {call} FROM cells")


@settings(deadline=None)
@given(places, st.integers(0, 15), st.integers(0, 15))
def test_parents_are_those_of_h3(place: tuple[float, float], one: int, other: int) -> None:
    """Parents by bits are H3's own, everywhere on the globe (pentagons too) and at every resolution."""
    coarse, fine = sorted((one, other))
    cell = h3.latlng_to_cell(place[1], place[0], fine)
    parent = parents_of(np.array([h3.str_to_int(cell)], np.uint64), coarse)
    assert h3.int_to_str(int(parent[0])) == h3.cell_to_parent(cell, coarse)


FORBIDDEN = [
    "COPY (SELECT 1) TO '{outside}/x.parquet'",
    "COPY (SELECT 1) TO '{store}/x.parquet'",
    "COPY (SELECT 1) TO '{file}'",
    "COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
    "COPY (SELECT 1) TO 'surco://x.parquet'",
    "COPY (SELECT 1) TO 'surco://{relative}' (USE_TMP_FILE false)",
    "COPY cells TO 'surco://cells' (FORMAT parquet, PARTITION_BY (res))",
    "EXPORT DATABASE 'surco://x'",
    "EXPORT DATABASE '{outside}/x'",
    "ATTACH '{outside}/x.db'",
    "ATTACH '{store}/x.db'",
    "ATTACH 'surco://x.db'",
    "ATTACH 'surco://{relative}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial FROM community",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('surco:///etc/passwd')",
    "SELECT * FROM read_text('surco://../../../../../etc/passwd')",
    "SELECT * FROM read_text('file:///etc/passwd')",
    "SELECT * FROM read_text('{store}/store.json')",
    "SELECT * FROM read_text('surco://store.json')",
    "SELECT * FROM read_parquet('https://example.org/x.parquet')",
    "SELECT * FROM ST_Read('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM secret_python_variable",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET lock_configuration = false",
    "RESET enable_external_access",
    "PRAGMA enable_logging",
    "SET temp_directory = '/tmp'",
    "SET profiling_output = '{outside}/x'",
    "PRAGMA profiling_output = '{outside}/x'",
    "SET log_query_path = '{outside}/x'",
    "SET python_enable_replacements = true",
    "SET GLOBAL threads = 64",
    "SELECT * FROM ST_ReadSHP('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/*')",
    "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM parquet_metadata('{file}')",
    "CREATE SECRET (TYPE s3, KEY_ID 'a')",
    "SELECT * FROM nearest('p1', 3, filter := 'id IN (SELECT content FROM read_text(''/etc/passwd''))')",
    "SELECT * FROM nearest('p1', 3, filter := 'id IN (SELECT * FROM secret_python_variable)')",
    "SELECT * FROM nearest({{'like': '/etc/passwd'}}, 3)",
    "SELECT * FROM change('../../..', '/etc')",
    "SET dynamic_or_filter_threshold = 1000000",
]


@pytest.mark.parametrize("query", FORBIDDEN)
def test_the_session_reaches_nothing_else(
    store: Store, session: duckdb.DuckDBPyConnection, tmp_path: Path, query: str
) -> None:
    """Neither files, network, extensions, settings nor Python's variables: an error, or nothing found."""
    secret_python_variable = pa.table({"a": [1]})
    (file, *_) = store.find("cells").files
    before = digest(store.path)
    text = query.format(
        outside=tmp_path, store=store.path, file=file, relative=file.relative_to(store.path).as_posix()
    )
    try:
        found = session.cursor().execute(text).fetchall()
    except duckdb.Error:
        found = []
    assert found == []
    assert digest(store.path) == before
    assert not list(tmp_path.iterdir())
    assert secret_python_variable.num_rows == 1


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_spatial_cannot_write_or_read_files(session: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """GDAL, which the spatial extension carries, reads no good GeoJSON outside the store and writes none."""
    target = tmp_path / "x.geojson"
    target.write_text('{"type":"Point","coordinates":[1,2]}')
    layer = f'<OGRVRTLayer name="x"><SrcDataSource>{target}</SrcDataSource></OGRVRTLayer>'
    for place in (target, f"/vsisubfile/0_36,{target}", f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>"):
        for function in ("ST_Read", "ST_Read_Meta", "ST_ReadOSM"):
            with pytest.raises(duckdb.Error):
                session.execute(f"SELECT * FROM {function}('{place}')").fetchall()
    with pytest.raises(duckdb.Error):
        session.execute(
            f"COPY (SELECT geometry FROM cells) TO '{tmp_path}/y' (FORMAT gdal, DRIVER 'GeoJSON')"
        )
    assert list(tmp_path.iterdir()) == [target]


def test_spatial_reaches_no_network(session: duckdb.DuckDBPyConnection) -> None:
    """None of GDAL's web drivers connects to a server that is listening."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        for prefix in (
            "",
            "WFS:",
            "OAPIF:",
            "ES:",
            "CSW:",
            "NGW:",
            "MVT:",
            "/vsicurl/",
            "/vsicurl_streaming/",
        ):
            with pytest.raises(duckdb.Error):
                session.execute(f"SELECT * FROM ST_Read('{prefix}{address}')").fetchall()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT colour FROM cells", "colour"),
        ("SELECT * FROM pixels", "pixels"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("CREATE TABLE x (a INT)", "one statement that returns rows"),
        ("COPY cells TO 'x.csv'", "one statement that returns rows"),
        ("SET threads = 1", "one statement that returns rows"),
        ("INSERT INTO adapters VALUES ('x') RETURNING *", "one statement that returns rows"),
        ("SELECT 'a'::INT", "Could not convert"),
        ("SELECT ?", "DuckDB says"),
    ],
)
def test_bad_sql_says_what_duckdb_says(session: duckdb.DuckDBPyConnection, query: str, message: str) -> None:
    """A query that cannot run is a QueryError with DuckDB's message, never another exception."""
    with pytest.raises(QueryError, match=message):
        run_sql_on(session, query)


def test_a_session_can_be_given_functions(store: Store) -> None:
    """Functions over columns and macros on them are there beside our own; what they refuse is said as ours is."""

    def halve(values: Any) -> Any:
        if pc.min(values).as_py() < 0:
            raise SearchError("numbers of 0 or more", f"{pc.min(values)}", "Leave out the others.")
        return pc.divide(values, 2)

    given = (ColumnFunction("halve", halve, ("INTEGER",), "INTEGER"), Macro("quarter(x) AS halve(halve(x))"))
    with connect(store, functions=given) as own:
        found = run_sql_on(own, "SELECT sum(quarter((n_pixels + 1)::INT - 1)) AS n FROM cells WHERE res = 10")
        assert found.to_pylist() == [{"n": 40 * 25}]
        with pytest.raises(QueryError, match=r"numbers of 0 or more; got -1\. Leave out the others\.$"):
            run_sql_on(own, "SELECT halve((n_pixels + 1)::INT - 102) FROM cells")


def test_a_mistake_in_a_function_is_not_disguised(store: Store) -> None:
    """An exception that no room raises is shown as it came, with its stack."""

    def broken(values: Any) -> Any:
        return values.nosuch()

    with (
        connect(store, functions=[ColumnFunction("broken", broken, ("UBIGINT",), "UBIGINT")]) as own,
        pytest.raises(duckdb.Error, match="AttributeError"),
    ):
        run_sql_on(own, "SELECT broken(h3) FROM cells")


def test_a_query_can_be_stopped(session: duckdb.DuckDBPyConnection) -> None:
    """A query that takes too long is interrupted, and the session goes on."""
    endless = "SELECT count(*) FROM range(1000000000) a, range(1000000) b WHERE a.range + b.range = 7"
    with pytest.raises(QueryError, match=r"within 0\.1 s"):
        run_sql_on(session, endless, timeout_s=0.1)
    assert run_sql_on(session, "SELECT 1 AS one", timeout_s=60).to_pylist() == [{"one": 1}]


def test_threads_read_the_same_files(session: duckdb.DuckDBPyConnection) -> None:
    """Cursors of one session in several threads get the rows that one alone gets."""
    query = "SELECT h3, res, season, embedding FROM cells ORDER BY ALL"
    alone = run_sql_on(session, query)
    found: list[pa.Table] = []
    threads = [
        threading.Thread(target=lambda: found.append(run_sql_on(session.cursor(), query))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(table.equals(alone) for table in found)
