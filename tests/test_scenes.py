"""Scenes out of catalogues: whose asset is which channel, what its numbers mean, and what is refused."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import shapely
from shared_data import shared
from stac_catalogs import (
    BANDS_10M,
    BANDS_20M,
    Item,
    collection_json,
    item_json,
    landing_json,
    optical,
    radar,
    write_catalog,
)

from surco.encoder.assets import find_bands
from surco.encoder.catalog import read_scenes
from surco.encoder.errors import CatalogError, SceneError
from surco.encoder.scenes import scene_from_item, sensor_of

START, END = date(2024, 5, 1), date(2025, 4, 30)
REFLECTANCE = {*BANDS_10M, *BANDS_20M}


def asset(href: str = "https://example.org/a.tif", **fields: Any) -> dict[str, Any]:
    """An asset's JSON."""
    return {"href": href, "type": "image/tiff", "roles": ["data"], **fields}


def real_item(name: str) -> pystac.Item:
    """A provider's own item."""
    document = json.loads(shared(f"stac_items/{name}").read_text())
    return pystac.Item.from_dict(document[0] if isinstance(document, list) else document)


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("odc-stac/S2A_28QCH_20200714_0_L2A.json", 0.0),
        ("odc-stac/S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531.json", 0.0),
        ("odc-stac/S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531_raster_ext.json", 0.0),
        ("stac-geoparquet/sentinel-2-item.json", -0.1),
        ("stac-geoparquet/sentinel-2-l2a-pc.json", -0.1),
    ],
)
def test_real_sentinel_2_items(name: str, offset: float) -> None:
    """Items of Earth Search v0 and Planetary Computer give all ten bands, scl, scale and their baseline's offset."""
    item = real_item(name)
    assert sensor_of(item) == "sentinel-2"
    scene = scene_from_item(item, "sentinel-2")
    assert set(scene.bands) == {*REFLECTANCE, "scl"}
    assert {scene.bands[b].scale for b in REFLECTANCE} == {1e-4}
    assert {scene.bands[b].offset for b in REFLECTANCE} == {offset}
    assert scene.bands["nir08"].href.split("?")[0].endswith(("B8A.tif", "B8A_20m.tif"))
    assert scene.crs is not None and scene.extent is not None
    assert scene.extent[2] - scene.extent[0] == pytest.approx(109_800, abs=100)


def test_real_sentinel_1_item() -> None:
    """Planetary Computer's terrain-corrected radar is linear power with its nodata."""
    item = real_item("stac-geoparquet/sentinel-1-rtc-pc.json")
    assert sensor_of(item) == "sentinel-1"
    bands = scene_from_item(item, "sentinel-1").bands
    assert set(bands) == {"vv", "vh"}
    assert (bands["vv"].scale, bands["vv"].nodata, bands["vv"].decibel) == (1.0, -32768.0, False)


def test_other_sensors_are_left_alone() -> None:
    """A Landsat item is no scene of ours."""
    assert sensor_of(real_item("odc-stac/LC08_L2SR_081119_20200101_20200823_02_T2.json")) is None


@pytest.mark.parametrize(("applied", "offset"), [(True, 0.0), (False, -0.1)])
def test_earth_search_offset_is_not_applied_twice(applied: bool, offset: float) -> None:
    """Earth Search states -0.1 even where the pixels already have it; its flag decides."""
    stated = {"raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1}]}
    bands = find_bands({"red": asset(**stated)}, {"earthsearch:boa_offset_applied": applied}, "sentinel-2")
    assert bands["red"].offset == offset


def test_stated_offset_wins_over_the_baseline() -> None:
    """A provider that states scale and offset 0 for baseline 05.09 has harmonised its pixels."""
    stated = {"raster:bands": [{"scale": 0.0001, "offset": 0}]}
    bands = find_bands({"red": asset(**stated)}, {"s2:processing_baseline": "05.09"}, "sentinel-2")
    assert bands["red"].offset == 0.0


def test_copernicus_keys_take_the_finest_resolution() -> None:
    """Of B02_10m, B02_20m and B02_60m the first is read, with scale and offset from STAC 1.1 bands."""
    bands = [{"name": "B02", "eo:common_name": "blue"}]
    stated = {"raster:scale": 0.0001, "raster:offset": -0.1, "nodata": 0, "bands": bands}
    assets = {
        f"B02_{m}m": asset(f"https://x.org/B02_{m}m.jp2", type="image/jp2", **stated) for m in (60, 20, 10)
    }
    found = find_bands(assets, {}, "sentinel-2")["blue"]
    assert found.href.endswith("B02_10m.jp2")
    assert (found.scale, found.offset, found.nodata) == (1e-4, -0.1, 0.0)


def test_stac_1_1_common_names_of_the_red_edge() -> None:
    """`rededge071`, `rededge075` and `rededge078` are the three red-edge bands; plain `rededge` says too little."""
    names = {"a": "rededge071", "b": "rededge075", "c": "rededge078"}
    assets = {k: asset(bands=[{"name": k, "eo:common_name": n}]) for k, n in names.items()}
    assets["d"] = asset(bands=[{"name": "B8A", "eo:common_name": "rededge"}])
    assert set(find_bands(assets, {}, "sentinel-2")) == {"rededge1", "rededge2", "rededge3", "nir08"}


def test_geotiff_before_jpeg_2000_and_no_pictures() -> None:
    """Earth Search has each band twice, and pictures with the same common names."""
    named = {"eo:bands": [{"name": "blue", "common_name": "blue"}]}
    picture = {"eo:bands": [{"common_name": c} for c in ("red", "green", "blue")]}
    assets = {
        "blue-jp2": asset("https://x.org/b.jp2", type="image/jp2", **named),
        "blue": asset("https://x.org/b.tif", **named),
        "visual": asset("https://x.org/v.tif", **picture),
        "thumbnail": asset("https://x.org/t.tif", roles=["thumbnail"], **named),
    }
    assert {k: b.href for k, b in find_bands(assets, {}, "sentinel-2").items()} == {
        "blue": "https://x.org/b.tif"
    }


def test_decibel_and_upper_case_radar_keys() -> None:
    """Keys VV and VH count, and a stated unit dB is remembered."""
    found = find_bands({"VV": asset(**{"raster:bands": [{"unit": "dB"}]}), "VH": asset()}, {}, "sentinel-1")
    assert found["vv"].decibel and not found["vh"].decibel


def test_season_and_area_limit_the_scenes(tmp_path: Path) -> None:
    """First and last day belong to the season; elevation has none; scenes elsewhere are left out, the rest sorted."""
    dem = Item("dem", "2010-01-01", "cop-dem-glo-30", rasters={"data": np.zeros((8, 8), np.float32)})
    far = optical("far", "2024-07-01", left=500_000.0)
    days = {"before": "2024-04-30", "last": "2025-04-30", "first": "2024-05-01", "after": "2025-05-01"}
    write_catalog(tmp_path, [dem, far, *(optical(name, day) for name, day in days.items())])
    near = shapely.box(-71.4, -35.6, -71.0, -35.2)
    assert [s.id for s in read_scenes(tmp_path, START, END, near)] == ["dem", "first", "last"]
    assert [s.id for s in read_scenes(tmp_path / "catalog.json", START, END)] == [
        "dem",
        "first",
        "far",
        "last",
    ]


def test_flanders() -> None:
    """The real static catalogue: 53 optical and 59 radar scenes in the season, all bands."""
    scenes = read_scenes(shared("stac/flanders_2019"), date(2018, 11, 1), date(2019, 10, 31))
    assert [s.sensor for s in scenes].count("sentinel-2") == 53
    assert [s.sensor for s in scenes].count("sentinel-1") == 59
    assert all(set(s.bands) == {*REFLECTANCE, "scl"} for s in scenes if s.sensor == "sentinel-2")


def test_circular_links_end(tmp_path: Path) -> None:
    """A catalogue that is its own child gives each item once."""
    write_catalog(tmp_path, [optical("a", "2024-07-01")])
    document = json.loads((tmp_path / "catalog.json").read_text())
    document["links"].append({"rel": "child", "href": "./catalog.json"})
    (tmp_path / "catalog.json").write_text(json.dumps(document))
    assert [s.id for s in read_scenes(tmp_path, START, END)] == ["a"]


def test_missing_catalogue(tmp_path: Path) -> None:
    """A path that is not there is named."""
    with pytest.raises(CatalogError, match=r"Expected a STAC catalogue at .*nowhere; got no such file"):
        read_scenes(tmp_path / "nowhere", START, END)


def test_folder_without_catalogue(tmp_path: Path) -> None:
    """A folder without catalog.json is named."""
    with pytest.raises(CatalogError, match=r"Expected a catalog.json in the folder .*; got none"):
        read_scenes(tmp_path, START, END)


@pytest.mark.parametrize(
    "text", ["no JSON", "[]", '{"type": "FeatureCollection", "features": []}', '{"a": 1}']
)
def test_not_a_catalogue(tmp_path: Path, text: str) -> None:
    """A file of anything else says what a catalogue is."""
    (tmp_path / "catalog.json").write_text(text)
    with pytest.raises(CatalogError, match=r"Expected .*STAC.*; got .*\. (Give|Check)"):
        read_scenes(tmp_path, START, END)


def test_broken_item(tmp_path: Path) -> None:
    """A link to a file that is no STAC item stops with the catalogue's name."""
    write_catalog(tmp_path, [optical("a", "2024-07-01")])
    (tmp_path / "sentinel-2-l2a" / "a" / "a.json").write_text('{"type": "Feature"}')
    with pytest.raises(CatalogError, match="Expected STAC JSON in the catalogue"):
        read_scenes(tmp_path, START, END)


def test_missing_item(tmp_path: Path) -> None:
    """A link that leads nowhere stops, with the place."""
    write_catalog(tmp_path, [optical("a", "2024-07-01")])
    (tmp_path / "sentinel-2-l2a" / "a" / "a.json").unlink()
    with pytest.raises(CatalogError, match=r"a\.json"):
        read_scenes(tmp_path, START, END)


def test_empty_catalogue(tmp_path: Path) -> None:
    """A catalogue without items says so."""
    write_catalog(tmp_path, [])
    with pytest.raises(CatalogError, match="got an empty catalogue"):
        read_scenes(tmp_path, START, END)


def test_season_without_scenes_names_the_dates_there_are(tmp_path: Path) -> None:
    """The message tells which dates the catalogue has."""
    write_catalog(tmp_path, [optical("a", "2021-07-01"), radar("b", "2022-01-09", 0.1, 0.02)])
    with pytest.raises(
        CatalogError, match=r"from 2024-05-01 to 2025-04-30 .* got only scenes from 2021-07-01 to 2022"
    ):
        read_scenes(tmp_path, START, END)


def test_area_without_scenes(tmp_path: Path) -> None:
    """An area on another continent says that all scenes lie outside."""
    write_catalog(tmp_path, [optical("a", "2024-07-01")])
    with pytest.raises(CatalogError, match="got 1 scenes outside the area"):
        read_scenes(tmp_path, START, END, shapely.box(4, 50, 5, 51))


def test_other_sensors_only(tmp_path: Path) -> None:
    """A catalogue of other sensors says which ones are wanted."""
    write_catalog(
        tmp_path, [Item("l", "2024-07-01", "landsat-c2-l2", rasters={"red": np.ones((8, 8), np.uint16)})]
    )
    with pytest.raises(CatalogError, match="got 1 items of other sensors"):
        read_scenes(tmp_path, START, END)


def test_missing_band_names_scene_and_band(tmp_path: Path) -> None:
    """A band that one of two scenes lacks is an error, one that both lack is not."""
    whole, part = optical("whole", "2024-07-01"), optical("part", "2024-07-06")
    part.rasters = {k: v for k, v in part.rasters.items() if k != "swir16"}
    write_catalog(tmp_path / "one", [whole, part])
    with pytest.raises(SceneError, match="Expected band swir16 in scene part, as in 1 of 2"):
        read_scenes(tmp_path / "one", START, END)
    whole.rasters = {k: v for k, v in whole.rasters.items() if k != "swir16"}
    write_catalog(tmp_path / "two", [whole, part])
    assert all("swir16" not in s.bands for s in read_scenes(tmp_path / "two", START, END))


@pytest.mark.parametrize(
    ("kept", "message"), [(("red", "nir"), r"\(asset scl\)"), (("scl",), "one of the bands blue")]
)
def test_scene_without_classification_or_bands(tmp_path: Path, kept: tuple[str, ...], message: str) -> None:
    """No scl, or no reflectance at all, names the scene and what it has."""
    item = optical("bare", "2024-07-01")
    item.rasters = {k: v for k, v in item.rasters.items() if k in kept}
    write_catalog(tmp_path, [item])
    with pytest.raises(SceneError, match=rf"{message}.*got the assets"):
        read_scenes(tmp_path, START, END)


@pytest.mark.parametrize("href", ["/vsizip/x.zip/a.tif", "zip://x.zip!a.tif", "ftp://x.org/a.tif"])
def test_assets_that_are_no_plain_files_are_refused(tmp_path: Path, href: str) -> None:
    """GDAL's special paths do not get through from a catalogue."""
    item = optical("odd", "2024-07-01")
    write_catalog(tmp_path, [item])
    path = tmp_path / "sentinel-2-l2a" / "odd" / "odd.json"
    document = json.loads(path.read_text())
    document["assets"]["red"]["href"] = href
    path.write_text(json.dumps(document))
    with pytest.raises(
        SceneError, match=r"Expected a file, an http.s. or an s3 address for band red of scene odd"
    ):
        read_scenes(tmp_path, START, END)


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    """A web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """A folder on the web, without log lines."""

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def test_catalogue_on_the_web(tmp_path: Path) -> None:
    """A static catalogue by its address gives assets by their addresses."""
    write_catalog(tmp_path, [optical("a", "2024-07-01")])
    with serving(functools.partial(Quiet, directory=str(tmp_path))) as address:
        scene = read_scenes(f"{address}/catalog.json", START, END)[0]
        assert scene.bands["red"].href == f"{address}/sentinel-2-l2a/a/red.tif"


def test_catalogue_on_the_web_cannot_lead_to_local_files(tmp_path: Path) -> None:
    """Neither a link nor an asset of a catalogue from the network may name a file of this machine."""
    write_catalog(tmp_path, [optical("a", "2024-07-01")])
    item = tmp_path / "sentinel-2-l2a" / "a" / "a.json"
    document = json.loads(item.read_text())
    document["assets"]["red"]["href"] = "file:///etc/hostname.tif"
    item.write_text(json.dumps(document))
    with serving(functools.partial(Quiet, directory=str(tmp_path))) as address:
        with pytest.raises(
            SceneError, match=r"Expected an http.s. address or a known s3 bucket for band red of scene a"
        ):
            read_scenes(f"{address}/catalog.json", START, END)
        root = json.loads((tmp_path / "catalog.json").read_text())
        root["links"] = [{"rel": "child", "href": "file:///etc/passwd"}]
        (tmp_path / "catalog.json").write_text(json.dumps(root))
        with pytest.raises(CatalogError, match="Expected links to http"):
            read_scenes(f"{address}/catalog.json", START, END)


def test_unreachable_address() -> None:
    """A server that does not answer is named, with what to check."""
    with pytest.raises(
        CatalogError, match=r"at http://127\.0\.0\.1:9/catalog.json; got no answer: .*\. Check the path"
    ):
        read_scenes("http://127.0.0.1:9/catalog.json", START, END)


class SmallApi(BaseHTTPRequestHandler):
    """A STAC API of two collections; keeps the searches it was asked for."""

    searches: list[dict[str, Any]]
    items: dict[str, list[dict[str, Any]]]

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Landing page and collections."""
        root = f"http://{self.headers['Host']}"
        collections = [collection_json(name) for name in self.items]
        self._answer(
            {"collections": collections, "links": []} if "collections" in self.path else landing_json(root)
        )

    def do_POST(self) -> None:
        """Search."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.searches.append(asked)
        features = self.items[asked["collections"][0]]
        self._answer({"type": "FeatureCollection", "features": features, "links": []})

    def _answer(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def api_item(item: Item) -> dict[str, Any]:
    """An item as an API answers it."""
    return item_json(item, {key: asset(f"https://x.org/{item.id}/{key}.tif") for key in item.rasters})


def test_api() -> None:
    """An API is searched by collection, area and season; without an area the user is told."""
    searches: list[dict[str, Any]] = []
    items = {
        "sentinel-2-l2a": [api_item(optical("a", "2024-07-01"))],
        "sentinel-1-rtc": [api_item(radar("b", "2024-07-02", 0.1, 0.02))],
        "something-else": [],
    }
    handler = type("Api", (SmallApi,), {"searches": searches, "items": items})
    near = shapely.box(-71.4, -35.6, -71.0, -35.2)
    with serving(handler) as address:
        assert [s.id for s in read_scenes(address, START, END, near)] == ["a", "b"]
        with pytest.raises(CatalogError, match="Expected an area to search the API"):
            read_scenes(address, START, END)
    assert [s["collections"] for s in searches] == [["sentinel-2-l2a"], ["sentinel-1-rtc"]]
    assert searches[0]["datetime"] == "2024-05-01T00:00:00Z/2025-04-30T23:59:59Z"
    assert searches[0]["bbox"] == list(near.bounds)


def test_api_without_a_known_collection() -> None:
    """An API of other data names the collections it has."""
    handler = type("Api", (SmallApi,), {"searches": [], "items": {"something-else": []}})
    with serving(handler) as address, pytest.raises(CatalogError, match="got something-else"):
        read_scenes(address, START, END, shapely.box(-71.4, -35.6, -71.0, -35.2))


@pytest.mark.parametrize(
    "change",
    [
        {"proj:epsg": 99999999},
        {"raster:bands": [{"scale": "much"}]},
        {"proj:transform": {"a": 10}},
        {"proj:shape": ["a", "b"]},
        {"bands": 7},
    ],
)
def test_fields_that_are_not_stac(tmp_path: Path, change: dict[str, Any]) -> None:
    """Nonsense in an item from somewhere is an error that names the scene."""
    item = optical("odd", "2024-07-01")
    item.asset_fields = {**item.asset_fields, **change}
    write_catalog(tmp_path, [item])
    with pytest.raises(SceneError, match="Expected the fields of scene odd as STAC describes them"):
        read_scenes(tmp_path, START, END)
