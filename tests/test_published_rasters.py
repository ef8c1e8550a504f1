"""Published embedding rasters: decoded to known values, pooled into exact cells and parcels, refused where unclear."""

from __future__ import annotations

import json
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

from surco.embedstore import Season, Store, dequantize, fixed_size_matrix, nearest
from surco.encoder.area import project
from surco.encoder.errors import EncoderError
from surco.encoder.parcels import ParcelError
from surco.encoder.published import RasterError, pool_rasters
from surco.encoder.published.geotiff import dequantize_squares
from surco.encoder.published.rasters import open_raster

LEFT, TOP, CRS = 300_000.0, 6_080_000.0, "EPSG:32719"
SEASON = Season(2024, start_month=1)


def numbers(rows: int = 24, columns: int = 40, dimension: int = 64, seed: int = 0) -> np.ndarray:
    """(H, W, D) int8: random vectors, two rows without data."""
    q = np.random.default_rng(seed).integers(-90, 91, (rows, columns, dimension)).astype(np.int8)
    q[3:5] = -128
    return q


def write_geotiff(path: Path, q: np.ndarray, *, bottom_up: bool = False, crs: str | None = CRS) -> Path:
    """AlphaEarth's layout: int8 bands, -128 for no data, rows from the north or from the south."""
    rows, columns, bands = q.shape
    transform = Affine(10.0, 0, LEFT, 0, -10.0, TOP)
    if bottom_up:
        q, transform = q[::-1], Affine(10.0, 0, LEFT, 0, 10.0, TOP - 10 * rows)
    profile = {"driver": "GTiff", "count": bands, "height": rows, "width": columns, "dtype": q.dtype.name}
    with rasterio.open(path, "w", crs=crs, transform=transform, nodata=-128, **profile) as target:
        target.write(np.moveaxis(q, 2, 0))
    return path


def write_tessera(
    folder: Path, q: np.ndarray, scales: np.ndarray, *, name: str = "grid_-70.95_-35.45"
) -> Path:
    """GeoTessera's layout: the arrays below their year, the land mask that places them in a folder above."""
    tile = folder / "global_0.1_degree_representation" / "2024" / name
    masks = folder / "global_0.1_degree_tiff_all"
    tile.mkdir(parents=True)
    masks.mkdir(parents=True)
    np.save(tile / f"{name}.npy", q)
    np.save(tile / f"{name}_scales.npy", scales)
    write_geotiff(masks / f"{name}.tiff", np.ones((*q.shape[:2], 1), np.int8))
    return tile / f"{name}.npy"


def write_parcels(path: Path, *boxes: tuple[float, float, float, float]) -> Path:
    """Parcels by west, south, east, north in metres from the rasters' upper left corner."""
    features = []
    for west, south, east, north in boxes:
        box = shapely.box(LEFT + west, TOP + south, LEFT + east, TOP + north)
        shape = shapely.geometry.mapping(project(box, CRS, "OGC:CRS84"))
        features.append({"type": "Feature", "properties": {"crop": "rice"}, "geometry": shape})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length, in double precision."""
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=-1, keepdims=True)


def alphaearth(q: np.ndarray) -> np.ndarray:
    """The published rule, written another way than in the code; NaN without data."""
    values = ((q.astype(np.float64) / 127.5) ** 2) * np.sign(q.astype(np.float64))
    values[(q == -128).any(axis=-1)] = np.nan
    return unit(values)


def cells_by_hand(
    vectors: np.ndarray, resolution: int, finest: int = 12
) -> dict[int, tuple[np.ndarray, np.ndarray, int, int]]:
    """Mean, spread, pixels with a vector and pixels of each cell, pixel by pixel with h3's own library.

    As in our tables, a coarser cell takes the pixels of the finest cells that it is the parent of.
    """
    to_degrees = Transformer.from_crs(CRS, "OGC:CRS84", always_xy=True)
    members: dict[int, list[np.ndarray]] = {}
    for row in range(vectors.shape[0]):
        for column in range(vectors.shape[1]):
            lon, lat = to_degrees.transform(LEFT + 10 * column + 5, TOP - 10 * row - 5)
            cell = h3.str_to_int(h3.cell_to_parent(h3.latlng_to_cell(lat, lon, finest), resolution))
            members.setdefault(cell, []).append(vectors[row, column])
    out = {}
    for cell, rows in members.items():
        seen = np.array([v for v in rows if np.isfinite(v).all()])
        if len(seen):
            out[cell] = (seen.mean(axis=0), seen.std(axis=0), len(seen), len(rows))
    return out


def stored(table: pa.Table, name: str) -> np.ndarray:
    """Vectors of a table as floats."""
    return dequantize(fixed_size_matrix(table[name]), table[f"{name}_scale"].to_numpy())


def assert_cells(store: Store, model_id: str, vectors: np.ndarray, resolution: int) -> None:
    """The table's cells are those made by hand: every one, its counts exactly, its numbers to the step of int8."""
    table = store.read("cells", model_id=model_id, resolution=resolution)
    wanted = cells_by_hand(vectors, resolution)
    assert sorted(wanted) == table["h3"].to_pylist()
    means, spreads = stored(table, "embedding"), stored(table, "spread")
    for i, cell in enumerate(table["h3"].to_pylist()):
        mean, spread, seen, total = wanted[cell]
        assert table["n_pixels"][i].as_py() == seen
        assert table["valid_fraction"][i].as_py() == pytest.approx(seen / total)
        np.testing.assert_allclose(means[i], mean, atol=0.51 * table["embedding_scale"][i].as_py() + 2e-6)
        np.testing.assert_allclose(spreads[i], spread, atol=0.51 * table["spread_scale"][i].as_py() + 2e-3)


@pytest.mark.parametrize("bottom_up", [False, True])
def test_alphaearth_becomes_cells(bottom_up: bool, tmp_path: Path) -> None:
    """Cells hold mean and spread of the pixels' unit vectors, for rasters from the north and from the south."""
    q = numbers()
    path = write_geotiff(tmp_path / "aef.tif", q, bottom_up=bottom_up)
    store = Store.create(tmp_path / "store", start_month=1)
    report = pool_rasters(
        [path], SEASON, store, model_id="alphaearth-1", resolutions=(12, 10), card={"licence": "CC-BY-4.0"}
    )
    for resolution in (12, 10):
        assert_cells(store, "alphaearth-1", alphaearth(q), resolution)
    assert (report.pixels, report.pixels_seen, report.rasters) == (24 * 40, 22 * 40, 1)
    assert report.cells[12] == store.read("cells", resolution=12).num_rows
    assert store.model_card("alphaearth-1") == {
        "kind": "published raster", "licence": "CC-BY-4.0", "model_id": "alphaearth-1",
    }  # fmt: skip


def test_what_a_raster_does_not_say_stays_empty(tmp_path: Path) -> None:
    """No NDVI and no dates are made up, and the vectors can be searched like any others."""
    store = Store.create(tmp_path / "store", start_month=1)
    pool_rasters(
        [write_geotiff(tmp_path / "aef.tif", numbers())], SEASON, store, model_id="a-1", resolutions=(11,)
    )
    table = store.read("cells")
    assert all(month is None for row in table["ndvi"].to_pylist() for month in row)
    assert set(table["n_optical"].to_pylist()) == set(table["n_radar"].to_pylist()) == {0}
    vectors = unit(stored(table, "embedding"))
    found = nearest(store, table["h3"][0].as_py(), 1, table="cells")
    assert found["similarity"][0].as_py() == pytest.approx((vectors[1:] @ vectors[0]).max(), abs=1e-5)


@pytest.mark.parametrize("per_number", [False, True])
def test_tessera_becomes_cells(per_number: bool, tmp_path: Path) -> None:
    """Arrays with a scale a pixel, or one a number, become cells of 128 numbers where the land mask places them."""
    q = numbers(dimension=128)
    q[3:5] = 1
    shape = q.shape if per_number else q.shape[:2]
    scales = np.random.default_rng(2).uniform(0.01, 0.2, shape).astype(np.float32)
    scales[:2] = np.nan
    path = write_tessera(tmp_path, q, scales)
    store = Store.create(tmp_path / "store", start_month=1)
    pool_rasters([path], SEASON, store, model_id="tessera-1", resolutions=(12,))
    vectors = unit(q.astype(np.float64) * (scales if per_number else scales[..., None]))
    assert_cells(store, "tessera-1", vectors, 12)
    assert store.read("cells").schema.field("embedding").type.list_size == 128


def test_parcels_take_their_pixels(tmp_path: Path) -> None:
    """A parcel of two by three pixels is the mean of six, shrunk of fewer; one off the rasters has no row."""
    q = numbers()
    path = write_geotiff(tmp_path / "aef.tif", q)
    inside, outside = (50, -130, 80, -110), (90_000, 0, 90_100, 100)
    parcels = write_parcels(tmp_path / "parcels.geojson", inside, outside)
    store = Store.create(tmp_path / "store", start_month=1)
    report = pool_rasters([path], SEASON, store, model_id="a-1", parcels=parcels, resolutions=(9,))
    table = store.read("parcels")
    assert (report.parcels, table["id"].to_pylist(), table["crop:name"].to_pylist()) == (1, ["0"], ["rice"])
    assert table["n_pixels"].to_pylist() == [6]
    members = alphaearth(q)[11:13, 5:8].reshape(6, 64)
    step = table["embedding_scale"][0].as_py()
    # edges bend by micrometres between the two CRS, so a neighbour may add some billionth
    np.testing.assert_allclose(stored(table, "embedding")[0], members.mean(axis=0), atol=0.51 * step + 1e-3)
    pool_rasters([path], SEASON, store, model_id="a-1", parcels=parcels, resolutions=(9,), erode=4)
    assert store.read("parcels")["n_pixels"].to_pylist() == [3]  # 22 m x 12 m


def test_an_area_cuts_the_rasters(tmp_path: Path) -> None:
    """Only pixels with their centre in the area count."""
    path = write_geotiff(tmp_path / "aef.tif", numbers())
    store = Store.create(tmp_path / "store", start_month=1)
    area = project(shapely.box(LEFT + 100, TOP - 200, LEFT + 200, TOP - 100), CRS, "OGC:CRS84")
    report = pool_rasters([path], SEASON, store, model_id="a-1", resolutions=(12,), aoi=area)
    assert report.pixels == report.pixels_seen == 100


def test_rasters_that_meet_make_one_table(tmp_path: Path) -> None:
    """Two rasters side by side give the table of the whole, bit for bit, in either order."""
    q = numbers(columns=80)
    whole = write_geotiff(tmp_path / "whole.tif", q)
    west = write_geotiff(tmp_path / "west.tif", q[:, :40])
    east = tmp_path / "east.tif"
    profile = {"driver": "GTiff", "count": 64, "height": 24, "width": 40, "dtype": "int8", "nodata": -128}
    with rasterio.open(
        east, "w", crs=CRS, transform=Affine(10, 0, LEFT + 400, 0, -10, TOP), **profile
    ) as target:
        target.write(np.moveaxis(q[:, 40:], 2, 0))
    tables = []
    for name, paths in (("one", [whole]), ("two", [west, east]), ("turned", [east, west])):
        store = Store.create(tmp_path / name, start_month=1)
        pool_rasters(paths, SEASON, store, model_id="a-1", resolutions=(11,))
        tables.append(store.read("cells"))
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


def test_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """A stopped run shows nothing, the next takes over its windows and writes the same table, a third does nothing."""
    path = write_geotiff(tmp_path / "aef.tif", numbers(rows=6, columns=600))

    def stop(done: int, total: int, text: str) -> None:
        assert text == "pooling aef.tif"
        if done == 2:
            raise KeyboardInterrupt

    store = Store.create(tmp_path / "store", start_month=1)
    with pytest.raises(KeyboardInterrupt):
        pool_rasters([path], SEASON, store, model_id="a-1", resolutions=(11,), progress=stop)
    assert store.tables() == []
    second = pool_rasters([path], SEASON, store, model_id="a-1", resolutions=(11,))
    third = pool_rasters([path], SEASON, store, model_id="a-1", resolutions=(11,))
    assert (second.resumed, second.already, third.already, third.key) == (2, False, True, second.key)
    other = Store.create(tmp_path / "other", start_month=1)
    pool_rasters([path], SEASON, other, model_id="a-1", resolutions=(11,))
    assert store.read("cells").equals(other.read("cells"))


def test_float_rasters_are_vectors_as_they_are(tmp_path: Path) -> None:
    """GeoTessera's GeoTIFF export, float32, needs no rule; its no-data value and zero vectors are nothing seen."""
    values = np.random.default_rng(3).normal(size=(4, 6, 8)).astype(np.float32)
    values[0, 0] = -128
    values[0, 1] = 0
    with open_raster(write_geotiff(tmp_path / "float.tif", values)) as raster:
        vectors = raster.read(0, 0, 4, 6)
    assert np.isnan(vectors[:2]).all()
    np.testing.assert_allclose(vectors[2:], unit(values.reshape(24, 8)[2:]), atol=1e-6)


def test_dequantisation_is_the_published_rule() -> None:
    """Sign times the square of q / 127.5; -128 is nothing."""
    q = np.array([[-127, -64, 0, 1, 127, -128]], np.int8)
    found = dequantize_squares(q)
    wanted = [-0.9921722, -0.2519646, 0.0, 6.151480e-05, 0.9921722]
    np.testing.assert_allclose(found[0, :5], wanted, rtol=1e-6)
    assert np.isnan(found[0, 5])


def refuse(
    match: str, tmp_path: Path, *paths: Path, error: type[Exception] = RasterError, **more: object
) -> None:
    """Pooling the paths fails with the message, and the store stays empty."""
    store = Store.open_or_create(tmp_path / "store", 1)
    arguments: dict[str, object] = {"season": SEASON, "model_id": "a-1", "resolutions": (11,), **more}
    season = arguments.pop("season")
    with pytest.raises(error, match=match):
        pool_rasters(list(paths), season, store, **arguments)  # type: ignore[arg-type]
    assert store.tables() == []


def test_refuses_rasters_that_are_not_clear(tmp_path: Path) -> None:
    """Files that are absent, cut off, pictures, without a place or rotated are refused, and say what to do."""
    refuse(r"Expected .* at .*none\.tif, got .*Check the path", tmp_path, tmp_path / "none.tif")
    cut = tmp_path / "cut.tif"
    cut.write_bytes(write_geotiff(tmp_path / "aef.tif", numbers()).read_bytes()[:9000])
    refuse("Expected embeddings as a whole GeoTIFF", tmp_path, cut)
    picture = write_geotiff(tmp_path / "rgb.tif", np.ones((4, 4, 3), np.int16))
    refuse(r"got 3 bands of int16.*not a picture", tmp_path, picture)
    refuse(r"got CRS None", tmp_path, write_geotiff(tmp_path / "nowhere.tif", numbers(), crs=None))
    local = write_geotiff(tmp_path / "local.tif", numbers(), crs='LOCAL_CS["somewhere",UNIT["metre",1]]')
    refuse(r"Expected a known CRS of the Earth", tmp_path, local)
    off = tmp_path / "off.tif"
    profile = {"driver": "GTiff", "count": 2, "height": 2, "width": 2, "dtype": "int8", "crs": CRS}
    with rasterio.open(off, "w", transform=Affine(10, 0, 1e12, 0, -10, TOP), **profile) as target:
        target.write(np.ones((2, 2, 2), np.int8))
    refuse("Expected a raster on the globe", tmp_path, off)
    vrt = tmp_path / "sly.vrt"
    vrt.write_text('<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>')
    refuse("Expected embeddings as a whole GeoTIFF", tmp_path, vrt)
    turned = tmp_path / "turned.tif"
    profile = {"driver": "GTiff", "count": 2, "height": 2, "width": 2, "dtype": "int8", "crs": CRS}
    with rasterio.open(turned, "w", transform=Affine(10, 1, LEFT, 1, -10, TOP), **profile) as target:
        target.write(np.ones((2, 2, 2), np.int8))
    refuse("without rotation.*Warp it", tmp_path, turned)


def test_refuses_half_of_tessera(tmp_path: Path) -> None:
    """Scales alone, an array without them, without its land mask or of other pixels, or a pickle: refused."""
    path = write_tessera(tmp_path, numbers(dimension=8), np.ones((24, 40), np.float32))
    scales = path.with_name(f"{path.stem}_scales.npy")
    refuse(rf"got their scales .*Name {path.stem}\.npy", tmp_path, scales)
    np.save(scales, np.ones((3, 3), np.float32))
    refuse(r"float32 \(3, 3\).*Fetch both files", tmp_path, path)
    np.save(scales, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refuse("_scales.npy, got ValueError", tmp_path, path)
    np.save(scales, np.ones((24, 40), np.float32))
    scales.write_bytes(scales.read_bytes().replace(b"}", b"(", 1))
    refuse("_scales.npy, got TokenError", tmp_path, path)
    scales.unlink()
    refuse("_scales.npy, got FileNotFoundError", tmp_path, path)
    np.save(scales, np.ones((24, 40), np.float32))
    mask = tmp_path / "global_0.1_degree_tiff_all" / f"{path.stem}.tiff"
    write_geotiff(mask, np.ones((5, 5, 1), np.int8))
    refuse(r"to have the \(24, 40\) pixels", tmp_path, path)
    mask.unlink()
    refuse(r"Expected the land mask .*Fetch the tile's land mask", tmp_path, path)


def test_refuses_requests_that_cannot_be_met(tmp_path: Path) -> None:
    """Two models at once, no raster, no vector, parcels elsewhere, odd resolutions and seasons are refused."""
    path = write_geotiff(tmp_path / "aef.tif", numbers())
    other = write_geotiff(tmp_path / "short.tif", numbers(dimension=8))
    refuse(r"vectors of one length, got \[8, 64\]", tmp_path, path, other)
    refuse("Expected a list of rasters", tmp_path)
    empty = write_geotiff(tmp_path / "empty.tif", np.full((4, 4, 8), -128, np.int8))
    refuse("at least one pixel with a vector", tmp_path, empty)
    parcels = write_parcels(tmp_path / "far.geojson", (90_000, 0, 90_100, 100))
    refuse("Expected parcels on the rasters", tmp_path, path, error=ParcelError, parcels=parcels)
    refuse("H3 resolutions from 5 to 12", tmp_path, path, error=EncoderError, resolutions=(13,))
    refuse("starts in month 1", tmp_path, path, error=EncoderError, season=Season(2024))
