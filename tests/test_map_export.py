"""Maps as files over HTTP: every format by its own reader, the same numbers as `surco map`, never half a file."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import geopandas
import h3ronpy
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import shapely
from browser import serving
from checkers import gpio_check
from litestar.testing import TestClient
from map_stores import BEFORE, CROPS, CURICO, NOW, PARCELS, TALCA, UNSEEN, map_store
from rasterio.shutil import copy as raster_copy
from store_builders import MODEL, cell_ids, cells_batch, unit_vectors

from surco.api.abstaining import abstained
from surco.api.app import create_app
from surco.api.legend_levels import adapter_legend, summed_up
from surco.api.maps import predict_table, write_map
from surco.api.settings import Settings
from surco.api.yield_maps import predict_values
from surco.embedstore import Store

MAP = f"/maps/crops/{NOW.name}/export"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of `map_stores`."""
    return map_store(tmp_path_factory.mktemp("maps") / "store")


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    """A client of a server over it."""
    with TestClient(create_app(Settings(store.path, requests_per_minute=100_000))) as client:
        yield client


def table(client: TestClient, address: str) -> pa.Table:
    """The rows of a Parquet answer."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return pq.read_table(io.BytesIO(answer.content))


def refused(client: TestClient, address: str, status: int) -> str:
    """The sentence of a problem document."""
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["detail"]


def mapped(store: Store, unit: str, folder: Path, **asked) -> pa.Table:
    """The file that `surco map` writes."""
    predicted = predict_table(store, "crops", NOW.name, unit)
    if "level" in asked:
        predicted = summed_up(predicted, adapter_legend(store, "crops", None), asked["level"])
    if "abstain" in asked:
        predicted = abstained(store, predicted, asked["abstain"])[0]
    return pq.read_table(write_map(predicted, folder / "map.parquet"))


@pytest.mark.parametrize("unit", ["cells", "parcels"])
def test_parquet_has_the_numbers_of_surco_map(
    store: Store, client: TestClient, tmp_path: Path, unit: str
) -> None:
    """Class, probabilities, hectares and outlines of every row are those that `surco map` writes."""
    got = table(client, f"{MAP}?unit={unit}&geometry=polygon&columns=area_ha,probabilities,comuna")
    expected = mapped(store, unit, tmp_path)
    name = "h3" if unit == "cells" else "id"
    assert got[name].to_pylist() == expected[name].to_pylist()
    assert got["class"].to_pylist() == expected["class"].to_pylist()
    assert got["geometry"].to_pylist() == expected["geometry"].to_pylist()
    for column in ("probability", "area_ha", *CROPS):
        np.testing.assert_allclose(got[column].to_numpy(), expected[column].to_numpy(), rtol=2e-5)
    assert got["class"].null_count == got["uncertainty"].null_count == (UNSEEN if unit == "cells" else 0)
    chances = np.stack([expected[crop].to_numpy() for crop in CROPS], axis=1)
    entropy = -(chances * np.log(chances)).sum(axis=1) / np.log(4)
    np.testing.assert_allclose(got["uncertainty"].to_numpy(), entropy, atol=1e-4)


def test_levels_and_abstention_are_those_of_surco_map(
    store: Store, client: TestClient, tmp_path: Path
) -> None:
    """`level` and `abstain` answer what `--level` and `--abstain` write."""
    rolled = table(client, f"{MAP}?unit=cells&level=1&columns=probabilities")
    expected = mapped(store, "cells", tmp_path, level=1)
    assert rolled["class"].to_pylist() == expected["class"].to_pylist()
    assert set(rolled.column_names) - {"h3", "geometry", "class", "probability", "uncertainty"} == set(
        expected.column_names
    ) - {"id", "h3", "geometry", "class", "probability", "area_ha"}
    careful = table(client, f"{MAP}?unit=cells&abstain=0.05")["class"]
    assert careful.to_pylist() == mapped(store, "cells", tmp_path, abstain=0.05)["class"].to_pylist()
    assert careful.null_count > UNSEEN


def test_the_file_is_geoparquet_and_says_how_it_was_made(client: TestClient) -> None:
    """Geopandas reads it with its CRS; bounds, types, provenance, licence and credits stand in its keys."""
    for geometry, kind in (("point", "Point"), ("polygon", "Polygon")):
        body = client.get(f"{MAP}?unit=cells&geometry={geometry}").content
        frame = geopandas.read_parquet(io.BytesIO(body))
        assert frame.crs == "OGC:CRS84" and set(frame.geom_type) == {kind}
        keys = pq.read_metadata(io.BytesIO(body)).metadata
        column = json.loads(keys[b"geo"])["columns"]["geometry"]
        assert column["geometry_types"] == [kind] and column["encoding"] == "WKB"
        np.testing.assert_allclose(column["bbox"], frame.total_bounds)
        made = json.loads(keys[b"surco"])
        assert (made["adapter"], made["model"], made["season"]) == ("crops", MODEL, NOW.name)
        assert (made["licence"], made["credits"]) == ("CC-BY-4.0", "Copernicus")
    bare = client.get(f"{MAP}?unit=cells&geometry=none").content
    assert b"geo" not in pq.read_metadata(io.BytesIO(bare)).metadata
    assert "geometry" not in pq.read_schema(io.BytesIO(bare)).names


@pytest.mark.parametrize("geometry", ["point", "polygon"])
def test_gpios_validator_passes(client: TestClient, tmp_path: Path, geometry: str) -> None:
    """Where the program is installed: GeoParquet as its rules have it."""
    (tmp_path / "map.parquet").write_bytes(client.get(f"{MAP}?unit=cells&geometry={geometry}").content)
    assert "0 failed" in gpio_check(tmp_path / "map.parquet", tmp_path)


def test_geojson_and_flatgeobuf_hold_the_same_features(client: TestClient) -> None:
    """What their own readers find in them is what the Parquet file holds."""
    rows = table(client, f"{MAP}?unit=cells&geometry=polygon")
    names = pa.array(h3ronpy.cells_to_string(rows["h3"].combine_chunks())).to_pylist()
    answer = client.get(f"{MAP}?unit=cells&geometry=polygon&f=geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    content = answer.json()
    assert [feature["id"] for feature in content["features"]] == names
    assert [f["properties"]["class"] for f in content["features"]] == rows["class"].to_pylist()
    assert content["surco"]["store_version"] == 1
    ring = shapely.from_geojson(json.dumps(content["features"][9]["geometry"]))
    assert shapely.is_ccw(shapely.get_exterior_ring(ring))
    assert shapely.hausdorff_distance(ring, shapely.from_wkb(rows["geometry"][9].as_py())) < 1e-6
    body = client.get(f"{MAP}?unit=cells&geometry=polygon&f=fgb").content
    frame = pyogrio.read_dataframe(io.BytesIO(body)).set_index("h3").loc[names]
    assert frame.crs == "OGC:CRS84"
    assert [None if c is None or c != c else c for c in frame["class"].tolist()] == rows["class"].to_pylist()
    np.testing.assert_allclose(frame["probability"], rows["probability"].to_numpy(), rtol=1e-6)
    assert pyogrio.read_info(io.BytesIO(body))["capabilities"]["fast_spatial_filter"]


@pytest.mark.parametrize("unit", ["cells", "parcels"])
def test_geotiff_is_the_one_of_surco_map(store: Store, client: TestClient, tmp_path: Path, unit: str) -> None:
    """The same pixels, colours and tags as `surco map --out map.tif`, laid out as a COG."""
    predicted = predict_table(store, "crops", NOW.name, unit)
    write_map(predicted, tmp_path / "map.tif", pixel=60.0)
    answer = client.get(f"{MAP}?unit={unit}&f=tif&pixel=60")
    assert answer.status_code == 200, answer.text
    (tmp_path / "got.tif").write_bytes(answer.content)
    with rasterio.open(tmp_path / "map.tif") as old, rasterio.open(tmp_path / "got.tif") as new:
        assert (new.crs, new.transform, new.colormap(1)) == (old.crs, old.transform, old.colormap(1))
        assert new.tags()["class_1"] == CROPS[0] and new.read(1).any()
        np.testing.assert_array_equal(new.read(1), old.read(1))
        assert new.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    raster_copy(tmp_path / "got.tif", tmp_path / "again.tif", driver="COG")


def test_values_of_a_yield_adapter(store: Store, client: TestClient, tmp_path: Path) -> None:
    """Value, low and high are those of `surco map` with a yield adapter, in Parquet and as bands of a COG."""
    expected = predict_values(store, "yields", NOW.name, "cells")
    got = table(client, f"/maps/yields/{NOW.name}/export?unit=cells")
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(got[name].to_numpy(), getattr(expected, name), rtol=1e-6)
    assert "class" not in got.column_names
    body = client.get(f"/maps/yields/{NOW.name}/export?unit=cells&f=tif&pixel=100").content
    (tmp_path / "values.tif").write_bytes(body)
    with rasterio.open(tmp_path / "values.tif") as raster:
        assert raster.descriptions == ("value", "low", "high")
        assert np.nanmax(raster.read(1)) == pytest.approx(np.nanmax(expected.value), rel=1e-5)


def test_filters_leave_what_lies_elsewhere_out(client: TestClient) -> None:
    """A box takes cells by their centre and parcels by their bounds; comuna and region take the official code."""
    everything = table(client, f"{MAP}?unit=cells")
    where = shapely.from_wkb(everything["geometry"].to_numpy())
    west, south, east, north = TALCA[0] - 0.03, TALCA[1] - 0.03, TALCA[0] + 0.02, TALCA[1] + 0.04
    inside = shapely.intersects(where, shapely.box(west, south, east, north))
    got = table(client, f"{MAP}?unit=cells&bbox={west},{south},{east},{north}")
    assert (
        0 < inside.sum() < len(where) and got["h3"].to_pylist() == everything.filter(inside)["h3"].to_pylist()
    )
    code = np.array(everything["comuna"].to_pylist(), object)
    got = table(client, f"{MAP}?unit=cells&comuna=curico,7101")
    assert sorted(set(got["comuna"].to_pylist())) == [7101, 7301]
    assert got.num_rows == np.isin(code, [7101, 7301]).sum()
    assert table(client, f"{MAP}?unit=cells&region=Maule").num_rows == sum(
        c is not None and c // 1000 == 7 for c in code
    )
    x, y = CURICO
    parcels = table(client, f"{MAP}?unit=parcels&bbox={x},{y},{x + 0.0005},{y + 0.0005}")
    assert parcels["id"].to_pylist() == [f"p{PARCELS // 2}"]


def test_an_answer_that_a_client_has_is_not_made_again(client: TestClient) -> None:
    """The same question has the same ETag and is answered 304; another question has another."""
    first = client.get(f"{MAP}?unit=cells&comuna=Talca")
    tag = first.headers["etag"]
    again = client.get(f"{MAP}?unit=cells&comuna=7101", headers={"if-none-match": tag})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == tag
    other = client.get(f"{MAP}?unit=cells&comuna=Talca&geometry=none", headers={"if-none-match": tag})
    assert other.status_code == 200 and other.headers["etag"] != tag
    assert first.headers["content-disposition"] == f'attachment; filename="crops-{NOW.name}-cells-r9.parquet"'


def test_accept_chooses_the_format(client: TestClient) -> None:
    """`Accept` counts where `f` is left out, and one that nothing fits is 406."""
    answer = client.get(f"{MAP}?unit=parcels", headers={"accept": "application/geo+json"})
    assert answer.headers["content-type"] == "application/geo+json"
    assert client.get(MAP, headers={"accept": "text/csv"}).status_code == 406


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?bbox=1,2,3", 400, "Expected bbox=west,south,east,north"),
        ("?bbox=-71,-35,-72,-34", 400, "west below east"),
        ("?bbox=nan,0,1,1", 400, "Expected bbox="),
        ("?bbox=1,1,2,2", 404, "Expected parcels of season 2024-25 in the part asked for, got none"),
        ("?f=geojson&bbox=1,1,2,2", 404, "in the part asked for, got none"),
        ("?f=tif&bbox=1,1,2,2", 404, "in the part asked for, got none"),
        ("?comuna=Talka", 400, "Did you mean Talca?"),
        ("?region=99", 400, "Expected region to be the name or official code"),
        ("?comuna=Talca&region=Biobío", 400, "lies elsewhere"),
        ("?geometry=point", 400, "Expected geometry of parcels to be one of polygon, none"),
        ("?columns=ndvi", 400, "Expected columns of comuna, area_ha, probabilities"),
        ("?f=tif&columns=area_ha", 400, "Expected neither geometry nor columns with f=tif"),
        ("?f=parquet&pixel=20", 400, "Expected pixel with f=tif only"),
        ("?f=fgb&geometry=none", 400, "Expected geometry=point or polygon with f=fgb"),
        ("?f=tif&pixel=0.5&unit=cells", 413, "Expected at most 100,000,000 pixels"),
        ("?f=tif&pixel=-1", 400, "pixel"),
        ("?abstain=5", 400, "Expected abstain between 0 and 1"),
        ("?legend=ine", 400, "Expected level beside legend"),
        ("?level=1&legend=/etc/passwd", 400, "Expected legend to be one of"),
        ("?unit=fields", 400, "unit"),
        ("?res=7&unit=cells", 404, "resolution 7"),
        ("?formt=parquet", 400, "formt"),
    ],
)
def test_bad_questions_are_sentences(client: TestClient, query: str, status: int, words: str) -> None:
    """Each has a problem document that says what was expected."""
    assert words in refused(client, MAP + query, status)


def test_maps_that_there_are_not(client: TestClient) -> None:
    """Adapters, seasons and levels that are not there are named."""
    assert "got 'nope'" in refused(client, f"/maps/nope/{NOW.name}/export", 404)
    assert "season 1999-00" in refused(client, "/maps/crops/1999-00/export", 404)
    assert "fitted without" in refused(client, f"/maps/others/{NOW.name}/export?level=1", 400)
    assert "fitted on 6 labels" in refused(client, f"/maps/few/{NOW.name}/export?abstain=0.05", 409)
    assert "tells values" in refused(client, f"/maps/yields/{NOW.name}/export?level=1", 400)
    assert "one of 2023-24, 2024-25; got '1999-00'" in refused(client, "/maps/crops/1999-00", 404)


def test_maps_are_listed_with_their_links(client: TestClient) -> None:
    """Every adapter upon every table of its model, with links that answer."""
    listed = client.get("/maps")
    found = listed.json()["maps"]
    assert len(found) == 4 * 3  # adapters, and tables: cells of two seasons, parcels of one
    for entry in found:
        links = {link["rel"]: link["href"] for link in entry["links"]}
        assert client.get(links["export"]).status_code == 200
        assert (entry["classes"] is None) == (entry["target_unit"] == "t/ha") == ("values" in links)
    assert client.get("/maps", headers={"if-none-match": listed.headers["etag"]}).status_code == 304
    one = client.get(f"/maps/crops/{NOW.name}").json()["maps"]
    assert one == [m for m in found if m["adapter"] == "crops" and m["season"] == NOW.name]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """100,000 cells in several files."""
    store = map_store(tmp_path_factory.mktemp("wide") / "store", 200)
    vectors = unit_vectors(100_000)
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cell_ids(100_000), vectors)], model_id=MODEL, season=NOW, resolution=9)
    return store


def test_memory_does_not_grow_with_the_map(tmp_path: Path) -> None:
    """A map of 400,000 cells takes a few blocks more than one of 60,000: what was sent is not kept."""
    store = map_store(tmp_path / "store", 200)
    with store.transaction() as tx:
        for season, count in ((BEFORE, 60_000), (NOW, 400_000)):
            rows = cells_batch(cell_ids(count), unit_vectors(count))
            tx.put_cells([rows], model_id=MODEL, season=season, resolution=9)
    words = [
        sys.executable,
        str(Path(__file__).with_name("export_memory.py")),
        str(store.path),
        BEFORE.name,
        NOW.name,
    ]
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["body"] > 140 and found["grown"] < 0.7 * found["body"], found


def workers() -> int:
    """Threads that compute maps now."""
    return sum(thread.name.startswith("surco-map") for thread in threading.enumerate())


def test_a_client_that_goes_ends_the_work(wide: Store) -> None:
    """After a client has gone no thread works for it, and its slot is free: more exports than slots come through."""
    with serving(Settings(wide.path)) as address:
        for _ in range(5):
            with httpx.stream("GET", f"{address}{MAP}?unit=cells&geometry=polygon&f=geojson") as answer:
                assert answer.status_code == 200
                next(answer.iter_raw())
            deadline = time.monotonic() + 10
            while workers() and time.monotonic() < deadline:
                time.sleep(0.02)
            assert workers() == 0


def test_too_many_exports_at_a_time_are_told_to_wait(wide: Store) -> None:
    """Clients that hold every slot leave the next one a 503 with Retry-After, and the server goes on afterwards."""
    with serving(Settings(wide.path)) as address, httpx.Client() as client:
        held = [
            client.stream("GET", f"{address}{MAP}?unit=cells&f=geojson&geometry=polygon") for _ in range(3)
        ]
        begun = [each.__enter__().iter_raw() for each in held]
        for chunks in begun:
            next(chunks)
        busy = client.get(f"{address}{MAP}?unit=cells")
        assert (
            busy.status_code == 503 and busy.headers["retry-after"] and "Ask again" in busy.json()["detail"]
        )
        for each in held:
            each.__exit__(None, None, None)
        deadline = time.monotonic() + 10
        while (
            got := client.get(f"{address}{MAP}?unit=cells")
        ).status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert pq.read_metadata(io.BytesIO(got.content)).num_rows == 100_000


def test_a_failure_on_the_way_cuts_the_answer_off(wide: Store, tmp_path: Path) -> None:
    """A damaged file that is met after the first rows were sent breaks the connection; it never looks whole."""
    shutil.copytree(wide.path, tmp_path / "store")
    store = Store.open(tmp_path / "store")
    last = store.find("cells", season=NOW.name).files[-1]
    body = bytearray(last.read_bytes())
    place = pq.read_metadata(last).row_group(0).column(2).data_page_offset + 200
    body[place : place + 64] = bytes(64)
    last.write_bytes(body)
    with serving(Settings(store.path)) as address:
        for kind in ("geojson", "parquet"):
            with (
                pytest.raises(httpx.RemoteProtocolError),
                httpx.stream("GET", f"{address}{MAP}?unit=cells&f={kind}") as answer,
            ):
                assert answer.status_code == 200
                for _ in answer.iter_raw():
                    pass
        assert httpx.get(f"{address}/health").status_code == 200
