"""Vectors of pixels as a GeoTIFF: what is written is read back, whole or not at all."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from stac_catalogs import LEFT, TOP, optical, write_catalog

from surco.embedstore import Season
from surco.encoder import BandMeanEncoder
from surco.encoder.errors import CatalogError
from surco.encoder.pixel_raster import PixelNote, encode_raster, quantize_squares, read_pixel_note
from surco.encoder.published.rasters import open_raster

SEASON = Season(2024)
PIXELS = 300
"""More than a block of the file a side."""


def scene(day: str, left: int, right: int, **more: object):
    """One number left of the middle, another right of it."""
    numbers = np.full((PIXELS, PIXELS), left)
    numbers[:, PIXELS // 2 :] = right
    return optical(day, day, {"nir": numbers, "red": numbers // 4}, pixels=PIXELS, **more)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dates; the second has no clear pixel in its upper half, nor has the first in its uppermost rows."""
    clear = np.full((PIXELS // 2, PIXELS // 2), 4)
    cloudy, spoilt = clear.copy(), clear.copy()
    cloudy[: PIXELS // 4], spoilt[:5] = 9, 9
    items = [scene("2024-06-03", 2000, 4000, scl=spoilt), scene("2024-09-05", 3000, 3500, scl=cloudy)]
    return write_catalog(tmp_path_factory.mktemp("stac"), items)


def test_vectors_come_back_as_they_were(catalog: Path, tmp_path: Path) -> None:
    """A raster's unit vectors lie where the scenes do, within the byte's error, and nothing where nothing was seen."""
    told: list[tuple[int, int, str]] = []
    note = encode_raster(
        catalog, SEASON, BandMeanEncoder(), tmp_path / "p.tif", progress=lambda *now: told.append(now)
    )
    assert (
        note == PixelNote("band-mean-1", "2024-25", date(2024, 9, 5)) == read_pixel_note(tmp_path / "p.tif")
    )
    assert [now[:2] for now in told] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    with open_raster(tmp_path / "p.tif") as raster:
        assert (raster.shape, raster.dimension, raster.crs) == ((PIXELS, PIXELS), 64, "EPSG:32719")
        assert tuple(raster.transform)[:6] == (10, 0, LEFT, 0, -10, TOP)
        vectors = raster.read(0, 0, PIXELS, PIXELS).reshape(PIXELS, PIXELS, 64)
    assert np.isnan(vectors[:10]).all() and np.isfinite(vectors[16:]).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[16:], axis=2), 1, atol=1e-5)
    assert vectors[200, 10] @ vectors[250, 100] > 0.9999 > vectors[200, 10] @ vectors[200, 290]
    assert [path.name for path in tmp_path.iterdir()] == ["p.tif"]


def test_the_file_is_a_cog_that_others_read(catalog: Path, tmp_path: Path) -> None:
    """Tiled int8 bands in COG layout, -128 where there is nothing, with the model in its tag."""
    encode_raster(catalog, SEASON, BandMeanEncoder(), tmp_path / "p.tif")
    with rasterio.open(tmp_path / "p.tif") as raster:
        assert (
            set(raster.dtypes) == {"int8"} and raster.nodata == -128 and raster.block_shapes[0] == (256, 256)
        )
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert json.loads(raster.tags()["surco"])["model_id"] == "band-mean-1"


def test_a_byte_is_near_enough() -> None:
    """Cosine between vectors and what comes back is above 0.9999 at 64 dimensions; NaN stays nothing."""
    vectors = np.random.default_rng(3).normal(size=(500, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7, 3] = np.nan
    q = quantize_squares(vectors)
    assert (q[7] == -128).all() and q[:7].min() >= -127
    back = np.sign(q) * (q / np.float32(127.5)) ** 2
    kept = np.arange(500) != 7
    cosine = (back * vectors).sum(axis=1)[kept] / np.linalg.norm(back[kept], axis=1)
    assert cosine.min() > 0.9999


def test_an_area_beside_blocks(catalog: Path, tmp_path: Path) -> None:
    """Blocks that the area does not touch hold nothing, not zeros; an area of a triangle leaves some."""
    from pyproj import Transformer
    from shapely import Polygon, transform

    corner = Polygon([(LEFT, TOP), (LEFT + 2990, TOP), (LEFT, TOP - 2990)])
    move = Transformer.from_crs("EPSG:32719", "OGC:CRS84", always_xy=True).transform
    encode_raster(
        catalog, SEASON, BandMeanEncoder(), tmp_path / "p.tif", aoi=transform(corner, move, interleaved=False)
    )
    with rasterio.open(tmp_path / "p.tif") as raster:
        first = raster.read(1)
    assert (first[280:, 280:] == -128).all() and (first[60:100, 60:100] != -128).all()


def test_nothing_seen_leaves_no_file(tmp_path: Path) -> None:
    """A season of clouds is refused in words, and an older file stays as it was."""
    stac = write_catalog(tmp_path / "stac", [optical("a", "2024-06-03", scl=9)])
    out = tmp_path / "out" / "p.tif"
    out.parent.mkdir()
    out.write_bytes(b"older")
    with pytest.raises(CatalogError, match="Expected at least one clear observation"):
        encode_raster(stac, SEASON, BandMeanEncoder(), out)
    assert [p.read_bytes() for p in out.parent.iterdir()] == [b"older"]


@pytest.mark.parametrize("text", ["[1]", "no json", '{"model_id": 3, "observed": "soon"}', "[" * 100_000])
def test_notes_by_others_are_not_believed(text: str, tmp_path: Path) -> None:
    """A tag that is not ours says nothing."""
    with rasterio.open(
        tmp_path / "p.tif", "w", driver="GTiff", width=2, height=2, count=2, dtype="int8", crs="EPSG:32719",
        transform=rasterio.Affine(10, 0, 3e5, 0, -10, 6e6),
    ) as raster:  # fmt: skip
        raster.write(np.ones((2, 2, 2), np.int8))
        raster.update_tags(surco=text)
    assert read_pixel_note(tmp_path / "p.tif") == PixelNote(None, None, None)
