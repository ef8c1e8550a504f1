"""The regions of Africa as the script reads them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from shared_data import shared

from surco.adapters.evaluation import Labelled

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "evaluate_cropmask.py"


@pytest.fixture(scope="module")
def cropmask() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("evaluate_cropmask", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluate_cropmask"] = module
    spec.loader.exec_module(module)
    return module


def test_the_eight_regions_are_read(cropmask: ModuleType) -> None:
    """Each region gives its rows with 33 named features, both classes, and no place."""
    features, labels, regions, columns = cropmask.read_regions(shared("samples_africa_cropmask"), 60, seed=0)
    assert features.shape == (8 * 60, 33)
    assert len(columns) == 33
    assert columns[0] == "blue_S1"
    assert set(labels) == {"crop", "no crop"}
    assert set(np.unique(regions, return_counts=True)[1]) == {60}
    assert {"sahel", "indian ocean"} <= set(regions)


def test_both_half_years_reach_the_encoder(cropmask: ModuleType) -> None:
    """Vectors change with a band of either half-year, and not with rainfall, which is no composite of ours."""
    features, _, _, columns = cropmask.read_regions(shared("samples_africa_cropmask"), 3, seed=0)
    _, vectors = cropmask.encode(features, columns, "band-mean")
    assert np.isfinite(vectors).all()
    for name, reads in (("nir_S1", True), ("swir_2_S2", True), ("rain_S1", False)):
        other = features.copy()
        other[:, columns.index(name)] *= 1.5
        assert np.allclose(cropmask.encode(other, columns, "band-mean")[1], vectors, atol=1e-6) is not reads


def test_the_adapter_reads_the_features_by_name(cropmask: ModuleType) -> None:
    """Beside the vectors' classifiers stand two that learn from the features as they are."""
    features, labels, regions, _ = cropmask.read_regions(shared("samples_africa_cropmask"), 40, seed=0)
    noise = np.random.default_rng(0).normal(size=(len(labels), 8))
    data = Labelled.of(noise, labels, regions, features={cropmask.FEATURES: features})
    rows = np.arange(len(labels))
    for entry in cropmask.on_features():
        fitted = entry.fit(data, rows)
        assert (fitted.predict(features) == data.codes).mean() > 0.6, entry.name


def test_a_folder_without_regions_is_said(cropmask: ModuleType, tmp_path: Path) -> None:
    """A wrong folder ends with a sentence."""
    with pytest.raises(SystemExit, match=r"Expected \*_training_data.txt"):
        cropmask.read_regions(tmp_path, None, seed=0)
