"""The forecast head: a small network over what was seen, its answers with an 80 % interval, in numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surco.encoder.forecast.errors import ForecastError
from surco.encoder.forecast.questions import BEFORE, LEADS, Questions, anchor_of, season_month
from surco.encoder.protocol import Floats

__all__ = ["COVERAGE", "PLAIN_INPUTS", "Answers", "ForecastHead", "inputs_of", "standardise"]

COVERAGE = 0.8
"""Share of the truths that should lie between `low` and `high`."""

PLAIN_INPUTS = 51
"""Inputs of the network beside the numbers of the vector."""

_BLOCK = 65_536
_FARTHEST = 4.0


@dataclass(frozen=True, slots=True)
class Answers:
    """NDVI of K questions with their interval, each (K,) float32 in -1..1, NaN where nothing had been seen."""

    ndvi: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class ForecastHead:
    """Three layers from `inputs_of` to quantiles of the NDVI's departure from its anchor, bound to one encoder.

    `centre`, `scale` (F,) bring inputs to unit size; `layers` are pairs of weights (in, out) and bias (out,), with
    rectifiers between; the last gives the 10th, 50th and 90th percentile. `margin` (2, 4) widens the interval by lead
    where the vector is not known (row 0) and where it is (row 1): conformalised quantile regression (Romano et al.
    2019). `climatology` (12,) is the training places' mean NDVI by `season_month`, the global baseline.
    """

    model_id: str
    dimension: int
    centre: Floats
    scale: Floats
    layers: tuple[tuple[Floats, Floats], ...]
    margin: Floats
    climatology: Floats

    def check(self, model_id: str) -> None:
        """Refuse vectors of another model.

        Raises:
            ForecastError: with both names.
        """
        if model_id != self.model_id:
            raise ForecastError(
                f"Expected vectors of model {self.model_id!r}, which this forecast head was fitted on; got vectors of "
                f"{model_id!r}. Encode with that model, or fit a head on this one: scripts/fit_forecast.py --model."
            )

    def answer(self, questions: Questions) -> Answers:
        """Answer each question.

        Raises:
            ForecastError: vectors of another length.
        """
        if questions.vector.shape[1] != self.dimension:
            raise ForecastError(
                f"Expected vectors of {self.dimension} numbers, got {questions.vector.shape[1]}. "
                f"Use those of model {self.model_id}."
            )
        parts = [
            self._answer(questions.take(np.arange(start, min(start + _BLOCK, len(questions)))))
            for start in range(0, len(questions), _BLOCK)
        ]
        whole = np.concatenate([np.zeros((0, 3), np.float32), *parts])
        return Answers(whole[:, 1], whole[:, 0], whole[:, 2])

    def _answer(self, questions: Questions) -> Floats:
        """Low, middle and high (K, 3)."""
        x = standardise(inputs_of(questions), self.centre, self.scale)
        for weight, bias in self.layers[:-1]:
            x = np.maximum(x @ weight + bias, 0)
        weight, bias = self.layers[-1]
        quantiles = np.sort(x @ weight + bias, axis=1)
        known = np.isfinite(questions.vector).all(axis=1).astype(np.int64)
        margin = self.margin[known, questions.lead]
        quantiles[:, 0] -= margin
        quantiles[:, 2] += margin
        # a negative margin may not turn an interval inside out
        quantiles[:, 0] = np.minimum(quantiles[:, 0], quantiles[:, 1])
        quantiles[:, 2] = np.maximum(quantiles[:, 2], quantiles[:, 1])
        out: Floats = np.clip(anchor_of(questions.around).value[:, None] + quantiles, -1, 1)
        return out.astype(np.float32)


def standardise(inputs: Floats, centre: Floats, scale: Floats) -> Floats:
    """Inputs (K, F) at unit size, cut at four: longer histories than were trained on must not lead anywhere wild."""
    out: Floats = np.clip((inputs - centre) / scale, -_FARTHEST, _FARTHEST)
    return out


def inputs_of(questions: Questions) -> Floats:
    """Numbers that the network reads, (K, F): what was seen as departures from the anchor, when, and the vector.

    Unseen months and an unknown vector enter as zeros with a zero flag beside them. The vector's unit length is spread
    over its D numbers, so each is multiplied by the root of D.
    """
    anchor = anchor_of(questions.around)
    seen = np.isfinite(questions.around)
    known = np.isfinite(questions.vector).all(axis=1, keepdims=True)
    angle = (season_month(questions.month, questions.south) + 0.5) * (2 * np.pi / 12)
    length = np.sqrt(questions.vector.shape[1])
    parts = (
        np.where(seen, questions.around - anchor.value[:, None], 0),
        seen,
        anchor.value[:, None],
        np.nan_to_num(anchor.before - anchor.value)[:, None],
        np.nan_to_num(anchor.after - anchor.value)[:, None],
        anchor.since[:, None] / 6,
        anchor.until[:, None] / 6,
        seen[:, :BEFORE].sum(axis=1, keepdims=True) / BEFORE,
        np.stack([f(k * angle) for k in (1, 2) for f in (np.sin, np.cos)], axis=1),
        questions.lead[:, None] == np.arange(len(LEADS) + 1),
        known,
        np.where(known, questions.vector * length, 0),
    )
    return np.concatenate(parts, axis=1).astype(np.float32)
