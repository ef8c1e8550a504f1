from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from shared_data import shared

from surco.adapters import holdout_report
from surco.api.encoding import EncodeRequest, encode_into
from surco.api.fitting import fit_adapter
from surco.api.maps import predict_table
from surco.embedstore import Store, match_labels, read_labels

SEASON = "2018-11-01/2019-10-31"


@pytest.fixture(scope="module")
def flanders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real Flanders scenes, encoded with the shipped encoder."""
    catalog = shared("stac/flanders_2019")
    store = tmp_path_factory.mktemp("flanders") / "store"
    report = encode_into(
        EncodeRequest(str(catalog), SEASON, store, parcels=catalog / "parcels.geojson", resolutions="9,11")
    )
    assert report.pixels_seen == 4096
    assert report.parcels == 19
    return store


def halves(seed: int) -> tuple[dict, dict]:
    """Parcels of the real declarations in two halves, each class split between them as evenly as it can be."""
    content = json.loads((shared("stac/flanders_2019") / "parcels.geojson").read_text())
    by_class = defaultdict(list)
    for feature in content["features"]:
        by_class[feature["properties"]["crop_code"]].append(feature)
    rng = np.random.default_rng(seed)
    sides: tuple[list, list] = ([], [])
    for features in by_class.values():
        for place, i in enumerate(rng.permutation(len(features))):
            sides[place % 2].append(features[i])
    return {**content, "features": sides[0]}, {**content, "features": sides[1]}


def test_real_scenes_give_a_crop_map(flanders: Path, tmp_path: Path) -> None:
    """Over ten splits by parcel, an adapter from half the parcels' cells beats the majority class on the others."""
    accuracy, majority = [], []
    for seed in range(10):
        known, asked = halves(seed)
        for name, side in (("known", known), ("asked", asked)):
            (tmp_path / f"{name}.geojson").write_text(json.dumps(side))
        fit_adapter(flanders, tmp_path / "known.geojson", name="crops", unit="cells", baselines=False)
        store = Store.open(flanders)
        predicted = predict_table(store, "crops", None, "cells")
        truth = match_labels(store, read_labels(tmp_path / "asked.geojson"), unit="cells")
        kept = np.isin(truth.y, predicted.classes)
        rows = {name: i for i, name in enumerate(predicted.places.id)}
        at = [rows[f"{cell:x}"] for cell, keep in zip(truth.ids, kept, strict=True) if keep]
        scores = holdout_report(
            truth.y[kept].tolist(),
            predicted.probabilities[at],
            predicted.classes,
            groups=truth.groups[kept].tolist(),
        )
        accuracy.append(scores.accuracy.value)
        majority.append(max(Counter(truth.y[kept].tolist()).values()) / int(kept.sum()))
    print(
        f"accuracy {np.mean(accuracy):.3f} majority {np.mean(majority):.3f} over 10 splits {np.round(accuracy, 2)}"
    )
    assert np.mean(accuracy) > np.mean(majority) + 0.05


def test_every_month_was_read(flanders: Path) -> None:
    """The store's cells know how often they were seen, and nearly all of their twelve months have a plausible NDVI."""
    cells = Store.open(flanders).read("cells", resolution=11)
    assert min(cells["n_optical"].to_pylist()) >= 10
    assert min(cells["n_radar"].to_pylist()) >= 30
    ndvi = np.array(cells["ndvi"].to_pylist(), float)
    assert np.isfinite(ndvi).mean() > 0.9
    assert 40 < np.nanmedian(ndvi) < 85
    assert np.nanmax(ndvi, axis=1).min() > 20


def test_parcels_keep_the_agencys_identity(flanders: Path) -> None:
    """Each declared parcel is found by its id, with its own area."""
    parcels = Store.open(flanders).read("parcels")
    assert sorted(parcels["id"].to_pylist(), key=int) == [str(i) for i in range(19)]
    assert min(parcels["metrics:area"].to_pylist()) > 0
    assert sum(parcels["metrics:area"].to_pylist()) < 640 * 640
