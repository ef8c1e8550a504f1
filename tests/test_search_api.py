"""POST and GET /search: neighbours as the store finds them, under filters and regions, in every format."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import shapely
from browser import Valley, build_valley
from litestar.testing import TestClient
from store_builders import MODEL, SEASON, cell_ids, cells_batch, unit_vectors

from surco.api import Settings, create_app
from surco.api.refusals import BusyError
from surco.api.search.cell_ranges import centres_of, rows_inside
from surco.api.search.gate import Gate
from surco.embedstore import Contrast, Store, build_index, nearest

Client = TestClient[Any]


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Valley:
    """Cells of resolution 9 and 11 and forty parcels."""
    return build_valley(tmp_path_factory.mktemp("search") / "valley")


@pytest.fixture(scope="module")
def client(valley: Valley) -> Iterator[Client]:
    """A client of its server."""
    with TestClient(create_app(Settings(valley.path, max_similar=50))) as found:
        yield found


def ids(answer: Any) -> list[str]:
    """Of the neighbours, most similar first."""
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["neighbours"]]


def expected(valley: Valley, what: Any, k: int = 10, **given: Any) -> list[str]:
    """What the store's own search finds."""
    found = nearest(valley.store, what, k, **({"table": "parcels"} | given))
    column = found.column(0).to_pylist()
    return column if found.column_names[0] == "id" else [f"{cell:x}" for cell in column]


def parcels(client: Client, like: Any, **given: Any) -> list[str]:
    """Ids of parcels by POST."""
    return ids(client.post("/search", json={"like": like, "table": "parcels", **given}))


def test_by_id_place_vector_and_examples(client: Client, valley: Valley) -> None:
    """Each finds what the store's own search finds, and never what was asked with."""
    assert parcels(client, ["P003"]) == expected(valley, "P003")
    inside = valley.outlines[3].representative_point()
    assert parcels(client, [{"place": [inside.x, inside.y]}]) == expected(valley, "P003")
    vector = np.linspace(-1, 1, 64).tolist()
    assert parcels(client, [{"vector": vector}]) == expected(valley, vector)
    contrast = Contrast(["P003", "P011"], ["P004"], 0.8)
    assert parcels(client, ["P003", {"id": "P011"}], unlike=["P004"], weight=0.8) == expected(
        valley, contrast
    )
    cell = valley.store.read("cells", resolution=9)["h3"][4].as_py()
    found = ids(client.post("/search", json={"like": [f"{cell:x}"], "res": 9, "k": 3}))
    assert found == expected(valley, cell, 3, table="cells", resolution=9)


def test_get_asks_the_same(client: Client, valley: Valley) -> None:
    """An id or a place in the address, with filter and region."""
    assert ids(client.get("/search?id=P003&table=parcels&k=4")) == expected(valley, "P003", 4)
    lon, lat = centres_of(valley.store.read("cells", resolution=11)["h3"].to_numpy()[7:8])[0]
    by_place = client.get(f"/search?lon={lon}&lat={lat}&k=3")
    assert len(ids(by_place)) == 3 and by_place.json()["res"] == 11
    where = '"crop:name" IS NOT NULL'
    found = ids(
        client.get(
            "/search", params={"id": "P003", "table": "parcels", "filter": where, "filter-lang": "cql2-text"}
        )
    )
    assert found == expected(valley, "P003", where='"crop:name" IS NOT NULL')


def test_filters_and_regions_hold(client: Client, valley: Valley) -> None:
    """CQL2 as text and JSON, boxes, areas, comuna and region restrict the places; together all of them do."""
    where = "valid_fraction > 0.8"
    assert parcels(client, ["P003"], filter=where, k=50) == expected(valley, "P003", 50, where=where)
    in_json = {"op": ">", "args": [{"property": "valid_fraction"}, 0.8]}
    assert parcels(client, ["P003"], filter=in_json, k=50) == expected(valley, "P003", 50, where=where)
    everywhere = parcels(client, ["P003"], k=50)
    assert parcels(client, ["P003"], comuna="curico", k=50) == everywhere  # all of the valley lies there
    assert parcels(client, ["P003"], region="Maule", k=50) == everywhere
    assert parcels(client, ["P003"], comuna=13101, k=50) == []
    box = valley.outlines[10].bounds
    touching = {f"P{n:03d}" for n, shape in enumerate(valley.outlines) if shape.intersects(shapely.box(*box))}
    assert set(parcels(client, ["P003"], bbox=list(box), k=50)) == touching - {"P003"}
    area = shapely.geometry.mapping(valley.outlines[10].buffer(0.0005))
    near = {
        f"P{n:03d}"
        for n, shape in enumerate(valley.outlines)
        if shape.intersects(shapely.geometry.shape(area))
    }
    assert set(parcels(client, ["P003"], area=area, k=50)) == near - {"P003"}
    both = parcels(client, ["P003"], area=area, filter=where, region=7, k=50)
    assert set(both) == set(parcels(client, ["P003"], filter=where, k=50)) & near


def test_cells_of_an_area_are_those_inside(client: Client, valley: Valley) -> None:
    """Of cells those whose centre lies in the area, also under a filter, and every one is compared."""
    cells = valley.store.read("cells", resolution=11)["h3"].to_numpy()
    x, y = centres_of(cells).T
    west, south, east, north = -71.256, -34.988, -71.252, -34.985
    inside = {f"{c:x}" for c in cells[(x >= west) & (x <= east) & (y >= south) & (y <= north)]}
    answer = client.post(
        "/search", json={"like": [f"{cells[0]:x}"], "bbox": [west, south, east, north], "k": 50}
    )
    assert answer.json()["compared"] == len(inside) and set(ids(answer)) <= inside
    filtered = client.post(
        "/search",
        json={
            "like": [f"{cells[0]:x}"],
            "bbox": [west, south, east, north],
            "filter": "valid_fraction > 0.8",
            "k": 50,
        },
    ).json()
    held = valley.store.read("cells", resolution=11, columns=["h3", "valid_fraction"]).to_pylist()
    passing = {f"{row['h3']:x}" for row in held if row["valid_fraction"] > 0.8} & inside
    assert filtered["compared"] == len(passing) and {row["id"] for row in filtered["neighbours"]} <= passing


def test_rows_inside_are_exact() -> None:
    """Whole ranges and tested edges together are what comparing each centre finds, for any shape and resolution."""
    rng = np.random.default_rng(3)
    for resolution in (5, 7, 9, 11):
        cells = np.array(sorted(cell_ids(6_000, resolution)), np.uint64)
        centres = centres_of(cells)
        size = np.ptp(centres, axis=0).max()
        for _ in range(12):
            blobs = [
                shapely.Point(*rng.choice(centres)).buffer(size * rng.uniform(0.001, 0.4), 5)
                for _ in range(3)
            ]
            shape = shapely.union_all(blobs).difference(blobs[0].buffer(-size / 50))
            true = np.flatnonzero(shapely.intersects_xy(shape, *centres.T))
            assert np.array_equal(rows_inside(cells, resolution, shape), true)


def test_formats(client: Client) -> None:
    """GeoJSON with outlines that GeoPandas reads, Arrow with the same rows; each says how they were found."""
    plain = client.get("/search?id=P003&table=parcels&k=5").json()
    assert (plain["exact"], plain["recall"], plain["compared"]) == (True, 1.0, 40)
    assert plain["neighbours"][0]["comuna"] == "Curicó"
    geojson = client.get("/search?id=P003&table=parcels&k=5", headers={"accept": "application/geo+json"})
    frame = geopandas.GeoDataFrame.from_features(geojson.json()["features"])
    assert frame["id"].tolist() == [row["id"] for row in plain["neighbours"]]
    assert (frame.geom_type == "Polygon").all() and geojson.json()["exact"] is True
    arrow = pa.ipc.open_stream(client.get("/search?id=P003&table=parcels&k=5&f=arrow").content).read_all()
    assert (
        arrow["id"].to_pylist() == frame["id"].tolist()
        and b'"exact": true' in arrow.schema.metadata[b"surco"]
    )
    cells = client.get("/search?lon=-71.254&lat=-34.986&k=5&f=geojson").json()["features"]
    assert len(cells[0]["geometry"]["coordinates"][0]) == 7
    assert client.get("/search?id=P003&table=parcels", headers={"accept": "image/png"}).status_code == 406


def test_an_index_says_its_recall(tmp_path: Path) -> None:
    """With an index the answer is not exact and says so, as well as how few rows it looked at; `exact` decides."""
    store = Store.create(tmp_path / "s")
    cells = cell_ids(5_000)
    # A hundred kinds of land, so that a few lists hold the neighbours.
    kinds = unit_vectors(100)[np.arange(5_000) % 100] + 0.3 * unit_vectors(5_000, seed=1)
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cells, kinds)], model_id=MODEL, season=SEASON, resolution=9)
    index = build_index(store, table="cells")
    with TestClient(create_app(Settings(store.path))) as client:
        asked = {"like": [f"{cells[0]:x}"], "k": 10}
        found = client.post("/search", json=asked).json()
        assert found["exact"] is False and found["recall"] == pytest.approx(index.recall, abs=1e-4)
        assert found["compared"] < 5_000
        assert client.post("/search", json=asked | {"exact": True}).json()["compared"] == 5_000
        assert client.post("/search", json=asked | {"k": 150}).json()["exact"] is True


def test_bad_questions_are_problems(client: Client) -> None:
    """Each is refused with a status of its own and words that say what was expected."""
    field = ["P003"]
    for body, status, words in (
        ({}, 400, "like"),
        ({"like": []}, 400, "at least one example"),
        ({"like": field, "nope": 1}, 400, "unknown field"),
        ({"like": [{"id": "P003", "place": [0, 0]}]}, 400, "one of id, place and vector"),
        ({"like": [{}]}, 400, "got none"),
        ({"like": ["P999"]}, 404, "a parcel that 2024-25"),
        ({"like": [{"place": [0, 0]}]}, 404, "inside a parcel"),
        ({"like": [{"place": [1000, 0]}]}, 400, "degrees"),
        ({"like": [{"vector": [1, 2]}]}, 400, "64 values"),
        ({"like": [{"vector": [0] * 64}]}, 400, "not all zero"),
        ({"like": field, "k": 0}, 400, "k of 1 or more"),
        ({"like": field, "k": 51}, 413, "at most 50"),
        ({"like": field * 201}, 413, "200 examples"),
        ({"like": field, "unlike": field, "weight": 1.0}, 400, "examples that differ"),
        ({"like": field, "unlike": field, "weight": -1}, 400, "weight"),
        ({"like": field, "filter": "nope > 1"}, 400, "queryables"),
        ({"like": field, "filter": "1=1; DROP TABLE parcels"}, 400, "CQL2"),
        ({"like": field, "filter": "id IN (SELECT id FROM parcels)"}, 400, "CQL2"),
        ({"like": field, "bbox": [1, 2, 3]}, 400, "bbox"),
        ({"like": field, "area": {"type": "Point", "coordinates": [0, 0]}}, 400, "Polygon"),
        ({"like": field, "area": {"type": "Polygon"}}, 400, "GeoJSON"),
        ({"like": field, "comuna": "Atlantis"}, 404, "comuna of Chile"),
        ({"like": field, "region": "Atlantis"}, 404, "Maule"),
        ({"like": field, "exact": False}, 400, "index"),
        ({"like": field, "season": "1999-00"}, 404, "season"),
        ({"like": field, "model": "nope"}, 409, "model"),
        ({"like": field, "table": "clouds"}, 400, "table"),
        ({"like": ["zz"], "table": "cells"}, 400, "H3 cell"),
        ({"like": ["89b2c33202fffff"], "table": "cells", "res": 11}, 400, "resolution 11"),
    ):
        answer = client.post("/search", json={"table": "parcels", **body})
        assert answer.status_code == status, (body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert words in answer.json()["detail"], (body, answer.json()["detail"])
    for query in ("", "lon=1", "id=P003&lon=1&lat=2", "id=P003&k=x", "id=P003&exact=maybe", "id=P003&k=0"):
        assert client.get(f"/search?table=parcels&{query}").status_code == 400, query


def test_a_literal_never_becomes_sql(client: Client, valley: Valley) -> None:
    """Quotes, comments and Unicode in a filter's text are compared and nothing else."""
    for text in ("x' OR '1'='1", "x'' --", "';DROP VIEW parcels;--", "ʼ OR 1=1", "\\' OR 1=1 --"):
        quoted = text.replace("'", "''")
        assert parcels(client, ["P003"], filter=f"id = '{quoted}'") == []
        assert parcels(client, ["P003"], filter={"op": "=", "args": [{"property": "id"}, text]}) == []
    assert len(parcels(client, ["P003"])) == 10


def test_a_gate_bounds_who_is_inside() -> None:
    """One at a time; one more waits and gets in; the next is refused at once, and one that waits too long then."""
    gate = Gate("tests", places=1, waiting=1, patience_s=2.0)
    entered, leave = threading.Event(), threading.Event()
    seen: list[str] = []

    def stay() -> None:
        with gate.inside():
            entered.set()
            leave.wait(5)

    def wait() -> None:
        try:
            with gate.inside():
                seen.append("in")
        except BusyError:
            seen.append("late")

    first = threading.Thread(target=stay)
    first.start()
    entered.wait(5)
    second = threading.Thread(target=wait)
    second.start()
    time.sleep(0.05)
    with pytest.raises(BusyError, match="more wait"), gate.inside():
        pass
    second.join(5)
    assert seen == ["late"]
    leave.set()
    first.join(5)
    wait()
    assert seen == ["late", "in"]
