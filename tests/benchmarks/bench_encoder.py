"""Pixels a second and peak memory of the shipped encoder, beside Presto's own architecture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.measure import measure, print_table, rate, ratio
from benchmarks.pixel_series import pixel_series

from surco.encoder import Encoder, ModelError, load_encoder

WEIGHTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights"
PIXELS, MEMORY_PIXELS = 2048, 16_384


@pytest.fixture
def presto(monkeypatch: pytest.MonkeyPatch) -> Encoder | str:
    """Presto's published weights, or why they are not there."""
    if WEIGHTS.exists():
        monkeypatch.setenv("SURCO_WEIGHTS", str(WEIGHTS))
    try:
        return load_encoder("presto")
    except ModelError as error:
        return str(error)


@pytest.mark.parametrize(("clouded", "words"), [(0.0, "all seen"), (1 / 3, "a third of the optical clouded")])
def test_pixels_per_second(presto: Encoder | str, clouded: float, words: str) -> None:
    """Both give finite unit vectors; ours is printed beside Presto."""
    series = pixel_series(PIXELS, clouded)
    encoders = [load_encoder(), *([] if isinstance(presto, str) else [presto])]
    if isinstance(presto, str):
        print(f"\n\nPresto is left out: {presto}", end="")
    measured = measure(*(lambda e=encoder: e.encode(*series) for encoder in encoders), repeats=3)
    rows = []
    for encoder, (seconds, vectors) in zip(encoders, measured, strict=True):
        assert vectors.shape == (PIXELS, encoder.dimension)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
        share = ratio(seconds, measured[0][0])
        rows.append([encoder.model_id, str(encoder.dimension), rate(PIXELS, seconds), share])
    print_table(
        f"Encoding {PIXELS} pixels of 12 months, {words}",
        ["model", "values", "pixels/s", "as fast as ours"],
        rows,
    )


def test_peak_memory(presto: Encoder | str) -> None:
    """Memory of a process that encodes a quarter of a tile; blocks add the same to any number of pixels."""
    rows = []
    for name in ("surco-nano", *([] if isinstance(presto, str) else ["presto"])):
        command = [sys.executable, str(Path(__file__).with_name("peak_memory.py")), name, str(MEMORY_PIXELS)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        peak = json.loads(answer.stdout)
        assert 0 < peak["loaded"] <= peak["encoded"]
        rows.append([name, f"{peak['loaded']:,.0f} MB", f"{peak['encoded']:,.0f} MB"])
    title = f"Peak resident memory, {MEMORY_PIXELS} pixels in one call (their series are 14 MB)"
    print_table(title, ["model", "loaded, with the series", "after encoding"], rows)
