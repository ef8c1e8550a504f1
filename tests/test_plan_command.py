"""`surco plan`, as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from click.testing import CliRunner, Result
from PIL import Image
from stac_catalogs import optical, radar, write_catalog

from surco.api.cli import main
from surco.encoder.plan import SceneSource, read_plan

FIELD = shapely.box(-71.21, -35.42, -71.16, -35.38)


def ask(*arguments: str | Path, region: str | Path = "Talca", season: str = "2024-25") -> Result:
    """The command over a small comuna, without torch."""
    fixed = ["plan", "--region", str(region), "--season", season, "--model", "band-mean", "--res", "9"]
    return CliRunner().invoke(main, [*fixed, *map(str, arguments)])


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A region of 20 km² as GeoJSON."""
    path = tmp_path_factory.mktemp("region") / "field.geojson"
    path.write_text(shapely.to_geojson(FIELD))
    return path


def test_a_plan_is_told_written_and_drawn(tmp_path: Path) -> None:
    """Tiles, scenes, hours and cost are printed; the plan and its map lie where asked."""
    done = ask("--out", tmp_path / "plan.json", "--plot", tmp_path / "plan.png", region="Río Claro")
    assert done.exit_code == 0, done.output
    for word in (
        "Río Claro, season 2024-25",
        "tiles of 10.24 km",
        "optical/tile",
        "core hours",
        "by the orbits",
        "USD",
    ):
        assert word in done.stdout, word
    plan = read_plan(tmp_path / "plan.json")
    hectares = sum(tile.pixels for tile in plan.tiles) / 100
    assert hectares == pytest.approx(43_100, rel=0.02)  # 431 km² by the official figure
    assert not plan.runnable
    pixels = np.asarray(Image.open(tmp_path / "plan.png"))
    assert pixels.shape[0] > 300 and len(np.unique(pixels[..., 0])) > 50


def test_a_plan_across_a_border_is_told_by_region(tmp_path: Path) -> None:
    """Of a file of polygons in two regions each has its row, and these add up to the whole."""
    path = tmp_path / "border.geojson"
    path.write_text(shapely.to_geojson(shapely.box(-72.30, -36.35, -72.05, -36.00)))
    done = ask("--json", region=path, season="2023-24")
    document = json.loads(done.stdout)
    assert {share["name"] for share in document["regions"]} == {"Maule", "Ñuble"}
    assert document["total"]["pixels"] == sum(share["pixels"] for share in document["regions"])
    assert document["total"]["pixels"] == pytest.approx(22.5e3 * 38.8e3 / 100, rel=0.02)
    assert document["source"] == "orbits" and document["scenes"] == 0


def test_a_simulated_plan_can_be_run_as_it_is(tmp_path: Path) -> None:
    """It says its seed and step, and every tile gives composites."""
    done = ask("--simulate", "--step", "1280", "--seed", "5", "--out", tmp_path / "plan.json")
    assert done.exit_code == 0, done.output
    assert "synthetic" in done.stdout
    plan = read_plan(tmp_path / "plan.json")
    assert (plan.simulated and plan.simulated.seed, plan.step) == (5, 1280)
    tile = plan.tiles[0]
    assert plan.source(tile).composite(tile, next(tile.windows()), plan.season).tile.values.shape == (
        12,
        14,
        2,
        2,
    )


def test_scenes_of_a_catalogue_are_counted_and_kept(tmp_path: Path, field: Path) -> None:
    """Scenes that touch the region are in the plan, with their files' bytes; others and later ones are not."""
    items = [
        optical("near", "2024-06-03", pixels=128, left=300_000, top=6_080_000),
        optical("later", "2025-01-03", pixels=128, left=300_000, top=6_080_000),
        optical("far", "2024-06-03", pixels=128, left=400_000, top=6_080_000),
        radar("radar", "2024-06-04", 0.1, 0.02, pixels=128, left=300_000, top=6_080_000),
    ]
    catalog = write_catalog(tmp_path / "stac", items)
    done = ask("--stac", catalog, "--as-of", "2024-12-31", "--out", tmp_path / "plan.json", region=field)
    assert done.exit_code == 0, done.output
    plan = read_plan(tmp_path / "plan.json")
    assert [scene.id for scene in plan.scenes] == ["near", "radar"]
    assert plan.season.name == "2024-25" and plan.season.as_of is not None
    assert plan.catalogues == ("stac",)
    assert plan.estimate["source"] == "catalogue" and plan.estimate["total"]["gigabytes"] > 0
    sources = [plan.source(tile) for tile in plan.tiles]
    assert all(isinstance(source, SceneSource) for source in sources)


def test_cropland_as_a_raster_of_classes(tmp_path: Path, field: Path) -> None:
    """Only pixels of the classes named count."""
    raster = tmp_path / "cover.tif"
    profile = {"driver": "GTiff", "width": 50, "height": 40, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    cover = np.full((1, 40, 50), 10, np.uint8)
    cover[:, :, :25] = 40
    with rasterio.open(
        raster, "w", **profile, transform=rasterio.Affine(0.001, 0, -71.21, 0, -0.001, -35.38)
    ) as file:
        file.write(cover)
    totals = []
    for options in ((), ("--cropland", raster), ("--cropland", raster, "--cropland-class", "40")):
        done = ask("--json", *options, region=field)
        assert done.exit_code == 0, done.output
        totals.append(json.loads(done.stdout)["total"]["pixels"])
    assert totals[0] == pytest.approx(totals[1], rel=0.01)
    assert totals[2] == pytest.approx(totals[0] / 2, rel=0.03)


def test_rates_and_prices_come_from_files_and_options(tmp_path: Path, field: Path) -> None:
    """A rate twice as high halves the hours, a price of nothing costs nothing, a GPU's rate gives its hours."""
    rates = tmp_path / "rates.json"
    rates.write_text('{"surco_rates": 1, "encode": 1000, "gpu": 1000000, "machine": "tried"}')
    slow = json.loads(ask("--json", "--rates", rates, region=field).stdout)
    fast = json.loads(
        ask("--json", "--rates", rates, "--gpu-rate", "2e6", "--price", "gpu_hour=0", region=field).stdout
    )
    assert slow["rates"]["machine"] == "tried"
    assert slow["total"]["encode_hours"] == pytest.approx(slow["total"]["pixels"] / 3.6e6)
    assert fast["total"]["gpu_hours"] == pytest.approx(slow["total"]["gpu_hours"] / 2)
    assert fast["cost"]["gpus"] == 0 < slow["cost"]["gpus"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--region", "Mendoza"], "CL-ML Maule"),
        (["--region", "nowhere.geojson"], "nowhere.geojson"),
        (["--season", "2024"], "2024-25"),
        (["--res", "nine"], "--res"),
        (["--res", "14"], "5 to 12"),
        (["--model", "surco-huge"], "surco-huge"),
        (["--simulate", "--stac", "there"], "Leave one"),
        (["--simulate", "--step", "300"], "2560"),
        (["--simulate", "--step", "0"], "2560"),
        (["--step", "640"], "--simulate"),
        (["--stac", "there"], "there"),
        (["--cropland", "crops.shp"], "crops.shp"),
        (["--cropland-class", "40"], "--cropland FILE"),
        (["--rates", "none.json"], "--measure"),
        (["--price", "gpu=3"], "gpu_hour"),
        (["--price", "gpu_hour=much"], "gpu_hour"),
        (["--parcels", "none.geojson"], "none.geojson"),
        (["--out", "no/such/folder/plan.json"], "--out"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(options: list[str], word: str) -> None:
    """Each mistake ends with exit code 2 and says what to do."""
    done = ask(*options, region="Maule") if "--region" in options else ask(*options, region="Río Claro")
    assert done.exit_code == 2, done.output
    assert word in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.output
