"""Filters in CQL2 become predicates that let through the right rows, and nothing that they hold becomes SQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.api.ogc.cql2_parsing import MAX_CHARACTERS
from surco.api.ogc.cql2_sql import Queryable, cells_queryables, parcels_queryables, where_of
from surco.api.refusals import InvalidError
from surco.embedstore import Store, connect, nearest

CELLS = cells_queryables()
PARCELS = parcels_queryables()
N = 40


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Cells with 0 to 39 pixels in two comunas, and parcels of three crops, one without a name."""
    store = Store.create(tmp_path_factory.mktemp("cql2") / "store")
    cells = cells_batch(cell_ids(N), unit_vectors(N))
    changed = {
        "n_pixels": pa.array(range(N), pa.uint32()),
        "valid_fraction": pa.array([i / 10 for i in range(10)] * 4, pa.float32()),
        "comuna": pa.array([7101, 7301] * (N // 2), pa.uint16()),
    }
    for name, values in changed.items():
        place = cells.schema.get_field_index(name)
        cells = cells.set_column(place, cells.schema.field(name), values)
    crops = ["maize", "Vid", None, "50% olivo's"] * (N // 4)
    with store.transaction() as tx:
        tx.put_cells([cells], model_id=MODEL, season=SEASON, resolution=9)
        tx.put_parcels([parcels_batch(squares(N), unit_vectors(N), crops)], model_id=MODEL, season=SEASON)
    return store


@pytest.fixture(scope="module")
def session(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session on it."""
    with connect(store) as opened:
        yield opened


def count(session: duckdb.DuckDBPyConnection, text: Any, table: str = "cells", **options: Any) -> int:
    """Rows that pass, asked with parameters and with literals, which must agree."""
    predicate = where_of(text, CELLS if table == "cells" else PARCELS, **options)
    asked = f"SELECT count(*) FROM {table} WHERE "  # noqa: S608 - a table of ours
    bound = session.execute(asked + predicate.sql, predicate.parameters).fetchall()
    assert session.execute(asked + predicate.inlined).fetchall() == bound
    return int(bound[0][0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n_pixels = 5", 1),
        ("n_pixels <> 5", N - 1),
        ("n_pixels < 10 AND n_pixels >= 5", 5),
        ("n_pixels < 5 OR n_pixels > 37", 7),
        ("NOT (n_pixels < 5)", N - 5),
        ("n_pixels BETWEEN 3 AND 6", 4),
        ("n_pixels NOT BETWEEN 3 AND 6", N - 4),
        ("n_pixels IN (1, 2, 99)", 2),
        ("n_pixels NOT IN (1, 2)", N - 2),
        ("comuna IS NULL", 0),
        ("comuna IS NOT NULL", N),
        ("comuna_name = 'Talca'", N // 2),
        ("comuna_name = 'talca'", 0),
        ("CASEI(comuna_name) = CASEI('TALCA')", N // 2),
        ("ACCENTI(comuna_name) = ACCENTI('Curico')", N // 2),
        ("comuna_name LIKE 'Cur%'", N // 2),
        ("comuna_name LIKE 'cur%'", 0),
        ("CASEI(comuna_name) LIKE CASEI('CUR_C_')", N // 2),
        ("n_pixels * 2 + 1 = 11", 1),
        ("n_pixels % 10 = 3", 4),
        ("n_pixels div 10 = 3", 10),
        ("n_pixels ^ 2 > 1000", 8),
        ("n_pixels / 0 > 1 OR n_pixels % 0 > 1", 0),
        ("n_pixels = n_radar", 1),
        ("valid_fraction = 0.3", 4),
        ("valid_fraction >= 0.9", 4),
        ("n_pixels > -1", N),
        ("season = '2024-25'", N),
        ("T_INTERSECTS(datetime, INTERVAL('2025-04-30', '..'))", N),
        ("T_AFTER(datetime, DATE('2025-01-01'))", 0),
        ("T_DURING(datetime, INTERVAL('2024-04-30', '2025-05-01'))", N),
        ("T_BEFORE(datetime, TIMESTAMP('2025-04-30T12:00:00Z'))", N),
        ("T_STARTS(datetime, INTERVAL('2024-05-01', '2026-01-01'))", N),
        ("S_INTERSECTS(geometry, BBOX(-72, -36, -71, -35))", N),
        ("S_DISJOINT(geometry, POLYGON((0 0, 1 0, 1 1, 0 0)))", N),
        ("S_WITHIN(geometry, BBOX(170, -40, -71, -35))", N),
        ("TRUE", N),
        ("n_pixels = 1 AND FALSE", 0),
    ],
)
def test_a_filter_lets_the_right_cells_through(
    session: duckdb.DuckDBPyConnection, text: str, expected: int
) -> None:
    """Each operator of CQL2 lets through the rows that it names, in text and, written out, in JSON."""
    import cql2

    assert count(session, text) == expected
    tree = cql2.parse_text(text).to_json()
    assert count(session, json.dumps(tree), lang="cql2-json") == expected
    if isinstance(tree, dict):
        assert count(session, tree) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id = 'p3'", 1),
        ("\"crop:name\" = 'maize'", 10),
        ("crop:name IS NULL", 10),
        ("crop:name LIKE '50\\% olivo''s'", 10),
        ("crop:name IN ('maize', 'Vid')", 20),
        ("metrics:area > 39999.5 AND metrics:perimeter <= 800", N),
        ("S_INTERSECTS(geometry, POINT(-71.549 -35.419))", 1),
    ],
)
def test_a_filter_lets_the_right_parcels_through(
    session: duckdb.DuckDBPyConnection, text: str, expected: int
) -> None:
    """Names with a colon, quotes in text and percent signs as such."""
    assert count(session, text, "parcels") == expected


def test_an_h3_index_is_compared_as_text_is_written(session: duckdb.DuckDBPyConnection) -> None:
    """An index is found by its hexadecimal text, in a list, by its beginning, and nothing else equals one."""
    cell = f"{cell_ids(N)[0]:x}"
    assert count(session, f"h3 = '{cell}'") == 1
    assert count(session, f"h3 IN ('{cell}', 'nothing')") == 1
    assert count(session, f"h3 LIKE '{cell[:3]}%'") == N
    assert count(session, f"CASEI(h3) = '{cell}'") == 1
    assert count(session, "h3 = 'nothing'") == 0


SHAPES = {
    "square": shapely.box(0, 0, 2, 2),
    "overlapping": shapely.box(1, 1, 3, 3),
    "inside": shapely.box(0.5, 0.5, 1, 1),
    "beside": shapely.box(2, 0, 4, 2),
    "apart": shapely.box(5, 5, 6, 6),
    "line": shapely.LineString([(-1, 1), (3, 1)]),
    "point": shapely.Point(1, 1),
    "corner": shapely.Point(2, 2),
}


@pytest.mark.parametrize(
    "relation", ["contains", "crosses", "disjoint", "equals", "intersects", "overlaps", "touches", "within"]
)
def test_each_spatial_relation_is_that_of_shapely(session: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Each of the eight relations holds between the same pairs of shapes as by the simple features standard."""
    queryables = {"geometry": Queryable("geometry", '"geometry"', "A shape")}
    outcomes = set()
    for one in SHAPES.values():
        for other in SHAPES.values():
            tree = {
                "op": f"s_{relation}",
                "args": [{"property": "geometry"}, shapely.geometry.mapping(other)],
            }
            predicate = where_of(json.loads(json.dumps(tree)), queryables)
            asked = f"SELECT {predicate.sql} FROM (SELECT ST_GeomFromText(?) AS geometry)"  # noqa: S608
            found = session.execute(asked, [*predicate.parameters, one.wkt]).fetchone()
            assert found == (bool(getattr(shapely, relation)(one, other)),), (one.wkt, other.wkt)
            outcomes.add(found)
    assert outcomes == {(True,), (False,)}


# Allen's relations of an interval to another, as CQL2 (section 6.5.7, table 7) names them: `days` are first and last.
RELATIONS = {
    "after": ((20, 25), [(1, 10)]),
    "before": ((1, 5), [(10, 20)]),
    "meets": ((1, 10), [(10, 20)]),
    "metby": ((10, 20), [(1, 10)]),
    "overlaps": ((1, 15), [(10, 20)]),
    "overlappedby": ((10, 20), [(1, 15)]),
    "starts": ((10, 15), [(10, 20)]),
    "startedby": ((10, 20), [(10, 15)]),
    "during": ((12, 15), [(10, 20)]),
    "contains": ((10, 20), [(12, 15)]),
    "finishes": ((15, 20), [(10, 20)]),
    "finishedby": ((10, 20), [(15, 20)]),
    "equals": ((10, 20), [(10, 20)]),
}


@pytest.mark.parametrize("relation", [*RELATIONS, "disjoint", "intersects"])
def test_each_temporal_relation_is_that_of_the_standard(
    session: duckdb.DuckDBPyConnection, relation: str
) -> None:
    """Of Allen's thirteen relations exactly one holds between two intervals; disjoint and intersects say which kind."""

    def interval(days: tuple[int, int]) -> str:
        return "INTERVAL('2024-07-{:02d}', '2024-07-{:02d}')".format(*days)

    for name, (one, others) in RELATIONS.items():
        for other in others:
            text = f"T_{relation.upper()}({interval(one)}, {interval(other)})"
            predicate = where_of(text, CELLS)
            found = session.execute(f"SELECT {predicate.sql}", predicate.parameters).fetchone()
            apart = name in ("after", "before")
            expected = {"disjoint": apart, "intersects": not apart}.get(relation, relation == name)
            assert found == (expected,), (text, name)


def test_a_geometry_is_brought_to_longitude_and_latitude(session: duckdb.DuckDBPyConnection) -> None:
    """`reproject` is applied to every geometry; without it places off the globe are refused with a hint."""

    def swap(shape: Any) -> Any:
        return shapely.transform(shape, lambda xy: xy[:, ::-1])

    text = "S_INTERSECTS(geometry, BBOX(-36, -72, -35, -71))"
    assert count(session, text) == 0
    assert count(session, text, reproject=swap) == N
    with pytest.raises(InvalidError, match="filter-crs"):
        where_of("S_INTERSECTS(geometry, POINT(300000 6000000))", CELLS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_pixels >", r"line 1, column 11, at the end.*takes"),
        ("n_pixels == 1", r"column 11, at '= 1'|column 10, at '== 1'"),
        ("n_pixels = 1; DROP TABLE cells", r"column 13"),
        ("pixels = 1", r"queryables geometry, h3, .*got 'pixels'"),
        ("embedding = 1", "queryables"),
        ("n_pixels = 'many'", "one kind.*'many'"),
        ("comuna_name > 3", "one kind"),
        ("n_pixels", "a comparison or a truth value"),
        ("comuna_name + 1 = 2", "Expected a number"),
        ("n_pixels LIKE 'x'", "Expected text"),
        ("read_text('/etc/passwd') = 'x'", "CASEI, ACCENTI.*'read_text'"),
        ("S_DWITHIN(geometry, POINT(1 2), 3)", "one of the operators"),
        ("S_INTERSECTS(geometry, POLYGON((0 0, 1 1, 1 0, 0 1, 0 0)))", "Self-intersection"),
        ("S_INTERSECTS(n_pixels, POINT(1 2))", "Expected a geometry"),
        ("T_AFTER(n_pixels, DATE('2024-01-01'))", "a day, a moment"),
        ("T_AFTER(datetime, DATE('2024-13-01'))", "2024-13-01"),
        ("n_pixels = 1e400", "finite"),
        ("n_pixels = NULL", "IS NULL"),
        ("geometry = n_pixels", "one kind"),
        ("", "an empty one"),
        ('{"op": "=", "args": [', r"line 1, column 22"),
        ('{"op": "=", "args": [{"property": "n_pixels"}]}', "2 arguments"),
        ('{"op": "xor", "args": [true, true]}', "one of the operators"),
        ('{"op": "and", "args": []}', "Expected something to combine"),
        ('{"op": "="}', "CQL2 JSON"),
    ],
)
def test_what_is_no_filter_is_refused_in_words(text: str, message: str) -> None:
    """Each refusal says what was expected and what came, and where, as far as it is known."""
    with pytest.raises(InvalidError, match=message):
        where_of(text, CELLS)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000 + "n_pixels = 1" + ")" * 5_000,
        "NOT " * 10_000 + "n_pixels = 1",
        "n_pixels = " + "-" * 20_000 + "1",
        " AND ".join(["n_pixels = 1"] * 4_000),
        "n_pixels = " + "^".join(["1"] * 20_000),
        "n_pixels = " + "1-" * 300 + "1",
        "CASEI(" * 4_000 + "h3" + ")" * 4_000 + " = 'x'",
        "h3 IN (" + "(" * 4_000 + "'x'" + ")" * 4_001,
        "S_INTERSECTS(geometry, POINT(1 2))" + "-1" * 10_000 + " = 1",
        "S_INTERSECTS(geometry, POLYGON(" + "(" * 9_000 + "0 0" + ")" * 9_002,
        '{"op": "not", "args": [' * 2_000 + "true" + "]}" * 2_000,
        '{"op": "not", "args": [' * 60 + "true" + "]}" * 60,
        "n_pixels = 1" + " " * MAX_CHARACTERS,
        "h3 = '" + "x" * MAX_CHARACTERS + "'",
    ],
    ids=lambda text: f"{text[:20]}-{len(text)}",
)
def test_a_filter_of_any_depth_leaves_the_process_alive(text: str) -> None:
    """The parser recurses natively: what could use up its stack is refused before it sees it, also in a thread."""
    refused: list[bool] = []

    def ask() -> None:
        try:
            where_of(text, CELLS)
        except InvalidError:
            refused.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    # One that only ends in blanks is short.
    assert refused == [True] or text.endswith("  ")


def test_a_filter_of_the_largest_size_is_read() -> None:
    """Two hundred comparisons, forty brackets, and a polygon of thousands of vertices."""
    where_of(" AND ".join(["n_pixels = 1"] * 200), CELLS)
    where_of("(" * 39 + "n_pixels = 1" + ")" * 39, CELLS)
    ring = shapely.Point(-71, -35).buffer(0.1, quad_segs=400)
    where_of(f"S_INTERSECTS(geometry, {shapely.to_wkt(ring, rounding_precision=8)})", CELLS)


NASTY = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "' OR 1=1 --",
            "'; DROP TABLE cells; --",
            "\\' OR TRUE --",
            "$$ OR TRUE",
            "''",
            "?",
            "x'); ATTACH '/tmp/x' AS y; --",
            "\ufb02\u2019 OR 1=1",
            "E'\\''",
            "/* ' */",
        ]
    ),
)
FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(value=NASTY)
def test_text_stays_text(session: duckdb.DuckDBPyConnection, value: str) -> None:
    """A filter for any text passes the row that has exactly that text and no other, bound or as a literal."""
    tree = {"op": "=", "args": [{"property": "id"}, value]}
    try:
        predicate = where_of(tree, PARCELS)
    except InvalidError:
        assert "\0" in value or any(0xD800 <= ord(c) < 0xE000 for c in value)
        return
    rows = "SELECT id FROM (SELECT CAST(? AS VARCHAR) AS id UNION ALL SELECT 'another row') WHERE "
    expected = [(value,)] if value != "another row" else [(value,)] * 2
    assert session.execute(rows + predicate.sql, [value, *predicate.parameters]).fetchall() == expected
    assert len(session.extract_statements(f"SELECT {predicate.inlined}")) == 1
    assert session.execute(rows + predicate.inlined, [value]).fetchall() == expected


@FEW
@given(text=NASTY, name=NASTY, op=NASTY)
def test_a_name_or_operator_from_outside_never_reaches_the_sql(text: str, name: str, op: str) -> None:
    """What is no queryable or operator of ours is refused, whatever it looks like."""
    outside = f"outside {text}"  # alone it may be part of our own SQL, as 0 is
    for tree in (
        {"op": "=", "args": [{"property": name}, outside]},
        {"op": op, "args": [{"property": "n_pixels"}, 1]},
        {"op": "=", "args": [{"op": op, "args": [{"property": "n_pixels"}, 1]}, 1]},
    ):
        try:
            sql = where_of(tree, CELLS).sql
        except InvalidError:
            continue
        assert name in CELLS or op in ("+", "-", "*", "/", "%", "^", "=", "<", ">")
        assert outside not in sql


@FEW
@given(text=st.text(alphabet="n_pixels=<>'\"()0123456789 .-+*/%^ANDORTinlkeb,;?\\", max_size=60))
def test_any_text_is_a_filter_or_refused(session: duckdb.DuckDBPyConnection, text: str) -> None:
    """Text near the grammar either becomes a predicate that DuckDB takes, or InvalidError."""
    try:
        predicate = where_of(text, CELLS)
    except InvalidError:
        return
    session.execute("SELECT count(*) FROM cells WHERE " + predicate.sql, predicate.parameters)  # noqa: S608


def test_a_search_takes_the_predicate_as_text(store: Store) -> None:
    """`embedstore.nearest` finds only rows that pass an inlined predicate."""
    where = where_of("comuna_name = 'Talca' AND n_pixels > 9", CELLS).inlined
    found = nearest(store, cell_ids(N)[1], 50, table="cells", where=where)
    held = store.read("cells", columns=["h3", "n_pixels", "comuna"])
    passing = pc.and_(pc.equal(held["comuna"], 7101), pc.greater(held["n_pixels"], 9))
    assert sorted(found["h3"].to_pylist()) == sorted(held.filter(passing)["h3"].to_pylist())
