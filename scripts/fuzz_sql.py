"""Throw random queries at `/sql` for as long as asked, and print what came of them.

    .venv/bin/python scripts/fuzz_sql.py --seconds 600 --seed 1

Ends with 1 where anything but an answer or a problem document came, each with its query.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser import build_valley
from sql_fuzzing import fuzz
from sql_server import serving_sql


def main() -> int:
    """Read the options, fuzz, print."""
    options = argparse.ArgumentParser(description="Throw random queries at /sql.")
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = build_valley(Path(folder) / "valley").path
        with serving_sql(store, sql_timeout_s=0.5, sql_memory=200_000_000, sql_seconds=1e9) as url:
            found = fuzz(url, given.seed, given.seconds)
    print(f"seed {given.seed}: {found.statuses.total()} queries, {dict(found.statuses)}")
    print(f"slowest {found.slowest_s:.1f} s, server grown by {found.grown / 1e6:.0f} MB")
    for fault in found.faults:
        print(f"FAULT {fault}")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
