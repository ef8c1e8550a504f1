"""Every example of docs/maps-api.md runs as it stands there, against a running server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import serving
from field_scenes import field_catalog, field_numbers
from map_stores import map_store

from surco.api.boundaries import BoundaryRequest, find_parcels
from surco.api.pixel_areas import PixelRequest
from surco.api.settings import Settings

PAGE = (Path(__file__).resolve().parents[1] / "docs/maps-api.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over the store that the page speaks of, with pixel vectors beside it."""
    folder = tmp_path_factory.mktemp("docs")
    store = map_store(folder / "store")
    catalog = field_catalog(folder / "stac", field_numbers(96, 16))
    (store.path / "pixels").mkdir()
    request = PixelRequest(str(catalog), "2024-25", "band-mean", keep=store.path / "pixels/valley.tif")
    find_parcels(BoundaryRequest(request, folder / "all.parquet", "gradient"))
    with serving(Settings(store.path)) as running:
        yield running


def test_the_page_has_examples() -> None:
    """Of both kinds, so that the tests below test something."""
    assert len(COMMANDS) >= 12 and all(line.startswith("curl -s ") for line in COMMANDS)
    assert len(PROGRAMS) >= 2


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(address: str, tmp_path: Path, line: str) -> None:
    """Each is answered, and not with an error."""
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    command = line.replace(ADDRESS, address).replace("curl -s ", "curl -s --fail-with-body ")
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = [path for path in tmp_path.iterdir() if path.stat().st_size]
    assert written if " -o " in line else done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_run(address: str, tmp_path: Path, program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each prints something."""
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        exec(compile(program.replace(ADDRESS, address), "docs/maps-api.md", "exec"), {})  # noqa: S102 - our own page
    finally:
        os.chdir(before)
    assert capsys.readouterr().out
