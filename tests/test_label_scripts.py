"""The scripts that measure what labels are worth, on small tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SCRIPTS = str(Path(__file__).resolve().parents[1] / "scripts")


def write_table(path: Path) -> None:
    """Series of three crops in twelve places, told apart by how bright they are in red and near infrared."""
    rng = np.random.default_rng(0)
    n, t = 96, 6
    code = np.arange(n) % 3
    level = np.array([[0.05, 0.4], [0.15, 0.25], [0.08, 0.15]])[code]
    dates = [date(2020, 5, 15) + timedelta(days=60 * k) for k in range(t)]
    series = {
        name: level[:, i, None] + 0.02 * rng.standard_normal((n, t)) for i, name in enumerate(("red", "nir"))
    }
    columns = {
        "sample_id": [str(i) for i in range(n)],
        "lon": np.full(n, -71.0),
        "lat": np.full(n, -35.0),
        "label": np.array(["wheat", "maize", "vine"])[code],
        "group": [f"g{i // 8}" for i in range(n)],
        "dates": pa.array([dates] * n, pa.list_(pa.date32())),
        **{name: list(np.clip(v, 0.01, 1).astype(np.float32)) for name, v in series.items()},
    }
    pq.write_table(pa.table(columns), path)


@pytest.fixture(autouse=True)
def scripts_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts are modules of their folder."""
    monkeypatch.setattr(sys, "path", [SCRIPTS, *sys.path])
    yield


def test_suspects_are_scored_beside_their_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each method has a row a kind and rate; on a table that is easily told apart the changed labels come first."""
    from evaluate_suspects import METHODS, main

    write_table(tmp_path / "north.parquet")
    main([str(tmp_path / "north.parquet"), "--model", "band-mean", "--rates", "0.1", "--draws", "1"])
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith("  ours")]
    assert len(rows) == 2 and all(out.count(f"  {method} ") == 2 for method in METHODS)
    for _, precision, auc, _, synthetic, _ in rows:
        assert float(precision) > 0.8 and float(auc) > 0.9 and float(synthetic) > 0.8


def test_inexact_labels_are_scored_beside_exact_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row a number of exact labels: alone, with inexact ones, and with their truth, which is no worse."""
    from evaluate_mixed_labels import main

    write_table(tmp_path / "north.parquet")
    legend = tmp_path / "crops.csv"
    legend.write_text("code,parent\nfield,\nwheat,field\nmaize,field\nvine,\n")
    arguments = [
        "--legend",
        str(legend),
        "--model",
        "band-mean",
        "--exact",
        "2",
        "--inexact",
        "20",
        "--draws",
        "3",
    ]
    main([str(tmp_path / "north.parquet"), *arguments])
    (row,) = capsys.readouterr().out.splitlines()
    assert row.startswith("north") and "2 exact:" in row and "3 draws" in row
    truth = float(row.split("with their truth ")[1].split()[0])
    assert 0.5 < truth <= 1
