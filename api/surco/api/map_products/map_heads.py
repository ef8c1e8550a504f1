"""What an adapter says of vectors as they are stored: classes with probabilities, or values with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from surco.adapters import YieldAdapter
from surco.adapters.legends import Legend, roll_up
from surco.embedstore import dequantize

__all__ = ["ClassHead", "ValueHead"]

Codes = npt.NDArray[np.int8]
Scales = npt.NDArray[np.float32]
Chances = npt.NDArray[np.float32]


class _Classifies(Protocol):
    def predict_proba_int8(self, embedding: Codes, scale: Scales) -> Chances: ...
    def support(self, X: Any) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, eq=False)
class ClassHead:
    """Classes and probabilities of an adapter.

    Attributes:
        classes: (K,) names, after a legend's level where one is asked for.
        adapter: fitted.
        own: its own class names.
        legend, level: by which its probabilities are summed; None for not at all.
        abstain: least support of a place that gets a class; None for none.
    """

    classes: tuple[str, ...]
    adapter: _Classifies
    own: tuple[str, ...]
    legend: Legend | None = None
    level: int | None = None
    abstain: float | None = None

    def answer(self, embedding: Codes, scale: Scales) -> tuple[Chances, npt.NDArray[np.int64]]:
        """Probabilities (N, K), NaN where nothing was observed, and the likeliest class (N,), -1 where there is none.

        Args:
            embedding: (N, D) as stored.
            scale: (N,), 0 where nothing was observed.
        """
        seen = _seen(scale)
        if seen.all():
            chances = self._summed(self.adapter.predict_proba_int8(embedding, scale))
            best = chances.argmax(axis=1).astype(np.int64)
        else:
            chances = np.full((len(scale), len(self.classes)), np.nan, np.float32)
            if seen.any():
                chances[seen] = self._summed(self.adapter.predict_proba_int8(embedding[seen], scale[seen]))
            best = np.where(seen, np.nan_to_num(chances).argmax(axis=1), -1)
        if self.abstain is not None:
            best[self._strange(embedding, scale, seen, self.abstain)] = -1
        return chances, best

    def _summed(self, chances: Chances) -> Chances:
        if self.legend is None:
            return chances
        return roll_up(chances, self.own, self.legend, level=self.level)[0]

    def _strange(self, embedding: Codes, scale: Scales, seen: npt.NDArray[np.bool_], least: float) -> Any:
        rows = np.flatnonzero(seen)
        usual = self.adapter.support(dequantize(embedding[rows], scale[rows]))
        return rows[usual < least]


@dataclass(frozen=True, slots=True, eq=False)
class ValueHead:
    """Values of a yield adapter, in `unit`, with intervals of `coverage`."""

    adapter: YieldAdapter
    unit: str
    coverage: float

    def answer(self, embedding: Codes, scale: Scales) -> npt.NDArray[np.float64]:
        """Value, low and high (N, 3), NaN where nothing was observed; arguments as of `ClassHead.answer`."""
        found = np.full((len(scale), 3), np.nan)
        seen = np.flatnonzero(_seen(scale))
        if len(seen):
            value, interval = self.adapter.predict_interval_int8(embedding[seen], scale[seen])
            found[seen] = np.column_stack([value, interval])
        return found


def _seen(scale: Scales) -> npt.NDArray[np.bool_]:
    return np.isfinite(scale) & (scale > 0)
