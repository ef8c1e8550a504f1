"""`surco boundaries`: from scenes to parcels, from parcels to their embeddings, and from season to season."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from affine import Affine
from checkers import gpio_check, vec_errors
from click.testing import CliRunner
from field_scenes import CRS, best_overlaps, field_catalog, field_numbers, true_fields
from shared_data import shared

from surco.adapters import CropTypeAdapter, save_adapter
from surco.adapters.boundaries.boundary_adapter import BoundaryAdapter
from surco.api.boundaries import BoundaryRequest, describe_boundaries, find_parcels
from surco.api.cli import main
from surco.api.errors import ApiError
from surco.api.pixel_areas import PixelRequest
from surco.embedstore import Store
from surco.encoder import EncoderError
from surco.encoder.area import project
from surco.encoder.parcel_import import ParcelRequest, import_parcels
from surco.encoder.parcels import read_parcels

SEASON = "2024-05/2025-04"
PIXELS, FIELDS, SMALLEST = 96, 16, 6000.0
"""m²: no field of the scenes is smaller; strips of mixed pixels between them are."""


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    """Where which field is."""
    return field_numbers(PIXELS, FIELDS)


@pytest.fixture(scope="module")
def catalog(numbers: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its scenes."""
    return field_catalog(tmp_path_factory.mktemp("fields") / "stac", numbers)


@pytest.fixture(scope="module")
def pixels(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its vectors as a raster, kept by a first run."""
    folder = tmp_path_factory.mktemp("pixels")
    request = PixelRequest(str(catalog), SEASON, "band-mean", keep=folder / "pixels.tif")
    find_parcels(BoundaryRequest(request, folder / "parcels.parquet", "gradient"))
    return folder / "pixels.tif"


def found_in(pixels: Path, out: Path, **settings: object) -> Path:
    """The file of parcels found in a raster of vectors by its own edges."""
    request = PixelRequest(str(pixels))
    find_parcels(BoundaryRequest(request, out, "gradient", **({"min_area": SMALLEST} | settings)))  # type: ignore[arg-type]
    return out


def in_metres(path: Path) -> np.ndarray:
    """Outlines of a file of parcels in the scenes' CRS."""
    shapes = shapely.from_wkb(pq.read_table(path)["geometry"].to_pylist())
    return np.array([project(shape, "OGC:CRS84", CRS) for shape in shapes], object)


def run(*arguments: object) -> str:
    """What a command prints; it must succeed."""
    done = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_loop_closes(catalog: Path, numbers: np.ndarray, tmp_path: Path) -> None:
    """Scenes to parcels, parcels to embeddings: each has a vector, and lies where its field is."""
    out, store = tmp_path / "parcels.parquet", tmp_path / "valle.store"
    said = run(
        "boundaries",
        catalog,
        "--season",
        SEASON,
        "--model",
        "band-mean",
        "--method",
        "gradient",
        "--out",
        out,
    )
    assert "surco encode --parcels" in said and "season 2024-25, by the gradient on band-mean-1" in said
    assert [path.name for path in tmp_path.iterdir()] == ["parcels.parquet"]
    overlap = best_overlaps(true_fields(numbers), in_metres(out))
    assert (overlap >= 0.5).mean() > 0.9
    run(
        "encode", "--stac", catalog, "--season", SEASON, "--store", store, "--parcels", out, "--model",
        "band-mean", "--res", "9",
    )  # fmt: skip
    rows = Store.open(store).read("parcels")
    assert sorted(rows["id"].to_pylist()) == sorted(pq.read_table(out)["id"].to_pylist())
    assert min(rows["n_pixels"].to_pylist()) >= 4 and rows["metrics:area"].null_count == 0


def test_the_file_says_what_fiboa_wants(pixels: Path, tmp_path: Path) -> None:
    """Columns, types and values by their names in fiboa 0.3 and Vecorel 0.1; confidence and parents beside them."""
    out = found_in(pixels, tmp_path / "p.parquet")
    table, schema = pq.read_table(out), pq.read_schema(out)
    assert table["determination:method"].unique().to_pylist() == ["auto-imagery"]
    assert table["determination:datetime"].unique().to_pylist() == [datetime(2025, 2, 10, tzinfo=UTC)]
    assert "gradient on vectors of band-mean-1" in table["determination:details"][0].as_py()
    assert schema.field("metrics:area").type == pa.float32() and not schema.field("id").nullable
    assert 0 <= min(table["confidence"].to_pylist()) <= max(table["confidence"].to_pylist()) <= 1
    assert table["parents"].to_pylist() == [[]] * table.num_rows
    assert set(table["comuna"].to_pylist()) == {7109}
    shapes = in_metres(out)
    np.testing.assert_allclose(table["metrics:area"].to_numpy(), shapely.area(shapes), rtol=2e-3)
    np.testing.assert_allclose(
        table["metrics:perimeter"].to_numpy(), [s.exterior.length for s in shapes], rtol=2e-3
    )
    assert shapely.coverage_is_valid(shapely.from_wkb(table["geometry"].to_pylist()))
    origin = json.loads(schema.metadata[b"surco"])["found"]
    assert origin["source"] == "pixels.tif" and origin["method"] == "gradient"


def test_others_read_it(pixels: Path, tmp_path: Path) -> None:
    """geopandas, `surco parcels import` and the encoder's own reader take the file as it is."""
    out = found_in(pixels, tmp_path / "p.parquet")
    frame = geopandas.read_parquet(out)
    assert frame.crs == "OGC:CRS84" and frame.is_valid.all() and frame["id"].is_unique
    parcels = read_parcels(out)
    assert parcels.id.tolist() == frame["id"].tolist()
    report = import_parcels(ParcelRequest(out, tmp_path / "again.parquet"))
    assert (report.kept, report.dropped, report.repaired, report.overlaps) == (len(frame), {}, {}, 0)
    again = pq.read_table(tmp_path / "again.parquet")
    assert again["id"].to_pylist() == frame["id"].tolist()
    assert again["determination:datetime"].null_count == 0 and "confidence" in again.column_names


def test_vecorels_and_gpios_validators_pass(pixels: Path, tmp_path: Path) -> None:
    """Where the programs are installed."""
    out = found_in(pixels, tmp_path / "p.parquet")
    assert vec_errors(out, tmp_path) == []
    assert "0 failed" in gpio_check(out, tmp_path)


def test_ids_persist_from_season_to_season(pixels: Path, numbers: np.ndarray, tmp_path: Path) -> None:
    """The next season's fields have the ids of this one; the parts of a field that was split name it."""
    first = found_in(pixels, tmp_path / "a.parquet")
    after = numbers.copy()
    large = np.bincount(numbers.ravel())[1:].argmax() + 1
    row, column = np.nonzero(numbers == large)
    after[row[column < np.median(column)], column[column < np.median(column)]] = FIELDS + 1
    scenes = field_catalog(tmp_path / "stac", after)
    request = BoundaryRequest(
        PixelRequest(str(scenes), SEASON, "band-mean"),
        tmp_path / "b.parquet",
        "gradient",
        previous=first,
        min_area=SMALLEST,
    )
    report = find_parcels(request)
    before, now = pq.read_table(first), pq.read_table(tmp_path / "b.parquet")
    kept = set(now["id"].to_pylist()) & set(before["id"].to_pylist())
    assert report.kept == len(kept) >= 0.7 * before.num_rows
    assert report.gone == before.num_rows - len(kept) and len(set(now["id"].to_pylist())) == now.num_rows
    tree = shapely.STRtree(shapely.from_wkb(before["geometry"].to_pylist()))
    middle = project(true_fields(numbers)[large - 1].centroid, CRS, "OGC:CRS84")
    split = before["id"][int(tree.query(middle, predicate="intersects")[0])].as_py()
    children = [
        i
        for i, parents in zip(now["id"].to_pylist(), now["parents"].to_pylist(), strict=True)
        if split in parents
    ]
    assert children and report.descended >= len(children)
    assert "keep the id of the season before" in describe_boundaries(report)


def test_the_shipped_network_draws_fields(pixels: Path, numbers: np.ndarray, tmp_path: Path) -> None:
    """Without a method it is the network, and vectors of an encoder it has never seen will do."""
    out = tmp_path / "p.parquet"
    said = run("boundaries", pixels, "--out", out)
    assert "by the network on band-mean-1" in said
    overlap = best_overlaps(true_fields(numbers), in_metres(out))
    assert (overlap >= 0.5).mean() > 0.7
    assert shapely.coverage_is_valid(shapely.from_wkb(pq.read_table(out)["geometry"].to_pylist()))


def test_an_adapter_of_the_store_draws_fields(pixels: Path, numbers: np.ndarray, tmp_path: Path) -> None:
    """One that was kept there is asked by its name; another task's or another model's is refused."""
    store = Store.create(tmp_path / "s")
    adapter = BoundaryAdapter.pretrained().set_params(min_pixels=200)
    crops = CropTypeAdapter().fit(np.eye(64, dtype=np.float32)[:8], ["a", "b"] * 4)
    with store.transaction() as transaction:
        for name, model, kept in (
            ("large", "band-mean-1", adapter), ("other", "another-1", adapter), ("crops", "band-mean-1", crops)
        ):  # fmt: skip
            files = save_adapter(kept, name=name, model_id=model, task=kept.task, training={})
            transaction.put_adapter(name, files)
    out = tmp_path / "p.parquet"
    said = run("boundaries", pixels, "--adapter", "large", "--store", store.path, "--out", out)
    assert "by the adapter large on band-mean-1" in said
    assert shapely.area(in_metres(out)).min() > 15_000
    for name, message in (
        ("other", "of model 'another-1'"),
        ("crops", "expected an adapter for the task 'boundary'"),
    ):
        done = CliRunner().invoke(
            main,
            ["boundaries", str(pixels), "--adapter", name, "--store", str(store.path), "--out", str(out)],
        )
        assert done.exit_code == 2 and message in " ".join(done.output.split()), done.output


def test_windows_give_what_one_go_gives(pixels: Path, tmp_path: Path) -> None:
    """Found in windows of 40 pixels, nearly all fields are those of the whole, none cut at a border."""
    whole = in_metres(found_in(pixels, tmp_path / "a.parquet"))
    parts = in_metres(found_in(pixels, tmp_path / "b.parquet", window=40, margin=24))
    overlap = best_overlaps(whole, parts)
    assert (overlap > 0.8).mean() > 0.85 and abs(len(whole) - len(parts)) <= 3


def test_an_area_limits_what_is_looked_at(pixels: Path, numbers: np.ndarray, tmp_path: Path) -> None:
    """Fields lie in the area asked for; one beside the raster is refused."""
    west, south, east, north = shapely.total_bounds(true_fields(numbers))
    half = project(shapely.box(west, south, (west + east) / 2, north), CRS, "OGC:CRS84")
    box = ",".join(f"{side:.7f}" for side in half.bounds)
    run("boundaries", pixels, "--method", "gradient", "--aoi", box, "--out", tmp_path / "p.parquet")
    found = shapely.union_all(in_metres(tmp_path / "p.parquet"))
    assert found.bounds[2] < (west + east) / 2 + 25 and found.area > 0.4 * (east - west) * (north - south)
    done = CliRunner().invoke(
        main,
        [
            "boundaries",
            str(pixels),
            "--method",
            "gradient",
            "--aoi=-70,-30,-69.9,-29.9",
            "--out",
            str(tmp_path / "q.parquet"),
        ],
    )
    assert done.exit_code == 2 and "beside it" in done.output and not (tmp_path / "q.parquet").exists()


def test_larger_fields_only(pixels: Path, tmp_path: Path) -> None:
    """No field is below the smallest area asked for, but for what straightening takes."""
    found = in_metres(found_in(pixels, tmp_path / "p.parquet", min_area=30_000.0))
    assert shapely.area(found).min() > 27_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "fields.geojson"], "Expected to write a .parquet file"),
        (["--out", "nowhere/fields.parquet"], "Expected to write a .parquet file in a folder that is there"),
        (["--keep-pixels", "k.tif", "--method", "gradient"], "Expected --keep-pixels with scenes only"),
        (["--adapter", "mine"], "Expected --adapter and the --store that holds it together"),
        (["--adapter", "mine", "--store", "s", "--method", "gradient"], "which learns nothing"),
        (["--previous", "gone.parquet"], "Expected a parcel file at gone.parquet"),
        (["--min-area", "1000000000", "--method", "gradient"], "Expected fields to write"),
    ],
)
def test_refusals(
    pixels: Path, tmp_path: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, a sentence that helps, and no file."""
    monkeypatch.chdir(tmp_path)
    out = [] if "--out" in arguments else ["--out", "fields.parquet"]
    done = CliRunner().invoke(main, ["boundaries", str(pixels), *out, *arguments], catch_exceptions=False)
    assert done.exit_code == 2 and message in " ".join(done.output.split()), done.output
    assert list(tmp_path.iterdir()) == []


def raster(path: Path, bands: int, kind: str, crs: str = CRS, step: float = 10.0) -> Path:
    """A small GeoTIFF of ones."""
    left, top = (300_000, 6_080_000) if step == 10 else (-71.0, -35.0)
    with rasterio.open(
        path, "w", driver="GTiff", width=20, height=20, count=bands, dtype=kind, crs=crs,
        transform=Affine(step, 0, left, 0, -step, top),
    ) as target:  # fmt: skip
        target.write(np.ones((bands, 20, 20), kind))
    return path


def test_rasters_that_hold_no_vectors_are_refused(tmp_path: Path) -> None:
    """A picture, text, a grid in degrees, a raster that is not there, vectors nobody dated: each has its sentence."""
    (tmp_path / "text.tif").write_text("no raster")
    cases = {
        raster(tmp_path / "picture.tif", 3, "uint8"): "Expected a vector of int8 or float32 bands",
        tmp_path / "text.tif": "Expected embeddings as a whole GeoTIFF",
        tmp_path / "gone.tif": "Expected embeddings as a whole GeoTIFF",
        raster(
            tmp_path / "degrees.tif", 8, "int8", "EPSG:4326", 1e-4
        ): "Expected vectors on a grid in metres",
    }
    for path, message in cases.items():
        request = PixelRequest(str(path), "2024-25")
        with pytest.raises((ApiError, EncoderError), match=message):
            find_parcels(BoundaryRequest(request, tmp_path / "p.parquet", "gradient"))
    undated = raster(tmp_path / "plain.tif", 8, "int8")
    with pytest.raises(ApiError, match="of a raster that does not say when it was seen"):
        find_parcels(BoundaryRequest(PixelRequest(str(undated)), tmp_path / "p.parquet", "gradient"))
    assert not (tmp_path / "p.parquet").exists()


def test_a_raster_of_others_is_dated_by_its_season(pixels: Path, tmp_path: Path) -> None:
    """Vectors without our note, as AlphaEarth's: the season's last day, and the model that the user names."""
    with rasterio.open(pixels) as source:
        profile, numbers = source.profile, source.read()
    with rasterio.open(tmp_path / "theirs.tif", "w", **profile) as target:
        target.write(numbers)
    request = PixelRequest(str(tmp_path / "theirs.tif"), "2024-05/2025-04", model="alphaearth-1.1")
    report = find_parcels(BoundaryRequest(request, tmp_path / "p.parquet", "gradient", min_area=SMALLEST))
    assert (report.model_id, report.season) == ("alphaearth-1.1", "2024-25")
    seen = pq.read_table(tmp_path / "p.parquet")["determination:datetime"].unique().to_pylist()
    assert seen == [datetime(2025, 4, 30, tzinfo=UTC)]


def test_scenes_without_a_season_are_refused(catalog: Path, tmp_path: Path) -> None:
    """Nobody guesses which twelve months were meant."""
    done = CliRunner().invoke(main, ["boundaries", str(catalog), "--out", str(tmp_path / "p.parquet")])
    assert done.exit_code == 2 and "Expected a season of the scenes" in done.output


def test_flanders(tmp_path: Path) -> None:
    """Real scenes of 640 m: clean parcels where farmers declared theirs, most of the area found."""
    catalog, truth = shared("stac/flanders_2019"), read_parcels(shared("stac/flanders_2019/parcels.geojson"))
    out = tmp_path / "p.parquet"
    request = PixelRequest(str(catalog), "2018-11/2019-10", "band-mean")
    report = find_parcels(BoundaryRequest(request, out, "gradient"))
    found = shapely.from_wkb(pq.read_table(out)["geometry"].to_pylist())
    assert report.parcels == len(found) > 5 and shapely.is_valid(found).all()
    declared, covered = shapely.union_all(truth.geometry), shapely.union_all(found)
    assert shapely.intersection(declared, covered).area > 0.6 * declared.area
