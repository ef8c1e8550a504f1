"""A fuzzer of `/sql`: always an answer or a problem document, never a fault, never a server that hangs or swells."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import build_valley
from sql_fuzzing import fuzz
from sql_server import serving_sql

SECONDS = 25


@pytest.mark.slow
def test_random_queries_end_well(tmp_path: Path) -> None:
    """Some hundred random queries; `scripts/fuzz_sql.py` goes on for as long as one likes."""
    store = build_valley(tmp_path / "valley").path
    with serving_sql(store, sql_timeout_s=0.5, sql_memory=200_000_000, sql_seconds=1e9) as url:
        found = fuzz(url, seed=6, seconds=SECONDS)
    assert found.faults == []
    assert found.statuses[200] > 5 and found.statuses[400] > 20
    assert found.grown < 200_000_000
