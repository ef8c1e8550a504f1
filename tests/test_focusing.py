from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_lessons import CONFIG, lessons_of

from surco.encoder.model import SeriesEncoder
from surco.encoder.pretrain.assembling import assemble
from surco.encoder.pretrain.focusing import Labelled, focused

torch.set_num_threads(1)


def labelled(classes: int = 4, n: int = 400, seed: int = 0) -> Labelled:
    """Vectors whose first direction tells the classes apart, and three that do not."""
    rng = np.random.default_rng(seed)
    label = rng.integers(classes, size=n)
    vectors = rng.standard_normal((n, 4))
    vectors[:, 0] = 1.5 * label + 0.1 * vectors[:, 0]
    return Labelled(vectors, label, None)


def test_what_tells_classes_apart_grows() -> None:
    """The direction in which classes differ grows against the others; a greater strength, more; none, nothing."""
    data = labelled()
    before = data.vectors.std(axis=0)
    ratios = []
    for strength in (0.0, 0.5, 1.0):
        after = (data.vectors @ focused([data], strength)).std(axis=0)
        ratios.append((after[0] / before[0]) / (after[1:] / before[1:]).mean())
    assert ratios[0] == pytest.approx(1.0, abs=1e-6)
    assert 1.2 < ratios[1] < ratios[2] < 5.0


def test_classes_are_those_of_their_place() -> None:
    """Places that lie apart do not make a direction tell classes."""
    data = labelled()
    moved = data.vectors + np.array([0.0, 50.0, 0.0, 0.0]) * (np.arange(400) % 2)[:, None]
    again = focused([Labelled(moved, data.label, np.arange(400) % 2)], 0.5)
    np.testing.assert_allclose(again, focused([data], 0.5), atol=0.1)


def test_without_labels_nothing_is_drawn_out() -> None:
    """No label, or no class of five rows, and the map changes nothing."""
    data = labelled()
    none = replace(data, label=np.full(400, -1))
    few = Labelled(data.vectors[:8], np.arange(8) // 2, None)
    for sets in ([none], [few], [none, few]):
        np.testing.assert_array_equal(focused(sets, 0.5), np.eye(4))


def test_season_surroundings_and_focus_enter_the_last_layer() -> None:
    """A weight lets season and terrain in, none keeps them out, and the focus changes the map."""
    torch.manual_seed(0)
    model = SeriesEncoder(replace(CONFIG.model, dimension=32)).eval()
    sets = lessons_of()
    rng = np.random.default_rng(0)
    sets = [
        replace(x, static=torch.from_numpy(rng.uniform(0, 900, x.static.shape).astype("f4"))) for x in sets
    ]
    start = CONFIG.model.taught + CONFIG.model.learned
    end = start + CONFIG.model.season
    seen = []
    for season, around, focus in ((0.0, 0.0, 0.0), (0.5, 0.3, 0.0), (0.5, 0.3, 0.5)):
        weights = {"taught": 1.0, "learned": 0.4, "season": season, "around": around}
        assemble(model, sets, **weights, power=0.6, level=1.0, focus=focus, seed=0)
        seen.append(model.assemble.weight.detach().clone())
    assert float(seen[0][:, start:].abs().sum()) == 0.0
    assert float(seen[1][:, start:end].abs().sum()) > 1e-3
    assert float(seen[1][:, end : end + 2].abs().sum()) > 1e-3
    assert not torch.allclose(seen[1], seen[2])


def test_gaps_are_filled_by_what_the_taught_head_tells() -> None:
    """`fill` is set where there is something to learn from, and its guesses are nearer than the mean of the season."""
    torch.manual_seed(0)
    model = SeriesEncoder(CONFIG.model).eval()
    sets = lessons_of()
    assemble(model, sets, taught=1.0, learned=0.4, season=1.0, power=0.6, level=1.0, seed=0)
    real = sets[0]
    channels = len(CONFIG.model.seen)
    grid, known = (x[: real.own, :, :channels].flatten(1) for x in (real.grid, real.measured))
    with torch.inference_mode():
        taught, *_ = model.through(real.grid[: real.own], real.measured[: real.own], real.static[: real.own])
        wrong = model.fill(taught) - grid
    mean = (grid * known).sum(0) / known.sum(0).clamp_min(1)
    assert float(wrong[known].square().mean()) < float((grid - mean)[known].square().mean())
