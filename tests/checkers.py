"""Programs of other projects that check files: found where they are installed, else a skip with the reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_spatial
import pytest

VECOREL: dict[str, dict[str, Any]] = {
    "https://vecorel.org/specification/v0.1.0/schema.yaml": {
        "required": ["schemas", "id", "collection", "geometry"],
        "collection": {"schemas": True, "id": False, "geometry": False, "bbox": False},
        "properties": {
            "schemas": {"type": "array"},
            "id": {"type": "string", "minLength": 1},
            "collection": {"type": "string", "minLength": 1},
            "geometry": {"type": "geometry"},
            "bbox": {"type": "bounding-box"},
        },
    },
    "https://vecorel.org/geometry-metrics-extension/v0.1.0/schema.yaml": {
        "properties": {
            "metrics:area": {"type": "float", "exclusiveMinimum": 0},
            "metrics:perimeter": {"type": "float", "exclusiveMinimum": 0},
        },
    },
    "https://fiboa.org/specification/v0.3.0/schema.yaml": {
        "collection": {"metrics:area": False, "metrics:perimeter": False},
        "properties": {
            "metrics:area": {"type": "float", "exclusiveMinimum": 0, "maximum": 1e9},
            "metrics:perimeter": {"type": "float", "exclusiveMinimum": 0, "maximum": 1.25e9},
            "determination:datetime": {"type": "date-time"},
            "determination:method": {
                "type": "string",
                "enum": ["manual", "driven", "surveyed", "auto-operation", "auto-imagery", "unknown"],
            },
            "determination:details": {"type": "string"},
        },
    },
}
"""What the schemas that parcels follow say of the columns we write, in our words, for a machine without the web."""


def checker(name: str) -> str:
    """A command of another project: in folder SURCO_CHECKERS (its pins differ from ours), beside us, or on PATH."""
    places = [
        os.environ.get("SURCO_CHECKERS", ""),
        str(Path(sys.executable).parent),
        os.environ.get("PATH", ""),
    ]
    found = shutil.which(name, path=os.pathsep.join(place for place in places if place))
    if found is None:
        pytest.skip(f"`{name}` is not installed; SURCO_CHECKERS may name the folder where it is")
    return found


def gpio_check(file: Path, home: Path) -> str:
    """What `gpio check spec` says; `home` is an empty folder where its DuckDB is given the spatial extension."""
    wheel = Path(duckdb_extension_spatial.__path__[0]) / "extensions" / f"v{duckdb.__version__}"
    folder = home / ".duckdb" / "extensions" / wheel.name / "linux_amd64"
    folder.mkdir(parents=True)
    (folder / "spatial.duckdb_extension").symlink_to(wheel / "spatial.duckdb_extension")
    done = subprocess.run(
        [checker("gpio"), "check", "spec", str(file)],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home), "NO_COLOR": "1"},
        check=False,
    )
    said = done.stdout + done.stderr
    if "extension" in said and "not found" in said:
        pytest.skip("gpio's DuckDB needs a spatial extension of another version, from the web")
    assert done.returncode == 0, said
    return said


def vec_errors(file: Path, folder: Path) -> list[str]:
    """What vecorel-cli's validator finds wrong, by `VECOREL`; the `geo` key is left to `gpio`.

    Args:
        file: Parquet.
        folder: for the rules.
    """
    python = Path(checker("vec")).with_name("python")
    for number, rules in enumerate(VECOREL.values()):
        schema = {"$schema": "https://vecorel.org/sdl/v0.2.0/schema.json", **rules}
        (folder / f"{number}.yaml").write_text(json.dumps(schema))
    known = {address: str(folder / f"{number}.yaml") for number, address in enumerate(VECOREL)}
    script = Path(__file__).with_name("vec_offline.py")
    done = subprocess.run(
        [str(python), str(script), str(file), json.dumps(known)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))
