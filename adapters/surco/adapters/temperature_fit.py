"""Temperatures of a learned prior: the constants that make the answers of other tasks likeliest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from surco.adapters.temperatures import ANY_VECTORS, EXPECTED_FLOOR

__all__ = ["Answer", "fit_temperatures"]

Doubles = npt.NDArray[np.float64]
_PENALTY = 0.01  # holds the slopes, which few tables tell, near those of any vectors


@dataclass(frozen=True, slots=True)
class Answer:
    """What the heads say of a task's test rows (M, K), the truth (M,), the temperature's terms, the task's weight."""

    logits: Doubles
    truth: npt.NDArray[np.intp]
    terms: Doubles
    weight: float


def fit_temperatures(answers: Sequence[Answer], name: str) -> tuple[Doubles, float]:
    """The three constants of a temperature table that make the answers likeliest, and how unlikely they stay."""
    start = np.array(ANY_VECTORS[name])
    shares = np.array([a.weight for a in answers])
    shares /= shares.sum()

    def surprise(constants: Doubles) -> tuple[float, Doubles]:
        away = constants - start
        value, gradient = _PENALTY * float(away @ away), 2 * _PENALTY * away
        for share, answer in zip(shares, answers, strict=True):
            one, slope = _surprise(constants, answer)
            value += share * one
            gradient += share * slope
        return value, gradient

    best = minimize(surprise, start, jac=True, method="BFGS", options={"maxiter": 30, "gtol": 1e-3})
    return best.x, float(best.fun)


def _surprise(constants: Doubles, answer: Answer) -> tuple[float, Doubles]:
    """Mean negative log-likelihood of a task under three constants, and its gradient (3,)."""
    temperature = np.exp(constants @ answer.terms)
    logits = temperature * answer.logits
    logits -= logits.max(axis=1, keepdims=True)
    chances = np.exp(logits)
    total = chances.sum(axis=1)
    chances /= total[:, None]
    true = (np.arange(len(logits)), answer.truth)
    plain = chances[true]
    mixed = (1 - EXPECTED_FLOOR) * plain + EXPECTED_FLOOR / logits.shape[1]
    away = answer.logits[true] - (chances * answer.logits).sum(axis=1)
    slope = -temperature * ((1 - EXPECTED_FLOOR) * plain / mixed * away).mean()
    return float(-np.log(mixed).mean()), slope * answer.terms
