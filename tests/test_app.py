"""The server over a small real store, and the maps it writes to files."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from browser import CROPS, MODEL, SEASON, WILD, Valley, build_valley
from litestar.testing import TestClient
from map_stores import NOW, map_store, vectors_of
from store_builders import cell_ids, cells_batch, unit_vectors

import surco.api
from surco.adapters import CropTypeAdapter, save_adapter
from surco.api.app import create_app
from surco.api.kept import Kept
from surco.api.maps import predict_table, write_map
from surco.api.refusals import ExportError, SettingsError
from surco.api.settings import Settings
from surco.api.viewer_answers import overview
from surco.embedstore import Season, Store, StoreError


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Valley:
    """The store that these tests ask."""
    return build_valley(tmp_path_factory.mktemp("app") / "valle-chico")


@pytest.fixture(scope="module")
def client(valley: Valley) -> Iterator[TestClient]:
    """A client of the application over it."""
    with TestClient(create_app(Settings(store=valley.path))) as client:
        yield client


def test_overview_says_what_is_there(client: TestClient) -> None:
    """Seasons, tables, models, adapters, and what is shown first."""
    facts = client.get("/api/overview").json()
    assert facts["area"] == "Valle chico"
    model = facts["models"][0]
    assert facts["defaults"] == {"season": "2024-25", "adapter": "crops", "model": model, "unit": "parcels"}
    (season,) = facts["seasons"]
    held = season["models"][model]
    assert (held["parcels"], [c["resolution"] for c in held["cells"]]) == (40, [9, 11])
    assert (season["months"][0], season["months"][-1]) == ("2024-05", "2025-04")
    assert {c["name"] for c in facts["adapters"][0]["classes"]} == {*CROPS, WILD}
    west, south, east, north = facts["bbox"]
    assert west < -71.25 < east and south < -34.985 < north


def test_islands_far_out_do_not_make_the_country_small(tmp_path: Path) -> None:
    """A table of the mainland and Rapa Nui is shown from the mainland's coast on; one of Rapa Nui alone as it is."""
    islanders, mainlanders = cell_ids(20, lon=-109.35, lat=-27.12), cell_ids(20, lon=-71.2, lat=-35.0)
    seen = {}
    for name, cells in (("island", islanders), ("both", sorted(islanders + mainlanders))):
        store = Store.create(tmp_path / name)
        with store.transaction() as tx:
            rows = cells_batch(cells, unit_vectors(len(cells)))
            tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9)
        seen[name] = overview(store, Settings(store.path))["bbox"]
    assert seen["island"][2] < -109 < seen["both"][0] < seen["both"][2] and seen["both"][0] < -71.2


def test_adapters_without_vectors_draw_nothing(tmp_path: Path) -> None:
    """After another encoder took over, the page starts from an adapter that still has a table, not from an error."""
    store = map_store(tmp_path / "s", cells=400)
    kinds = np.arange(40) % 4
    with store.transaction() as tx:
        ids = cell_ids(40)
        later = Season(NOW.year + 1)
        rows = cells_batch(ids, vectors_of(kinds, 1))
        tx.put_cells([rows], model_id="newer-1", season=later, resolution=9)
        for name, model in (("aged", "older-1"), ("zebra", "newer-1")):
            adapter = CropTypeAdapter().fit(vectors_of(kinds, 2), np.array(["a", "b", "c", "d"])[kinds])
            tx.put_adapter(
                name, save_adapter(adapter, name=name, model_id=model, task="crop-type", training={})
            )
    facts = overview(store, Settings(store.path))
    names = [each["name"] for each in facts["adapters"]]
    assert "aged" not in names and {"crops", "zebra"} <= set(names)
    assert (facts["defaults"]["season"], facts["defaults"]["adapter"]) == (later.name, "zebra")
    for wanted, first in (("crops", "crops"), ("aged", "zebra")):
        assert overview(store, Settings(store.path, adapter=wanted))["defaults"]["adapter"] == first


def test_names_lie_on_the_land_that_is_drawn(client: TestClient) -> None:
    """Every comuna has a name, on the land of the map's tiles; regions have names of their own."""
    named = client.get("/api/names").json()["names"]
    comunas = [each["position"] for each in named if each["rank"] == "comuna"]
    assert len(comunas) > 340
    assert {"Maule", "Ñuble"} <= {each["name"] for each in named if each["rank"] == "region"}
    land = shapely.union_all([part["land"] for part in border_tiles(client, 5) if part["land"]])
    assert np.mean(shapely.contains_xy(land.buffer(0.02), comunas)) > 0.98


def test_borders_have_as_many_corners_as_a_zoom_can_show(client: TestClient) -> None:
    """From afar borders are those of regions and few corners; nearer come those of comunas, each edge once."""
    country, near = (border_tiles(client, zoom) for zoom in (4, 8))
    tiles = {4: country, 8: near}
    lines = {zoom: shapely.union_all([p["lines"] for p in tiles[zoom] if p["lines"]]) for zoom in tiles}
    assert shapely.get_num_coordinates(lines[4]) < 5_000
    talca = shapely.Point(-71.63, -35.43).buffer(0.4)
    assert shapely.intersection(lines[8], talca).length > 3 > shapely.intersection(lines[4], talca).length
    drawn = [line for part in near if part["lines"] for line in shapely.get_parts(part["lines"])]
    assert sum(line.length for line in drawn) == pytest.approx(lines[8].length, rel=1e-3)


def border_tiles(client: TestClient, zoom: int) -> list[dict[str, Any]]:
    """Shapes of all tiles of a zoom in which Chile's mainland lies."""
    west, east = (int((lon + 180) / 360 * 2**zoom) for lon in (-75.7, -66.5))
    north, south = 0.54, 0.69  # of the world's height in Web Mercator
    rows = range(int(north * 2**zoom), int(south * 2**zoom) + 1)
    asked = [client.get(f"/api/borders/{zoom}/{x}/{y}").json() for x in range(west, east + 1) for y in rows]
    return [
        {name: part and shapely.from_geojson(json.dumps(part)) for name, part in tile.items()}
        for tile in asked
    ]


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/maps/crops/1999-00/tilejson", 404, "2024-25"),
        ("/maps/none/2024-25/tilejson", 404, "crops"),
        ("/maps/crops/2024-25/tilejson?res=99", 400, "res"),
        ("/search?id=P001&table=parcels&k=0", 400, "k"),
        ("/api/overview?adapter=crops", 400, "adapter"),
        ("/static/..%2fpage.py", 404, "address"),
        ("/static/page.html", 404, "main.js"),
        ("/api/borders/10/0/0", 404, "from 0 to 9"),
        ("/api/borders/3/8/0", 404, "from 0 to 7"),
        ("/wp-admin", 404, "/wp-admin"),
    ],
)
def test_errors_are_problem_documents(
    client: TestClient, valley: Valley, address: str, status: int, words: str
) -> None:
    """RFC 9457: a sentence that names what came, no path of the server, no trace; headers hold here too."""
    answer = client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == status and words in problem["detail"]
    assert str(valley.path.parent) not in answer.text and "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_missing_file_of_the_store_names_no_path(tmp_path: Path) -> None:
    """A store broken from outside answers with words that keep the server's folders to itself."""
    broken = build_valley(tmp_path / "roto", columns=2, rows=2)
    with TestClient(create_app(Settings(store=broken.path))) as client:
        next(broken.path.glob("parcels/**/*.parquet")).unlink()
        answer = client.get("/collections/parcels/items")
    assert answer.status_code == 404 and "roto/parcels" in answer.json()["detail"]
    assert str(tmp_path) not in answer.text


def test_page_and_headers_allow_only_ourselves(client: TestClient) -> None:
    """The policy names no other host and no unsafe source."""
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8" and "Valle chico" in answer.text
    assert "unsafe" not in policy and "http" not in policy and "default-src 'none'" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_basemap_host_is_the_only_addition(valley: Valley) -> None:
    """A basemap adds its own host to pictures and requests, and nothing to scripts."""
    settings = Settings(store=valley.path, basemap="https://tiles.example/{z}/{x}/{y}.png")
    with TestClient(create_app(settings)) as client:
        rules = dict(r.split(" ", 1) for r in client.get("/").headers["content-security-policy"].split("; "))
    assert "https://tiles.example" in rules["img-src"] and "https://tiles.example" in rules["connect-src"]
    assert rules["script-src"] == "'self'"


@pytest.mark.parametrize("address", ["/static/deck.js", "/api/names"])
def test_bodies_are_compressed_and_not_sent_twice(client: TestClient, address: str) -> None:
    """Gzip where it is taken, plain where it is not, 304 for what the client has."""
    small = client.get(address, headers={"accept-encoding": "gzip"})
    plain = client.get(address, headers={"accept-encoding": "identity"})
    assert small.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert int(small.headers["content-length"]) < len(plain.content) / 2 and small.content == plain.content
    again = client.get(address, headers={"if-none-match": f'W/"x", {small.headers["etag"]}'})
    assert again.status_code == 304 and again.content == b""


def test_a_new_version_of_the_store_is_seen(tmp_path: Path) -> None:
    """What another process commits shows at the next question, without a restart."""
    bare = build_valley(tmp_path / "grows", columns=3, rows=2, adapter=False)
    full = build_valley(tmp_path / "full", columns=3, rows=2)
    files = {f.name: f.read_bytes() for f in full.store.adapter_dir("crops").iterdir()}
    with TestClient(create_app(Settings(store=bare.path))) as client:
        before = client.get("/api/overview").json()
        assert before["adapters"] == [] and before["defaults"]["adapter"] is None
        with bare.store.transaction() as write:
            write.put_adapter("crops", files)
        assert [each["name"] for each in client.get("/api/overview").json()["adapters"]] == ["crops"]
        assert client.get("/health").json() == {"status": "ok", "version": 2}


def test_a_folder_that_is_no_store_is_refused_at_once(tmp_path: Path) -> None:
    """The application is not built over nothing."""
    with pytest.raises(StoreError, match=r"store\.json"):
        create_app(Settings(store=tmp_path))


@pytest.mark.parametrize("basemap", ["https://x/y.png", "ftp://x/{z}/{x}/{y}", "https://a b;/{z}/{x}/{y}"])
def test_basemap_must_be_a_tile_address(tmp_path: Path, basemap: str) -> None:
    """Anything else could not be drawn, or would break out of the policy."""
    with pytest.raises(SettingsError, match="tile address"):
        Settings(store=tmp_path, basemap=basemap)


def test_computed_once_for_many_who_ask() -> None:
    """Threads that ask together share one computation, and a failure is not kept."""
    kept: Kept[int] = Kept(2)
    calls: list[int] = []

    def slow() -> int:
        calls.append(1)
        time.sleep(0.05)
        return 7

    threads = [threading.Thread(target=lambda: kept.get("a", slow)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and kept.get("a", slow) == 7
    with pytest.raises(ZeroDivisionError):
        kept.get("b", lambda: 1 // 0)
    assert kept.get("b", lambda: 5) == 5


@pytest.mark.parametrize("unit", ["cells", "parcels"])
def test_geoparquet_map(valley: Valley, tmp_path: Path, unit: str) -> None:
    """Polygons, class, probability and a column for each class, as GeoParquet."""
    predicted = predict_table(valley.store, "crops", SEASON.name, unit)
    path = write_map(predicted, tmp_path / "map.parquet")
    table = pq.read_table(path)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    assert shapely.from_wkb(table["geometry"][0].as_py()).geom_type == "Polygon"
    shares = np.stack([table[name].to_numpy() for name in predicted.classes], axis=1)
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert table["class"].to_pylist() == [predicted.classes[i] for i in shares.argmax(axis=1)]
    assert json.loads(table.schema.metadata[b"surco"])["model"] == MODEL


def test_geojson_map(valley: Valley, tmp_path: Path) -> None:
    """One feature a parcel, with its class."""
    content = json.loads(
        write_map(predict_table(valley.store, "crops"), tmp_path / "map.geojson").read_text()
    )
    found = {f["id"]: f["properties"]["class"] for f in content["features"]}
    assert found == {f"P{n:03d}": crop for n, crop in enumerate(valley.crops)}
    outline = next(f["geometry"] for f in content["features"] if f["id"] == "P003")
    drawn = shapely.geometry.shape(outline)
    assert shapely.equals_exact(drawn.normalize(), valley.outlines[3].normalize(), 1e-6)
    assert drawn.exterior.is_ccw


@pytest.mark.parametrize("unit", ["cells", "parcels"])
def test_raster_map(valley: Valley, tmp_path: Path, unit: str) -> None:
    """A cloud-optimised UTM raster whose pixels have the class of the place that they lie in."""
    predicted = predict_table(valley.store, "crops", unit=unit)
    with rasterio.open(write_map(predicted, tmp_path / "map.tif")) as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (raster.crs.to_epsg(), raster.res, raster.nodata) == (32719, (20.0, 20.0), 0)
        names = {int(k.removeprefix("class_")): v for k, v in raster.tags().items() if k.startswith("class_")}
        assert [names[i + 1] for i in range(len(names))] == list(predicted.classes)
        spots = [shape.centroid for shape in valley.outlines]
        x, y = rasterio.warp.transform("OGC:CRS84", raster.crs, [p.x for p in spots], [p.y for p in spots])
        drawn = [names.get(int(v[0])) for v in raster.sample(zip(x, y, strict=True))]
        assert drawn == valley.crops
        assert raster.colormap(1)[1][3] == 255
        assert 0 in raster.read(1)


@pytest.mark.parametrize("name", ["map.shp", "map", "nowhere/map.tif"])
def test_impossible_files_are_refused(valley: Valley, tmp_path: Path, name: str) -> None:
    """Another ending, or a folder that is not there, is said before anything is written."""
    with pytest.raises(ExportError, match="Expected a f"):
        write_map(predict_table(valley.store, "crops"), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(valley: Valley, tmp_path: Path) -> None:
    """The file that was there stays whole, and no draft is left beside it."""
    old = tmp_path / "map.tif"
    old.write_bytes(b"old")
    with pytest.raises(ExportError, match="more than 0 m"):
        write_map(predict_table(valley.store, "crops"), old, pixel=-1)
    assert old.read_bytes() == b"old" and list(tmp_path.iterdir()) == [old]


def test_exports_are_sorted_and_whole() -> None:
    """`surco.api` hands out what it lists."""
    assert surco.api.__all__ == sorted(surco.api.__all__, key=lambda n: (n.islower(), n))
    assert all(getattr(surco.api, name) for name in surco.api.__all__)
