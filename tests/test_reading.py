"""Reading rasters over HTTP: the same bits as from a disk, only what is needed, and never a wrong one."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil
from cog_scenes import as_cog, cog_catalog, hasty, season_items, speckled, window_at
from range_server import Fault, RangeServer
from stac_catalogs import CRS, LEFT, TOP, write_raster

from surco.embedstore import Season
from surco.encoder.assets import Band
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import Composite, compose
from surco.encoder.errors import EncoderError, SceneError
from surco.encoder.rasters import read_band
from surco.encoder.reader import Reader
from surco.encoder.reading import ReadCounts, read_ahead
from surco.encoder.scenes import Scene

SEASON = Season(2024)
PIXELS = 512


def raster(folder: Path, name: str = "a.tif", pixels: int = PIXELS) -> np.ndarray:
    """One COG of random numbers, in blocks of 128."""
    from affine import Affine

    numbers = speckled(pixels, 7)
    write_raster(folder / name, numbers, Affine(10, 0, LEFT, 0, -10, TOP), CRS)
    as_cog(folder / name)
    return numbers


def band_of(server: RangeServer, name: str = "a.tif") -> Band:
    """The band at a server."""
    return Band(f"{server.address}/{name}")


def over(server: RangeServer, reader: Reader, size: int = 64, at: int = 0, name: str = "a.tif") -> np.ndarray:
    """A window of it."""
    return read_band(band_of(server, name), window_at(at, at, size), "s", "red", reader=reader)


def assert_same(one: Composite, other: Composite) -> None:
    """Every bit."""
    for name in ("values", "valid", "dates", "static"):
        np.testing.assert_array_equal(getattr(one.tile, name), getattr(other.tile, name))
    np.testing.assert_array_equal(one.n_optical, other.n_optical)
    np.testing.assert_array_equal(one.n_radar, other.n_radar)


def scenes_of(place: str | Path) -> list[Scene]:
    """The scenes of a catalogue in the season."""
    return read_scenes(place, SEASON.start, SEASON.end)


def test_composites_over_http_are_those_of_the_disk(tmp_path: Path) -> None:
    """Windows of scenes read over HTTP, with a latency, by many threads, have the bits of those read from files."""
    cog_catalog(tmp_path, season_items())
    near = scenes_of(tmp_path)
    with RangeServer(tmp_path, latency=0.005) as server, hasty() as reader:
        far = scenes_of(f"{server.address}/catalog.json")
        assert all(scene.bands["red"].href.startswith("http") for scene in far if "red" in scene.bands)
        for window in (window_at(0, 0, 96), window_at(90, 120, 100), window_at(200, 200, 96)):
            assert_same(compose(far, window, SEASON, reader), compose(near, window, SEASON))
        assert reader.counts.retries == 0 and reader.counts.bytes_read == server.sent()


def test_only_the_blocks_of_the_window_are_asked_for_once(tmp_path: Path) -> None:
    """A window costs its blocks and a header; its neighbours in the same blocks, and a second look, cost nothing."""
    numbers = raster(tmp_path, pixels=1024)
    size = (tmp_path / "a.tif").stat().st_size
    with RangeServer(tmp_path) as server, hasty() as reader:
        np.testing.assert_array_equal(over(server, reader, 100), numbers[:100, :100])
        first = reader.counts
        assert first.requests <= 3 and first.bytes_read < 32_768 + 128 * 128 * 2 + 2 * 16_384 < size / 20
        np.testing.assert_array_equal(over(server, reader, 28, at=100), numbers[100:128, 100:128])
        assert reader.counts == first
        over(server, reader, 28, at=500)
        assert reader.counts.requests == first.requests + 2, "two neighbours of each of two rows of blocks"


def test_many_threads_ask_once(tmp_path: Path) -> None:
    """Sixteen readers of one window share its requests."""
    numbers = raster(tmp_path)
    with RangeServer(tmp_path, latency=0.05) as server, hasty() as reader, ThreadPoolExecutor(16) as pool:
        for found in pool.map(lambda _: over(server, reader), range(16)):
            np.testing.assert_array_equal(found, numbers[:64, :64])
        assert len(server.asked) <= 3


def test_a_small_cache_costs_requests_and_nothing_else(tmp_path: Path) -> None:
    """With room for two pages everything is right, and dropped pages are asked for again."""
    numbers = raster(tmp_path)
    with RangeServer(tmp_path) as server, hasty(cache_bytes=40_000) as reader:
        for _ in range(2):
            np.testing.assert_array_equal(over(server, reader, 300), numbers[:300, :300])
        once = reader.counts
        assert once.bytes_read > 300 * 300 * 2


def test_cloudy_scenes_cost_their_classification_only(tmp_path: Path) -> None:
    """Where the classification shows nothing of the land no band of the scene is opened."""
    cog_catalog(tmp_path, season_items(cloudy=("b", "c")))
    with RangeServer(tmp_path) as server, hasty() as reader:
        compose(scenes_of(f"{server.address}/catalog.json"), window_at(0, 0, 64), SEASON, reader)
        opened = {each.path.split("/")[-2:][0] for each in server.asked if each.path.endswith("red.tif")}
        assert opened == {"a", "d"}
        assert {each.path.split("/")[-2] for each in server.asked if each.path.endswith("scl.tif")} == set(
            "abcd"
        )


@pytest.mark.parametrize(("metres", "factor"), [(20.0, 2), (40.0, 4), (55.0, 4), (15.0, 1)])
def test_the_fitting_overview_is_read(tmp_path: Path, metres: float, factor: int) -> None:
    """A coarser window reads the coarsest overview that is as fine as it is, and few bytes."""
    raster(tmp_path, pixels=2048)
    with RangeServer(tmp_path) as server, hasty() as reader:
        window = window_at(0, 0, 256, metres)
        found = read_band(band_of(server), window, "s", "red", reader=reader)
        assert np.isfinite(found[: round(2048 * 10 / metres) - 1, : round(2048 * 10 / metres) - 1]).all()
        pixels = (256 * metres / 10 / factor) ** 2
        assert reader.counts.bytes_read < 1.6 * 2 * pixels + 200_000


def test_overviews_of_files_too(tmp_path: Path) -> None:
    """From a disk the same overview is read as over HTTP."""
    raster(tmp_path)
    window = window_at(0, 0, 64, 40.0)
    with RangeServer(tmp_path) as server, hasty() as reader:
        far = read_band(band_of(server), window, "s", "red", reader=reader)
        near = read_band(Band(str(tmp_path / "a.tif")), window, "s", "red", reader=reader)
    np.testing.assert_array_equal(far, near)


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("status", 503), Fault("status", 500)],
        [Fault("status", 429, retry_after="0")],
        [Fault("cut"), Fault("cut")],
        [Fault("short")],
        [Fault("shifted"), Fault("short")],
        [Fault("stall")],
        [Fault("late", seconds=2.0)],
    ],
    ids=lambda faults: "+".join(f"{f.kind}{f.code if f.kind == 'status' else ''}" for f in faults),
)
@pytest.mark.parametrize("warm", [False, True], ids=["header", "block"])
def test_passing_faults_pass(tmp_path: Path, faults: list[Fault], warm: bool) -> None:
    """A busy server, cut, short or wrong answers, silence: asked again, and the numbers are right to the bit."""
    numbers = raster(tmp_path)
    with RangeServer(tmp_path) as server, hasty() as reader:
        if warm:
            over(server, reader)
        server.fail("/a.tif", *faults)
        np.testing.assert_array_equal(over(server, reader, 60, at=400), numbers[400:460, 400:460])
        assert reader.counts.retries == len(faults) and not server.faults["/a.tif"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("status", 503), "HTTP status 503 .*4 times in a row"),
        (Fault("cut"), "IncompleteRead|ProtocolError"),
        (Fault("short"), "bytes .* instead of"),
        (Fault("shifted"), "bytes .* instead of"),
        (Fault("stall"), "ReadTimeout|in 0 s"),
        (Fault("drip"), "only .* bytes in"),
        (Fault("whole"), "serves no ranges"),
        (Fault("spoilt"), "Raster|IReadBlock|not recognized"),
        (Fault("status", 403), "not allowed"),
        (Fault("status", 404), "HTTP status 404"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("warm", [False, True], ids=["header", "block"])
def test_lasting_faults_are_errors(tmp_path: Path, fault: Fault, reason: str, warm: bool) -> None:
    """What does not pass is an error that names scene, band and reason; never zeros, never half a window."""
    raster(tmp_path)
    with RangeServer(tmp_path) as server, hasty() as reader:
        if warm:
            over(server, reader)
        server.every["/a.tif"] = fault
        with pytest.raises(SceneError, match=rf"Expected to read band red of scene s; got .*({reason})"):
            over(server, reader, 60, at=400)


def test_what_cannot_pass_is_asked_once(tmp_path: Path) -> None:
    """A file that is not there, or that may not be read, is not asked for again and again."""
    with RangeServer(tmp_path) as server, hasty() as reader:
        for code in (404, 410, 403, 400):
            server.fail("/a.tif", Fault("status", code))
            with pytest.raises(SceneError, match=f"HTTP status {code}"):
                over(server, reader)
        assert len(server.asked) == 4 and reader.counts.retries == 0


def test_retry_after_is_kept(tmp_path: Path) -> None:
    """The server's own word on when to come again is followed, within the limit."""
    raster(tmp_path)
    with RangeServer(tmp_path) as server, hasty() as reader:
        server.fail("/a.tif", Fault("status", 429, retry_after="3600"))
        over(server, reader)
        assert 0.15 < reader.counts.waited_s <= 0.2


def test_a_file_replaced_meanwhile(tmp_path: Path) -> None:
    """Header of one version, blocks of another: read from the beginning again, and an error where it goes on so."""
    numbers = raster(tmp_path)
    with RangeServer(tmp_path) as server, hasty() as reader:
        over(server, reader)
        server.fail("/a.tif", Fault("changed"))
        np.testing.assert_array_equal(over(server, reader, 60, at=400), numbers[400:460, 400:460])
        reader.forget(band_of(server).href)
        server.fail("/a.tif", *[Fault("late"), Fault("changed")] * 2)
        with pytest.raises(SceneError, match="another file than a moment ago"):
            over(server, reader, 60, at=400)


def test_bytes_that_came_spoilt(tmp_path: Path) -> None:
    """Compressed blocks that do not unpack are fetched anew once."""
    numbers = raster(tmp_path)
    with RangeServer(tmp_path) as server, hasty() as reader:
        over(server, reader)
        server.fail("/a.tif", Fault("spoilt"))
        np.testing.assert_array_equal(over(server, reader, 60, at=400), numbers[400:460, 400:460])


def test_jpeg_2000_across_blocks(tmp_path: Path) -> None:
    """A window across four blocks of a JPEG 2000 is that of the file, and a block that is missing is an error."""
    from affine import Affine

    numbers = speckled(1024, 5)
    write_raster(tmp_path / "a.tif", numbers, Affine(10, 0, LEFT, 0, -10, TOP), CRS)
    options = {"QUALITY": "100", "REVERSIBLE": "YES", "BLOCKXSIZE": "512", "BLOCKYSIZE": "512"}
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "a.jp2", driver="JP2OpenJPEG", **options)
    with RangeServer(tmp_path) as server, hasty() as reader:
        for at in (400, 0, 700):
            found = over(server, reader, 256, at=at, name="a.jp2")
            np.testing.assert_array_equal(found, numbers[at : at + 256, at : at + 256])
        content = (tmp_path / "a.jp2").read_bytes()
        (tmp_path / "b.jp2").write_bytes(content[: int(len(content) * 0.6)])
        for band in (band_of(server, "b.jp2"), Band(str(tmp_path / "b.jp2"))):
            with pytest.raises(SceneError, match="Expected to read band red of scene s"):
                read_band(band, window_at(600, 600, 256), "s", "red", reader=reader)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("packed", [True, False], ids=["cog", "plain"])
def test_truncated_files(tmp_path: Path, keep: float, packed: bool) -> None:
    """A file that ends too early is an error where the window lies in what is missing, from disk and over HTTP."""
    from affine import Affine

    numbers = speckled(PIXELS, 3)
    write_raster(tmp_path / "a.tif", numbers, Affine(10, 0, LEFT, 0, -10, TOP), CRS)
    if packed:
        as_cog(tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: int(len(content) * keep)])
    with RangeServer(tmp_path) as server, hasty() as reader:
        for band in (band_of(server), Band(str(tmp_path / "a.tif"))):
            with pytest.raises(SceneError, match="Expected to read band red of scene s"):
                read_band(band, window_at(0, 0, PIXELS), "s", "red", reader=reader)


def test_redirections(tmp_path: Path) -> None:
    """A file that moved is followed; a circle is not, nor one to something else than http."""
    numbers = raster(tmp_path)
    with RangeServer(tmp_path) as server, hasty() as reader:
        server.every["/old.tif"] = Fault("moved", target=f"{server.address}/a.tif")
        np.testing.assert_array_equal(over(server, reader, name="old.tif"), numbers[:64, :64])
        for target, reason in (("/loop.tif", "redirections"), ("file:///etc/passwd", "a redirection from")):
            server.every["/loop.tif"] = Fault("moved", target=target)
            with pytest.raises(SceneError, match=reason):
                over(server, reader, name="loop.tif")


def test_scenes_of_the_public_network_reach_no_private_address(tmp_path: Path) -> None:
    """A band of a public catalogue whose host turns out private is refused before a byte is sent."""
    raster(tmp_path)
    with RangeServer(tmp_path) as server, hasty() as reader:
        band = replace(band_of(server), public=True)
        with pytest.raises(SceneError, match="stands for a private address"):
            read_band(band, window_at(), "s", "red", reader=reader)
        assert not server.asked


def test_queries_are_in_no_message(tmp_path: Path) -> None:
    """An address that carries a secret is shown without it, whatever goes wrong."""
    with RangeServer(tmp_path) as server, hasty() as reader:
        band = Band(f"{server.address}/gone.tif?sig=abcsecret")
        with pytest.raises(SceneError, match=r"gone\.tif") as raised:
            read_band(band, window_at(), "s", "red", reader=reader)
        server.every["/gone.tif"] = Fault("cut")
        seen = [str(raised.value), str(raised.value.__cause__)]
    with hasty() as reader, pytest.raises(SceneError) as raised:
        read_band(band, window_at(), "s", "red", reader=reader)
    assert not any("abcsecret" in text for text in (*seen, str(raised.value)))
    assert "4 times in a row" in str(raised.value)


def test_a_failure_of_one_scene_stops_the_window(tmp_path: Path) -> None:
    """One band that cannot be had is an error of the composite, and the reader serves the next window."""
    cog_catalog(tmp_path, season_items(pixels=128))
    with RangeServer(tmp_path) as server, hasty() as reader:
        scenes = scenes_of(f"{server.address}/catalog.json")
        server.every["/sentinel-2-l2a/c/swir16.tif"] = Fault("status", 404)
        with pytest.raises(SceneError, match=r"band swir16 of scene c; got .*404"):
            compose(scenes, window_at(), SEASON, reader)
        server.every.clear()
        assert_same(
            compose(scenes, window_at(), SEASON, reader), compose(scenes_of(tmp_path), window_at(), SEASON)
        )


def test_reading_ahead_keeps_order_and_bounds() -> None:
    """Results come in order; no more than `depth` wait while one is worked on; a failure comes in its turn."""
    begun: list[int] = []
    lock = threading.Lock()

    def read(key: int) -> int:
        with lock:
            begun.append(key)
        if key == 5:
            raise SceneError("five")
        return key * key

    seen = []
    with pytest.raises(SceneError, match="five"):
        for key, square in read_ahead(range(100), read, depth=2):
            assert square == key * key and len(begun) <= key + 3
            seen.append(key)
    assert seen == [0, 1, 2, 3, 4] and len(begun) <= 8


def test_reading_ahead_hides_the_network(tmp_path: Path) -> None:
    """While one window is worked on the next are read: together they take less than one after the other."""
    import time

    def read(key: int) -> int:
        time.sleep(0.1)
        return key

    began = time.monotonic()
    for _ in read_ahead(range(6), read, depth=2):
        time.sleep(0.05)
    assert time.monotonic() - began < 6 * 0.15 - 0.2


def test_counts_add_up() -> None:
    """Counts are added, subtracted and said in one line."""
    one, two = ReadCounts(3, 2_500_000, 1, 0, 0.5), ReadCounts(1, 500_000)
    assert (one + two) - two == one
    assert str(one) == "2.5 MB in 3 requests, 1 asked again" and str(two) == "0.5 MB in 1 requests"


def test_the_cache_is_set_by_the_environment(tmp_path: Path) -> None:
    """A value that is no number of megabytes is refused in one sentence, by a process of its own."""
    import os
    import subprocess
    import sys

    code = "from surco.encoder.reader import shared_reader; print(shared_reader().settings.cache_bytes)"
    for value, said in (
        ("64", "64000000"),
        ("much", "Expected megabytes in SURCO_READ_CACHE_MB; got 'much'"),
    ):
        environment = {**os.environ, "SURCO_READ_CACHE_MB": value}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert said in done.stdout + done.stderr


def test_catalogue_on_a_busy_server(tmp_path: Path) -> None:
    """A search that is answered 429 and 503 first goes on when the server may be asked again."""
    from shapely import box

    item = json.loads((cog_catalog(tmp_path, season_items(64)) / "sentinel-2-l2a/a/a.json").read_text())
    with RangeServer(tmp_path) as server:
        for asset in item["assets"].values():
            asset["href"] = f"{server.address}/sentinel-2-l2a/a/{asset['href'].removeprefix('./')}"
        items = [{**item, "id": f"a{number}"} for number in range(7)]
        server.api.collections, server.api.page = {"sentinel-2-l2a": items}, 3
        server.fail(
            "/stac/search", Fault("status", 429, retry_after="0"), Fault("status", 503, retry_after="0")
        )
        found = read_scenes(f"{server.address}/stac", SEASON.start, SEASON.end, box(-72, -36, -70, -35))
        assert [scene.id for scene in found] == [f"a{number}" for number in range(7)]
        assert not any(band.public for scene in found for band in scene.bands.values())
        server.fail("/stac/search", *[Fault("status", 403)] * 2)
        with pytest.raises(EncoderError, match=r"got no answer: .*Check the path"):
            read_scenes(
                f"{server.address}/stac", date(2024, 5, 1), date(2025, 4, 30), box(-72, -36, -70, -35)
            )
