"""Regions and masks out of files, and plans that somebody damaged."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from pyproj import CRS, Transformer

from surco.embedstore import Season
from surco.encoder import BandMeanEncoder, EncoderError
from surco.encoder.plan import Cropland, Ground, LandTile, PlanError, PlannedModel, RunPlan, SimulatedSource
from surco.encoder.plan.plan_files import plan_document, plan_from_document
from surco.encoder.plan.region_files import read_polygons, read_region

BOX = shapely.box(-71.4, -35.5, -71.3, -35.4)


def geoparquet(path: Path, shape: shapely.Geometry, crs: object = "OGC:CRS84") -> Path:
    """A GeoParquet file of one polygon; `crs` None leaves the field out."""
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": []}
    if crs is not None:
        column["crs"] = crs
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    table = pa.table({"geometry": [shape.wkb]}).replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, path)
    return path


def test_geojson_and_geoparquet_are_the_same_region(tmp_path: Path) -> None:
    """In degrees, without a CRS stated, and in metres of UTM: the same polygon."""
    plain = tmp_path / "a.geojson"
    plain.write_text(shapely.to_geojson(BOX))
    into = Transformer.from_crs("OGC:CRS84", "EPSG:32719", always_xy=True).transform
    metres = shapely.transform(BOX, into, interleaved=False)
    utm = json.loads(CRS.from_epsg(32719).to_json())
    for path in (
        plain,
        geoparquet(tmp_path / "b.parquet", BOX, None),
        geoparquet(tmp_path / "c.parquet", metres, utm),
    ):
        assert shapely.from_wkb(read_region(path)).symmetric_difference(BOX).area < 1e-9


@pytest.mark.parametrize(
    "name", ["none.geojson", "none.parquet", "text.geojson", "text.parquet", "h3.parquet", "odd.parquet"]
)
def test_a_file_that_is_no_region_is_refused(name: str, tmp_path: Path) -> None:
    """Missing, something else, a table without polygons, a CRS that nobody knows: one sentence each."""
    (tmp_path / "text.geojson").write_text("not JSON")
    (tmp_path / "text.parquet").write_text("not Parquet")
    pq.write_table(pa.table({"h3": pa.array([1], pa.uint64())}), tmp_path / "h3.parquet")
    geoparquet(tmp_path / "odd.parquet", BOX, "EPSG:999999")
    with pytest.raises(EncoderError, match=r"Expected .* got .*"):
        read_polygons(tmp_path / name)


def test_an_outline_too_fine_to_be_asked_often_is_refused(tmp_path: Path) -> None:
    """The message says what to do with it."""
    angle = np.linspace(0, 2 * np.pi, 250_000)
    ring = np.column_stack([-71 + np.cos(angle), -35 + np.sin(angle)])
    with pytest.raises(PlanError, match="--cropland"):
        read_region(geoparquet(tmp_path / "fine.parquet", shapely.Polygon(ring)))


def test_a_mask_can_be_asked_by_several_threads(tmp_path: Path) -> None:
    """Readers ahead of the encoder ask at once: the answers are those of one alone."""
    path = tmp_path / "crops.tif"
    profile = {
        "driver": "GTiff",
        "width": 600,
        "height": 600,
        "count": 1,
        "dtype": "uint8",
        "crs": "EPSG:4326",
    }
    values = np.random.default_rng(3).integers(0, 2, (1, 600, 600), np.uint8)
    transform = rasterio.Affine(0.001, 0, -71.6, 0, -0.001, -35.2)
    with rasterio.open(
        path, "w", **profile, transform=transform, tiled=True, blockxsize=64, blockysize=64
    ) as file:
        file.write(values)
    mask = Cropland.read(path)
    tile = LandTile.named("19S-0026-0595", Ground(None, BOX.buffer(0.4).wkb, mask), 20)
    alone = [tile.inside(window) for window in tile.windows()]
    assert 0.3 < np.mean(alone) < 0.7
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(tile.inside, list(tile.windows()) * 4))
    assert all(np.array_equal(one, alone[place % 16]) for place, one in enumerate(together))


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        (pa.array([1.5]), "uint64"),
        (pa.array([], pa.uint64()), "uint64"),
        (
            pa.array([int(h3.latlng_to_cell(-35, -71, level), 16) for level in (8, 9)], pa.uint64()),
            "one resolution",
        ),
        (None, "read the cropland"),
    ],
)
def test_a_mask_that_is_none_is_refused(cells: Any, word: str, tmp_path: Path) -> None:
    """Cells that are no cells, none, of two resolutions; a file cut off."""
    path = tmp_path / "crops.parquet"
    if cells is None:
        path.write_bytes(b"PAR1")
    else:
        pq.write_table(pa.table({"h3": cells}), path)
    with pytest.raises(PlanError, match=word):
        Cropland.read(path)


def test_a_raster_without_crs_is_no_mask(tmp_path: Path) -> None:
    """Nobody knows where its pixels are."""
    path = tmp_path / "crops.tif"
    profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, transform=rasterio.Affine(10, 0, 0, 0, -10, 0)) as file:
        file.write(np.ones((1, 4, 4), np.uint8))
    with pytest.raises(PlanError, match="without CRS"):
        Cropland.read(path)


def test_a_damaged_plan_is_a_plan_or_an_error() -> None:
    """Whatever value stands wherever in a plan's JSON, reading it gives a plan or one sentence, no stack trace."""
    ground = Ground((7101,), BOX.wkb, Cropland("/x.tif", "ab" * 32, (1,)))
    model = PlannedModel.of("band-mean", BandMeanEncoder())
    tile = replace(LandTile.named("19S-0026-0595", ground), step=640)
    plan = RunPlan("x", Season(2024), (tile,), model, (9,), simulated=SimulatedSource(1))
    whole = json.dumps(plan_document(plan))
    rng, refused = random.Random(5), 0  # noqa: S311 - which damage, not a secret
    junk = [None, True, -1, 0, 10**30, 1.5, float("nan"), "", "x" * 50, [], {}, [[]], [None], {"a": 1}]
    for _ in range(600):
        document = json.loads(whole)
        _spoil(document, rng, junk)
        try:
            assert plan_from_document(document, "plan.json").tiles
        except PlanError as error:
            refused += 1
            assert str(error).startswith("Expected")
    assert refused > 300


def _spoil(document: Any, rng: random.Random, junk: list[Any]) -> None:
    """Put a wrong value somewhere, at any depth."""
    while True:
        places = list(document) if isinstance(document, dict) else list(range(len(document)))
        place = rng.choice(places)
        inner = document[place]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            document[place] = rng.choice(junk)
            return
        document = inner
