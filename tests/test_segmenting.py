"""`surco segment`: from labels to a class for every pixel, and for parcels by their pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from field_scenes import CRS, field_catalog, field_numbers, true_fields
from parcel_files import geojson
from shared_data import shared

from surco.api.cli import main
from surco.api.maps import predict_table
from surco.api.pixel_areas import PixelRequest
from surco.api.segmenting import SegmentRequest, segment
from surco.embedstore import Season, Store
from surco.encoder import BandMeanEncoder, encode_store
from surco.encoder.area import project
from surco.encoder.pixel_raster import encode_raster

PIXELS, FIELDS, CROPS = 264, 60, 12
SEASON = Season(2024)


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    """Where which field is; more than a window a side."""
    return field_numbers(PIXELS, FIELDS, seed=4)


@pytest.fixture(scope="module")
def catalog(numbers: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its scenes."""
    return field_catalog(tmp_path_factory.mktemp("fields") / "stac", numbers, CROPS, noise=1200.0)


@pytest.fixture(scope="module")
def pixels(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its vectors."""
    out = tmp_path_factory.mktemp("pixels") / "pixels.tif"
    encode_raster(catalog, SEASON, BandMeanEncoder(), out)
    return out


@pytest.fixture(scope="module")
def fields(numbers: np.ndarray) -> list[shapely.Geometry]:
    """Outlines in degrees."""
    return [project(shape, CRS, "OGC:CRS84") for shape in true_fields(numbers)]


def crop_of(number: int) -> str:
    """Name of what grows on a field."""
    return f"crop {number % CROPS:02d}"


def labels(path: Path, fields: list[shapely.Geometry], only: range = range(1, 31)) -> Path:
    """Points and polygons in half of the fields: five or so a crop."""
    shapes = [fields[n - 1].representative_point() if n % 2 else fields[n - 1].buffer(-2e-4) for n in only]
    return geojson(path, shapes, *[{"crop": crop_of(n)} for n in only])


def run(*arguments: object) -> str:
    """What a command prints; it must succeed."""
    done = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def right(path: Path, numbers: np.ndarray) -> float:
    """Share of the pixels of fields without labels that have their crop."""
    with rasterio.open(path) as raster:
        codes, tags = raster.read(1), raster.tags()
    names = np.array(["", *[tags[f"class_{i + 1}"] for i in range(CROPS)]])
    truth = np.array(["", *[crop_of(n) for n in range(1, FIELDS + 1)]])[numbers]
    return float((names[codes] == truth)[numbers > 30].mean())


def test_labels_to_a_map_of_pixels(
    pixels: Path, numbers: np.ndarray, fields: list[shapely.Geometry], tmp_path: Path
) -> None:
    """From 30 labels of 12 crops a COG on the vectors' grid, most pixels right, with names, colours and origin."""
    said = run(
        "segment", pixels, "--labels", labels(tmp_path / "l.geojson", fields), "--out", tmp_path / "m.tif"
    )
    assert "69,696 pixels of season 2024-25" in said and "Pixels alone, on held-out labels: accuracy" in said
    assert "no survey estimate" in said
    assert right(tmp_path / "m.tif", numbers) > 0.9
    with rasterio.open(tmp_path / "m.tif") as raster, rasterio.open(pixels) as grid:
        assert (raster.transform, raster.crs, raster.shape) == (grid.transform, grid.crs, grid.shape)
        assert raster.nodata == 0 and raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert len(raster.colormap(1)) >= CROPS
        assert json.loads(raster.tags()["surco"])["model"] == "band-mean-1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l.geojson", "m.tif"]


def test_what_is_learned_is_kept_and_serves_the_store(
    catalog: Path, pixels: Path, numbers: np.ndarray, fields: list[shapely.Geometry], tmp_path: Path
) -> None:
    """Kept in a store, the adapter draws the same pixels again, and the store's cells as a crop-type adapter does."""
    store = Store.create(tmp_path / "s")
    encode_store(catalog, SEASON, store, BandMeanEncoder(), resolutions=(11,))
    arguments = ["segment", pixels, "--adapter", "pixels", "--store", store.path]
    run(*arguments, "--labels", labels(tmp_path / "l.geojson", fields), "--out", tmp_path / "a.tif")
    said = run(*arguments, "--out", tmp_path / "b.tif")
    assert "held-out" not in said
    with rasterio.open(tmp_path / "a.tif") as one, rasterio.open(tmp_path / "b.tif") as other:
        np.testing.assert_array_equal(one.read(1), other.read(1))
    assert "segmentation" in run("adapters", "list", store.path)
    predicted = predict_table(Store.open(store.path), "pixels", unit="cells")
    assert len(predicted) > 100 and set(predicted.classes) == {f"crop {i:02d}" for i in range(CROPS)}
    run("map", store.path, "--adapter", "pixels", "--out", tmp_path / "cells.parquet")


def test_a_crop_type_adapter_draws_pixels_too(
    catalog: Path, pixels: Path, numbers: np.ndarray, fields: list[shapely.Geometry], tmp_path: Path
) -> None:
    """Fitted on a store's parcels, it is asked about pixels as it is."""
    store = Store.create(tmp_path / "s")
    outlines = geojson(tmp_path / "p.geojson", fields)
    encode_store(catalog, SEASON, store, BandMeanEncoder(), resolutions=(9,), parcels=outlines)
    found = labels(tmp_path / "l.geojson", fields)
    run("adapters", "fit", store.path, "--labels", found, "--name", "crops", "--unit", "parcels")
    run("segment", pixels, "--adapter", "crops", "--store", store.path, "--out", tmp_path / "m.tif")
    assert right(tmp_path / "m.tif", numbers) > 0.85


def test_parcels_by_their_pixels(pixels: Path, fields: list[shapely.Geometry], tmp_path: Path) -> None:
    """Fields get the class of their pixels, also those across windows; one off the raster gets none."""
    away = shapely.box(-70, -30, -69.999, -29.999)
    outlines = geojson(
        tmp_path / "p.geojson", [*fields, away], *[{"id": f"f{n}"} for n in range(1, FIELDS + 2)]
    )
    said = run(
        "segment", pixels, "--labels", labels(tmp_path / "l.geojson", fields), "--parcels", outlines,
        "--out", tmp_path / "m.parquet",
    )  # fmt: skip
    assert f"{FIELDS} parcels of season 2024-25" in said
    rows = pq.read_table(tmp_path / "m.parquet").to_pylist()
    assert [row["id"] for row in rows] == [f"f{n}" for n in range(1, FIELDS + 2)]
    correct = [row["class"] == crop_of(n) for n, row in enumerate(rows[:-1], start=1)]
    assert np.mean(correct[30:]) > 0.9
    assert rows[-1]["class"] is None and rows[-1]["probability"] is None
    assert rows[0]["area_ha"] > 0 and 0.3 < rows[0]["probability"] <= 1


def test_context_can_be_left_out(
    pixels: Path, numbers: np.ndarray, fields: list[shapely.Geometry], tmp_path: Path
) -> None:
    """Without it pixels stand alone: the map is another, and has more changes between neighbours."""
    found, changes = labels(tmp_path / "l.geojson", fields), []
    for context in ("0", "1"):
        run("segment", pixels, "--labels", found, "--context", context, "--out", tmp_path / "m.tif")
        with rasterio.open(tmp_path / "m.tif") as raster:
            changes.append(int((np.diff(raster.read(1).astype(int), axis=1) != 0).sum()))
    assert changes[1] < changes[0]


def test_fields_that_are_found_vote(tmp_path: Path) -> None:
    """Pixels of a found field have its class: more are right than alone, and fewer differ from their neighbours."""
    numbers = field_numbers(160, FIELDS, seed=4)
    scenes = field_catalog(tmp_path / "stac", numbers, CROPS, noise=400.0)
    encode_raster(scenes, SEASON, BandMeanEncoder(), tmp_path / "p.tif")
    outlines = [project(shape, CRS, "OGC:CRS84") for shape in true_fields(numbers)]
    found, changes, share = labels(tmp_path / "l.geojson", outlines), [], []
    for more in ([], ["--fields", "gradient"]):
        run(
            "segment",
            tmp_path / "p.tif",
            "--labels",
            found,
            "--context",
            0,
            *more,
            "--out",
            tmp_path / "m.tif",
        )
        share.append(right(tmp_path / "m.tif", numbers))
        with rasterio.open(tmp_path / "m.tif") as raster:
            changes.append(int((np.diff(raster.read(1).astype(int), axis=1) != 0).sum()))
    assert share[1] > share[0] + 0.005 and changes[1] < changes[0]


def test_labels_elsewhere_are_said(pixels: Path, fields: list[shapely.Geometry], tmp_path: Path) -> None:
    """Labels off the raster are counted; none on it is refused, and no file is left."""
    path = labels(tmp_path / "l.geojson", fields)
    document = json.loads(path.read_text())
    point = {"type": "Point", "coordinates": [-70, -30]}
    far = {"type": "Feature", "id": "far", "properties": {"crop": "crop 01"}, "geometry": point}
    document["features"].append(far)
    path.write_text(json.dumps(document))
    assert "1 labels lie on no pixel that was seen, such as far" in run(
        "segment", pixels, "--labels", path, "--out", tmp_path / "m.tif"
    )
    path.write_text(json.dumps({**document, "features": [far]}))
    done = CliRunner().invoke(
        main, ["segment", str(pixels), "--labels", str(path), "--out", str(tmp_path / "n.tif")]
    )
    assert done.exit_code == 2 and "got none of the 1" in done.output and not (tmp_path / "n.tif").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "m.tif"], "Expected --labels to learn from, or an --adapter with its --store"),
        (
            ["--out", "m.tif", "--labels", "l.geojson", "--adapter", "a"],
            "or all three to keep what is learned",
        ),
        (
            ["--out", "m.parquet", "--labels", "l.geojson"],
            "Expected to write pixels to a file ending in .tif",
        ),
        (
            ["--out", "m.tif", "--labels", "l.geojson", "--parcels", "p"],
            "Expected to write parcels to a file ending in",
        ),
        (["--out", "m.parquet", "--parcels", "p", "--fields", "network"], "Expected --fields or --parcels"),
        (["--out", "gone/m.tif", "--labels", "l.geojson"], "in a folder that is there"),
    ],
)
def test_refusals(
    pixels: Path, tmp_path: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 and a sentence that helps, before any work."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["segment", str(pixels), *arguments], catch_exceptions=False)
    assert done.exit_code == 2 and message in " ".join(done.output.split()), done.output
    assert list(tmp_path.iterdir()) == []


def test_flanders(tmp_path: Path) -> None:
    """Real scenes: fitted on the farmers' declared parcels themselves, most of their pixels get their crop."""
    catalog, declared = shared("stac/flanders_2019"), shared("stac/flanders_2019/parcels.geojson")
    column = next(
        iter(k for k in json.loads(declared.read_text())["features"][0]["properties"] if "crop" in k.lower())
    )
    request = SegmentRequest(
        PixelRequest(str(catalog), "2018-11/2019-10", "band-mean"), tmp_path / "m.parquet",
        labels=declared, class_column=column, parcels=declared,
    )  # fmt: skip
    report = segment(request)
    features = json.loads(declared.read_text())["features"]
    rows = pq.read_table(tmp_path / "m.parquet").to_pylist()
    same = [row["class"] == str(f["properties"][column]) for row, f in zip(rows, features, strict=True)]
    assert len(report.classes) > 2 and np.mean(same) > 0.7
