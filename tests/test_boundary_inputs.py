from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from field_patchwork import patchwork

from surco.adapters import CardError
from surco.adapters.boundaries.field_targets import UNKNOWN, field_targets
from surco.adapters.boundaries.network_input import (
    fit_cropness,
    network_input,
    principal_components,
)
from surco.adapters.boundaries.prior import PRIOR, load_prior, save_prior


def test_targets_of_two_fields() -> None:
    """Of two neighbours both sides of their common edge are boundary, and the middle is farthest from it."""
    fields = np.zeros((9, 16), np.int32)
    fields[1:8, 1:8], fields[1:8, 8:15] = 1, 2
    targets, weights = field_targets(fields)
    extent, boundary, distance = targets
    np.testing.assert_array_equal(extent > 0, fields > 0)
    assert (boundary[1:8, 7:9] == 1).all()
    assert boundary[4, 0] == 1
    assert boundary[4, 4] == 0
    assert distance[4, 4] == distance.max() == 1
    assert (distance[boundary > 0] == 0).all()
    assert (weights == 1).all()


def test_nothing_is_said_of_unknown_ground() -> None:
    """Around a polygon that somebody drew only its own edge is known; elsewhere no head has a target."""
    fields = np.full((12, 12), UNKNOWN, np.int32)
    fields[3:9, 3:9] = 1
    targets, weights = field_targets(fields)
    assert weights[0].sum() == weights[2].sum() == 36
    assert weights[1].sum() == 64
    assert targets[1, 2, 5] == targets[1, 3, 5] == 1
    assert weights[1, 0, 0] == 0


def test_components_are_the_areas_own() -> None:
    """Scores are centred, uncorrelated, of mean square one, and the same whichever way the vectors are turned."""
    area, _ = patchwork()
    scores = principal_components(area, 6)
    flat = scores.reshape(-1, 6)
    np.testing.assert_allclose(flat.mean(axis=0), 0, atol=1e-4)
    assert np.mean(flat**2) == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(np.corrcoef(flat.T), np.eye(6), atol=1e-3)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(64, 64)))[0].astype(np.float32)
    turned = principal_components(replace(area, vectors=area.vectors @ turn), 6)
    np.testing.assert_allclose(np.abs(turned), np.abs(scores), atol=1e-3)


def test_fewer_dimensions_than_components() -> None:
    """Vectors of three dimensions have three components; the others are nothing."""
    area, _ = patchwork(dimension=3)
    scores = principal_components(area, 10)
    assert scores.shape == (*area.shape, 10)
    assert np.ptp(scores[..., 2]) > 0
    assert (scores[..., 3:] == 0).all()


def test_cropness_is_for_one_model() -> None:
    """What was learned of one encoder's vectors is said of those only: of others it is unknown, and zero."""
    area, fields = patchwork()
    cropness = fit_cropness(area.vectors.reshape(-1, 64), fields.ravel() > 0, area.model_id)
    said = network_input(area, 4, cropness)
    assert ((said[..., 4] > 0) == (fields > 0)).mean() > 0.9
    assert (said[..., 5] == 1).all()
    other = network_input(replace(area, model_id="another"), 4, cropness)
    assert (other[..., 4:6] == 0).all()
    assert (other[..., 6] == 1).all()
    np.testing.assert_array_equal(other[..., :4], said[..., :4])


def test_the_prior_comes_back_from_its_file(tmp_path: Path) -> None:
    """Written and read, the shipped network is the same to the bit; the file is below two megabytes."""
    shipped = load_prior()
    path = tmp_path / "fields.safetensors"
    save_prior(shipped, path)
    again = load_prior(path)
    for name, values in shipped.network.tensors.items():
        np.testing.assert_array_equal(again.network.tensors[name], values)
    assert (again.height, again.facts) == (shipped.height, shipped.facts)
    assert PRIOR.stat().st_size < 2 << 20


@pytest.mark.parametrize("damage", ["missing", "weights", "card", "list", "format", "other weights", "huge"])
def test_damaged_priors_are_refused(damage: str, tmp_path: Path) -> None:
    """Whatever is wrong with the files, the error says what to do."""
    path = tmp_path / "fields.safetensors"
    save_prior(load_prior(), path)
    card = path.with_suffix(".json")
    content = json.loads(card.read_text("utf-8"))
    if damage == "missing":
        path.unlink()
    elif damage == "weights":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "card":
        card.write_bytes(b"\xff\xfe{")
    elif damage == "list":
        card.write_text("[1, 2]")
    elif damage == "format":
        card.write_text(json.dumps({**content, "format": "surco-adapter"}))
    elif damage == "other weights":
        card.write_text(json.dumps({**content, "weights_sha256": "0" * 64}))
    else:
        path.write_bytes(b"\0" * (9 << 20))
    with pytest.raises(CardError, match="install"):
        load_prior(path)
