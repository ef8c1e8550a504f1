# ruff: noqa: S608 - the queries of these tests are made of their own constants
"""Comuna, province and region of a place."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import h3
import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.embedstore import Store, comuna_at, comuna_of, comunas, connect, nearest, run_sql, run_sql_on
from surco.embedstore.cells import centres_at, parents_of

NAMES = {row["cut"]: row for row in comunas().to_pylist()}


@pytest.mark.parametrize(
    ("lon", "lat", "comuna", "region"),
    [
        (-71.6554, -35.4264, "Talca", "Maule"),
        (-70.6506, -33.4372, "Santiago", "Metropolitana de Santiago"),
        (-70.3126, -18.4783, "Arica", "Arica y Parinacota"),
        (-70.9171, -53.1638, "Punta Arenas", "Magallanes"),
        (-109.43, -27.15, "Isla de Pascua", "Valparaíso"),
        (-72.10, -36.61, "Chillán", "Ñuble"),
        (-72.35, -37.47, "Los Ángeles", "Biobío"),
    ],
)
def test_known_places(lon: float, lat: float, comuna: str, region: str) -> None:
    """Towns from the desert to the Strait, and an island 3,500 km out, are found by name."""
    found = NAMES[comuna_at([lon], [lat])[0].as_py()]
    assert (found["comuna"], found["region"]) == (comuna, region)


@pytest.mark.parametrize(
    ("lon", "lat"), [(-75.0, -35.0), (-58.4, -34.6), (0.0, 0.0), (-72.981, -49.488), (179.9, 89.0)]
)
def test_sea_and_abroad_have_no_comuna(lon: float, lat: float) -> None:
    """The Pacific, Buenos Aires, the other side of the world and the ice field without limits are null."""
    assert comuna_at([lon], [lat]).null_count == 1


def test_no_cells_are_no_comunas() -> None:
    """An empty column gives an empty column."""
    assert comuna_of(np.empty(0, np.uint64)).equals(pa.array([], pa.uint16()))


def test_all_346_comunas_are_named_and_all_but_antarctica_have_cells() -> None:
    """346 comunas, 56 provinces, 16 regions, codes that contain each other; 12202 Antártica alone has no cell."""
    table = comunas().to_pylist()
    assert len(NAMES) == len(table) == 346
    assert len({row["provincia"] for row in table}) == len({row["provincia_cut"] for row in table}) == 56
    assert {row["region_cut"] for row in table} == set(range(1, 17))
    for row in table:
        assert (row["cut"] // 100, row["cut"] // 1000) == (row["provincia_cut"], row["region_cut"])
    from surco.embedstore.places import _facts

    assert set(NAMES) - set(_facts().comuna.tolist()) == {12202}


def test_no_cell_has_two_comunas() -> None:
    """No fact lies within the fact before it, and they are in order."""
    from surco.embedstore.places import _facts

    facts = _facts()
    assert (facts.first[1:] > facts.first[:-1]).all()
    assert (parents_of(facts.first[1:], facts.resolution[:-1]) != facts.cell[:-1]).all()


@settings(deadline=None, max_examples=200)
@given(st.floats(-76, -66), st.floats(-56, -17), st.integers(0, 15))
def test_a_cell_has_the_comuna_of_its_ancestor_or_centre(lon: float, lat: float, resolution: int) -> None:
    """Finer than 9 the ancestor decides, coarser the cell of resolution 9 with the same centre, as H3 itself says."""
    cell = h3.latlng_to_cell(lat, lon, resolution)
    other = h3.cell_to_parent(cell, 9) if resolution >= 9 else h3.cell_to_center_child(cell, 9)
    own, same = (np.array([h3.str_to_int(each)], np.uint64) for each in (cell, other))
    assert centres_at(own, 9).tolist() == same.tolist()
    assert comuna_of(own).equals(comuna_of(same))


@pytest.mark.parametrize(("resolution", "least"), [(7, 1.0), (9, 1.0), (11, 0.98)])
def test_membership_is_that_of_the_polygons(resolution: int, least: float) -> None:
    """Where one polygon holds a cell's centre, that is its comuna; of cells finer than 9 it is for 98 %."""
    shapes, codes = polygons(shared("chile/comunas.geojson"))
    rng = np.random.default_rng(4)
    places = zip(rng.uniform(-55, -18, 12_000), rng.uniform(-75.5, -67, 12_000), strict=True)
    cells = [h3.latlng_to_cell(*place, resolution) for place in places]
    centres = shapely.points([h3.cell_to_latlng(cell)[::-1] for cell in cells])
    point, polygon = shapely.STRtree(shapes).query(centres, predicate="within")
    alone = np.bincount(point, minlength=len(cells))[point] == 1
    held = comuna_of([h3.str_to_int(cell) for cell in cells]).fill_null(0).to_numpy()
    same = held[point[alone]] == codes[polygon[alone]]
    assert len(same) > 2500
    assert same.mean() >= least, f"{same.mean():.4f} of {len(same)}"


def test_what_no_polygon_holds_is_a_sliver_or_nothing() -> None:
    """Of places that no polygon holds, those with a comuna lie within 3 km of it; of several, it is one of them."""
    shapes, codes = polygons(shared("chile/comunas.geojson"))
    rng = np.random.default_rng(5)
    places = zip(rng.uniform(-45, -18, 12_000), rng.uniform(-75, -67, 12_000), strict=True)
    cells = [h3.latlng_to_cell(*place, 9) for place in places]
    centres = shapely.points([h3.cell_to_latlng(cell)[::-1] for cell in cells])
    held = comuna_of([h3.str_to_int(cell) for cell in cells]).fill_null(0).to_numpy()
    by_code = dict(zip(codes.tolist(), shapes, strict=True))
    for code in np.unique(held[held > 0]).tolist():
        assert shapely.distance(by_code[code], centres[held == code]).max() < 0.03
    inside = np.unique(shapely.STRtree(shapes[codes > 0]).query(centres, predicate="within")[0])
    assert (held[inside] > 0).all()
    outside = np.setdiff1d(np.arange(len(cells)), inside)
    assert (held[outside] > 0).mean() < 0.01


def polygons(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Repaired polygons of all comunas, and their codes."""
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    shapes = shapely.make_valid([shapely.geometry.shape(f["geometry"]) for f in features])
    return shapes, np.array([f["properties"]["cod_comuna"] for f in features])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """60 cells and 20 parcels in Talca, 40 cells in Los Ángeles, 3 cells at sea, 5 cells of an old writer."""
    store = Store.create(tmp_path_factory.mktemp("places") / "s")
    groups = ((60, -71.6554, -35.4264), (40, -72.35, -37.47), (3, -75.0, -35.0), (5, -70.65, -33.44))
    batches = []
    for n, lon, lat in groups:
        cells = cell_ids(n, lon=lon, lat=lat)
        batches.append(with_comuna(cells_batch(cells, unit_vectors(n)), comuna_of(cells)))
    batches[3] = with_comuna(batches[3], pa.nulls(5, pa.uint16()))
    parcels = parcels_batch(squares(20, -71.66, -35.43), unit_vectors(20), [None] * 20)
    with store.transaction() as tx:
        tx.put_cells(batches, model_id=MODEL, season=SEASON, resolution=9)
        tx.put_parcels(
            [with_comuna(parcels, pa.array([7101] * 20, pa.uint16()))], model_id=MODEL, season=SEASON
        )
    return store


@pytest.fixture(scope="module")
def session(store: Store) -> duckdb.DuckDBPyConnection:
    """One guarded session."""
    return connect(store)


def with_comuna(batch: pa.RecordBatch, comuna: pa.Array) -> pa.RecordBatch:
    """The batch with its comunas."""
    place = batch.schema.get_field_index("comuna")
    return batch.set_column(place, batch.schema.field(place), comuna)


@pytest.mark.parametrize("name", ["Biobío", "biobio", "BIOBÍO", "BioBio"])
def test_names_are_matched_without_accents_and_case(session: duckdb.DuckDBPyConnection, name: str) -> None:
    """A region is found however it is spelled, in cells and in comunas, by filter and by list."""
    for condition in ("region = ?", "region IN (?)", "provincia = ?"):
        found = run_sql_on(session, f"SELECT count(*) AS n FROM cells WHERE {condition}", [name])
        assert found.column("n").to_pylist() == [40]
    found = run_sql_on(session, "SELECT count(*) AS n FROM comunas WHERE region = ?", [name])
    assert found.column("n").to_pylist() == [33]


def test_a_national_statistic_by_region(session: duckdb.DuckDBPyConnection) -> None:
    """GROUP BY region names each once with its accents; rows without a comuna are null, old rows too."""
    found = run_sql_on(
        session, "SELECT region, count(*) AS n FROM cells GROUP BY region ORDER BY region NULLS LAST"
    )
    assert found.to_pylist() == [
        {"region": "Biobío", "n": 40},
        {"region": "Maule", "n": 60},
        {"region": None, "n": 8},
    ]
    found = run_sql_on(session, "SELECT DISTINCT comuna, comuna_name, provincia, region FROM parcels")
    assert found.to_pylist() == [
        {"comuna": 7101, "comuna_name": "Talca", "provincia": "Talca", "region": "Maule"}
    ]


def test_every_code_has_the_name_of_the_table(session: duckdb.DuckDBPyConnection) -> None:
    """For each of the 346 codes the columns of the views say what the table `comunas` says; others are null."""
    from surco.embedstore.place_names import name_columns

    named = session.execute(
        f"SELECT cut, {name_columns()} FROM (SELECT cut, cut AS comuna FROM comunas) ORDER BY cut"
    ).fetchall()
    listed = session.execute("SELECT cut, comuna, provincia, region FROM comunas ORDER BY cut").fetchall()
    assert named == listed
    assert len(named) == 346
    for unknown in ("0", "7199", "19999", "65535", "NULL"):
        one = f"(SELECT {unknown}::USMALLINT AS comuna)"
        (row,) = session.execute(f"SELECT {name_columns()} FROM {one}").fetchall()
        assert row[0] is None


def test_names_cost_nothing_where_they_are_not_asked_for(session: duckdb.DuckDBPyConnection) -> None:
    """A query over other columns reads neither the codes nor a table of names, and joins nothing."""
    plan = run_sql_on(session, "EXPLAIN SELECT avg(n_pixels) FROM cells").column("explain_value")[0].as_py()
    assert "comuna" not in plan and "JOIN" not in plan
    assert (
        "comuna" in run_sql_on(session, "EXPLAIN SELECT region FROM cells").column("explain_value")[0].as_py()
    )


def test_neighbours_within_a_region(store: Store) -> None:
    """A filter of `nearest` may name a region."""
    found = nearest(store, unit_vectors(60)[7], 100, table="cells", where="region = 'BIOBIO'")
    assert found.num_rows == 40


def test_an_empty_store_has_the_names(tmp_path: Path) -> None:
    """Names can be asked for before there is a row."""
    empty = Store.create(tmp_path / "s")
    assert run_sql(empty, "SELECT region FROM cells WHERE comuna_name = 'talca'").num_rows == 0
    assert run_sql(empty, "SELECT comuna FROM comunas WHERE region = 'nuble'").num_rows == 21
