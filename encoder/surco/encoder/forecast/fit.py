"""Fitting a forecast head: a network with three quantiles, its intervals calibrated on tables it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from surco.encoder.forecast.baselines import month_means
from surco.encoder.forecast.cases import Cases
from surco.encoder.forecast.errors import ForecastError
from surco.encoder.forecast.head import COVERAGE, ForecastHead, inputs_of, standardise
from surco.encoder.forecast.questions import LEADS, anchor_of, season_month
from surco.encoder.protocol import Floats

__all__ = ["STEPS", "calibrate", "fit_head", "fit_network"]

STEPS = 1500
QUANTILES = ((1 - COVERAGE) / 2, 0.5, (1 + COVERAGE) / 2)

_BATCH = 512
_WIDTH = 96
_DROPOUT = 0.3
_RATE = 3e-3
_DECAY = 1e-3
_LEAST_SCALE = np.float32(0.02)
_UNKNOWN = 0.3
"""Share of the cases whose vector is taken away, so that the head also answers without one."""
Progress = Callable[[int, int, str], None]


def fit_head(
    model_id: str,
    real: Mapping[str, Cases],
    simulated: Mapping[str, Cases],
    *,
    steps: int = STEPS,
    seed: int = 0,
    progress: Progress | None = None,
) -> ForecastHead:
    """Fit a head on all tables, its intervals calibrated by leaving out one real table after another.

    Args:
        model_id: of the encoder of all vectors.
        real: cases by name of their table; each table weighs the same.
        simulated: more of them, which calibrate nothing.
        steps: of each of the fits, one more than there are real tables.
        seed: of every draw.
        progress: called as `progress(done, total, text)`, in fits.

    Raises:
        ForecastError: fewer than two real tables, or one without a case.
    """
    if len(real) < 2 or not all(len(cases) for cases in real.values()):
        raise ForecastError(
            f"Expected at least two tables with series of four months or more, got "
            f"{ {name: len(cases) for name, cases in real.items()} }. Give more tables, or longer series."
        )
    every, left_out = {**real, **simulated}, []
    for done, name in enumerate(real):
        others = {k: c for k, c in every.items() if k != name}
        left_out.append((fit_network(model_id, others, steps=steps, seed=seed), real[name]))
        if progress:
            progress(done + 1, len(real) + 1, f"without {name}")
    head = fit_network(model_id, every, steps=steps, seed=seed)
    if progress:
        progress(len(real) + 1, len(real) + 1, "all tables")
    return replace(head, margin=calibrate(left_out), climatology=_climatology(real))


def calibrate(left_out: list[tuple[ForecastHead, Cases]]) -> Floats:
    """Margins (2, 4) by vector unknown or known and lead, from tables that each head has not seen.

    Conformalised quantile regression (Romano, Patterson & Candes 2019): the `COVERAGE` quantile of how far the truth
    lies outside the interval (negative inside), here with each table weighing the same.
    """
    out = np.zeros((2, len(LEADS) + 1), np.float32)
    for known in (0, 1):
        outside, weight, lead = [], [], []
        for head, cases in left_out:
            questions = cases.questions if known else _without_vectors(cases).questions
            answers = head.answer(questions)
            outside.append(np.maximum(answers.low - cases.truth, cases.truth - answers.high))
            count = np.bincount(questions.lead, minlength=len(LEADS) + 1)
            weight.append(1.0 / count[questions.lead])
            lead.append(questions.lead)
        parts = (np.concatenate(outside), np.concatenate(weight), np.concatenate(lead))
        for number in np.unique(parts[2]):
            here = parts[2] == number
            out[known, number] = _weighted_quantile(parts[0][here], parts[1][here])
    return out


def fit_network(
    model_id: str, tables: Mapping[str, Cases], *, steps: int = STEPS, seed: int = 0
) -> ForecastHead:
    """Fit the network by the pinball loss (Koenker & Bassett 1978), without margins and climatology yet."""
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    cases = [_drop_vectors(c, rng) for c in tables.values()]
    x = np.concatenate([inputs_of(c.questions) for c in cases])
    y = np.concatenate([c.truth - anchor_of(c.questions.around).value for c in cases])
    weight = np.concatenate([np.full(len(c), 1.0 / len(c)) for c in cases])
    centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), _LEAST_SCALE)
    network = _network(x.shape[1], seed)
    _train(
        network,
        torch.from_numpy(standardise(x, centre, scale)),
        torch.from_numpy(y),
        torch.from_numpy(weight),
        steps,
        generator,
    )
    layers = tuple(
        (m.weight.detach().numpy().T.copy(), m.bias.detach().numpy().copy())
        for m in network
        if isinstance(m, nn.Linear)
    )
    margin, climatology = np.zeros((2, len(LEADS) + 1), np.float32), np.zeros(12, np.float32)
    dimension = cases[0].questions.vector.shape[1]
    return ForecastHead(model_id, dimension, centre, scale, layers, margin, climatology)


def _network(inputs: int, seed: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(inputs, _WIDTH),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_WIDTH, _WIDTH),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_WIDTH, len(QUANTILES)),
        )


def _train(
    network: nn.Sequential, x: Tensor, y: Tensor, weight: Tensor, steps: int, generator: torch.Generator
) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=max(steps, 2))
    rows = torch.multinomial(weight, steps * _BATCH, replacement=True, generator=generator).view(
        steps, _BATCH
    )
    quantile = torch.tensor(QUANTILES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator.initial_seed()))  # dropout draws from the global generator
        for batch in rows:
            error = y[batch, None] - network(x[batch])
            loss = torch.maximum(quantile * error, (quantile - 1) * error).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def _drop_vectors(cases: Cases, rng: np.random.Generator) -> Cases:
    vector = cases.questions.vector.copy()
    vector[rng.random(len(cases)) < _UNKNOWN] = np.nan
    return replace(cases, questions=replace(cases.questions, vector=vector))


def _without_vectors(cases: Cases) -> Cases:
    vector = np.full_like(cases.questions.vector, np.nan)
    return replace(cases, questions=replace(cases.questions, vector=vector))


def _weighted_quantile(values: Floats, weight: Floats) -> float:
    order = np.argsort(values)
    share = np.cumsum(weight[order]) / weight.sum()
    return float(values[order[min(int(np.searchsorted(share, COVERAGE)), len(order) - 1)]])


def _climatology(real: Mapping[str, Cases]) -> Floats:
    """Mean of the tables' mean NDVI by month (12,); the mean of all months where a month was never seen."""
    each = np.stack(
        [month_means(season_month(c.questions.month, c.questions.south), c.truth) for c in real.values()]
    )
    seen = np.isfinite(each)
    mean = np.where(seen, each, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    out: Floats = np.where(seen.any(axis=0), mean, each[seen].mean()).astype(np.float32)
    return out
