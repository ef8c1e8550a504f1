"""Servers that are busy, cut, stall, lie or change their mind: right to the bit, or an error that says why."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil
from cog_scenes import (
    PIXELS,
    SEASON,
    as_cog,
    assert_same,
    band_of,
    cog_catalog,
    hasty,
    over,
    raster,
    scenes_of,
    season_items,
    speckled,
    window_at,
)
from range_server import Fault, RangeServer
from stac_catalogs import CRS, LEFT, TOP, write_raster

from surco.encoder.assets import Band
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import compose
from surco.encoder.errors import EncoderError, SceneError
from surco.encoder.rasters import read_band


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
        (Fault("status", 503), "HTTP status 503 .*3 times in a row"),
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
    assert "3 times in a row" in str(raised.value)


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
