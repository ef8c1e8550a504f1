"""Pixels to parcels and cells, beside exactextract (exact shares) and rasterio's rasterize (pixel centres)."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from benchmarks.measure import measure, milliseconds, print_table, rate, ratio
from rasterio.features import rasterize
from scipy.sparse import csr_array
from shapely.geometry import mapping

from surco.encoder.area import project
from surco.encoder.coverage import Coverage, cover
from surco.encoder.grid import Window
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.parcels import Parcels
from surco.encoder.pool import UNIT, Pixels, Sums, locate_cells, pool

SIDE, PARCELS, VALUES = 256, 400, 64
CRS, LEFT, TOP = "EPSG:32719", 300_000.0, 6_080_000.0
BOUNDS = (LEFT, TOP - 10 * SIDE, LEFT + 10 * SIDE, TOP)
WINDOW = Window(0, 0, CRS, Affine(10, 0, LEFT, 0, -10, TOP), SIDE, SIDE)


def land() -> np.ndarray:
    """A tile cut into 400 parcels of 1.6 ha without gaps, their edges bent as surveyed ones are."""
    rng = np.random.default_rng(0)
    places = shapely.MultiPoint(rng.uniform(BOUNDS[:2], BOUNDS[2:], (PARCELS, 2)))
    whole = shapely.get_parts(shapely.voronoi_polygons(places, extend_to=shapely.box(*BOUNDS)))
    return shapely.segmentize(shapely.intersection(whole, shapely.box(*BOUNDS)), 20.0)


def tile_pixels() -> Pixels:
    """The pixels of one tile."""
    rng = np.random.default_rng(1)
    vector = rng.normal(size=(SIDE * SIDE, VALUES)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    ndvi = rng.uniform(0, 1, (SIDE * SIDE, 12)).astype(np.float32)
    count = np.full(SIDE * SIDE, 20, np.uint16)
    return Pixels(vector, ndvi, count, count)


def features(shapes: np.ndarray) -> list[dict[str, object]]:
    """As exactextract takes them."""
    return [{"type": "Feature", "geometry": mapping(shape), "properties": {}} for shape in shapes]


def rasterized(shapes: np.ndarray) -> np.ndarray:
    """Number of the parcel, from 1, that holds each pixel's centre."""
    numbered = [(shape, number + 1) for number, shape in enumerate(shapes)]
    return rasterize(numbered, out_shape=(SIDE, SIDE), transform=WINDOW.transform, dtype="int32")


def by_exactextract(shapes: np.ndarray, bands: np.ndarray, answers: list[str]) -> list[dict[str, np.ndarray]]:
    """Exactextract's answers by parcel; `bands` (B, H, W)."""
    exactextract = pytest.importorskip("exactextract")
    from exactextract.raster import NumPyRasterSource

    rasters = [NumPyRasterSource(band, *BOUNDS, name=f"b{i}") for i, band in enumerate(bands)]
    found = exactextract.exact_extract(rasters, features(shapes), answers)
    return [feature["properties"] for feature in found]


def test_shares_of_pixels() -> None:
    """Which pixels a parcel covers, and how much of each: exactextract's shares, and rasterize's pixels among them."""
    shapes = land()
    blank = np.zeros((1, SIDE, SIDE))
    (ours, found), (theirs, answers), (centres, labels) = measure(
        lambda: cover(shapes, WINDOW.transform, SIDE, SIDE),
        lambda: by_exactextract(shapes, blank, ["cell_id", "coverage"]),
        lambda: rasterized(shapes),
    )
    compare_shares(found, answers, labels.ravel())
    rows = [
        ["surco, exact shares", milliseconds(ours), rate(PARCELS, ours), ratio(1, 1)],
        ["exactextract, exact shares", milliseconds(theirs), rate(PARCELS, theirs), ratio(theirs, ours)],
        [
            "rasterize, pixel centres only",
            milliseconds(centres),
            rate(PARCELS, centres),
            ratio(centres, ours),
        ],
    ]
    print_table(
        f"Shares of pixels: {PARCELS} parcels of 1.6 ha, {len(found.share):,} shares",
        ["", "time", "parcels/s", "as fast as ours"],
        rows,
    )


def compare_shares(found: Coverage, answers: list[dict[str, np.ndarray]], labels: np.ndarray) -> None:
    """The peers agree with ours."""
    ours = np.zeros((PARCELS, SIDE * SIDE))
    ours[found.polygon, found.pixel] = found.share
    theirs = np.zeros_like(ours)
    for row, answer in enumerate(answers):
        theirs[row, answer["cell_id"]] = answer["coverage"]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert (ours[labels - 1, np.arange(len(labels))] > 0).all()


def parcels_of(shapes: np.ndarray) -> Parcels:
    """As read from a file."""
    none, names = np.full(len(shapes), None, object), np.arange(len(shapes)).astype(str).astype(object)
    degrees = np.array([project(shape, CRS, "OGC:CRS84") for shape in shapes], object)
    return Parcels(names, degrees, none, shapely.area(shapes), shapely.length(shapes), "")


def test_pooling_of_parcels() -> None:
    """Mean and spread of 64 values by parcel; exactextract's means are ours."""
    shapes, pixels = land(), tile_pixels()
    index = ParcelIndex(parcels_of(shapes), CRS)

    def pooled() -> Sums:
        keys, rows, shares = index.locate(WINDOW)
        return pool(keys, pixels, rows, shares)

    def by_centre() -> np.ndarray:
        labels = rasterized(shapes).ravel() - 1
        size = SIDE * SIDE
        weights = csr_array((np.ones(size, np.float32), (labels, np.arange(size))), shape=(PARCELS, size))
        total = weights.sum(axis=1)[:, None]
        mean = weights @ pixels.vector / total
        return np.stack([mean, weights @ pixels.vector**2 / total - mean**2])

    bands = np.ascontiguousarray(pixels.vector.T.reshape(VALUES, SIDE, SIDE))
    (ours, sums), (theirs, answers), (centres, _) = measure(
        pooled, lambda: by_exactextract(shapes, bands, ["mean", "stdev"]), by_centre
    )
    mean = sums.vector / sums.pixels[:, None] / UNIT
    expected = np.array([[answer[f"b{i}_mean"] for i in range(VALUES)] for answer in answers])
    np.testing.assert_allclose(mean, expected, atol=1e-4)
    rows = [
        ["surco: and NDVI of 12 months, counts", milliseconds(ours), rate(SIDE**2, ours), ratio(1, 1)],
        ["exactextract", milliseconds(theirs), rate(SIDE**2, theirs), ratio(theirs, ours)],
        [
            "rasterize and a sparse product",
            milliseconds(centres),
            rate(SIDE**2, centres),
            ratio(centres, ours),
        ],
    ]
    print_table(
        f"Pooling a tile of {SIDE} x {SIDE} pixels to {PARCELS} parcels: mean and spread of {VALUES} values",
        ["", "time", "pixels/s", "as fast as ours"],
        rows,
    )


def test_pooling_of_cells() -> None:
    """Every pixel of the tile is in one H3 cell."""
    pixels, lonlat = tile_pixels(), WINDOW.lonlat()
    ((located, keys),) = measure(lambda: locate_cells(lonlat, 11))
    ((summed, sums),) = measure(lambda: pool(keys, pixels))
    assert len(sums.key) == len(np.unique(keys)) and (sums.pixels == sums.total).all()
    rows = [
        ["H3 cells of the pixel centres", milliseconds(located), rate(SIDE**2, located)],
        [f"sums of {len(sums.key):,} cells", milliseconds(summed), rate(SIDE**2, summed)],
    ]
    print_table(
        f"Pooling a tile of {SIDE} x {SIDE} pixels to cells of resolution 11", ["", "time", "pixels/s"], rows
    )
