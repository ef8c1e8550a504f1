from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from surco.encoder import ModelError
from surco.encoder.channels import CHANNELS, GROUPS, OPTICAL, RADAR
from surco.encoder.model import ModelConfig
from surco.encoder.pretrain import Dataset, PretrainConfig, from_samples, train
from surco.encoder.pretrain.objectives import EpisodeHead, spread_terms
from surco.encoder.pretrain.views import disturb, hide, thin_channels

torch.set_num_threads(1)
TINY = PretrainConfig(model=ModelConfig(width=32, depth=1), steps=80, batch=48, warmup=5)


def two_classes(n: int = 120, seed: int = 0) -> Dataset:
    """Series of a winter and a summer crop, told apart by when the near infrared peaks."""
    rng = np.random.default_rng(seed)
    t = np.arange(12)
    label = np.where(rng.random(n) < 0.5, "winter", "summer")
    peak = np.where(label == "winter", 4, 9)[:, None]
    green = np.exp(-(((t - peak) / 2.0) ** 2))
    values = np.full((n, 12, len(CHANNELS)), 0.1, np.float32)
    values[..., 3] = 0.2 + 0.3 * green + 0.02 * rng.standard_normal((n, 12))
    values[..., 2] = 0.15 - 0.1 * green
    values[..., 10:12] = -14.0 + 3.0 * green[..., None]
    valid = rng.random(values.shape) < 0.9
    dates = np.datetime64("2024-05-15") + 30 * t
    lonlat = np.tile(np.float32([-71, -35]), (n, 1))
    return from_samples(
        "two", values, valid, dates, lonlat, np.full((n, 2), np.nan, np.float32), label.tolist()
    )


def test_same_seed_same_weights() -> None:
    """A run is deterministic by its seed, and another seed gives another model."""
    short = PretrainConfig(model=TINY.model, steps=6, batch=32)
    a, b = (train(short, [two_classes()]).model.state_dict() for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    other = train(
        PretrainConfig(model=TINY.model, steps=6, batch=32, seed=1), [two_classes()]
    ).model.state_dict()
    assert any(not torch.equal(a[k], other[k]) for k in a)


def test_a_stopped_run_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    """Killed at step 7 of 9 and started again, a run ends with the weights of one that was not disturbed."""
    config = PretrainConfig(model=replace(TINY.model, dropout=0.1), steps=9, batch=32)
    whole = train(config, [two_classes()]).model.state_dict()

    def stop(done: int, total: int, text: str) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, [two_classes()], stop, state=tmp_path / "state", every=3)
    resumed = train(config, [two_classes()], state=tmp_path / "state", every=3)
    assert all(torch.equal(whole[k], v) for k, v in resumed.model.state_dict().items())
    assert len(resumed.history["reconstruct"]) == 9
    with pytest.raises(ModelError, match="other settings or data"):
        train(replace(config, seed=3), [two_classes()], state=tmp_path / "state")
    (tmp_path / "state").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="cannot be read"):
        train(config, [two_classes()], state=tmp_path / "state")


def test_training_teaches() -> None:
    """Eighty steps lower reconstruction and tell two crops apart in rows that were not trained on."""
    result = train(TINY, [two_classes()])
    history = result.history
    assert np.mean(history["reconstruct"][-5:]) < 0.8 * np.mean(history["reconstruct"][:5])
    test = two_classes(80, seed=9)
    arrays = (test.values, test.valid, test.days, test.lonlat, test.static)
    with torch.inference_mode():
        vectors = result.model(*map(torch.from_numpy, arrays)).numpy()
    nearest = (vectors @ vectors.T - 2 * np.eye(80)).argmax(axis=1)
    assert (test.label[nearest] == test.label).mean() > 0.9


def test_hiding_leaves_a_quarter() -> None:
    """About three quarters of the tokens are hidden, never all of a series; what was not there is never shown."""
    generator = torch.Generator().manual_seed(0)
    valid = torch.rand(2000, 12, len(CHANNELS), generator=generator) < 0.8
    shown = hide(valid, generator, 0.75)
    assert not (shown & ~valid).any()
    assert shown.flatten(1).any(1).all()
    groups = [list(g) for g in GROUPS.values()]

    def tokens(seen: torch.Tensor) -> float:
        return float(sum(seen[..., g].any(-1).sum() for g in groups))

    assert 0.68 < 1.0 - tokens(shown) / tokens(valid) < 0.82


def test_thinning_gives_other_archives() -> None:
    """Thinned series keep what some archive offers: radar alone, optical alone and three bands all occur."""
    generator = torch.Generator().manual_seed(0)
    valid = torch.ones(500, 4, len(CHANNELS), dtype=torch.bool)
    kept = {tuple(torch.nonzero(row.any(0))[:, 0].tolist()) for row in thin_channels(valid, generator, 1.0)}
    assert {tuple(RADAR), tuple(OPTICAL), (2, 3, 8)} <= kept
    assert all(kept)


def test_disturbing_keeps_validity_and_shape() -> None:
    """Disturbance changes values, not what is valid, and stays small against the signal."""
    data = two_classes()
    batch = data.draw(64, np.random.default_rng(0))
    out = disturb(batch, torch.Generator().manual_seed(0))
    assert torch.equal(out.valid, batch.valid)
    assert not torch.equal(out.values, batch.values)
    assert float((out.values[..., 3] - batch.values[..., 3]).abs().mean()) < 0.1


def test_spread_terms_know_collapse() -> None:
    """Both terms are worse for vectors in one place than for vectors all over the sphere."""
    generator = torch.Generator().manual_seed(0)
    wide = torch.nn.functional.normalize(torch.randn(200, 64, generator=generator), dim=1)
    narrow = torch.nn.functional.normalize(1.0 + 0.01 * torch.randn(200, 64, generator=generator), dim=1)
    for good, bad in zip(spread_terms(wide), spread_terms(narrow), strict=True):
        assert float(good) < float(bad) - 0.1


@pytest.mark.parametrize("rare", [1, 2])
def test_episode_needs_a_task(rare: int) -> None:
    """A batch with fewer than three classes of three rows holds no task; one with them gives a finite loss."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(30, 64, generator=generator), dim=1)
    head = EpisodeHead()
    here = torch.zeros(30, dtype=torch.long)
    assert head(vectors, torch.arange(30) // 15, here, generator) is None
    assert head(vectors, torch.where(torch.arange(30) < rare, 1, -1), here, generator) is None
    assert head(vectors, torch.arange(30) // 6, torch.arange(30) % 15, generator) is None
    loss = head(vectors, torch.arange(30) // 6, here, generator)
    assert loss is not None
    assert torch.isfinite(loss)


def test_zones_are_drawn_whole() -> None:
    """A set of zones gives batches of a few whole zones."""
    data = two_classes(120)
    zones = replace(data, zone=np.arange(120) // 20)
    batch = zones.draw(40, np.random.default_rng(0))
    names, sizes = np.unique(batch.zone.numpy(), return_counts=True)
    assert len(names) == 2
    assert sizes.tolist() == [20, 20]


def test_rare_classes_count_as_none() -> None:
    """A class of fewer rows than `least`, and rows named Unknown, are trained on without a label."""
    data = two_classes(10)
    label = ["wheat"] * 5 + ["Unknown"] * 3 + ["rare"] * 2
    dates = np.datetime64("2024-05-15") + 30 * np.arange(12)
    out = from_samples("x", data.values, data.valid, dates, data.lonlat, data.static, label)
    assert out.classes == ("wheat",)
    assert out.label.tolist() == [0] * 5 + [-1] * 5


def test_few_labels_among_many_do_not_spoil_a_run() -> None:
    """Batches without one labelled row are trained on without a label; weights and history stay finite."""
    data = two_classes(200)
    label = np.full(200, -1)
    label[:2] = (0, 1)
    config = replace(TINY, steps=12, batch=8)
    result = train(config, [replace(data, label=label)])
    assert all(torch.isfinite(p).all() for p in result.model.parameters())
    assert all(np.isfinite(values).all() for values in result.history.values())
