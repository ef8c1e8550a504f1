"""GET and POST /embeddings: the store's own vectors, of points, ids and areas, in every format, page by page."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from browser import MODEL, SEASON, Valley, build_valley, serving
from litestar.testing import TestClient
from store_builders import cell_ids, cells_batch, unit_vectors

from surco.api import Settings, create_app
from surco.api.search.cell_ranges import centres_of
from surco.api.search.warm_sessions import WarmSessions
from surco.embedstore import Store, dequantize, fixed_size_matrix

Client = TestClient[Any]
AREA = (-71.256, -34.988, -71.250, -34.984)


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Valley:
    """Cells of resolution 9 and 11 and forty parcels."""
    return build_valley(tmp_path_factory.mktemp("embeddings") / "valley")


@pytest.fixture(scope="module")
def client(valley: Valley) -> Iterator[Client]:
    """A client of its server, with small limits."""
    with TestClient(create_app(Settings(valley.path, max_asked=50, max_embeddings=700))) as found:
        yield found


def cells_of(valley: Valley, resolution: int = 11) -> pa.Table:
    """All cells of a resolution, as the store reads them."""
    return valley.store.read("cells", resolution=resolution)


def inside(table: pa.Table) -> pa.Table:
    """The rows whose centre lies in `AREA`."""
    west, south, east, north = AREA
    x, y = centres_of(table["h3"].to_numpy()).T
    return table.filter(pa.array((x >= west) & (x <= east) & (y >= south) & (y <= north)))


def arrow(client: Client, **asked: Any) -> pa.Table:
    """An answer to POST as a table."""
    answer = client.post("/embeddings?f=arrow", json=asked)
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(answer.content).read_all()


def test_points_have_a_row_each(client: Client, valley: Valley) -> None:
    """In their order, with the cell's own vector, and `found` false with nulls where the table has nothing."""
    cells = cells_of(valley)
    at = [300, 5, 300, 41]
    points = [*centres_of(cells["h3"].to_numpy())[at].tolist(), [0.0, 0.0]]
    found = arrow(client, points=points, columns=["quality", "geometry", "ndvi", "spread"])
    assert found["found"].to_pylist() == [True] * 4 + [False]
    assert found["h3"].to_pylist()[:4] == cells["h3"].take(at).to_pylist()
    for name in ("embedding", "embedding_scale", "n_pixels", "valid_fraction", "geometry", "ndvi", "spread"):
        assert found[name].to_pylist() == [*cells[name].take(at).to_pylist(), None], name
    assert [found["lon"].to_pylist(), found["lat"].to_pylist()] == np.transpose(points).tolist()


def test_points_in_parcels(client: Client, valley: Valley) -> None:
    """A point within a parcel has its vector; one between parcels has none, and an id that is null."""
    points = [valley.outlines[n].representative_point() for n in (7, 3)]
    found = arrow(client, table="parcels", points=[[p.x, p.y] for p in points] + [[-71.3, -35.2]])
    assert found["id"].to_pylist() == ["P007", "P003", None] and found["found"].to_pylist() == [
        True,
        True,
        False,
    ]
    held = {row["id"]: row["embedding"] for row in valley.store.read("parcels").to_pylist()}
    assert found["embedding"].to_pylist() == [held["P007"], held["P003"], None]


def test_ids_have_a_row_each(client: Client, valley: Valley) -> None:
    """Of parcels and cells, repeated and unknown ones too, by GET and by POST."""
    found = arrow(client, table="parcels", ids=["P004", "P999", "P001", "P004"])
    assert found["id"].to_pylist() == ["P004", "P999", "P001", "P004"]
    assert found["found"].to_pylist() == [True, False, True, True]
    cells = cells_of(valley, 9)["h3"].to_pylist()[:2]
    answer = client.get(f"/embeddings?res=9&id={cells[1]:x}&id={cells[0]:x}&vectors=none").json()
    assert [row["h3"] for row in answer["embeddings"]] == [f"{cells[1]:x}", f"{cells[0]:x}"]
    assert (answer["rows"], answer["missing"], answer["season"], answer["model"]) == (
        2,
        0,
        SEASON.name,
        MODEL,
    )


def test_an_area_has_the_rows_inside(client: Client, valley: Valley) -> None:
    """A box, the same box as polygon, and with a filter: the cells whose centre lies there, as the store has them."""
    true = inside(cells_of(valley))
    assert true.num_rows > 50
    polygon = shapely.geometry.mapping(shapely.box(*AREA))
    for asked in (
        {"bbox": list(AREA)},
        {"area": polygon},
        {"area": {"type": "Feature", "geometry": polygon}},
    ):
        found = arrow(client, columns=["all"], **asked)
        assert found.equals(true.select(found.column_names)), asked
    filtered = arrow(client, bbox=list(AREA), filter="valid_fraction > 0.8", columns=["quality"])
    assert filtered["h3"].to_pylist() == [r["h3"] for r in true.to_pylist() if r["valid_fraction"] > 0.8]
    assert arrow(client, comuna="Curicó", res=9).num_rows == cells_of(valley, 9).num_rows
    touching = {
        f"P{n:03d}" for n, shape in enumerate(valley.outlines) if shape.intersects(shapely.box(*AREA))
    }
    assert set(arrow(client, table="parcels", bbox=list(AREA))["id"].to_pylist()) == touching


def test_vectors_as_floats_or_left_out(client: Client, valley: Valley) -> None:
    """Float vectors are the dequantised ones, and the `emb` key says that they are not quantised."""
    true = inside(cells_of(valley))
    vectors = dequantize(fixed_size_matrix(true["embedding"]), true["embedding_scale"].to_numpy())
    found = arrow(client, bbox=list(AREA), vectors="float", columns=["spread"])
    assert np.array_equal(np.array(found["embedding"].to_pylist(), np.float32), vectors)
    assert not {"embedding_scale", "spread_scale"} & set(found.column_names)
    assert json.loads(found.schema.metadata[b"emb"])["quantisation"] == "none: float32"
    rows = client.post("/embeddings", json={"bbox": list(AREA), "vectors": "float"}).json()["embeddings"]
    assert np.array_equal(np.array([row["embedding"] for row in rows], np.float32), vectors)
    assert arrow(client, bbox=list(AREA), vectors="none").column_names == ["h3"]
    missing = arrow(client, points=[[0, 0]], vectors="float")
    assert missing["embedding"].to_pylist() == [None]


def test_parquet_is_geoparquet(client: Client, valley: Valley) -> None:
    """GeoPandas reads it; `geo` states bounds, types and covering, and `emb` is that of the store's files."""
    true = inside(cells_of(valley))
    answer = client.get(
        "/embeddings", params={"bbox": ",".join(map(str, AREA)), "f": "parquet", "columns": "quality"}
    )
    frame = geopandas.read_parquet(io.BytesIO(answer.content))
    assert frame["h3"].tolist() == true["h3"].to_pylist() and frame.crs.to_string() == "OGC:CRS84"
    meta = pq.read_metadata(io.BytesIO(answer.content)).metadata
    geo = json.loads(meta[b"geo"])["columns"]["geometry"]
    assert geo["geometry_types"] == ["Point"] and geo["bbox"] == pytest.approx(frame.total_bounds.tolist())
    held = pq.read_metadata(valley.store.find("cells").files[0]).metadata
    assert json.loads(meta[b"emb"]) == json.loads(held[b"emb"])
    parcels = client.get("/embeddings?table=parcels&f=parquet&columns=all").content
    geo = json.loads(pq.read_metadata(io.BytesIO(parcels)).metadata[b"geo"])["columns"]["geometry"]
    assert geo["geometry_types"] == ["Polygon"] and geo["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert len(geopandas.read_parquet(io.BytesIO(parcels))) == len(valley.outlines)
    nothing = client.get("/embeddings?bbox=0,0,1,1&f=parquet").content
    assert geopandas.read_parquet(io.BytesIO(nothing)).empty


def test_json_has_geojson_and_hexadecimal(client: Client) -> None:
    """Cells as text, geometries as GeoJSON, missing months as null."""
    answer = client.get("/embeddings?point=-71.254,-34.986&columns=geometry,ndvi,spread").json()
    (row,) = answer["embeddings"]
    assert row["geometry"]["type"] == "Point" and len(row["embedding"]) == len(row["spread"]) == 64
    assert row["ndvi"][2] is None and row["h3"].startswith("8b") and answer["dimension"] == 64


def test_pages(client: Client, valley: Valley) -> None:
    """Pages have every row once and in order; the link, the JSON and the Arrow schema name the next one."""
    whole = cells_of(valley, 9)["h3"].to_pylist()
    found, address = [], "/embeddings?res=9&limit=10&vectors=none"
    while address:
        answer = client.get(address)
        body = answer.json()
        found += [int(row["h3"], 16) for row in body["embeddings"]]
        assert body["matched"] == len(whole) and (body["next"] is None) == ("link" not in answer.headers)
        address = answer.headers.get("link", "").partition(">")[0].lstrip("<")
    assert found == whole
    first = arrow(client, res=9, limit=10)
    token = json.loads(first.schema.metadata[b"surco"])["next"]
    assert arrow(client, res=9, limit=10, token=token)["h3"].to_pylist() == whole[10:20]
    other = client.post("/embeddings", json={"res": 11, "token": token})
    assert other.status_code == 409 and "Start again" in other.json()["detail"]


def test_too_much_is_refused_with_a_way_out(client: Client) -> None:
    """More rows than one answer has lead to pages and files; more points to several questions."""
    answer = client.get("/embeddings?res=11")
    assert (
        answer.status_code == 413
        and "`limit`" in answer.json()["detail"]
        and "/stac" in answer.json()["detail"]
    )
    assert client.get("/embeddings?res=11&limit=600&vectors=none").status_code == 200
    many = client.post("/embeddings", json={"points": [[-71.25, -34.98]] * 51})
    assert many.status_code == 413 and "at most 50 points" in many.json()["detail"]


def test_bad_questions_are_problems(client: Client) -> None:
    """Each is refused with words that say what was expected."""
    token = client.get("/embeddings?limit=1").json()["next"]
    digest = base64.urlsafe_b64decode(token + "==").partition(b".")[0]

    def forged(row: int) -> str:
        return base64.urlsafe_b64encode(digest + f".{row}".encode()).decode().rstrip("=")

    for body, status, words in (
        ({"points": []}, 400, "at least one"),
        ({"points": [[1, 2, 3]]}, 400, "length 2"),
        ({"points": [[1000, 0]]}, 400, "degrees"),
        ({"points": [[1, 2]], "ids": ["a"]}, 400, "one of them at a time"),
        ({"points": [[1, 2]], "bbox": [0, 0, 1, 1]}, 400, "one of them at a time"),
        ({"ids": ["P001"], "limit": 3, "table": "parcels"}, 400, "one of them at a time"),
        ({"ids": ["zz"]}, 400, "H3 cells of resolution 11"),
        ({"ids": ["89b2c33202fffff"]}, 400, "H3 cells of resolution 11"),
        ({"columns": ["nope"]}, 400, "columns of quality, all"),
        ({"columns": ["embedding"]}, 400, "vectors=int8"),
        ({"vectors": "int4"}, 400, "vectors"),
        ({"limit": 0}, 400, "limit"),
        ({"token": "zzz"}, 400, "token"),
        ({"token": "é"}, 400, "token"),
        ({"token": forged(-5)}, 400, "token"),
        ({"token": forged(10**30)}, 400, "token"),
        ({"bbox": [3, 2, 1]}, 400, "bbox"),
        ({"bbox": [0, 5, 1, 2]}, 400, "bbox"),
        (
            {"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]}},
            400,
            "cross",
        ),
        ({"area": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}}, 400, "Polygon"),
        ({"filter": "nope = 1"}, 400, "queryables"),
        ({"comuna": "Atlantis"}, 404, "comuna"),
        ({"season": "1999-00"}, 404, "season"),
        ({"model": "nope"}, 409, "model"),
        ({"nope": 1}, 400, "unknown field"),
    ):
        answer = client.post("/embeddings", json=body)
        assert answer.status_code == status, (body, answer.text)
        assert words in answer.json()["detail"], (body, answer.json()["detail"])
    ring = [[x, 0.0] for x in np.linspace(0, 1, 30_000)] + [[1, 1], [0, 0]]
    many = client.post("/embeddings", json={"area": {"type": "Polygon", "coordinates": [ring]}})
    assert many.status_code == 413 and "20,000 vertices" in many.json()["detail"]
    for query in ("point=1", "point=a,b", "bbox=1,2", "res=99", "limit=0", "f=csv", "nope=1"):
        assert client.get(f"/embeddings?{query}").status_code == 400, query


def test_merged_files_keep_the_order_of_cells(tmp_path: Path) -> None:
    """Files that a merge carried over lie before those of cells with lower numbers; rows still come by cell."""
    store = Store.create(tmp_path / "s")
    for number, (lon, lat) in enumerate(((-70.5, -20.0), (-71.5, -35.4), (-73.0, -45.0), (-69.0, -18.0))):
        batch = cells_batch(cell_ids(40, lon=lon, lat=lat), unit_vectors(40, seed=number))
        with store.transaction() as tx:
            tx.put_cells([batch], model_id=MODEL, season=SEASON, resolution=9, merge=True)
    held = store.read("cells")
    assert (np.diff(held["h3"].to_numpy().astype(np.int64)) < 0).any()
    with TestClient(create_app(Settings(store.path))) as client:
        found = arrow(client, columns=["all"])
    assert found.equals(held.sort_by("h3").select(found.column_names))


def test_damage_breaks_the_answer_off(tmp_path: Path) -> None:
    """A damaged row group at the start is a problem; later it ends the connection, and never looks whole."""
    store = Store.create(tmp_path / "s")
    places = ((-70.5, -20.0), (-71.5, -35.4))
    cells = [cell for lon, lat in places for cell in cell_ids(17_000, lon=lon, lat=lat)]
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cells, unit_vectors(len(cells)))], model_id=MODEL, season=SEASON, resolution=9
        )
    files = store.find("cells").files
    last = max(
        files, key=lambda file: pq.read_table(file, columns=["h3"], partitioning=None)["h3"][-1].as_py()
    )
    footer = pq.read_metadata(last).row_group(pq.read_metadata(last).num_row_groups - 1)
    with serving(Settings(store.path)) as address:
        assert httpx.get(f"{address}/embeddings?limit=1").status_code == 200  # the vectors are mapped now
        column = next(
            footer.column(n)
            for n in range(footer.num_columns)
            if "spread." in footer.column(n).path_in_schema
        )
        content = bytearray(last.read_bytes())
        content[column.data_page_offset + column.total_compressed_size // 2] ^= 0xFF
        last.write_bytes(content)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{address}/embeddings?columns=spread&f=arrow", timeout=60)


def test_an_adapter_leaves_the_session_warm_and_a_table_does_not(tmp_path: Path) -> None:
    """Who labels writes an adapter with every fit, and must not wait for a new session with the next click."""
    store, sessions = build_valley(tmp_path / "s", adapter=False).store, WarmSessions()
    first = sessions.of(store)
    with store.transaction() as write:
        write.put_adapter("empty", {"card.json": b"{}"})
    assert sessions.of(store) is first
    with store.transaction() as write:
        batch = cells_batch(cell_ids(5, lon=-70.5, lat=-20.0), unit_vectors(5))
        write.put_cells([batch], model_id=MODEL, season=SEASON, resolution=9, merge=True)
    assert sessions.of(store) is not first
