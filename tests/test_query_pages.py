"""docs/stac.md, docs/search-api.md and docs/quality.md: what they show is what happens."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from browser import build_valley, serving

from surco.api import Settings

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("stac.md", "search-api.md", "quality.md")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server of a valley."""
    with serving(Settings(build_valley(tmp_path_factory.mktemp("pages") / "valley").path)) as found:
        yield found


def blocks(page: str, kind: str) -> list[str]:
    """The page's blocks of code of a kind."""
    return re.findall(
        rf"^```{kind}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def load_httpfs() -> str:
    """Python that gives DuckDB its HTTP reader, as `INSTALL httpfs` does where there is a network."""
    extension = pytest.importorskip("duckdb_extension_httpfs")
    folder = Path(extension.__path__[0]) / "extensions" / f"v{duckdb.__version__}"
    file = str(next(folder.rglob("*.duckdb_extension")))
    return f"import duckdb\nduckdb.default_connection().load_extension({file!r})\n"


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page: str, address: str, tmp_path: Path) -> None:
    """Each line of curl is answered with success, each block of Python runs, in the page's order."""
    if shutil.which("curl") is None:
        pytest.skip("no curl: install Debian's curl package")
    shell = "".join(blocks(page, "sh")).replace("curl -s ", "curl -sS --fail-with-body ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", shell], cwd=tmp_path, env={"SURCO": address, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and shell.count("curl") >= 2, done.stdout[-2000:] + done.stderr
    code = f"SURCO = {address!r}\n" + (load_httpfs() if "duckdb" in (DOCS / page).read_text() else "")
    code += "\n".join(blocks(page, "python"))
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
