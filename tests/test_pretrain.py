from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from surco.encoder import ModelError
from surco.encoder.channels import CHANNELS, GROUPS, OPTICAL, RADAR
from surco.encoder.model import ModelConfig, SeriesEncoder
from surco.encoder.pretrain import Dataset, PretrainConfig, from_samples, train
from surco.encoder.pretrain.drilling import Countries, drill
from surco.encoder.pretrain.objectives import EpisodeHead, _sides, spread_terms
from surco.encoder.pretrain.views import disturb, hide, one_archive, thin_channels

torch.set_num_threads(1)
TINY = PretrainConfig(
    model=ModelConfig(width=32, depth=1), drills=0, label_steps=80, steps=80, batch=48, warmup=5
)


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
    short = PretrainConfig(model=TINY.model, drills=0, label_steps=6, steps=6, batch=32)
    a, b = (train(short, [two_classes()]).model.state_dict() for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    other = train(
        PretrainConfig(model=TINY.model, drills=0, label_steps=6, steps=6, batch=32, seed=1), [two_classes()]
    ).model.state_dict()
    assert any(not torch.equal(a[k], other[k]) for k in a)


@pytest.mark.parametrize("stage", ["drills", "labels", "lessons"])
def test_a_stopped_run_goes_on_as_if_it_had_not(stage: str, tmp_path: Path) -> None:
    """Killed at step 7 of 9 of a stage and started again, a run ends with the weights of one that was not disturbed."""
    config = PretrainConfig(
        model=replace(TINY.model, dropout=0.1), drills=9, label_steps=9, steps=9, batch=32
    )
    whole = train(config, [two_classes()]).model.state_dict()

    def stop(done: int, total: int, text: str) -> None:
        if text.startswith(stage) and done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, [two_classes()], stop, state=tmp_path / "state", every=3)
    resumed = train(config, [two_classes()], state=tmp_path / "state", every=3)
    assert all(torch.equal(whole[k], v) for k, v in resumed.model.state_dict().items())
    assert {k: len(v) for k, v in resumed.history.items()}["label_reconstruct"] == 9
    with pytest.raises(ModelError, match="other settings or data"):
        train(replace(config, seed=3), [two_classes()], state=tmp_path / "state")
    (tmp_path / "state" / "labels").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="cannot be read"):
        train(config, [two_classes()], state=tmp_path / "state")


def test_training_teaches() -> None:
    """Eighty steps lower reconstruction and tell two crops apart in rows that were not trained on."""
    result = train(TINY, [two_classes()])
    history = result.history
    told = history["label_reconstruct"]
    assert np.mean(told[-5:]) < 0.8 * np.mean(told[:5])
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
    """A batch without three classes on both sides holds no task; one with them gives a finite loss."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(30, 64, generator=generator), dim=1)
    head = EpisodeHead()
    here, row = torch.zeros(30, dtype=torch.long), torch.arange(30)
    assert head(vectors, vectors, row // 15, here, here, generator) is None
    assert head(vectors, vectors, torch.where(row < rare, 1, -1), here, here, generator) is None
    assert head(vectors, vectors, row // 6, row % 15, here, generator) is None
    loss = head(vectors, vectors, row // 6, here, here, generator)
    assert loss is not None
    assert torch.isfinite(loss)


def test_a_task_asks_about_places_that_gave_no_labels() -> None:
    """With four places or more, support and queries never share one; a class of one place is then in no task."""
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(60) % 6
    seen = []
    for _ in range(20):
        side = _sides(place, generator)
        assert not set(place[side].tolist()) & set(place[~side].tolist())
        seen.append(tuple(place[side].unique().tolist()))
    assert {len(s) for s in seen} == {3} and len(set(seen)) > 5
    vectors = torch.nn.functional.normalize(torch.randn(60, 8, generator=generator), dim=1)
    everywhere = torch.zeros(60, dtype=torch.long)
    assert EpisodeHead()(vectors, vectors, place, everywhere, place, generator) is None
    assert EpisodeHead()(vectors, vectors, torch.arange(60) // 20, everywhere, place, generator) is not None


def test_drills_teach_classes_that_nobody_listed(tmp_path: Path) -> None:
    """Tasks of countries not drilled on are solved better after some steps; a stopped stage ends with the same bits."""
    config = replace(TINY, drills=40, batch=96, learning_rate=5e-3)
    encoder = drawn(config)

    def drilled(**settings: object) -> SeriesEncoder:
        out = drawn(config)
        drill(config, out.drilled, **settings)
        return out.eval()

    def loss(encoder: SeriesEncoder) -> float:
        countries, tasks = Countries(9, config.batch), EpisodeHead()
        rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
        found = []
        with torch.inference_mode():
            for _ in range(12):
                batch = countries.draw(0, rng)
                said = encoder.parts(batch.values, batch.valid, batch.days, batch.lonlat, batch.static)[2]
                found.append(float(tasks(said, said, batch.label, batch.zone, batch.place, generator)))
        return float(np.mean(found))

    whole = drilled()
    assert loss(whole) < loss(encoder.eval()) - 0.1

    def stop(done: int, total: int, text: str) -> None:
        if done == 33:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drilled(progress=stop, state=tmp_path / "state", every=10)
    resumed = drilled(state=tmp_path / "state", every=10)
    again = drilled(progress=stop, state=tmp_path / "state")  # done is done
    for other in (resumed, again):
        assert all(torch.equal(v, other.state_dict()[k]) for k, v in whole.state_dict().items())
    with pytest.raises(ModelError, match="other settings or data"):
        drill(replace(config, drills=41), encoder.drilled, state=tmp_path / "state")


def drawn(config: PretrainConfig) -> SeriesEncoder:
    """An encoder as the seed of a run draws it."""
    torch.manual_seed(config.seed)
    return SeriesEncoder(config.model)


def test_a_run_goes_on_from_its_drills(tmp_path: Path) -> None:
    """Training begins with the drilled weights, and drills that are kept are not done again."""
    config = replace(TINY, drills=3, label_steps=2, steps=2, batch=32)
    told: list[int] = []
    first = train(config, [two_classes()], lambda d, n, t: told.append(n), drills=tmp_path / "d").model
    assert told.count(3) == 3 and told.count(2) > 0
    told.clear()
    second = train(config, [two_classes()], lambda d, n, t: told.append(n), drills=tmp_path / "d").model
    assert told.count(3) == 0
    other = train(replace(config, drills=0), [two_classes()]).model
    weights = [m.state_dict()["drilled.head.weight"] for m in (first, second, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_a_zone_larger_than_a_batch_is_drawn_in_part() -> None:
    """Of a world with more rows than a batch takes, so many are drawn, all of one world."""
    world = replace(two_classes(120), zone=np.arange(120) // 60, place=np.arange(120) // 15)
    batch = world.draw(40, np.random.default_rng(0))
    assert len(batch.zone) == 40 and len(batch.zone.unique()) == 1
    assert len(batch.place.unique()) == 4


def test_an_archive_is_the_same_for_all_series() -> None:
    """All series keep the same channels; one that has none of them stays whole."""
    generator = torch.Generator().manual_seed(0)
    valid = torch.ones(9, 4, len(CHANNELS), dtype=torch.bool)
    valid[0, :, list(OPTICAL)] = False
    for _ in range(20):
        kept = one_archive(valid, generator)
        assert len({tuple(row.any(0).tolist()) for row in kept[1:]}) == 1
        assert kept[0].any() and not (kept & ~valid).any()


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
    config = replace(TINY, drills=0, label_steps=12, steps=12, batch=8)
    result = train(config, [replace(data, label=label)])
    assert all(torch.isfinite(p).all() for p in result.model.parameters())
    assert all(np.isfinite(values).all() for values in result.history.values())
