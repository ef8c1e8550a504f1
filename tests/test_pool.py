"""Pooling: sums that add up exactly, means and spreads of cells and parcels, tiles on disk."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from stac_catalogs import CRS, LEFT, TOP

from surco.embedstore import EmbeddingBatch, Season, dequantize
from surco.encoder.area import project
from surco.encoder.channels import CHANNELS, INDEX
from surco.encoder.composite import Composite
from surco.encoder.grid import Window
from surco.encoder.merging import count_cells, merged_cells, merged_parcels
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.parcels import ParcelError, Parcels
from surco.encoder.pool import SHARE, Pixels, Sums, coarser, locate_cells, merge, ndvi_of, pool, select
from surco.encoder.staging import Staging, TileSums, to_payload
from surco.encoder.tables import cell_batches, parcel_batches
from surco.encoder.tile import Tile

WINDOW = Window(0, 0, CRS, Affine(10.0, 0, LEFT, 0, -10.0, TOP), 30, 20)


def pixels(count: int, seed: int = 0, missing: float = 0.2) -> Pixels:
    """Random unit vectors of 8 values, some missing."""
    rng = np.random.default_rng(seed)
    vector = rng.normal(size=(count, 8)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    vector[rng.random(count) < missing] = np.nan
    ndvi = rng.uniform(-0.2, 0.9, (count, 12)).astype(np.float32)
    ndvi[rng.random(ndvi.shape) < missing] = np.nan
    seen = rng.integers(0, 40, (2, count)).astype(np.uint16)
    return Pixels(vector, ndvi, seen[0], seen[1])


def take(all_pixels: Pixels, rows: np.ndarray) -> Pixels:
    """Some of the pixels."""
    return Pixels(*(getattr(all_pixels, f.name)[rows] for f in fields(Pixels)))


def cells_of(count: int, seed: int = 0) -> np.ndarray:
    """Cells of resolution 11 of random places of one square kilometre."""
    rng = np.random.default_rng(seed)
    return locate_cells(
        np.column_stack([rng.uniform(-71.5, -71.49, count), rng.uniform(-35.5, -35.49, count)]), 11
    )


def assert_same(one: Sums, other: Sums) -> None:
    """Bit for bit."""
    for field in fields(Sums):
        np.testing.assert_array_equal(
            getattr(one, field.name), getattr(other, field.name), err_msg=field.name
        )


def table(sums: Sums) -> pa.Table:
    """The rows of the cells table."""
    return pa.Table.from_batches(list(cell_batches(sums)))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 6), st.integers(0, 2**31))
def test_any_cut_into_tiles_gives_the_same_bits(count: int, tiles: int, seed: int) -> None:
    """Pooling everything at once equals merging tiles, in any order, and streaming them."""
    everything, keys = pixels(count, seed), cells_of(count, seed)
    whole = pool(keys, everything)
    belongs = np.random.default_rng(seed).integers(0, tiles, count)
    parts = [pool(keys[belongs == t], take(everything, belongs == t)) for t in range(tiles)]
    assert_same(merge(parts), whole)
    assert_same(merge(parts[::-1]), whole)
    for level in (11, 9, 5):
        streamed = list(merged_cells(tiles, lambda number: parts[number], 11, level))
        handed_out = np.concatenate([s.key for s in streamed])
        assert (np.diff(handed_out.astype(np.int64)) > 0).all()
        assert_same(merge(streamed), coarser(whole, level))
    seen = select(whole, whole.pixels > 0)
    found = count_cells(tiles, lambda number: parts[number], 11, (9, 11, 5))
    assert found == {level: len(coarser(seen, level).key) for level in (9, 11, 5)}


def test_parcels_of_many_tiles_come_in_groups() -> None:
    """Parcels far apart in number come in several pieces, with the sums of all tiles; none of none."""
    everything, numbers = pixels(400), np.random.default_rng(0).integers(0, 100_000, 400).astype(np.uint64)
    parts = [pool(numbers[half], take(everything, half)) for half in (slice(0, 250), slice(250, 400))]
    streamed = list(merged_parcels(2, lambda number: parts[number]))
    assert len(streamed) > 3
    assert_same(merge(streamed), pool(numbers, everything))
    assert not list(merged_parcels(2, lambda number: pool(numbers[:0], everything, np.empty(0, np.intp))))


def test_means_and_deviations_are_numpys() -> None:
    """Embedding, spread, NDVI and counts of each cell equal those computed pixel by pixel."""
    everything = pixels(3000)
    parents = [h3.cell_to_parent(h3.int_to_str(int(k)), 9) for k in cells_of(3000)]
    keys = np.array([h3.str_to_int(parent) for parent in parents], np.uint64)
    seen_cells = set(keys[np.isfinite(everything.vector[:, 0])].tolist())
    rows = table(pool(keys, everything))
    assert rows["h3"].to_pylist() == sorted(seen_cells)
    for row in rows.to_pylist():
        inside = take(everything, keys == row["h3"])
        seen = np.isfinite(inside.vector).all(axis=1)
        assert row["n_pixels"] == seen.sum() and row["valid_fraction"] == pytest.approx(seen.mean(), rel=1e-6)
        for column, expected in (
            ("embedding", inside.vector[seen].mean(axis=0)), ("spread", inside.vector[seen].std(axis=0))
        ):  # fmt: skip
            found = np.array(row[column]) * row[f"{column}_scale"]
            np.testing.assert_allclose(found, expected, atol=row[f"{column}_scale"] * 0.51)
        for month, found in enumerate(row["ndvi"]):
            known = inside.ndvi[seen, month][np.isfinite(inside.ndvi[seen, month])]
            assert found is None if not len(known) else abs(found - 100 * known.mean()) < 0.501
        assert row["n_optical"] == np.rint(inside.optical[seen].mean())
        assert row["n_radar"] == np.rint(inside.radar[seen].mean())


def test_cells_are_h3s() -> None:
    """Longitude comes first here and second in H3."""
    assert locate_cells(np.array([[-71.5, -35.4]]), 11).tolist() == [
        h3.str_to_int(h3.latlng_to_cell(-35.4, -71.5, 11))
    ]


def test_rows_hold_the_stores_schema() -> None:
    """The batches are what the store checks for; geometry is the cell's centre."""
    batch = next(cell_batches(pool(cells_of(500), pixels(500))))
    EmbeddingBatch(batch, "cells", "m", Season(2024), 11)
    first = batch.slice(0, 1).to_pylist()[0]
    latitude, longitude = h3.cell_to_latlng(h3.int_to_str(first["h3"]))
    point = shapely.from_wkb(first["geometry"])
    assert (point.x, point.y) == pytest.approx((longitude, latitude))


def test_equal_pixels_have_no_spread() -> None:
    """Pixels that are alike, and a single pixel, have a spread of exactly nothing."""
    one = pixels(1, missing=0)
    same = Pixels(*(np.repeat(getattr(one, f.name), 1000, axis=0) for f in fields(Pixels)))
    for sums in (pool(np.full(1000, cells_of(1)[0]), same), pool(cells_of(1), one)):
        row = table(sums).to_pylist()[0]
        assert row["spread_scale"] == 0 and not any(row["spread"])


def test_unseen_pixels_count_in_valid_fraction_only() -> None:
    """One of four pixels seen is a valid fraction of a quarter; a cell of which none was seen has no row."""
    some = pixels(8, missing=0)
    some.vector[1:] = np.nan
    keys = np.repeat(np.sort(np.unique(cells_of(100))[:2]), 4)
    row = table(pool(keys, some)).to_pylist()
    assert [(r["n_pixels"], r["valid_fraction"]) for r in row] == [(1, 0.25)]
    found = dequantize(np.array([row[0]["embedding"]], np.int8), np.array([row[0]["embedding_scale"]]))
    np.testing.assert_allclose(found[0], some.vector[0], atol=0.01)


def test_months_without_ndvi_are_null() -> None:
    """A month that no pixel saw is null, not zero."""
    some = pixels(4, missing=0)
    some.ndvi[:, 3] = np.nan
    some.ndvi[:3, 5] = np.nan
    row = table(pool(np.full(4, cells_of(1)[0]), some)).to_pylist()[0]
    assert row["ndvi"][3] is None and row["ndvi"][5] == round(100 * float(some.ndvi[3, 5]))


def test_coarser_cells_are_the_parents() -> None:
    """Sums of parents equal pooling the pixels by their cells' parents."""
    everything, keys = pixels(2000), cells_of(2000)
    parents = [h3.str_to_int(h3.cell_to_parent(h3.int_to_str(int(key)), 8)) for key in keys]
    assert_same(coarser(pool(keys, everything), 8), pool(np.array(parents, np.uint64), everything))


def test_ndvi_of_a_composite() -> None:
    """(nir - red) / (nir + red) where both are valid, else NaN."""
    values = np.zeros((12, len(CHANNELS), 1, 2), np.float32)
    values[:, INDEX["nir"]], values[:, INDEX["red"]] = 0.5, 0.1
    valid = np.ones(values.shape, bool)
    valid[3, INDEX["red"], 0, 0] = False
    tile = Tile(
        values, valid, np.zeros(12, "datetime64[D]"), Affine.identity(), CRS, np.zeros((2, 1, 2), np.float32)
    )
    count = np.zeros((1, 2), np.uint16)
    found = ndvi_of(Composite(tile, count, count))
    assert np.isnan(found[3, 0, 0]) and found[3, 0, 1] == pytest.approx(2 / 3)


def parcels(*shapes: shapely.Geometry) -> Parcels:
    """Parcels given on the grid, in metres from its corner."""
    moved = [
        shapely.transform(s, lambda xy: np.column_stack([LEFT + xy[:, 0], TOP - xy[:, 1]])) for s in shapes
    ]
    geometry = np.array([project(s, CRS, "OGC:CRS84") for s in moved], object)
    names = np.array([f"p{n}" for n in range(len(shapes))], object)
    metres = np.array([s.area for s in shapes]), np.array([s.length for s in shapes])
    return Parcels(
        names, geometry, np.array(["wheat"] + [None] * (len(shapes) - 1), object), *metres, "digest"
    )


def located(index: ParcelIndex, window: Window = WINDOW) -> dict[tuple[int, int], float]:
    """Shares by parcel and pixel."""
    keys, rows, shares = index.locate(window)
    places = list(zip(keys.tolist(), rows.tolist(), strict=True))
    assert len(set(places)) == len(places)
    return dict(zip(places, (shares / SHARE).tolist(), strict=True))


def test_parcels_take_pixels_by_their_share() -> None:
    """A parcel from 12 m to 38 m takes 0.8 of its outer pixels and all of the inner one; one elsewhere none."""
    found = located(ParcelIndex(parcels(shapely.box(12, 0, 38, 10), shapely.box(5000, 0, 5100, 100)), CRS))
    assert found == pytest.approx({(0, 1): 0.8, (0, 2): 1.0, (0, 3): 0.8}, abs=1 / SHARE)


def test_overlapping_parcels_share_pixels() -> None:
    """A pixel in two parcels counts in both."""
    found = located(ParcelIndex(parcels(shapely.box(0, 0, 40, 10), shapely.box(20, 0, 60, 10)), CRS))
    assert set(found) == {(0, 0), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (1, 4), (1, 5)}


def test_a_parcel_smaller_than_a_pixel_has_its_vector() -> None:
    """Inside one pixel it has that pixel's vector; between four it weighs them; it always counts as one pixel."""
    given_parcels = parcels(
        shapely.box(11, 1, 12, 2), shapely.box(28, 8, 32, 11), shapely.box(55, 5, 55.1, 5.1)
    )
    index = ParcelIndex(given_parcels, CRS)
    assert located(index) == pytest.approx(
        {(0, 1): 1.0, (1, 2): 1 / 3, (1, 3): 1 / 3, (1, 32): 1 / 6, (1, 33): 1 / 6, (2, 5): 1.0}, abs=2e-3
    )
    everything = pixels(600, missing=0)
    keys, rows, shares = index.locate(WINDOW)
    (batch,) = parcel_batches(pool(keys, everything, rows, shares), given_parcels)
    assert batch.column("n_pixels").to_pylist() == [1, 1, 1]
    first = batch.slice(0, 1).to_pylist()[0]
    np.testing.assert_allclose(
        np.array(first["embedding"]) * first["embedding_scale"], everything.vector[1], atol=0.01
    )
    assert first["spread_scale"] == 0 and first["valid_fraction"] == 1


def blob(seed: int, count: int) -> list[shapely.Geometry]:
    """Round parcels of 3 m to 90 m, in metres from the grid's corner, some across its edge."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((-20, -20), (320, 220), (count, 2))
    return [
        shapely.Point(*p).buffer(r, quad_segs=3)
        for p, r in zip(places, rng.uniform(3, 90, count), strict=True)
    ]


def cut_up(columns: list[int], rows: list[int]) -> list[Window]:
    """The test window cut at columns and rows."""
    across, down = [0, *sorted({*columns}), 30], [0, *sorted({*rows}), 20]
    return [
        Window(i, j, CRS, WINDOW.transform @ Affine.translation(a, c), b - a, d - c)
        for i, (c, d) in enumerate(pairwise(down))
        for j, (a, b) in enumerate(pairwise(across))
    ]


def pixels_of(window: Window) -> np.ndarray:
    """Which of the test window's pixels a cut holds."""
    column = round((window.transform.c - LEFT) / 10)
    row = round((TOP - window.transform.f) / 10)
    return (np.arange(row, row + window.height)[:, None] * 30 + column + np.arange(window.width)).ravel()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31), st.lists(st.integers(1, 29), max_size=3), st.lists(st.integers(1, 19), max_size=3)
)
def test_parcels_are_the_same_bits_under_any_tiling(seed: int, columns: list[int], rows: list[int]) -> None:
    """Sums of parcels, weighted at their edges, do not depend on where the grid was cut into windows."""
    index, everything = ParcelIndex(parcels(*blob(seed, 5)), CRS, seed % 3 * 4.0), pixels(600, seed)

    def sums(window: Window) -> Sums:
        keys, inside, shares = index.locate(window)
        return pool(keys, take(everything, pixels_of(window)), inside, shares)

    assert_same(merge([sums(window) for window in cut_up(columns, rows)]), sums(WINDOW))


def test_weighted_means_and_deviations_are_numpys() -> None:
    """Embedding, spread, NDVI and counts of a parcel are averages weighted by the areas of its pixels in it."""
    land = shapely.box(0, 0, 300, 200)
    shapes = [shape for shape in blob(1, 9) if shape.intersection(land).area > 100]
    given_parcels, everything = parcels(*shapes), pixels(600)
    keys, rows, shares = ParcelIndex(given_parcels, CRS).locate(WINDOW)
    found = pa.Table.from_batches(
        parcel_batches(pool(keys, everything, rows, shares), given_parcels)
    ).to_pylist()
    assert [row["id"] for row in found] == [f"p{n}" for n in range(len(shapes))]
    x, y = np.meshgrid(10 * np.arange(30), 10 * np.arange(20))
    boxes = shapely.box(x, y, x + 10, y + 10).ravel()
    for row, shape in zip(found, shapes, strict=True):
        area = shapely.area(shapely.intersection(boxes, shape)) / 100
        seen = np.isfinite(everything.vector).all(axis=1)
        weight = np.where(seen, area, 0)
        vector = np.nan_to_num(everything.vector.astype(float))
        mean = np.average(vector, axis=0, weights=weight)
        deviation = np.sqrt(np.average((vector - mean) ** 2, axis=0, weights=weight))
        for column, expected in (("embedding", mean), ("spread", deviation)):
            values = np.array(row[column]) * row[f"{column}_scale"]
            np.testing.assert_allclose(values, expected, atol=row[f"{column}_scale"] * 0.51 + 1e-4)
        assert row["n_pixels"] == pytest.approx(max(1, weight.sum()), abs=0.51)
        assert row["valid_fraction"] == pytest.approx(weight.sum() / area.sum(), abs=1e-3)
        assert row["n_optical"] == pytest.approx(np.average(everything.optical, weights=weight), abs=0.51)
        for month, hundredths in enumerate(row["ndvi"]):
            known = np.where(np.isfinite(everything.ndvi[:, month]), weight, 0)
            if known.sum() > 0.01:
                expected = np.average(np.nan_to_num(everything.ndvi[:, month]), weights=known)
                assert hundredths == pytest.approx(100 * expected, abs=0.6)


def test_erosion_leaves_neighbours_out() -> None:
    """Shrunk by 10 m, a parcel takes only pixels that are wholly its own; what vanishes keeps its shape, counted."""
    given_parcels = parcels(
        shapely.box(3, 3, 57, 57), shapely.box(60, 0, 75, 200), shapely.box(5000, 0, 5010, 10)
    )
    index = ParcelIndex(given_parcels, CRS, 10.0)
    found = located(index)
    outlines = shapely.transform(given_parcels.geometry, lambda xy: xy)
    assert {row for key, row in found if key == 0} == {31 + a + 30 * b for a in range(4) for b in range(4)}
    assert sum(share for (key, _), share in found.items() if key == 0) == pytest.approx(34**2 / 100, abs=0.01)
    assert sum(share for (key, _), share in found.items() if key == 1) == pytest.approx(30.0, abs=0.01)
    assert index.uneroded(shapely.box(*WINDOW.bounds)) == 1
    assert ParcelIndex(given_parcels, CRS).uneroded(shapely.box(*WINDOW.bounds)) == 0
    np.testing.assert_array_equal(given_parcels.geometry, outlines)


@pytest.mark.parametrize("erode", [0.0, 10.0])
def test_parcels_on_the_other_side_of_the_world(erode: float) -> None:
    """Parcels that the grid's projection does not reach hold no pixel and do no harm."""
    some = parcels(shapely.box(0, 0, 40, 40), shapely.box(0, 0, 10, 10))
    some.geometry[1] = shapely.box(20.9, -0.1, 21.1, 0.1)
    index = ParcelIndex(some, CRS, erode)
    assert {key for key, _ in located(index)} == {0}
    assert index.uneroded(shapely.box(*WINDOW.bounds)) == 0


@pytest.mark.parametrize("erode", [-1.0, float("nan"), float("inf")])
def test_erosion_is_a_length(erode: float) -> None:
    """A negative or infinite erosion is refused."""
    with pytest.raises(ParcelError, match=r"Expected 0 m or more to shrink parcels by; got .* Use 10"):
        ParcelIndex(parcels(shapely.box(0, 0, 40, 10)), CRS, erode)


def test_erosion_needs_metres() -> None:
    """On a grid of degrees metres cannot be taken off; without erosion such a grid is fine."""
    some = parcels(shapely.box(0, 0, 40, 10))
    with pytest.raises(
        ParcelError, match="Expected a grid in metres to shrink parcels on; got EPSG:4326 in degree"
    ):
        ParcelIndex(some, "EPSG:4326", 10)
    assert ParcelIndex(some, "EPSG:4326").touches(some.geometry[0])


def test_parcel_rows() -> None:
    """A parcel's row has its mean, area, crop and outline; a parcel without a pixel has none."""
    given_parcels = parcels(shapely.box(0, 0, 40, 10), shapely.box(5000, 0, 5100, 100))
    keys, rows, shares = ParcelIndex(given_parcels, CRS).locate(WINDOW)
    everything = pixels(600, missing=0)
    batches = list(parcel_batches(pool(keys, everything, rows, shares), given_parcels))
    EmbeddingBatch(batches[0], "parcels", "m", Season(2024))
    (row,) = pa.Table.from_batches(batches).to_pylist()
    assert (row["id"], row["crop:name"], row["n_pixels"]) == ("p0", "wheat", 4)
    assert (row["metrics:area"], row["metrics:perimeter"]) == (400.0, 100.0)
    found = np.array(row["embedding"]) * row["embedding_scale"]
    np.testing.assert_allclose(found, everything.vector[:4].mean(axis=0), atol=row["embedding_scale"])


def staged(count: int = 50) -> TileSums:
    """A tile's sums."""
    sums = pool(cells_of(count), pixels(count))
    return TileSums(sums, select(sums, np.zeros(len(sums.key), bool)), count, tuple(range(12)), (0,) * 12)


def test_tiles_survive_on_disk(tmp_path: Path) -> None:
    """What was saved is loaded bit for bit, without anything left over."""
    staging, tile = Staging(tmp_path), staged()
    assert not staging.has("19S-0001-0002")
    staging.save("19S-0001-0002", to_payload(tile))
    found = staging.load("19S-0001-0002")
    assert_same(found.cells, tile.cells)
    assert_same(found.parcels, tile.parcels)
    assert (found.pixels, found.optical, found.radar) == (tile.pixels, tile.optical, tile.radar)
    assert [p.name for p in tmp_path.iterdir()] == ["19S-0001-0002.arrow"]
    staging.remove("19S-0001-0002")
    assert not staging.has("19S-0001-0002") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b"", lambda b: b[:500] + b"x" + b[501:]])
def test_damaged_tiles_are_as_good_as_none(tmp_path: Path, damage: object) -> None:
    """A tile that was cut off or altered on disk is made again, never read."""
    staging = Staging(tmp_path)
    staging.save("a", to_payload(staged()))
    assert staging.has("a")
    (path,) = tmp_path.iterdir()
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    assert not staging.has("a")
    with pytest.raises(FileNotFoundError):
        staging.load("a")
