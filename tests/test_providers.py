"""Archives by name, their items, their signatures and their buckets, tried on servers of this machine."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pystac
import pytest
import rasterio.shutil
import shapely
from affine import Affine
from cog_scenes import as_cog, cog_catalog, hasty, season_items, speckled, window_at
from range_server import Fault, RangeServer
from s3_server import SECRETS, S3Server
from stac_catalogs import BANDS_10M, BANDS_20M, CRS, LEFT, TOP, Item, item_json, write_raster

from surco.embedstore import Season
from surco.encoder.assets import Band
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import compose
from surco.encoder.errors import CatalogError, SceneError
from surco.encoder.leading import checked, place_of
from surco.encoder.providers import PROVIDERS, Access, Bucket, Buckets, SasTokens, find_provider
from surco.encoder.rasters import read_band
from surco.encoder.reading.addresses import is_public_address, redacted
from surco.encoder.scenes import scene_from_item, sensor_of

SEASON = Season(2024)
AREA = shapely.box(-71.4, -35.6, -71.0, -35.2)
NAMES = dict(
    zip((*BANDS_10M, *BANDS_20M), ("02", "03", "04", "08", "05", "06", "07", "8A", "11", "12"), strict=True)
)
MOTION = {"blue": "blue", "green": "green", "red": "red", "nir": "nir", "rededge1": "rededge071"}
MOTION |= {
    "rededge2": "rededge075",
    "rededge3": "rededge078",
    "nir08": "nir08",
    "swir16": "swir16",
    "swir22": "swir22",
}
CDSE_KEYS = {"CDSE_S3_ACCESS_KEY": "CDSEKEYNEVERSHOWN", "CDSE_S3_SECRET_KEY": "cdse-secret-never-shown"}
SAFE = "Sentinel-2/MSI/L2A/2024/07/01/S2A_MSIL2A_20240701T144731_N0510_R139_T19HBB_20240701T200000.SAFE"
IMAGES = f"{SAFE}/GRANULE/L2A_T19HBB_A047160_20240701T144729/IMG_DATA"


def cdse_item() -> dict[str, Any]:
    """An item as the Copernicus Data Space states it (STAC 1.1): every band at each of its resolutions, in s3://eodata."""
    assets: dict[str, Any] = {}
    for name, band in NAMES.items():
        for metres in (10, 20, 60) if name in BANDS_10M else (20, 60):
            key = f"B{band}_{metres}m"
            href = f"s3://eodata/{IMAGES}/R{metres}m/T19HBB_20240701T144731_{key}.jp2"
            assets[key] = {
                "href": href, "type": "image/jp2", "roles": ["data", "reflectance"], "gsd": metres, "nodata": 0,
                "data_type": "uint16", "raster:scale": 0.0001, "raster:offset": -0.1, "proj:code": CRS,
                "proj:shape": [10980 * 10 // metres] * 2, "auth:refs": ["s3"],
                "proj:transform": [metres, 0, LEFT, 0, -metres, TOP],
                "bands": [{"name": f"B{band}", "eo:common_name": MOTION[name]}],
                "alternate": {"https": {"href": "https://download.dataspace.copernicus.eu/", "auth:refs": ["oidc"]}},
            }  # fmt: skip
    scl = f"s3://eodata/{IMAGES}/R20m/T19HBB_20240701T144731_SCL_20m.jp2"
    assets["SCL_20m"] = {
        "href": scl,
        "type": "image/jp2",
        "roles": ["data"],
        "gsd": 20,
        "nodata": 0,
        "proj:code": CRS,
    }
    picture = {"roles": ["visual"], "bands": [{"name": "B04"}, {"name": "B03"}, {"name": "B02"}]}
    assets["TCI_10m"] = {"href": scl.replace("SCL", "TCI"), "type": "image/jp2", **picture}
    granule = {"B02_10m": np.broadcast_to(np.uint16(0), (10980, 10980))}
    stated = Item(
        "S2A_MSIL2A_20240701", "2024-07-01", rasters=granule, properties={"processing:version": "05.10"}
    )
    found = item_json(stated, assets)
    return {**found, "stac_version": "1.1.0"}


def earth_search_item() -> dict[str, Any]:
    """An item of Earth Search's Collection 1: keys by common name, offset stated, pixels as ESA delivers them."""
    root = "https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/sentinel-2-c1-l2a/19/H/BB/2024/7/S2A"
    assets: dict[str, Any] = {}
    for name, band in NAMES.items():
        assets[name] = {
            "href": f"{root}/B{band}.tif", "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "eo:bands": [{"name": f"B{band}", "common_name": name if name in BANDS_10M else "rededge"}],
            "roles": ["data", "reflectance"],
            "raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}],
        }  # fmt: skip
    assets["scl"] = {"href": f"{root}/SCL.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
    assets["preview"] = {
        "href": f"{root}/L2A_PVI.tif",
        "type": "image/tiff; application=geotiff",
        "roles": ["overview"],
    }
    facts = {"s2:processing_baseline": "05.10", "earthsearch:boa_offset_applied": False}
    return item_json(Item("S2A_T19HBB_20240701", "2024-07-01", "sentinel-2-c1-l2a", properties=facts), assets)


@pytest.mark.parametrize("build", [cdse_item, earth_search_item])
def test_items_of_archives(build: Any) -> None:
    """Ten bands at their finest, the classification, scale, and the offset of their baseline."""
    item = pystac.Item.from_dict(build())
    scene = scene_from_item(item, sensor_of(item))
    assert set(scene.bands) == {*BANDS_10M, *BANDS_20M, "scl"}
    assert {scene.bands[name].offset for name in NAMES} == {-0.1}
    assert {scene.bands[name].scale for name in NAMES} == {1e-4}
    assert all("_60m" not in band.href and "TCI" not in band.href for band in scene.bands.values())
    assert "10m" in scene.bands["red"].href or "B04.tif" in scene.bands["red"].href
    assert "SCL" in scene.bands["scl"].href and "B8A" in scene.bands["nir08"].href


def test_archives_by_name() -> None:
    """A name, a name with a collection, and the address of the API mean the archive; anything else does not."""
    for name, provider in PROVIDERS.items():
        assert find_provider(name) is provider and find_provider(f"{provider.api}/") is provider
    assert find_provider("planetary-computer/sentinel-1-rtc").collections == (("sentinel-1-rtc",),)
    assert find_provider("./earth-search") is None and find_provider("https://example.org/stac") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cdse/sentinel-1-grd", r"got sentinel-1-grd: .*without terrain correction.*planetary-computer"),
        ("earth-search/sentinel-1-grd", "without terrain correction"),
        ("cdse/sentinel-2-l1c", "not corrected for the atmosphere"),
        (
            "earth-search/landsat-c2-l2",
            r"Expected one of the collections sentinel-2-c1-l2a, .*got 'landsat-c2-l2'",
        ),
        ("nowhere", "name an archive: earth-search, planetary-computer, cdse"),
    ],
)
def test_collections_of_no_use(text: str, said: str) -> None:
    """Radar without terrain correction, other levels, unknown names: refused in one sentence, before any request."""
    with pytest.raises(CatalogError, match=said):
        read_scenes(text, SEASON.start, SEASON.end, AREA)


def test_radar_geometry_in_any_catalogue(tmp_path: Path) -> None:
    """A GRD item in a catalogue of one's own is refused as well; corrected scenes that state GRD as product are not."""
    items = season_items(64)
    grd = replace(items[4], collection="sentinel-1-grd", id="grd")
    with pytest.raises(SceneError, match=r"terrain correction \(RTC\); got scene grd of sentinel-1-grd"):
        read_scenes(cog_catalog(tmp_path / "a", [*items, grd]), SEASON.start, SEASON.end)
    rtc = replace(items[4], properties={"sar:product_type": "GRD"})
    assert read_scenes(cog_catalog(tmp_path / "b", [rtc]), SEASON.start, SEASON.end)[0].sensor == "sentinel-1"


def planetary(server: RangeServer) -> tuple[Any, Access]:
    """Planetary Computer as this server plays it: its API, its tokens, its blobs."""
    provider = replace(PROVIDERS["planetary-computer"], api=f"{server.address}/stac")
    return provider, Access(SasTokens(f"{server.address}/token", hosts=("127.0.0.1",)))


@pytest.fixture
def signed(tmp_path: Path) -> Iterator[RangeServer]:
    """A season of scenes behind tokens, with an API that lists them."""
    cog_catalog(tmp_path / "blobs" / "all", season_items(256))
    with RangeServer(tmp_path, signed="/blobs/") as server:
        collections: dict[str, list[Any]] = {}
        for path in (tmp_path / "blobs").rglob("*.json"):
            document = json.loads(path.read_text())
            if document["type"] != "Feature":
                continue
            for asset in document["assets"].values():
                folder = path.parent.relative_to(tmp_path)
                asset["href"] = f"{server.address}/{folder}/{asset['href'].removeprefix('./')}"
            collections.setdefault(document["collection"], []).append(document)
        server.api.collections, server.api.page = {"sentinel-1-grd": [], **collections}, 3
        yield server


def test_planetary_computer(signed: RangeServer, tmp_path: Path) -> None:
    """Scenes are found page by page; rasters are read with one token; the composite is that of the files."""
    provider, access = planetary(signed)
    scenes = read_scenes(provider, SEASON.start, SEASON.end, AREA, access)
    assert {scene.sensor for scene in scenes} == {"sentinel-2", "sentinel-1", "dem"} and len(scenes) == 7
    assert [s["collections"][0] for s in signed.api.searches] == ["sentinel-2-l2a"] * 2 + [
        "sentinel-1-rtc",
        "cop-dem-glo-30",
    ]
    near = read_scenes(tmp_path / "blobs" / "all", SEASON.start, SEASON.end)
    with hasty(access) as reader:
        far, files = (compose(each, window_at(size=96), SEASON, reader) for each in (scenes, near))
    np.testing.assert_array_equal(far.tile.values, files.tile.values)
    assert len(signed.tokens) == 1
    assert not any("sig=" in band.href for scene in scenes for band in scene.bands.values())


def test_a_token_that_runs_out_meanwhile(signed: RangeServer) -> None:
    """One refusal renews the token, once for all threads, and the reading goes on."""
    provider, access = planetary(signed)
    scenes = read_scenes(provider, SEASON.start, SEASON.end, AREA, access)
    with hasty(access) as reader:
        compose(scenes, window_at(size=32), SEASON, reader)
        signed.expire()
        compose(scenes, window_at(200, 200, 32), SEASON, reader)
        assert signed.tokens == ["secret0", "none", "secret2"]
        assert reader.counts.renewals >= 1 and reader.counts.retries == 0


def test_tokens_are_renewed_before_they_end(signed: RangeServer) -> None:
    """A token with less than five minutes left is not used for another read."""
    provider, access = planetary(signed)
    scene = read_scenes(provider, SEASON.start, SEASON.end, AREA, access)[1]
    signed.token_life = timedelta(minutes=4)
    with hasty(access) as reader:
        for at in (0, 200):
            band = scene.bands["red"]
            read_band(band, window_at(at, at, 16), scene.id, "red", reader=reader)
    assert len(signed.tokens) >= 2 and not any(each.status == 403 for each in signed.asked)


def test_refused_for_good_shows_no_signature(signed: RangeServer) -> None:
    """A server that takes no token is an error after one renewal; neither token nor query is in what is said."""
    provider, access = planetary(signed)
    scene = read_scenes(provider, SEASON.start, SEASON.end, AREA, access)[1]
    band = scene.bands["red"]
    signed.every[band.href.removeprefix(signed.address)] = Fault("status", 403)
    with (
        hasty(access) as reader,
        pytest.raises(SceneError, match=r"HTTP status 403 \(not allowed\)") as raised,
    ):
        read_band(band, window_at(), scene.id, "red", reader=reader)
    chain, error = "", raised.value
    while error is not None:
        chain, error = chain + str(error), error.__cause__ or error.__context__
    assert "secret" not in chain and "?" not in chain and len(signed.tokens) == 2


def test_the_subscription_key_goes_to_the_tokens_only(
    signed: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PC_SDK_SUBSCRIPTION_KEY is sent with the request of a token, never to a raster."""
    monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "a-key")
    provider, access = planetary(signed)
    scene = read_scenes(provider, SEASON.start, SEASON.end, AREA, access)[1]
    with hasty(access) as reader:
        read_band(scene.bands["red"], window_at(), scene.id, "red", reader=reader)
    keyed = {each.path for each in signed.asked if "a-key" in each.header.values()}
    assert keyed == {"/token/127/blobs"}


def test_answers_without_a_token(tmp_path: Path) -> None:
    """What the token's server says is never repeated; what is missing is said."""
    (tmp_path / "token").mkdir()
    with RangeServer(tmp_path) as server:
        access = Access(SasTokens(f"{server.address}/blobs", hosts=("127.0.0.1",)))
        (tmp_path / "blobs" / "127").mkdir(parents=True)
        (tmp_path / "blobs" / "127" / "c").write_text('{"password": "hush"}')
        with hasty(access) as reader, pytest.raises(SceneError, match="an answer without a token") as raised:
            read_band(Band(f"{server.address}/c/a.tif"), window_at(), "s", "red", reader=reader)
    assert "hush" not in str(raised.value)


@pytest.fixture(scope="module")
def one_s3() -> Iterator[S3Server]:
    """One S3 server for all tests here."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(one_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, and an environment without keys."""
    one_s3.reset()
    for name in [name for name in os.environ if name.startswith(("AWS_", "CDSE_"))]:
        monkeypatch.delenv(name)
    return one_s3


def put_folder(server: S3Server, bucket: str, folder: Path) -> None:
    """Put all files of a folder into a new bucket."""
    server.put(bucket)
    for path in folder.rglob("*"):
        if path.is_file():
            server.put(f"{bucket}/{path.relative_to(folder)}", path.read_bytes())


def test_scenes_in_ones_own_bucket(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A static catalogue in an S3-compatible store: JSON and rasters, signed, to the same composite as from files."""
    cog_catalog(tmp_path, season_items(96))
    put_folder(s3, "valley-scenes", tmp_path)
    for name, value in {**SECRETS, "AWS_ENDPOINT_URL": s3.endpoint, "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    scenes = read_scenes("s3://valley-scenes", SEASON.start, SEASON.end)
    assert {band.href.split("/")[2] for scene in scenes for band in scene.bands.values()} == {"valley-scenes"}
    near = read_scenes(tmp_path, SEASON.start, SEASON.end)
    with hasty() as reader:
        far, files = (compose(each, window_at(size=80), SEASON, reader) for each in (scenes, near))
    np.testing.assert_array_equal(far.tile.values, files.tile.values)


def jp2(path: Path, numbers: np.ndarray, metres: float) -> None:
    """A lossless JPEG 2000 in tiles, as Sentinel-2 products have them."""
    write_raster(path.with_suffix(".tif"), numbers, Affine(metres, 0, LEFT, 0, -metres, TOP), CRS)
    options = {
        "driver": "JP2OpenJPEG",
        "QUALITY": "100",
        "REVERSIBLE": "YES",
        "BLOCKXSIZE": "128",
        "BLOCKYSIZE": "128",
    }
    rasterio.shutil.copy(path.with_suffix(".tif"), path, **options)
    path.with_suffix(".tif").unlink()


def test_copernicus_data_space(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG 2000 of a SAFE in s3://eodata, with CDSE's own keys; without them the message names the variables."""
    s3.put("eodata")
    numbers = {name: speckled(256 if name in BANDS_10M else 128, place) for place, name in enumerate(NAMES)}
    numbers["scl"] = np.full((128, 128), 4, np.uint8)
    item = pystac.Item.from_dict(cdse_item())
    scene = scene_from_item(item, "sentinel-2")
    for name, band in scene.bands.items():
        jp2(tmp_path / "a.jp2", numbers[name], 10 if name in BANDS_10M else 20)
        s3.put(band.href.removeprefix("s3://"), (tmp_path / "a.jp2").read_bytes())
    known = {"eodata": Bucket(s3.endpoint, ("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY"), "Make them there")}
    window = window_at(100, 100, 64)
    with hasty(Access(buckets=Buckets(known))) as reader:
        with pytest.raises(
            SceneError, match="no CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY in the environment"
        ):
            read_band(scene.bands["red"], window, scene.id, "red", reader=reader)
        for name, value in {**CDSE_KEYS, "AWS_SESSION_TOKEN": "of-another-service"}.items():
            monkeypatch.setenv(name, value)
        assert "of-another" not in Buckets(known).signed("s3://eodata/a.jp2", None).url
        found = read_band(scene.bands["red"], window, scene.id, "red", reader=reader)
        np.testing.assert_array_equal(found, numbers["red"][100:164, 100:164])
        assert compose([scene], window, SEASON, reader).n_optical.min() == 1
        s3.before = lambda request: ("403 Forbidden", b"<Error/>") if "B02" in request.name else None
        reader.forget(scene.bands["blue"].href)
        with pytest.raises(SceneError, match="not allowed") as raised:
            read_band(scene.bands["blue"], window, scene.id, "blue", reader=reader)
    assert not any(secret in str(raised.value) for secret in (*CDSE_KEYS.values(), "X-Amz"))


def test_public_buckets_are_asked_without_a_signature(s3: S3Server, tmp_path: Path) -> None:
    """Earth Search's buckets need no key, and none is sent; they are at the region that they are in."""
    write_raster(tmp_path / "a.tif", speckled(128, 1), Affine(10, 0, LEFT, 0, -10, TOP), CRS)
    as_cog(tmp_path / "a.tif")
    s3.put("sentinel-cogs")
    for_all = {"x-amz-acl": "public-read", "X-Past-Hooks": "1"}
    httpx.put(
        f"{s3.endpoint}/sentinel-cogs/19/B04.tif", content=(tmp_path / "a.tif").read_bytes(), headers=for_all
    )
    with hasty(Access(buckets=Buckets({"sentinel-cogs": Bucket(s3.endpoint)}))) as reader:
        found = read_band(Band("s3://sentinel-cogs/19/B04.tif"), window_at(), "s", "red", reader=reader)
    np.testing.assert_array_equal(found, speckled(128, 1)[:64, :64])
    plain = Buckets().signed("s3://e84-earth-search-sentinel-data/a b/B04.tif", None)
    assert plain.url == "https://s3.us-west-2.amazonaws.com/e84-earth-search-sentinel-data/a%20b/B04.tif"
    assert not plain.renewable


@pytest.mark.parametrize(
    ("place", "href", "allowed"),
    [
        ("public", "https://sentinel-cogs.s3.us-west-2.amazonaws.com/a.tif", True),
        ("public", "s3://copernicus-dem-30m/a.tif", True),
        ("public", "s3://somebodys-own/a.tif", False),
        ("public", "http://127.0.0.1/a.tif", False),
        ("public", "http://[::1]/a.tif", False),
        ("public", "http://169.254.169.254/latest/meta-data/a.tif", False),
        ("public", "http://10.0.0.7/a.tif", False),
        ("public", "http://localhost:9000/a.tif", False),
        ("public", "file:///etc/hostname.tif", False),
        ("private", "http://10.0.0.7/a.tif", True),
        ("private", "s3://somebodys-own/a.tif", False),
        ("private", "/etc/hostname.tif", False),
        ("local", "/data/a.tif", True),
        ("local", "s3://somebodys-own/a.tif", True),
        ("local", "/vsicurl/http://x.org/a.tif", False),
        ("local", "ftp://x.org/a.tif", False),
    ],
)
def test_where_a_catalogue_may_lead(s3: S3Server, place: Any, href: str, allowed: bool) -> None:
    """Never from a network to a file, from the public network to a private address, or to an unknown bucket."""
    item = pystac.Item.from_dict(earth_search_item())
    scene = scene_from_item(item, "sentinel-2")
    scene = replace(scene, bands={"red": replace(scene.bands["red"], href=href)})
    if allowed:
        assert checked(place, Access(), scene).bands["red"].public == (place == "public")
    else:
        with pytest.raises(SceneError, match="for band red of scene S2A_T19HBB_20240701; got"):
            checked(place, Access(), scene)


def test_ones_own_endpoint_may_be_led_to(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where AWS_ENDPOINT_URL names a service of one's own, catalogues on the network may name its buckets."""
    assert not Access().may_be_asked("s3://archive/a.tif")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    assert Access().may_be_asked("s3://archive/a.tif")


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("127.0.0.1", False), ("10.1.2.3", False), ("169.254.169.254", False), ("::1", False),
     ("::ffff:10.0.0.1", False), ("100.64.0.1", False), ("fe80::1%eth0", False), ("2606:4700::1111", True)],
)  # fmt: skip
def test_addresses_of_the_public_network(address: str, public: bool) -> None:
    """Loopback, private, link-local and mapped ones are not."""
    assert is_public_address(address) == public


def test_places_of_catalogues(tmp_path: Path) -> None:
    """A folder is local, this machine's server private; a name that nobody knows is taken for public."""
    assert place_of(str(tmp_path)) == "local" and place_of("http://127.0.0.1:1/stac") == "private"
    assert place_of("https://nobody-has-this.invalid/stac") == "public"


def test_messages_without_queries() -> None:
    """Every address in a text loses its query, its password and its fragment."""
    text = "got https://u:p@x.org/a.tif?sig=1&se=2#f and s3://b/k?X-Amz-Signature=9 (why)"
    assert redacted(text) == "got https://x.org/a.tif and s3://b/k (why)"


def test_encoding_says_what_it_read(tmp_path: Path) -> None:
    """`surco encode` of a catalogue on the web says how many bytes and requests it took; a second run reads nothing."""
    from click.testing import CliRunner

    from surco.api.cli import main

    cog_catalog(tmp_path / "scenes", season_items(64))
    with RangeServer(tmp_path / "scenes") as server:
        words = ["encode", "--stac", f"{server.address}/catalog.json", "--season", "2024-25", "--res", "9"]
        words += ["--model", "band-mean", "--store", str(tmp_path / "s.store")]
        first, second = (CliRunner().invoke(main, words) for _ in range(2))
        assert first.exit_code == second.exit_code == 0, first.output
        assert re.search(r"Read \d+\.\d MB in \d+ requests\.", first.output)
        assert "nothing to do" in second.output and "Read" not in second.output
        bad = CliRunner().invoke(main, [*words[:2], "cdse/sentinel-1-grd", *words[3:]])
        assert bad.exit_code == 2 and "without terrain correction" in " ".join(bad.output.split())
