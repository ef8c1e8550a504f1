"""docs/parcels.md: what it shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from parcel_files import vector_file, zipped
from shapely import box
from stac_catalogs import CRS, LEFT, TOP, optical, radar, write_catalog

from surco.api.cli import main

pytest.importorskip("pyogrio", reason="pyogrio is not installed")

PAGE = Path(__file__).resolve().parents[1] / "docs" / "parcels.md"
PIXELS = 32


def blocks(language: str) -> list[str]:
    """Code of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def scenes(folder: Path) -> Path:
    """A year of scenes of a small place, green in winter."""
    items = [radar("s1", "2024-07-01", 0.1, 0.02, pixels=PIXELS)]
    for month in range(12):
        year, number = (2024, 5 + month) if month < 8 else (2025, month - 7)
        numbers = {name: np.full((PIXELS, PIXELS), 3000 if month < 6 else 1500) for name in ("nir", "red")}
        items.append(optical(f"s2_{month}", f"{year}-{number:02d}-10", numbers, pixels=PIXELS))
    return write_catalog(folder, items)


def orchards(folder: Path) -> Path:
    """Three orchards in the scenes, as a zipped shapefile of an agency."""
    fields = [box(LEFT + 90 * n + 10, TOP - 150, LEFT + 90 * n + 80, TOP - 20) for n in range(3)]
    columns = {
        "ID": [101, 102, 103],
        "Especie": ["Olivo", "Cerezo", "Olivo"],
        "Sup. en ha": [0.9, 0.91, 0.92],
    }
    vector_file(folder / "catastro.shp", fields, columns, driver="ESRI Shapefile", crs=CRS, kind="Polygon")
    return zipped(folder / "catastro.zip", *sorted(folder.glob("catastro.*")))


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands go from an agency's file to a table in SQL, and its Python joins the agency's columns to it."""
    orchards(tmp_path)
    scenes(tmp_path / "scenes")
    monkeypatch.chdir(tmp_path)
    said = []
    for line in blocks("")[0].splitlines():
        done = CliRunner().invoke(main, shlex.split(line)[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        said.append(done.output)
    assert "3 of 3 features kept" in said[0] and "ids from column 'ID'" in said[0]
    assert re.search(r"Olivo\s+2\s+1\.8", said[2]) and re.search(r"Cerezo\s+1\s+0\.9", said[2])
    names: dict[str, object] = {}
    exec(compile(blocks("python")[0], str(PAGE), "exec"), names)  # noqa: S102 - the page is ours
    rows = {row[0]: row[1:] for row in names["joined"].fetchall()}  # type: ignore[attr-defined]
    assert set(rows) == {"101", "102", "103"} and rows["102"][0] == pytest.approx(0.91)
    assert all(pixels > 80 for _, pixels in rows.values())
