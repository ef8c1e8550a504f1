"""`surco simulate`: any place in Chile, in its own climate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from surco.api.cli import main


def ask(out: Path, aoi: str, *more: str) -> Result:
    """Two summer months of a place."""
    arguments = ["simulate", "--aoi", aoi, "--season", "2024-12/2025-01", "--out", str(out), *more]
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("aoi", "climate", "epsg", "region"),
    [
        ("-70.72,-30.04,-70.716,-30.036", "north", 32719, "Coquimbo"),
        ("-71.62,-35.44,-71.616,-35.436", "central", 32719, "Maule"),
        ("-72.62,-38.74,-72.615,-38.736", "south", 32718, "La Araucanía"),
    ],
)
def test_each_part_of_the_country(tmp_path: Path, aoi: str, climate: str, epsg: int, region: str) -> None:
    """A box of a few hundred metres is drawn where it is, in the climate and UTM zone of the place."""
    done = ask(tmp_path / "out", aoi, "--seed", "4")
    assert done.exit_code == 0, done.output
    assert f"A synthetic place in {region}" in done.output
    truth = json.loads((tmp_path / "out/truth.json").read_text())
    assert (truth["arguments"]["climate"], truth["arguments"]["seed"], truth["epsg"]) == (climate, 4, epsg)
    assert truth["bbox"] == pytest.approx([float(x) for x in aoi.split(",")], abs=4e-4)
    features = json.loads((tmp_path / "out/parcels.geojson").read_text())["features"]
    assert features and all("yield_t_ha" in f["properties"] for f in features)


def test_a_file_and_another_climate(tmp_path: Path) -> None:
    """A GeoJSON file is an area too, and a stated climate is drawn instead of the place's own."""
    ring = [[-71.62, -35.44], [-71.616, -35.44], [-71.616, -35.436], [-71.62, -35.44]]
    area = tmp_path / "area.geojson"
    area.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    done = ask(tmp_path / "out", str(area), "--climate", "south")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out/truth.json").read_text())["arguments"]["climate"] == "south"
    assert ask(tmp_path / "out", str(area), "--climate", "south").stdout == done.stdout


@pytest.mark.parametrize(
    ("aoi", "message"),
    [
        ("-68.85,-32.90,-68.84,-32.89", "expected a place in continental Chile"),
        ("-71.62,-35.44,-71.6195,-35.4395", "expected a width and height of 200 to 20000 m"),
        ("-72.0,-36.0,-71.0,-35.0", "expected a width and height of 200 to 20000 m"),
        ("-71.62,-35.44", "Expected an area as west,south,east,north"),
        ("nowhere.geojson", "No such file"),
    ],
)
def test_impossible_places_are_refused(tmp_path: Path, aoi: str, message: str) -> None:
    """Elsewhere, too small, too large, no box: one sentence, exit code 2, nothing written."""
    done = ask(tmp_path / "out", aoi)
    assert (done.exit_code, message in " ".join(done.output.split())) == (2, True), done.output
    assert list(tmp_path.iterdir()) == []
