from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_pretrain import TINY, two_classes

from surco.encoder import BandMeanEncoder, Encoder, ModelError
from surco.encoder.channels import WEATHER
from surco.encoder.model import SeriesEncoder
from surco.encoder.pretrain import train
from surco.encoder.pretrain.assembling import assemble
from surco.encoder.pretrain.lessons import Lessons, draw_lesson, prepare_lessons
from surco.encoder.pretrain.season_components import fit_season_components, within_covariance

torch.set_num_threads(1)
CONFIG = replace(TINY, variants=60)


class Listening(BandMeanEncoder):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[np.ndarray, ...]] = []

    def encode(self, *arrays: np.ndarray) -> np.ndarray:
        """As the encoder that it is."""
        self.asked.append(arrays)
        return super().encode(*arrays)


def lessons_of(teacher: Encoder | None = None) -> list[Lessons]:
    """Lessons of a real set and a simulated one."""
    simulated = replace(two_classes(90, seed=4), name="made", zone=np.arange(90) // 30)
    return prepare_lessons(CONFIG, [two_classes(), simulated], teacher)


def test_lessons_have_unit_variance_within_real_places() -> None:
    """Each teacher's half varies by one a number within real sets, so that neither drowns the other."""
    real, simulated = lessons_of(BandMeanEncoder())
    assert real.target.shape == (180, CONFIG.model.taught)
    assert (real.simulated, simulated.simulated) == (False, True)
    assert simulated.own == 60
    half = CONFIG.model.taught // 2
    for part in (real.target[: real.own, :half], real.target[: real.own, half:]):
        assert float(part.var(0, correction=0).mean()) == pytest.approx(1.0, rel=1e-4)


def test_teachers_see_neither_weather_nor_place_and_one_calendar() -> None:
    """The teacher gets what our encoder looks at: no weather, no place, the southern year turned by half a year."""
    teacher = Listening()
    data = two_classes()
    prepare_lessons(CONFIG, [data], teacher)
    _, valid, dates, lonlat, _ = teacher.asked[0]
    assert not valid[..., list(WEATHER)].any()
    assert np.isnan(lonlat).all()
    turned = dates[0, 0].astype("datetime64[D]").astype(int) - data.days[0, 0]
    assert turned == pytest.approx(182.6, abs=1.0)


def test_answers_are_kept(tmp_path) -> None:
    """Asked again the same, the teacher's answers come from the folder and are the same; another set is asked for."""
    first, second = Listening(), Listening()
    a = prepare_lessons(CONFIG, [two_classes()], first, tmp_path)
    b = prepare_lessons(CONFIG, [two_classes()], second, tmp_path)
    assert len(first.asked) > 0
    assert second.asked == []
    torch.testing.assert_close(a[0].target, b[0].target, rtol=0, atol=0, equal_nan=True)
    prepare_lessons(CONFIG, [two_classes(seed=8)], second, tmp_path)
    assert len(second.asked) > 0


def test_the_season_is_asked_of_the_whole_series() -> None:
    """Rows with hidden dates have the target of all that was measured: what is hidden is to be filled."""
    (only,) = lessons_of()[:1]
    shown = only.measured[only.own :].float().mean()
    assert shown < only.measured[: only.own].float().mean() - 0.05
    assert torch.isfinite(only.target).all()
    spread = only.target[only.own :].var(0).mean() / only.target[: only.own].var(0).mean()
    assert 0.5 < float(spread) < 1.5


def test_gaps_take_their_expectation() -> None:
    """Of channels that go together, one gives away the other; a grid without gaps is projected as it is."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((500, 3, 1)).astype(np.float32)
    grid = np.concatenate([base, 2.0 * base], axis=2)
    known = np.ones(grid.shape, bool)
    fit = fit_season_components([grid], [known], 3)
    whole = fit(grid, known)
    known[:, :, 1] = False
    np.testing.assert_allclose(fit(grid, known), whole, rtol=0.15, atol=0.15)
    known[:] = False
    assert np.isfinite(fit(grid, known)).all()


def test_covariance_within_groups() -> None:
    """What lies between groups does not count."""
    rng = np.random.default_rng(1)
    group = np.repeat([3, 8], 400)
    vectors = rng.standard_normal((800, 2)) + 50.0 * (group == 8)[:, None]
    np.testing.assert_allclose(within_covariance(vectors, group), np.eye(2), atol=0.15)
    assert within_covariance(vectors)[0, 0] > 100.0


def test_a_lesson_is_two_thirds_real() -> None:
    """A batch of lessons holds all sets, two thirds of it from real ones."""
    real, simulated = lessons_of()
    marked = [replace(x, target=torch.full_like(x.target, k)) for k, x in enumerate((real, simulated))]
    *_, target = draw_lesson(marked, 90, np.random.default_rng(0))
    assert target[:, 0].tolist().count(0.0) == 60
    assert target[:, 0].tolist().count(1.0) == 30


def test_a_student_learns_what_it_is_taught() -> None:
    """After eighty steps the taught head explains most of what the teachers say of rows it was not trained on."""
    result = train(replace(CONFIG, lesson=4.0), [two_classes()], teacher=BandMeanEncoder())
    assert np.mean(result.history["lesson"][-5:]) < 0.5 * np.mean(result.history["lesson"][:5])


@pytest.mark.parametrize(("taught", "learned"), [(1.0, 0.0), (0.0, 1.0), (1.0, 0.6)])
def test_vectors_are_components_of_both_heads(taught: float, learned: float) -> None:
    """No number of the vector stands out, a head of weight 0 is not heard, and the same seed gives the same map."""
    torch.manual_seed(0)
    model = SeriesEncoder(replace(CONFIG.model, dimension=64)).eval()
    sets = lessons_of()
    assemble(model, sets, taught=taught, learned=learned, power=0.6, level=1.0, seed=0)
    weight = model.assemble.weight.detach()
    end = CONFIG.model.taught + CONFIG.model.learned
    heads = (weight[:, : CONFIG.model.taught], weight[:, CONFIG.model.taught : end])
    assert [float(h.abs().sum()) > 1e-6 for h in heads] == [taught > 0, learned > 0]
    with torch.inference_mode():
        both = torch.cat(model.through(sets[0].grid, sets[0].measured, sets[0].static), dim=1)
        vectors = model.assemble(both)
    size = vectors[: sets[0].own].var(0)
    assert float(size.max() / size.mean()) < 12.0
    again = SeriesEncoder(model.config).eval()
    again.load_state_dict(model.state_dict())
    assemble(again, sets, taught=taught, learned=learned, power=0.6, level=1.0, seed=0)
    assert torch.equal(again.assemble.weight, model.assemble.weight)


def test_nobody_is_asked_in_vain(tmp_path: Path) -> None:
    """A damaged state is refused before the teacher is asked, and lessons of weight 0 ask nobody."""
    teacher = Listening()
    (tmp_path / "state").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="cannot be read"):
        train(CONFIG, [two_classes()], teacher=teacher, state=tmp_path / "state")
    train(replace(CONFIG, lesson=0.0, steps=1), [two_classes()], teacher=teacher)
    assert teacher.asked == []
    train(replace(CONFIG, steps=1), [two_classes()], teacher=teacher)
    assert teacher.asked != []
