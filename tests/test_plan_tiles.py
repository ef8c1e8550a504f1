"""The national grid, what of it counts, and the synthetic country on it."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from pyproj import Transformer

from surco.embedstore import Season, comuna_at, comunas
from surco.encoder.plan import Cropland, Ground, LandTile, PlanError, SimulatedSource, Source
from surco.encoder.plan.cropland import file_digest
from surco.encoder.plan.ground import EVERYWHERE

CHILE = Ground(tuple(sorted(comunas()["cut"].to_pylist())))
MAULE = "19S-0024-0596"


def tile_at(lon: float, lat: float, ground: Ground = CHILE, step: int = 10) -> LandTile:
    """The tile that holds a place."""
    zone = int((lon + 180) // 6) + 1
    x, y = Transformer.from_crs("OGC:CRS84", f"EPSG:{32700 + zone}", always_xy=True).transform(lon, lat)
    return LandTile(zone, int(x // 10_240), int(y // 10_240), ground, step)


@pytest.mark.parametrize(
    ("lon", "lat", "zone"),
    [(-70.65, -33.44, 19), (-73.05, -36.83, 18), (-109.43, -27.15, 12), (-78.83, -33.64, 17)],
)
def test_a_place_is_in_the_tile_of_its_name(lon: float, lat: float, zone: int) -> None:
    """Mainland and islands: the tile named after a place holds it, and its name leads back to it."""
    tile = tile_at(lon, lat)
    west, south, east, north = tile.bbox
    assert west < lon < east and south < lat < north
    assert tile.crs == f"EPSG:{32700 + zone}"
    assert LandTile.named(tile.name, CHILE) == tile


def test_windows_cut_a_tile_without_gap_or_overlap() -> None:
    """Sixteen windows of 256 x 256 pixels hold each pixel of the tile once."""
    tile = LandTile.named(MAULE, CHILE)
    windows = list(tile.windows())
    shapes = [shapely.box(*window.bounds) for window in windows]
    assert {(window.height, window.width) for window in windows} == {(256, 256)}
    assert shapely.union_all(shapes).equals(shapely.box(*tile.bounds))
    assert sum(shape.area for shape in shapes) == 10_240.0**2
    coarse = LandTile.named(MAULE, CHILE, 160)
    x, y = coarse.whole().centres()
    assert {*zip(x.tolist(), y.tolist(), strict=True)} == {
        place
        for window in coarse.windows()
        for place in zip(*(s.tolist() for s in window.centres()), strict=True)
    }


def test_zones_share_no_pixel_and_miss_none() -> None:
    """On the 72nd meridian each pixel counts in the zone of its own longitude: to the east in 19, else in 18."""
    for zone, lon in ((18, -72.001), (19, -71.999)):
        tile = tile_at(lon, -36.0, EVERYWHERE, step=40)
        assert tile.zone == zone
        east = [tile.lonlat(window)[:, 0] >= -72.0 for window in tile.windows()]
        assert 0 < np.mean(east) < 1
        for window, eastern in zip(tile.windows(), east, strict=True):
            assert np.array_equal(tile.inside(window).ravel(), eastern == (zone == 19))


def test_only_land_of_the_region_counts() -> None:
    """A pixel counts where the cell of resolution 9 around it lies in a comuna of the region, not at sea."""
    tile = tile_at(-71.62, -33.03, CHILE, step=40)  # Valparaíso
    window = tile.window(0, 0)
    inside = np.concatenate([tile.inside(w).ravel() for w in tile.windows()])
    codes = np.concatenate([_codes(tile.lonlat(w)) for w in tile.windows()])
    assert 0.05 < inside.mean() < 0.95
    assert np.array_equal(inside, codes > 0)
    one = LandTile(tile.zone, tile.column, tile.row, Ground((5101,)), 40)
    assert np.array_equal(one.inside(window).ravel(), _codes(one.lonlat(window)) == 5101)


def _codes(lonlat: np.ndarray) -> np.ndarray:
    return np.asarray(comuna_at(lonlat[:, 0], lonlat[:, 1]).fill_null(0).to_numpy(zero_copy_only=False))


def test_a_polygon_and_a_region_must_both_hold() -> None:
    """Of a polygon only what is the region's land counts."""
    box = shapely.box(-71.75, -33.2, -71.55, -32.9)
    tile = tile_at(-71.62, -33.03, Ground(CHILE.comunas, box.wkb), step=80)
    plain = tile_at(-71.62, -33.03, CHILE, step=80)
    for window in tile.windows():
        lonlat = tile.lonlat(window)
        drawn = shapely.contains_xy(box, lonlat[:, 0], lonlat[:, 1]).reshape(window.height, -1)
        assert np.array_equal(tile.inside(window), plain.inside(window) & drawn)


def test_a_sparse_tile_looks_at_pixels_of_the_dense_one() -> None:
    """With a step of 640 m the pixels, and what is seen there, are some of those with 10 m."""
    dense, sparse = (LandTile.named(MAULE, CHILE, step) for step in (10, 640))
    season, source = Season(2024), SimulatedSource()
    fine, coarse = dense.window(1, 2), sparse.window(1, 2)
    picked = (slice(32, None, 64), slice(32, None, 64))
    x, y = (side.reshape(256, 256)[picked].ravel() for side in fine.centres())
    assert np.array_equal(coarse.centres()[0], x) and np.array_equal(coarse.centres()[1], y)
    assert np.array_equal(dense.inside(fine)[picked], sparse.inside(coarse))
    whole, part = source.composite(dense, fine, season), source.composite(sparse, coarse, season)
    assert np.array_equal(whole.tile.values[:, :, *picked], part.tile.values)
    assert np.array_equal(whole.tile.valid[:, :, *picked], part.tile.valid)
    assert np.array_equal(whole.n_optical[picked], part.n_optical)


def test_the_synthetic_country_is_the_same_for_all_who_ask() -> None:
    """Another order, another process's copy, another window first: not a bit differs; another seed or year does."""
    tile, season = LandTile.named(MAULE, CHILE, 160), Season(2024)
    source: Source = SimulatedSource(3)
    forward = [source.composite(tile, w, season).tile.values for w in tile.windows()]
    copy: Source = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes of a line ago
    backward = [copy.composite(tile, w, season).tile.values for w in reversed(list(tile.windows()))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))
    first = next(tile.windows())
    assert not np.array_equal(SimulatedSource(4).composite(tile, first, season).tile.values, forward[0])
    assert not np.array_equal(source.composite(tile, first, Season(2023)).tile.values, forward[0])


def test_a_season_still_growing_shows_its_months_so_far() -> None:
    """Months before `as_of` are those of the whole season, later ones were not seen, the broken one less often."""
    tile, source = LandTile.named(MAULE, CHILE, 160), SimulatedSource()
    window = tile.window(2, 2)
    whole = source.composite(tile, window, Season(2024))
    part = source.composite(tile, window, Season(2024, as_of=date(2024, 10, 14)))
    assert np.array_equal(part.tile.values[:5], whole.tile.values[:5])
    assert part.tile.valid[5, 10].any() and not part.tile.valid[6:].any()
    assert part.n_optical.max() < whole.n_optical.min()


@pytest.mark.parametrize(
    "place", [(-70.3, -18.5), (-70.2, -23.5), (-72.0, -39.0), (-70.9, -53.2), (-109.4, -27.1)]
)
def test_the_synthetic_country_is_plausible_everywhere(place: tuple[float, float]) -> None:
    """From Arica to the Strait: reflectance, backscatter and counts lie where satellites have them."""
    tile = tile_at(*place, step=320)
    composites = [SimulatedSource().composite(tile, w, Season(2024)) for w in tile.windows()]
    values = np.concatenate([c.tile.values[:, :10][c.tile.valid[:, :10]] for c in composites])
    radar = np.concatenate([c.tile.values[:, 10][c.tile.valid[:, 10]] for c in composites])
    assert len(values) and values.min() > 0 and values.max() <= 1.3 and 0.03 < values.mean() < 0.5
    assert -25 < radar.mean() < -3
    assert 0 < max(int(c.n_optical.max()) for c in composites) <= 74
    assert not any(c.tile.valid[:, 12:].any() for c in composites)


def test_cropland_may_be_a_raster_polygons_or_cells(tmp_path: Path) -> None:
    """The same square of farmland, in each kind of file, lets the same pixels count."""
    box = shapely.box(-71.40, -35.45, -71.35, -35.40)
    tile = tile_at(-71.37, -35.43, step=80)
    raster, polygons, cells = tmp_path / "crops.tif", tmp_path / "crops.geojson", tmp_path / "crops.parquet"
    profile = {
        "driver": "GTiff",
        "width": 100,
        "height": 100,
        "count": 1,
        "dtype": "uint8",
        "crs": "EPSG:4326",
    }
    with rasterio.open(
        raster, "w", **profile, transform=rasterio.Affine(0.0005, 0, -71.4, 0, -0.0005, -35.4)
    ) as file:
        file.write(np.full((1, 100, 100), 40, np.uint8))
    polygons.write_text(shapely.to_geojson(box))
    inner = h3.geo_to_cells(box.__geo_interface__, 11)
    pq.write_table(pa.table({"h3": pa.array([int(cell, 16) for cell in inner], pa.uint64())}), cells)
    counts = []
    for mask in (
        Cropland.read(raster),
        Cropland.read(raster, (40,)),
        Cropland.read(polygons),
        Cropland.read(cells),
    ):
        farmed = LandTile(tile.zone, tile.column, tile.row, Ground(None, None, mask), 80)
        counts.append(sum(int(farmed.inside(w).sum()) for w in farmed.windows()))
    assert counts[0] == counts[1] == counts[2] > 1000
    assert abs(counts[3] - counts[0]) < 0.02 * counts[0]
    other = LandTile(tile.zone, tile.column, tile.row, Ground(None, None, Cropland.read(raster, (50,))), 80)
    assert not any(other.inside(w).any() for w in other.windows())


def test_a_mask_that_changes_after_planning_is_refused(tmp_path: Path) -> None:
    """A plan means one mask: another content under its name is an error, not another map."""
    path = tmp_path / "crops.geojson"
    path.write_text(shapely.to_geojson(shapely.box(-71.5, -35.5, -71.4, -35.4)))
    digest = file_digest(path)
    path.write_text(shapely.to_geojson(shapely.box(-71.6, -35.5, -71.4, -35.4)))
    changed = Cropland(str(path), digest)
    with pytest.raises(PlanError, match="other content"):
        changed.holds(np.array([[-71.45, -35.45]]))


@pytest.mark.parametrize("name", ["19S-34-617", "19N-0034-0617", "99S-0034-0617", ""])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """A tile's name is zone, column and row, nothing else."""
    with pytest.raises(PlanError, match="19S-0034-0617"):
        LandTile.named(name)


@pytest.mark.parametrize("step", [0, 15, 30, 5120])
def test_a_step_must_divide_a_window(step: int) -> None:
    """Only steps that fall on pixels of every window alike."""
    with pytest.raises(PlanError, match="2560"):
        LandTile(19, 34, 617, CHILE, step)
