"""Reading rasters over HTTP: the same bits as from a disk, only what is needed, and never a wrong one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cog_scenes import (
    SEASON,
    assert_same,
    band_of,
    cog_catalog,
    hasty,
    over,
    raster,
    scenes_of,
    season_items,
    window_at,
)
from range_server import RangeServer

from surco.encoder.assets import Band
from surco.encoder.composite import compose
from surco.encoder.errors import SceneError
from surco.encoder.rasters import read_band
from surco.encoder.reading import ReadCounts, read_ahead


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
    code = (
        "import os; from surco.encoder import EncoderError; from surco.encoder.reader import shared_reader\n"
        "try: shared_reader()\n"
        "except EncoderError as error: print(error)\n"
        "os.environ['SURCO_READ_CACHE_MB'] = '64'; print(shared_reader().settings.cache_bytes)"
    )
    environment = {**os.environ, "SURCO_READ_CACHE_MB": "much"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (
        "Expected megabytes in SURCO_READ_CACHE_MB; got 'much'" in done.stdout and "64000000" in done.stdout
    )
