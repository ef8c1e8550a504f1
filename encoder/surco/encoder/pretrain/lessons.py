"""What teachers say of a series: the season's principal components, and a published encoder's vector.

A teacher is asked once, before training, about the corpora's own series and about variants of them: two series mixed
as in a mixed pixel, another archive's channels, another calibration, dates hidden. The student is then asked the same
of the same series, so that it learns the teacher's function and not the mean of its answers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from surco.encoder.channels import WEATHER
from surco.encoder.model import YEAR_DAYS, add_indices, season_grid
from surco.encoder.pretrain.config import PretrainConfig
from surco.encoder.pretrain.corpus import Batch, Dataset
from surco.encoder.pretrain.season_components import Doubles, fit_season_components, within_covariance
from surco.encoder.pretrain.views import disturb, hide, thin_channels
from surco.encoder.protocol import Encoder, Floats

__all__ = ["Lessons", "draw_lesson", "prepare_lessons"]

_BLOCK = 2000


@dataclass(frozen=True)
class Lessons:
    """N grids of one data set and what is to be said of them.

    grid and measured (N, K, C), static (N, 2), target (N, P) with unit mean variance, NaN where a teacher had no
    answer. The first `own` rows are the set's own series, the others variants; `zone`, `label` (own,) as in `Dataset`.
    """

    name: str
    simulated: bool
    own: int
    grid: Tensor
    measured: Tensor
    static: Tensor
    target: Tensor
    zone: npt.NDArray[np.int64] | None
    label: npt.NDArray[np.int64]


def prepare_lessons(
    config: PretrainConfig,
    datasets: Sequence[Dataset],
    teacher: Encoder | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Lessons]:
    """Ask the teachers about every data set.

    Args:
        config: `model.taught` numbers are taught: half by the teacher, half the season's components; without a
            teacher all of them are the season's.
        datasets: sets with zones count as simulated: principal components are taken within places, real ones first.
        teacher: a published encoder; it gets neither weather nor place, which our encoder does not see either.
        cache: folder for the teacher's answers, by the digest of what it was asked.
        progress: called as `progress(done, total, text)` after each data set.
    """
    sets = []
    for number, data in enumerate(datasets):
        series, shown = _series(config, data, number)
        told = None if teacher is None else _answers(teacher, replace(series, valid=shown), cache)
        sets.append((data, series, shown, told))
        if progress:
            progress(number + 1, len(datasets), f"teacher: {data.name}")
    grids = [_grids(config, series, shown) for _, series, shown, _ in sets]
    season = _season_answers(config, [d for d, *_ in sets], [s for _, s, *_ in sets], teacher is not None)
    own = [_own(config, d) for d in datasets]
    answers = [season] if teacher is None else [season, [t for *_, t in sets if t is not None]]
    half = config.model.taught // len(answers)
    target = [_scaled(part, datasets, own, half) for part in answers]
    return [
        Lessons(
            data.name,
            data.zone is not None,
            own[i],
            *grids[i],
            series.static,
            torch.from_numpy(np.concatenate([t[i] for t in target], axis=1).astype(np.float32)),
            None if data.zone is None else data.zone[: own[i]],
            data.label[: own[i]],
        )
        for i, (data, series, *_) in enumerate(sets)
    ]


def draw_lesson(
    lessons: Sequence[Lessons], n: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """About n rows of grid, measured, static and target, a third of them simulated where both kinds are there."""
    kinds = [[x for x in lessons if x.simulated == kind] for kind in (False, True)]
    share = (2 * n // 3, n // 3) if all(kinds) else (n, n)
    drawn: list[tuple[Tensor, ...]] = []
    for sets, count in zip(kinds, share, strict=True):
        for x in sets:
            rows = torch.from_numpy(rng.integers(len(x.target), size=max(1, count // len(sets))))
            drawn.append((x.grid[rows], x.measured[rows], x.static[rows], x.target[rows]))
    grid, measured, static, target = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    return grid, measured, static, target


def _own(config: PretrainConfig, data: Dataset) -> int:
    """How many of a set's own series are taught: all real ones, of simulated ones as many as there are variants."""
    return len(data.label) if data.zone is None else min(len(data.label), config.variants)


def _series(config: PretrainConfig, data: Dataset, number: int) -> tuple[Batch, Tensor]:
    """The set's own series, then variants, and of each what is shown (B, T, C)."""
    rng = np.random.default_rng((config.seed, 7, number))
    generator = torch.Generator().manual_seed(1000 * config.seed + number)
    own = data.rows(np.arange(_own(config, data)))
    made = disturb(_mixed(data, config.variants, rng), generator)
    shown = thin_channels(made.valid, generator, config.thinned)
    few = torch.rand(len(shown), 1, 1, generator=generator) < 0.25
    shown = torch.where(few, hide(shown, generator, config.hidden), shown)
    both = Batch(*(torch.cat([a, b]) for a, b in zip(own.tensors(), made.tensors(), strict=True)))
    return both, torch.cat([own.valid, shown])


def _mixed(data: Dataset, n: int, rng: np.random.Generator) -> Batch:
    """Random series, three in five of them mixed with another of the same dates as the two sides of a field's edge."""
    first, second = rng.integers(len(data.label), size=(2, n))
    batch, other = data.rows(first), data.rows(second)
    share = rng.beta(0.5, 0.5, n)
    share = np.where(rng.random(n) < 0.6, np.maximum(share, 1.0 - share), 1.0).astype(np.float32)
    same = (batch.days == other.days).all(dim=1)[:, None, None] & batch.valid & other.valid
    part = torch.from_numpy(share)[:, None, None]
    values = torch.where(same, part * batch.values + (1.0 - part) * other.values, batch.values)
    return replace(batch, values=values)


def _grids(config: PretrainConfig, series: Batch, shown: Tensor) -> tuple[Tensor, Tensor]:
    x, ok = add_indices(series.values, shown, config.model)
    return season_grid(x, ok, series.days, series.lonlat, config.model)


def _season_answers(
    config: PretrainConfig, datasets: Sequence[Dataset], series: Sequence[Batch], halved: bool
) -> list[Doubles]:
    """The season's components of all that is valid, also of what is not shown."""
    seen = len(config.model.seen)
    grids = [tuple(t[..., :seen].numpy() for t in _grids(config, s, s.valid)) for s in series]
    count = config.model.taught // 2 if halved else config.model.taught
    fitted = [i for i, d in enumerate(datasets) if d.zone is None] or list(range(len(datasets)))
    fitted += [i for i, d in enumerate(datasets) if d.zone is not None and i not in fitted]
    fit = fit_season_components([grids[i][0] for i in fitted], [grids[i][1] for i in fitted], count)
    return [fit(*g) for g in grids]


def _answers(teacher: Encoder, series: Batch, cache: Path | None) -> Doubles:
    """The teacher's vectors (N, D) of the series as shown, without weather and place.

    Southern series are told as northern ones half a year later: the student sees seasons, not calendar months.
    """
    values, valid, static = (t.numpy() for t in (series.values, series.valid, series.static))
    south = torch.nan_to_num(series.lonlat[:, 1:2]) < 0.0
    days = (series.days + south * (YEAR_DAYS / 2.0)).round().numpy()
    valid = valid.copy()
    valid[..., list(WEATHER)] = False
    digest = hashlib.sha256(teacher.model_id.encode())
    for array in (values, valid, days, static):
        digest.update(np.ascontiguousarray(array).tobytes())
    path = None if cache is None else cache / f"{digest.hexdigest()[:32]}.npy"
    if path is not None and path.is_file():
        kept: Doubles = np.load(path, allow_pickle=False)
        return kept
    out = _asked(teacher, values, valid, days, static)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part.npy")
        np.save(part, out, allow_pickle=False)
        part.replace(path)
    return out


def _asked(
    teacher: Encoder, values: Floats, valid: npt.NDArray[np.bool_], days: Floats, static: Floats
) -> Doubles:
    nowhere = np.full((len(values), 2), np.nan, np.float32)
    dates = days.astype("timedelta64[D]") + np.datetime64("1970-01-01", "D")
    blocks = [slice(i, i + _BLOCK) for i in range(0, len(values), _BLOCK)]
    out = [teacher.encode(values[b], valid[b], dates[b], nowhere[b], static[b]) for b in blocks]
    return np.concatenate(out).astype(np.float64)


def _scaled(
    answers: Sequence[Doubles], datasets: Sequence[Dataset], own: Sequence[int], count: int
) -> list[Doubles]:
    """Leading components of what varies within the sets, real ones where there are any; unit mean variance there."""
    real = [i for i, d in enumerate(datasets) if d.zone is None] or list(range(len(datasets)))
    told, covariances = [], []
    for i in real:
        vectors, zone = answers[i][: own[i]], datasets[i].zone
        answered = np.isfinite(vectors).all(axis=1)
        told.append(vectors[answered].mean(axis=0))
        covariances.append(
            within_covariance(vectors[answered], None if zone is None else zone[: own[i]][answered])
        )
    size, axes = np.linalg.eigh(np.mean(covariances, axis=0))
    axes, size = axes[:, ::-1][:, :count], size[::-1][:count]
    scale = math.sqrt(float(size.clip(0.0).mean())) or 1.0
    return [(a - np.mean(told, axis=0)) @ axes / scale for a in answers]
