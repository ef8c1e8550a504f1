"""Requests that schemathesis makes up from the OpenAPI document: none is answered by a fault, all as documented."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import build_valley, serving

from surco.api import Settings

_CONFIG = """
[parameters]
"path.adapter" = "crops"
"path.name" = "crops"
"path.season" = "2024-25"
"path.collectionId" = "parcels"
"path.collection_id" = "parcels"
"path.featureId" = "P003"
"query.a" = "crops"
"query.b" = "crops"
"""
_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"
_EVERYTHING = ("read", "label", "train", "admin")


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True], ids=["made up", "of this store"])
def test_no_request_meets_a_fault(tmp_path: Path, known: bool) -> None:
    """Not one 5xx, undocumented status or media type over all routes, with names made up and with names that exist.

    SQL has a corpus of attacks and a fuzzer of its own, boundaries take a process each: both are left out.
    """
    valley = build_valley(tmp_path / "valle")
    config = tmp_path / "schemathesis.toml"
    config.write_text(_CONFIG if known else "")
    settings = Settings(
        valley.path, anonymous=_EVERYTHING, requests_per_minute=10**6, writes_per_minute=10**6
    )
    with serving(settings) as address:
        words = ["run", f"{address}/openapi.json", "--checks", _CHECKS, "--max-examples", "3", "--seed", "7"]
        words += ["--phases", "examples,coverage,fuzzing", "--exclude-path-regex", "boundaries|sql"]
        words += ["--request-timeout", "60", "--no-color"]
        program = Path(sys.executable).with_name("st")
        command = [program, "--config-file", config, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[:20_000]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested and int(tested[1]) > 80, "all routes were asked"
