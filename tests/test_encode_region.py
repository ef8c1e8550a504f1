"""`surco encode --region`: what a plan and its run do, in one command."""

from __future__ import annotations

from pathlib import Path

import shapely
from click.testing import CliRunner, Result
from run_plans import digests
from stac_catalogs import write_catalog
from test_updating import months

from surco.api.cli import main
from surco.embedstore import Store

PLACE = shapely.box(-71.2015, -35.4036, -71.1955, -35.4032)
"""Within the scenes."""


def surco(*arguments: str | Path) -> Result:
    """One command."""
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_a_region_is_planned_and_encoded_at_once(tmp_path: Path) -> None:
    """The store holds the bytes of a plan carried out, and its run stands finished; again it does nothing."""
    catalog, region = write_catalog(tmp_path / "stac", months()), tmp_path / "field.geojson"
    region.write_text(shapely.to_geojson(PLACE))
    asked = [
        "--region",
        region,
        "--stac",
        catalog,
        "--season",
        "2024-25",
        "--res",
        "9",
        "--model",
        "band-mean",
    ]
    once = surco("encode", *asked, "--store", tmp_path / "once", "--workers", "1")
    assert once.exit_code == 0, once.output
    assert "1 tiles, " in once.output.replace("\n", " ")
    assert surco("plan", *asked, "--out", tmp_path / "plan.json").exit_code == 0
    twice = surco("encode", "--plan", tmp_path / "plan.json", "--store", tmp_path / "two", "--workers", "1")
    assert twice.exit_code == 0, twice.output
    assert digests(Store.open(tmp_path / "once")) == digests(Store.open(tmp_path / "two"))
    assert surco("run", "status", tmp_path / "once").output.split(" · ")[1] == "finished"
    assert "nothing to do" in surco("encode", *asked, "--store", tmp_path / "once").output
