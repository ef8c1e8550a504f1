"""Shares of pixels in polygons: exact, the same under any cut into windows, and those of other implementations."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import array_bounds
from shared_data import shared

from surco.encoder.area import project
from surco.encoder.coverage import Coverage, cover
from surco.encoder.parcels import read_parcels

LEFT, TOP, SIZE, WIDE, HIGH = 300_000.0, 6_080_000.0, 10.0, 40, 30
NORTH_UP = Affine(SIZE, 0, LEFT, 0, -SIZE, TOP)
seeds = st.integers(0, 2**31)


def star(rng: np.random.Generator, hole: bool = True) -> shapely.Polygon:
    """A polygon with many corners, concave, at a random place on or beside the grid, often with a hole."""
    corners = rng.integers(3, 40)
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    far = rng.uniform(0.2, 1.0, corners) * rng.choice([4.0, 30.0, 150.0])
    x, y = rng.uniform(-20, 10 * WIDE + 20), rng.uniform(-20, 10 * HIGH + 20)
    outline = np.column_stack([LEFT + x + far * np.cos(angle), TOP - y + far * np.sin(angle)])
    shape = shapely.make_valid(shapely.Polygon(outline))
    inner = shapely.buffer(shape, -far.max() / 10)
    if hole and rng.random() < 0.5 and inner.area:
        shape = shapely.difference(shape, shapely.affinity.scale(inner, 0.6, 0.6))
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return shapely.union_all(parts)


def stars(seed: int, count: int = 6) -> np.ndarray:
    """Some of them."""
    rng = np.random.default_rng(seed)
    return np.array([*(star(rng) for _ in range(count)), None], object)[:-1]


def dense(found: Coverage, count: int, width: int = WIDE, height: int = HIGH) -> np.ndarray:
    """Shares as (K, H, W)."""
    out = np.zeros((count, height * width))
    np.add.at(out, (found.polygon, found.pixel), found.share)
    return out.reshape(count, height, width)


def pixels(transform: Affine, width: int = WIDE, height: int = HIGH) -> np.ndarray:
    """Outlines of the pixels, (H, W)."""
    x = transform.c + transform.a * np.arange(width + 1)
    y = transform.f + transform.e * np.arange(height + 1)
    return shapely.box(x[None, :-1], y[:-1, None], x[None, 1:], y[1:, None])


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_shares_are_the_areas_of_intersections(seed: int) -> None:
    """Each share is what GEOS finds by intersecting pixel and polygon, holes and all, to a millionth of a pixel."""
    shapes = stars(seed)
    boxes = pixels(NORTH_UP)
    expected = shapely.area(shapely.intersection(boxes[None], shapes[:, None, None])) / SIZE**2
    found = cover(shapes, NORTH_UP, WIDE, HIGH)
    np.testing.assert_allclose(dense(found, len(shapes)), expected, atol=1e-6)
    assert len(np.unique(found.polygon * WIDE * HIGH + found.pixel)) == len(found.pixel)
    assert (found.share > 0).all() and (found.share <= 1).all()


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(0, WIDE - 1), st.integers(0, HIGH - 1), st.integers(1, WIDE), st.integers(1, HIGH))
def test_a_window_is_a_cut_of_the_whole(seed: int, column: int, row: int, width: int, height: int) -> None:
    """Any window gives, bit for bit, the shares that a larger one has there."""
    shapes = stars(seed)
    width, height = min(width, WIDE - column), min(height, HIGH - row)
    whole = dense(cover(shapes, NORTH_UP, WIDE, HIGH), len(shapes))
    window = cover(shapes, NORTH_UP @ Affine.translation(column, row), width, height)
    np.testing.assert_array_equal(
        dense(window, len(shapes), width, height), whole[:, row : row + height, column : column + width]
    )


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_neighbours_share_their_pixels_without_remainder(seed: int) -> None:
    """The land cut into polygons: the shares of every pixel add up to exactly one."""
    rng = np.random.default_rng(seed)
    land = shapely.box(LEFT, TOP - 10 * HIGH, LEFT + 10 * WIDE, TOP)
    place = rng.uniform(land.bounds[:2], land.bounds[2:], (12, 2))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(place), extend_to=land))
    shares = dense(cover(cells, NORTH_UP, WIDE, HIGH), len(cells)).sum(axis=0)
    np.testing.assert_array_equal(shares, 1.0)


@pytest.mark.parametrize(("across", "down"), [(10, -10), (10, 10), (-10, -10), (-10, 10), (7.5, -20.0)])
def test_rasters_in_any_direction(across: float, down: float) -> None:
    """Bottom-up and mirrored rasters, and pixels that are no squares, give the areas of intersections too."""
    transform = Affine(across, 0, LEFT + 3.3, 0, down, TOP - 5.1)
    west, south, east, north = array_bounds(20, 20, transform)
    middle = shapely.Point((west + east) / 2, (south + north) / 2)
    shapes = np.array([middle.buffer(60).difference(middle.buffer(22)), middle.buffer(1)], object)
    boxes = pixels(transform, 20, 20)
    expected = shapely.area(shapely.intersection(boxes[None], shapes[:, None, None])) / abs(across * down)
    found = cover(shapes, transform, 20, 20)
    np.testing.assert_allclose(dense(found, 2, 20, 20), expected, atol=1e-6)


def test_known_shares() -> None:
    """A box from 12 m to 38 m covers 0.8, 1 and 0.8 of three pixels; one in a corner of four a quarter of each."""
    along = shapely.box(LEFT + 12, TOP - 10, LEFT + 38, TOP)
    corner = shapely.box(LEFT + 95, TOP - 25, LEFT + 105, TOP - 15)
    found = cover(np.array([along, corner], object), NORTH_UP, WIDE, HIGH)
    assert found.polygon.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert found.pixel.tolist() == [1, 2, 3, 49, 50, 89, 90]
    np.testing.assert_allclose(found.share, [0.8, 1, 0.8, 0.25, 0.25, 0.25, 0.25], atol=1e-7)


def test_nothing_to_cover() -> None:
    """No polygons, empty ones, and those beside the window on every side cover nothing."""
    away = [(-500, -50), (500, 900), (-50, 3000), (-50, -3000)]
    shapes = [shapely.box(LEFT + a, TOP - 200, LEFT + b, TOP - 100) for a, b in away[:1]]
    shapes += [shapely.box(LEFT + 600, TOP - 200, LEFT + 700, TOP - 100), shapely.Polygon()]
    shapes += [shapely.box(LEFT, TOP + d, LEFT + 100, TOP + d + 50) for d in (20, -500)]
    for some in (np.array([], object), np.array(shapes, object)):
        found = cover(some, NORTH_UP, WIDE, HIGH)
        assert len(found.polygon) == len(found.pixel) == len(found.share) == 0


def test_real_parcels_are_exactextracts() -> None:
    """Farmers' parcels of Flanders: every pixel and share is that of exactextract."""
    exactextract = pytest.importorskip("exactextract")
    from exactextract.raster import NumPyRasterSource

    parcels = read_parcels(shared("stac/flanders_2019") / "parcels.geojson")
    shapes = np.array([project(shape, "OGC:CRS84", "EPSG:32631") for shape in parcels.geometry], object)
    west, south = np.floor(shapely.total_bounds(shapes)[:2] / 10) * 10
    east, north = np.ceil(shapely.total_bounds(shapes)[2:] / 10) * 10
    width, height = int((east - west) / 10), int((north - south) / 10)
    raster = NumPyRasterSource(np.zeros((height, width)), west, south, east, north)
    features = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(s), "properties": {}} for s in shapes
    ]
    answers = exactextract.exact_extract(raster, features, ["cell_id", "coverage"])
    found = cover(shapes, Affine(10, 0, west, 0, -10, north), width, height)
    ours = dense(found, len(shapes), width, height).reshape(len(shapes), -1)
    theirs = np.zeros_like(ours)
    for row, answer in enumerate(answers):
        theirs[row, answer["properties"]["cell_id"]] = answer["properties"]["coverage"]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert theirs.sum() > 1000
