"""Composites of scenes with known values: exact medians, means, gaps, clouds and dates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared
from stac_catalogs import CRS, LEFT, TOP, Item, optical, radar, write_catalog

from surco.embedstore import Season
from surco.encoder.area import AreaError, project, read_area
from surco.encoder.catalog import read_scenes
from surco.encoder.channels import INDEX, OPTICAL, RADAR, WEATHER
from surco.encoder.composite import Composite, _median, compose
from surco.encoder.errors import SceneError
from surco.encoder.grid import Window, make_grid
from surco.encoder.tile import Tile, TileError

SEASON = Season(2024)
JULY = 2
"""Position of July in a season that starts in May."""


def window(row: int = 0, column: int = 0, height: int = 8, width: int = 8) -> Window:
    """A window of the builders' grid, `row` and `column` in pixels."""
    transform = Affine(10.0, 0, LEFT + 10 * column, 0, -10.0, TOP - 10 * row)
    return Window(0, 0, CRS, transform, width, height)


def composite(
    folder: Path, items: Sequence[Item], where: Window | None = None, season: Season = SEASON
) -> Composite:
    """The composite of items written to a folder."""
    scenes = read_scenes(write_catalog(folder, items), season.start, season.last_day)
    return compose(scenes, where or window(), season)


def test_median_of_clear_observations(tmp_path: Path) -> None:
    """Three dates give the middle one; a month without a scene is not valid, and its date is its middle."""
    items = [optical(f"s{n}", f"2024-07-{n:02d}", dn) for n, dn in ((3, 500), (10, 900), (20, 3000))]
    found = composite(tmp_path, items)
    tile = found.tile
    assert np.all(tile.values[JULY, OPTICAL] == np.float32(900) * np.float32(1e-4))
    assert tile.valid[JULY, OPTICAL].all()
    assert not np.delete(tile.valid, JULY, axis=0).any()
    assert not tile.valid[:, RADAR + WEATHER].any()
    assert tile.dates[JULY] == np.datetime64("2024-07-11")
    assert tile.dates[0] == np.datetime64("2024-05-16")
    assert np.all(found.n_optical == 3) and np.all(found.n_radar == 0)
    assert np.isnan(tile.static).all()


def test_median_of_two_is_their_mean(tmp_path: Path) -> None:
    """An even number of observations gives the mean of the middle two, by channel."""
    items = [
        optical("a", "2024-07-01", {"red": 400, "swir22": 600}),
        optical("b", "2024-07-06", {"red": 800}),
    ]
    tile = composite(tmp_path, items).tile
    assert tile.values[JULY, INDEX["red"]] == pytest.approx(0.06)
    assert tile.values[JULY, INDEX["swir22"]] == pytest.approx(0.08)
    assert tile.values[JULY, INDEX["blue"]] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("scene_class", "clear"),
    [(0, False), (1, False), (2, True), (3, False), (4, True), (5, True), (6, True), (7, True), (8, False), (9, False),
     (10, False), (11, True)],
)  # fmt: skip
def test_scene_classes(tmp_path: Path, scene_class: int, clear: bool) -> None:
    """Clouds, cirrus, shadows and defects are no observation; dark areas and snow are."""
    found = composite(tmp_path, [optical("a", "2024-07-01", scl=scene_class)])
    assert found.tile.valid[JULY, OPTICAL].all() == clear
    assert found.tile.valid[JULY].any() == clear
    assert np.all(found.n_optical == int(clear))


def test_clouds_are_widened_by_20_m(tmp_path: Path) -> None:
    """A cloud over one 20 m pixel hides two 10 m pixels on each side; a defect hides itself only."""
    scl = np.full((6, 6), 4)
    scl[1, 1], scl[5, 5] = 9, 1
    found = composite(tmp_path, [optical("a", "2024-07-01", scl=scl, pixels=12)], window(height=12, width=12))
    hidden = np.zeros((12, 12), bool)
    hidden[0:6, 0:6] = True
    hidden[10:12, 10:12] = True
    np.testing.assert_array_equal(~found.tile.valid[JULY, INDEX["red"]], hidden)
    np.testing.assert_array_equal(found.n_optical == 0, hidden)


def test_clouded_date_leaves_the_other(tmp_path: Path) -> None:
    """Where one of two dates is clouded, the median is the other date alone."""
    scl = np.full((4, 4), 4)
    scl[0, 0] = 8
    found = composite(tmp_path, [optical("a", "2024-07-01", 500), optical("b", "2024-07-06", 900, scl=scl)])
    red = found.tile.values[JULY, INDEX["red"]]
    assert red[0, 0] == pytest.approx(0.05) and red[7, 7] == pytest.approx(0.07)
    assert found.n_optical[0, 0] == 1 and found.n_optical[7, 7] == 2


def test_zero_is_missing_by_band_and_altogether(tmp_path: Path) -> None:
    """The number 0 is no data in its band only; where all bands have it there is no observation."""
    red = np.full((8, 8), 700)
    red[0, 0] = 0
    zeros = optical("none", "2024-08-01", 0)
    found = composite(tmp_path, [optical("a", "2024-07-01", {"red": red}), zeros])
    assert not found.tile.valid[JULY, INDEX["red"], 0, 0] and found.tile.valid[JULY, INDEX["nir"], 0, 0]
    assert not found.tile.valid[JULY + 1].any()
    assert np.all(found.n_optical == 1)


def test_offset_of_the_processing_baseline(tmp_path: Path) -> None:
    """Without stated scale, baseline 04.00 subtracts 1000; what falls below zero is zero, not missing."""
    item = optical(
        "a", "2024-07-01", {"red": 1500, "blue": 950}, properties={"s2:processing_baseline": "05.10"}
    )
    item.asset_fields = {}
    tile = composite(tmp_path, [item]).tile
    assert tile.values[JULY, INDEX["red"]] == pytest.approx(0.05)
    assert tile.valid[JULY, INDEX["blue"]].all() and np.all(tile.values[JULY, INDEX["blue"]] == 0)


def test_impossible_reflectance_is_not_valid(tmp_path: Path) -> None:
    """A saturated number is a defect of its band, not a bright field."""
    tile = composite(tmp_path, [optical("a", "2024-07-01", {"red": 65535})]).tile
    assert not tile.valid[JULY, INDEX["red"]].any() and tile.valid[JULY, INDEX["nir"]].all()


def test_20_m_bands_are_interpolated(tmp_path: Path) -> None:
    """A 10 m pixel takes 9/16, 3/16, 3/16 and 1/16 of the four 20 m pixels around its centre."""
    numbers = np.arange(100, 1700, 100).reshape(4, 4)
    tile = composite(tmp_path, [optical("a", "2024-07-01", {"swir16": numbers})]).tile
    expected = (9 * numbers[1, 1] + 3 * numbers[1, 2] + 3 * numbers[2, 1] + numbers[2, 2]) / 16 * 1e-4
    assert tile.values[JULY, INDEX["swir16"], 3, 3] == pytest.approx(expected, rel=1e-6)


def test_missing_neighbours_do_not_darken(tmp_path: Path) -> None:
    """Interpolation beside a 20 m gap takes what there is, not a mixture with the number 0."""
    numbers = np.full((4, 4), 2000)
    numbers[0, 0] = 0
    tile = composite(tmp_path, [optical("a", "2024-07-01", {"swir16": numbers})]).tile
    values, valid = tile.values[JULY, INDEX["swir16"]], tile.valid[JULY, INDEX["swir16"]]
    assert not valid[0, 0] and valid[3, 3]
    np.testing.assert_allclose(values[valid], 0.2, rtol=1e-6)


def test_radar_is_averaged_in_linear_power(tmp_path: Path) -> None:
    """0.01 and 0.1 average to 0.055, which is -12.6 dB; averaging decibels would give -15."""
    vh = np.full((8, 8), 0.02)
    vh[0, 0] = -32768
    items = [radar("a", "2024-07-01", 0.01, vh), radar("b", "2024-07-13", 0.1, 0.04)]
    found = composite(tmp_path, items)
    np.testing.assert_allclose(found.tile.values[JULY, INDEX["vv"]], 10 * np.log10(0.055), rtol=1e-5)
    assert found.tile.values[JULY, INDEX["vh"], 0, 0] == pytest.approx(10 * np.log10(0.04), rel=1e-5)
    assert found.tile.values[JULY, INDEX["vh"], 1, 1] == pytest.approx(10 * np.log10(0.03), rel=1e-5)
    assert np.all(found.n_radar == 2) and found.tile.dates[JULY] == np.datetime64("2024-07-07")


def test_radar_stated_in_decibel(tmp_path: Path) -> None:
    """A provider's decibels are turned into power before they are averaged."""
    items = [radar("a", "2024-07-01", -20.0, -20.0), radar("b", "2024-07-13", -10.0, -20.0)]
    for item in items:
        item.asset_fields = {"raster:bands": [{"nodata": -32768, "unit": "dB"}]}
    tile = composite(tmp_path, items).tile
    np.testing.assert_allclose(tile.values[JULY, INDEX["vv"]], 10 * np.log10(0.055), rtol=1e-5)


def test_overlapping_cuts_of_one_overpass_count_once(tmp_path: Path) -> None:
    """Two items of the same minute are one observation; the second fills only what the first lacks."""
    red = np.full((8, 8), 400)
    nothing = {band: np.where(np.arange(8)[:, None] < 4, 0, 400) for band in ("blue", "green", "red", "nir")}
    half = {band: np.where(np.arange(4)[:, None] < 2, 0, 400) for band in
            ("rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22")}  # fmt: skip
    scl = np.where(np.arange(4)[:, None] < 2, 0, 4)
    items = [
        optical("a", "2024-07-01", {**nothing, **half}, scl=scl, time="14:40:00Z"),
        optical("b", "2024-07-01", {"red": 2 * red}, time="14:40:20Z"),
    ]
    found = composite(tmp_path, items)
    assert np.all(found.n_optical == 1)
    column = found.tile.values[JULY, INDEX["red"], :, 0]
    np.testing.assert_allclose(column, [0.08] * 4 + [0.04] * 4, rtol=1e-6)


def test_nothing_after_as_of(tmp_path: Path) -> None:
    """A season still growing keeps its twelve months; those after its last day are empty."""
    items = [optical("a", "2024-07-01"), optical("b", "2024-07-20", 3000), optical("c", "2024-09-01")]
    scenes = read_scenes(write_catalog(tmp_path, items), SEASON.start, SEASON.end)
    tile = compose(scenes, window(), Season(2024, as_of=date(2024, 7, 10))).tile
    assert (
        tile.values.shape[0] == 12
        and tile.valid.any(axis=(1, 2, 3)).tolist() == [False, False, True] + [False] * 9
    )
    assert tile.values[JULY, INDEX["red"], 0, 0] == pytest.approx(0.1)


def test_cutting_into_windows_changes_nothing(tmp_path: Path) -> None:
    """Clouds and interpolation reach across the edges of windows: a part equals the same part of the whole."""
    rng = np.random.default_rng(1)
    numbers = {"red": rng.integers(1, 4000, (24, 24)), "swir16": rng.integers(1, 4000, (12, 12))}
    items = [
        optical(
            "a", "2024-07-01", numbers, scl=rng.choice([4, 5, 9], (12, 12), p=[0.6, 0.3, 0.1]), pixels=24
        ),
        optical(
            "b", "2024-07-06", numbers, scl=rng.choice([4, 5, 8], (12, 12), p=[0.6, 0.3, 0.1]), pixels=24
        ),
        radar("c", "2024-07-09", rng.uniform(0.01, 0.2, (24, 24)), 0.02, pixels=24),
    ]
    whole = composite(tmp_path, items, window(0, 0, 24, 24))
    part = compose(read_scenes(tmp_path, SEASON.start, SEASON.end), window(6, 10, 8, 8), SEASON)
    inner = (..., slice(6, 14), slice(10, 18))
    np.testing.assert_array_equal(part.tile.valid, whole.tile.valid[inner])
    np.testing.assert_allclose(part.tile.values, whole.tile.values[inner], rtol=1e-5)
    np.testing.assert_array_equal(part.n_optical, whole.n_optical[inner])


def test_scene_of_the_neighbouring_zone(tmp_path: Path) -> None:
    """A scene in another UTM zone is warped onto the grid; a flat scene stays flat."""
    middle = project(shapely.box(LEFT, TOP - 80, LEFT + 80, TOP), CRS, "EPSG:32718").centroid
    left, top = round(middle.x / 20) * 20 - 400.0, round(middle.y / 20) * 20 + 400.0
    tile = composite(
        tmp_path, [optical("z", "2024-07-01", 1234, pixels=80, left=left, top=top, crs="EPSG:32718")]
    ).tile
    np.testing.assert_allclose(tile.values[JULY, OPTICAL], 0.1234, rtol=1e-5)
    assert tile.valid[JULY, OPTICAL].all()


def test_elevation_and_slope(tmp_path: Path) -> None:
    """A plane that rises 1 m in 10 m to the east has a slope of 5.71 degrees; other months do not matter."""
    plane = np.broadcast_to(500 + np.arange(20, dtype=np.float32), (20, 20))
    dem = Item("dem", "2011-01-01", "cop-dem-glo-30", rasters={"data": plane}, left=LEFT - 60, top=TOP + 60)
    static = composite(tmp_path, [dem, optical("a", "2024-07-01")]).tile.static
    np.testing.assert_allclose(static[0, 0], 506 + np.arange(8), rtol=1e-6)
    np.testing.assert_allclose(static[1], np.degrees(np.arctan(0.1)), rtol=1e-4)


def test_raster_without_crs(tmp_path: Path) -> None:
    """A raster that nobody georeferenced is named, with what to do."""
    items = [optical("good", "2024-07-01"), optical("lost", "2024-07-06")]
    write_catalog(tmp_path, items)
    bad = tmp_path / "sentinel-2-l2a" / "lost" / "green.tif"
    bad.unlink()
    with rasterio.open(bad, "w", driver="GTiff", height=8, width=8, count=1, dtype="uint16",
                       transform=Affine(10, 0, LEFT, 0, -10, TOP)) as target:  # fmt: skip
        target.write(np.ones((8, 8), np.uint16), 1)
    scenes = read_scenes(tmp_path, SEASON.start, SEASON.end)
    with pytest.raises(
        SceneError, match=r"Expected a CRS in the raster of band green of scene lost; got none in .*green"
    ):
        compose(scenes, window(), SEASON)


@pytest.mark.parametrize("content", [None, b"", b"not a raster"])
def test_asset_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """A missing or broken raster stops with the scene, band and file; nothing is left out in silence."""
    write_catalog(tmp_path, [optical("good", "2024-07-01"), optical("torn", "2024-07-06")])
    bad = tmp_path / "sentinel-2-l2a" / "torn" / "nir.tif"
    bad.unlink()
    if content is not None:
        bad.write_bytes(content)
    scenes = read_scenes(tmp_path, SEASON.start, SEASON.end)
    with pytest.raises(
        SceneError, match=r"Expected to read band nir of scene torn; got .*nir\.tif.*run again"
    ):
        compose(scenes, window(), SEASON)


def test_virtual_raster_is_refused(tmp_path: Path) -> None:
    """A VRT in a GeoTIFF's clothes could name any file of the machine: it is not opened."""
    write_catalog(tmp_path, [optical("sly", "2024-07-01")])
    folder = tmp_path / "sentinel-2-l2a" / "sly"
    band = (
        '<VRTDataset rasterXSize="8" rasterYSize="8"><SRS>EPSG:32719</SRS>'
        f"<GeoTransform>{LEFT}, 10, 0, {TOP}, 0, -10</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{folder / 'nir.tif'}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    (folder / "red.tif").write_text(band)
    with pytest.raises(SceneError, match="Expected to read band red of scene sly"):
        compose(read_scenes(tmp_path, SEASON.start, SEASON.end), window(), SEASON)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**31))
def test_median_is_numpys(dates: int, seed: int) -> None:
    """The sorting median equals numpy's nanmedian, whatever is missing."""
    rng = np.random.default_rng(seed)
    stack = rng.random((dates, 2, 5, 4)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.4] = np.nan
    stack[:, 0, 0, 0] = 0.5
    found = _median(list(stack))
    some = np.isfinite(stack).any(axis=0)
    np.testing.assert_array_equal(np.isnan(found), ~some)
    np.testing.assert_allclose(found[some], np.nanmedian(stack[:, some], axis=0), rtol=1e-6)


def test_flanders() -> None:
    """On the real scenes every month has both sensors, and their values are plausible."""
    season = Season.from_dates("2018-11-01/2019-10-31")
    scenes = read_scenes(shared("stac/flanders_2019"), season.start, season.end)
    grid = make_grid(scenes)
    assert (grid.crs, grid.left, grid.top, grid.width, grid.height) == ("EPSG:32631", 574680, 5622440, 64, 64)
    found = compose(scenes, next(grid.windows()), season)
    tile = found.tile
    assert tile.valid[:, OPTICAL + RADAR].any(axis=(2, 3)).all()
    optical_values = tile.values[:, OPTICAL][tile.valid[:, OPTICAL]]
    assert optical_values.min() >= 0 and np.quantile(optical_values, 0.999) < 1
    radar_values = tile.values[:, RADAR][tile.valid[:, RADAR]]
    assert radar_values.min() > -35 and radar_values.max() < 10
    assert np.all(found.n_radar == 59) and 20 < found.n_optical.mean() < 40
    months = [str(d)[:7] for d in tile.dates]
    assert months == [str(first)[:7] for first, _ in season.months()]


def test_tile_is_checked() -> None:
    """Wrong axes, types or values that are valid but not finite are refused; arrays cannot be written afterwards."""
    values = np.zeros((12, 14, 2, 3), np.float32)
    parts = {
        "values": values, "valid": np.ones(values.shape, bool), "dates": np.zeros(12, "datetime64[D]"),
        "transform": Affine.identity(), "crs": CRS, "static": np.zeros((2, 2, 3), np.float32),
    }  # fmt: skip
    tile = Tile(**parts)
    with pytest.raises(ValueError, match="read-only"):
        tile.values[0, 0, 0, 0] = 1
    with pytest.raises(TileError, match="Expected values of a tile as float32"):
        Tile(**{**parts, "values": values.astype(np.float64)})
    with pytest.raises(TileError, match="Expected dates of a tile"):
        Tile(**{**parts, "dates": np.zeros(11, "datetime64[D]")})
    with pytest.raises(TileError, match="Expected finite values"):
        Tile(**{**parts, "values": np.full(values.shape, np.nan, np.float32)})


def test_radar_alone(tmp_path: Path) -> None:
    """Without an optical scene the radar lays the grid; optical channels are never valid."""
    scenes = read_scenes(
        write_catalog(tmp_path, [radar("a", "2024-07-01", 0.1, 0.02)]), SEASON.start, SEASON.end
    )
    grid = make_grid(scenes)
    assert (grid.crs, grid.left, grid.top, grid.width, grid.height) == (CRS, LEFT, TOP, 8, 8)
    tile = compose(scenes, next(grid.windows()), SEASON).tile
    assert tile.valid[JULY, RADAR].all() and not tile.valid[:, OPTICAL].any()


def test_grid_lies_on_20_m_and_in_windows(tmp_path: Path) -> None:
    """Corners are multiples of 20 m, windows cover the grid once, and windows off the area are left out."""
    scenes = read_scenes(
        write_catalog(tmp_path, [optical("a", "2024-07-01", pixels=40)]), SEASON.start, SEASON.end
    )
    whole = make_grid(scenes)
    assert (whole.left, whole.top, whole.width, whole.height) == (LEFT, TOP, 40, 40)
    windows = list(whole.windows(16))
    assert sum(w.width * w.height for w in windows) == 1600 and len(windows) == 9
    corner = project(shapely.box(LEFT + 13, TOP - 67, LEFT + 57, TOP - 33), CRS, "OGC:CRS84")
    small = make_grid(scenes, corner)
    assert (small.left % 20, small.top % 20) == (0, 0) and (small.width, small.height) == (6, 6)
    bent = shapely.Polygon([(LEFT, TOP), (LEFT + 400, TOP), (LEFT, TOP - 400)])
    cut = make_grid(scenes, project(bent, CRS, "OGC:CRS84"))
    assert len(list(cut.windows(16))) < 9


@pytest.mark.parametrize(
    "bad",
    [
        "-71,-35,-72,-34",
        "1,2,3",
        (1.0, 2.0),
        ("west", 1, 2, 3),
        "nan,0,1,1",
        "574680,5621800,575320,5622440",
        "nowhere.geojson",
    ],
)
def test_area_that_is_none(bad: str | tuple[float, ...]) -> None:
    """A turned-round box, too few numbers, metres or a missing file are refused with an example or a remedy."""
    with pytest.raises(AreaError, match=r"Expected .*; got .*\. (Write|Give|Check)"):
        read_area(bad)


def test_area_of_a_box_and_of_a_file(tmp_path: Path) -> None:
    """Four numbers in a text or a list, a FeatureCollection and a bare geometry mean the same."""
    box = shapely.box(-71.5, -35.5, -71.4, -35.4)
    geometry = shapely.geometry.mapping(box)
    (tmp_path / "a.geojson").write_text(json.dumps(geometry))
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    (tmp_path / "b.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    given_as = ["-71.5,-35.5,-71.4,-35.4", [-71.5, -35.5, -71.4, -35.4], tmp_path / "a.geojson",
                str(tmp_path / "b.geojson"), box]  # fmt: skip
    assert all(read_area(area).equals(box) for area in given_as)
