"""The run from a catalogue to a store: what it writes, how it resumes, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pytest
import shapely
from shared_data import shared
from stac_catalogs import CRS, LEFT, TOP, Item, optical, radar, write_catalog

from surco.embedstore import Season, Store
from surco.encoder.area import project
from surco.encoder.errors import CatalogError, EncoderError, ModelError, SceneError
from surco.encoder.parcels import ParcelError
from surco.encoder.protocol import BandMeanEncoder, Floats
from surco.encoder.run import encode_store

SEASON = Season(2024)
TILES = 3
"""The strip below is 600 x 8 pixels: three tiles."""
STRIP_COMUNA = 7109
"""It lies in San Clemente, Maule."""


def strip() -> list[Item]:
    """Scenes of a strip of land with values that change along it, clouds, and radar."""
    rng = np.random.default_rng(3)
    slope = np.arange(600)
    scl = rng.choice([4, 9], (4, 300), p=[0.97, 0.03])
    numbers = {"red": 500 + slope, "nir": 3000 - slope, "swir16": 1000 + slope[:300]}
    days = ("2024-05-03", "2024-05-20", "2024-09-11", "2025-01-15")
    items = [optical(f"s2-{d}", d, numbers, wide=600, scl=scl) for d in days]
    return [*items, radar("s1", "2024-06-06", 0.08, 0.02, wide=600)]


def strip_parcels(path: Path) -> Path:
    """Two parcels on the strip, one of them across the edge of two tiles, and one far away."""
    boxes = [(0, 100), (2500, 2620), (90_000, 90_100)]
    shapes = [project(shapely.box(LEFT + a, TOP - 80, LEFT + b, TOP), CRS, "OGC:CRS84") for a, b in boxes]
    features = [
        {"type": "Feature", "properties": {"crop": "rice"}, "geometry": shapely.geometry.mapping(s)}
        for s in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


class Stops(BandMeanEncoder):
    """An encoder that fails at its n-th call, like a machine that goes down."""

    def __init__(self, call: int) -> None:
        self.left = call

    def encode(self, *series: Any) -> Floats:
        """See `Encoder.encode`."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().encode(*series)


class Counts(BandMeanEncoder):
    """An encoder that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def encode(self, *series: Any) -> Floats:
        """See `Encoder.encode`."""
        self.calls += 1
        return super().encode(*series)


def tables(store: Store) -> list[pa.Table]:
    """All rows of a store."""
    infos = sorted(store.tables(), key=lambda t: (t.table, t.resolution or 0))
    return [store.read(i.table, season=i.season, resolution=i.resolution, model_id=i.model_id) for i in infos]


def files(store: Store) -> dict[str, bytes]:
    """Every file that readers may see."""
    seen = [
        p
        for p in store.path.rglob("*")
        if p.is_file() and "staging" not in p.relative_to(store.path).as_posix()
    ]
    return {str(p): p.read_bytes() for p in seen}


def test_strip(tmp_path: Path) -> None:
    """Cells of both resolutions and parcels hold what the scenes had; every pixel is in exactly one cell."""
    store = Store.create(tmp_path / "store")
    told: list[tuple[int, int, str]] = []
    report = encode_store(
        write_catalog(tmp_path / "stac", strip()), SEASON, store, BandMeanEncoder(),
        parcels=strip_parcels(tmp_path / "p.geojson"), progress=lambda *now: told.append(now),
    )  # fmt: skip
    assert (report.tiles, report.pixels, report.pixels_seen, report.resumed) == (TILES, 4800, 4800, 0)
    assert (report.parcels, report.parcels_unseen, report.already) == (2, 1, False)
    assert [t[:2] for t in told] == [(0, 3), (0, 3), (1, 3), (1, 3), (2, 3), (2, 3), (3, 3)]
    assert [m.optical_scenes for m in report.months][:5] == [2, 0, 0, 0, 1]
    assert [m.radar_scenes for m in report.months][:3] == [0, 1, 0]
    assert report.months[1].radar_share == 1.0 and 0 < report.months[0].optical_share < 1
    for resolution in (9, 11):
        rows = store.read("cells", resolution=resolution)
        assert rows.num_rows == report.cells[resolution]
        assert sum(rows["n_pixels"].to_pylist()) == 4800
        assert set(rows["comuna"].to_pylist()) == {STRIP_COMUNA}
        assert all(h3.get_resolution(h3.int_to_str(cell)) == resolution for cell in rows["h3"].to_pylist())
    crops = store.read("parcels").to_pylist()
    assert {(row["id"], row["crop:name"], row["n_pixels"]) for row in crops} == {
        ("0", "rice", 80),
        ("1", "rice", 96),
    }
    assert {row["comuna"] for row in crops} == {STRIP_COMUNA}
    ndvi = {row["id"]: row["ndvi"] for row in crops}
    assert ndvi["0"][1:4] == [None] * 3
    assert ndvi["0"][0] == pytest.approx(100 * (3000 - 500) / 3500, abs=1.5)


def test_stopped_run_goes_on_and_converges(tmp_path: Path) -> None:
    """Stopped in the second tile the store is as before; started again it ends with the tables of one go."""
    catalog = write_catalog(tmp_path / "stac", strip())
    parcels = strip_parcels(tmp_path / "p.geojson")
    undisturbed, stopped = Store.create(tmp_path / "one"), Store.create(tmp_path / "two")
    encode_store(catalog, SEASON, undisturbed, BandMeanEncoder(), parcels=parcels)
    before = files(stopped)
    with pytest.raises(KeyboardInterrupt):
        encode_store(catalog, SEASON, stopped, Stops(1), parcels=parcels)
    assert files(stopped) == before and Store.open(stopped.path).tables() == []
    counting = Counts()
    report = encode_store(catalog, SEASON, Store.open(stopped.path), counting, parcels=parcels)
    assert (report.resumed, counting.calls) == (1, TILES - 1)
    again = Store.open(stopped.path)
    assert all(a.equals(b) for a, b in zip(tables(again), tables(undisturbed), strict=True))
    assert not any(p.is_file() for p in again.path.rglob("tile-*"))


def test_run_that_is_in_the_store_does_nothing(tmp_path: Path) -> None:
    """A second run encodes nothing, writes no version, and reports the same; other inputs are another run."""
    catalog, store = write_catalog(tmp_path / "stac", strip()), Store.create(tmp_path / "store")
    first = encode_store(catalog, SEASON, store, BandMeanEncoder())
    version, counting, began = store.version, Counts(), time.monotonic()
    second = encode_store(catalog, SEASON, store, counting)
    assert time.monotonic() - began < 5
    assert second.already and counting.calls == 0 and store.version == version
    assert (second.cells, second.months, second.pixels) == (first.cells, first.months, first.pixels)
    red = catalog / "sentinel-2-l2a" / "s2-2024-05-03" / "red.tif"
    os.utime(red, (0, 0))
    assert not encode_store(catalog, SEASON, store, counting).already and counting.calls == TILES
    growing = Season(2024, as_of=date(2024, 10, 1))
    assert encode_store(catalog, growing, store, counting, force=True).key != first.key


def test_killed_run_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle of encoding: the store is as before, and the next run ends with the same tables."""
    catalog = write_catalog(tmp_path / "stac", strip())
    store, other = Store.create(tmp_path / "store"), Store.create(tmp_path / "other")
    script = f"""
        import os, signal
        from surco.embedstore import Season, Store
        from surco.encoder.protocol import BandMeanEncoder
        from surco.encoder.run import encode_store
        def stop(done, total, text):
            if done == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        encode_store({str(catalog)!r}, Season(2024), Store.open({str(store.path)!r}), BandMeanEncoder(), progress=stop)
    """
    before = files(store)
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL and files(store) == before
    assert encode_store(catalog, SEASON, store, BandMeanEncoder()).resumed == 2
    encode_store(catalog, SEASON, other, BandMeanEncoder())
    assert all(a.equals(b) for a, b in zip(tables(store), tables(other), strict=True))


def test_area_limits_the_pixels(tmp_path: Path) -> None:
    """Only pixels with their centre in the area are encoded, whatever its shape."""
    catalog, store = write_catalog(tmp_path / "stac", strip()), Store.create(tmp_path / "store")
    half = shapely.Polygon([(LEFT, TOP), (LEFT + 400, TOP), (LEFT, TOP - 80)])
    report = encode_store(catalog, SEASON, store, BandMeanEncoder(), aoi=project(half, CRS, "OGC:CRS84"))
    assert report.pixels == pytest.approx(160, abs=8)
    assert sum(store.read("cells").column("n_pixels").to_pylist()) == report.pixels_seen == report.pixels


class Cards(BandMeanEncoder):
    """An encoder with a model card."""

    card = {"licence": "Apache-2.0"}  # noqa: RUF012


def test_card_and_sources_are_kept(tmp_path: Path) -> None:
    """The model's card and the catalogue's collections stand in the store; a local folder only by its name."""
    catalog, store = write_catalog(tmp_path / "stac", strip()), Store.create(tmp_path / "store")
    encode_store(catalog, SEASON, store, Cards(), resolutions=[8])
    assert store.model_card("band-mean-1")["licence"] == "Apache-2.0"
    (info,) = store.tables()
    assert list(info.sources) == ["stac", "sentinel-1-rtc", "sentinel-2-l2a"] and info.resolution == 8


@pytest.mark.parametrize("resolutions", [(), (4, 9), (9, 13)])
def test_resolutions_out_of_range(tmp_path: Path, resolutions: Sequence[int]) -> None:
    """Resolutions that cannot be pooled exactly, or hold less than a pixel, are refused before any work."""
    with pytest.raises(EncoderError, match=r"Expected H3 resolutions from 5 to 12; got \["):
        encode_store("nowhere", SEASON, Store.create(tmp_path), BandMeanEncoder(), resolutions=resolutions)


def test_season_of_another_store(tmp_path: Path) -> None:
    """A season that starts in another month than the store's is refused before any work."""
    with pytest.raises(EncoderError, match="Expected a season that starts in month 11"):
        encode_store("nowhere", SEASON, Store.create(tmp_path, start_month=11), BandMeanEncoder())


def test_all_clouds(tmp_path: Path) -> None:
    """A season without one clear pixel is an error, and the store has no empty tables."""
    catalog = write_catalog(tmp_path / "stac", [optical("a", "2024-07-01", scl=9)])
    store = Store.create(tmp_path / "store")
    with pytest.raises(
        CatalogError, match="Expected at least one clear observation in 2024-25; got 1 scenes"
    ):
        encode_store(catalog, SEASON, store, BandMeanEncoder())
    assert Store.open(store.path).tables() == []


def test_eroded_parcels(tmp_path: Path) -> None:
    """Shrunk parcels have fewer pixels, are another run than whole ones, and vanished ones are in the report."""
    catalog, parcels = write_catalog(tmp_path / "stac", strip()), strip_parcels(tmp_path / "p.geojson")
    document = json.loads(parcels.read_text())
    narrow = project(shapely.box(LEFT + 500, TOP - 80, LEFT + 515, TOP), CRS, "OGC:CRS84")
    document["features"].append({"type": "Feature", "geometry": shapely.geometry.mapping(narrow)})
    parcels.write_text(json.dumps(document))
    reports, pixels = [], []
    store = Store.create(tmp_path / "store")
    for erode in (0, 10, 10.0):
        reports.append(encode_store(catalog, SEASON, store, BandMeanEncoder(), parcels=parcels, erode=erode))
        rows = store.read("parcels").to_pylist()
        pixels.append({row["id"]: row["n_pixels"] for row in rows})
        assert {row["id"]: row["metrics:area"] for row in rows}["0"] == pytest.approx(8000, rel=1e-2)
    assert pixels == [{"0": 80, "1": 96, "3": 12}, *[{"0": 48, "1": 60, "3": 12}] * 2]
    assert [report.parcels_uneroded for report in reports] == [0, 1, 1]
    assert [report.already for report in reports] == [False, False, True]
    assert reports[0].key != reports[1].key == reports[2].key


def test_parcels_elsewhere(tmp_path: Path) -> None:
    """Parcels outside the area are refused before any encoding."""
    catalog, counting = write_catalog(tmp_path / "stac", strip()), Counts()
    path = tmp_path / "p.geojson"
    square = shapely.geometry.mapping(shapely.box(4, 50, 4.1, 50.1))
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": square}]})
    )
    with pytest.raises(ParcelError, match="Expected parcels within the area to encode"):
        encode_store(catalog, SEASON, Store.create(tmp_path / "store"), counting, parcels=path)
    assert counting.calls == 0


def test_broken_scene_leaves_the_store_alone(tmp_path: Path) -> None:
    """An unreadable raster stops the run with its name; after repair the run goes on."""
    catalog, store = write_catalog(tmp_path / "stac", strip()), Store.create(tmp_path / "store")
    raster = catalog / "sentinel-2-l2a" / "s2-2025-01-15" / "nir.tif"
    good = raster.read_bytes()
    raster.write_bytes(good[: len(good) // 2])
    with pytest.raises(SceneError, match="band nir of scene s2-2025-01-15"):
        encode_store(catalog, SEASON, store, BandMeanEncoder())
    assert Store.open(store.path).tables() == []
    raster.write_bytes(good)
    assert encode_store(catalog, SEASON, store, BandMeanEncoder()).pixels_seen == 4800


class Long(BandMeanEncoder):
    """An encoder whose vectors are too long."""

    def encode(self, *series: Any) -> Floats:
        """See `Encoder.encode`."""
        return 2 * super().encode(*series)


class Few(BandMeanEncoder):
    """An encoder that loses a row."""

    def encode(self, *series: Any) -> Floats:
        """See `Encoder.encode`."""
        return super().encode(*series)[1:]


@pytest.mark.parametrize(
    ("encoder", "message"), [(Long(), "got one of length 2"), (Few(), "Expected vectors")]
)
def test_encoder_that_breaks_its_promise(tmp_path: Path, encoder: BandMeanEncoder, message: str) -> None:
    """Vectors that are not of unit length, or too few, never reach a table."""
    catalog = write_catalog(tmp_path / "stac", strip())
    with pytest.raises(ModelError, match=message):
        encode_store(catalog, SEASON, Store.create(tmp_path / "store"), encoder)


def test_flanders(tmp_path: Path) -> None:
    """The real scenes give cells and all nineteen parcels, and alike crops lie closer together than others."""
    catalog = shared("stac/flanders_2019")
    season = Season.from_dates("2018-11-01/2019-10-31")
    store = Store.create(tmp_path / "store", start_month=11)
    report = encode_store(catalog, season, store, BandMeanEncoder(), parcels=catalog / "parcels.geojson")
    assert (report.pixels, report.pixels_seen, report.parcels, report.parcels_unseen) == (4096, 4096, 19, 0)
    assert (
        sum(m.optical_scenes for m in report.months) == 53
        and sum(m.radar_scenes for m in report.months) == 59
    )
    cells = store.read("cells", resolution=11)
    assert cells.num_rows == report.cells[11] and sum(cells["n_pixels"].to_pylist()) == 4096
    assert set(cells["n_radar"].to_pylist()) == {59} and min(cells["n_optical"].to_pylist()) > 10
    ndvi = np.array([row for row in cells["ndvi"].to_pylist() if None not in row])
    assert ndvi.min() > -20 and ndvi.max() <= 100 and ndvi.mean() > 40
    areas = store.read("parcels", columns=["metrics:area", "n_pixels"]).to_pylist()
    inside = [row for row in areas if row["n_pixels"] > 20]
    assert all(row["metrics:area"] == pytest.approx(100 * row["n_pixels"], rel=0.02) for row in inside)
