"""Yields, and any other measured quantity, from labelled vectors: a Bayesian model with intervals that cover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin

from surco.adapters.checks import checked_groups, checked_quantised, checked_vectors
from surco.adapters.contract import Learned, require_sound
from surco.adapters.errors import SettingsError, UnfittedError
from surco.adapters.stored_yields import restored_head, restored_interval, sound_count
from surco.adapters.target_checks import checked_targets
from surco.adapters.yield_head import YieldHead
from surco.adapters.yield_model import fitted_model

__all__ = ["YieldAdapter"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
_KERNELS, _SCALINGS = ("auto", "linear", "process"), ("common", "each")
_LONGEST_UNIT = 40


class YieldAdapter(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Predicts a measured quantity with an interval, from 1 to 100,000 labels.

    A Bayesian ridge regression, or a Gaussian process that adds a squared-exponential kernel to it. Signal over noise
    by marginal likelihood with a prior, its scale and the choice between the two by held-out groups. The interval is
    conformal: errors on held-out groups over the model's own deviations, ranked.

    Args:
        kernel: "linear", "process" (a Gaussian process), or "auto": the process where its errors on held-out
            groups are smaller, for at most 2,000 labels in five groups or more.
        least: a bound that no value passes, such as 0 for yields; None for none.
        coverage: of the intervals where `predict_interval` is not told another, 0..1.
        unit: of the target, such as "t/ha"; kept for readers, never computed with.
        scaling: "common" divides all dimensions by one number, right for embeddings; "each" standardises every
            dimension, right for raw bands.

    Learned: `n_features_in_`, `head_` (`YieldHead`), `interval_` (`ConformalInterval`), `kernel_` ("linear" or
    "process"), `ratios_` (signal over noise of directions and kernel), `n_labels_`, `held_out_` (N,) predictions of
    the labels without their groups.
    """

    task = "yield"

    def __init__(
        self,
        kernel: Literal["auto", "linear", "process"] = "auto",
        least: float | None = None,
        coverage: float = 0.9,
        unit: str = "",
        scaling: Literal["common", "each"] = "common",
    ) -> None:
        self.kernel = kernel
        self.least = least
        self.coverage = coverage
        self.unit = unit
        self.scaling = scaling

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from labelled vectors.

        Args:
            X: (N, D) vectors.
            y: (N,) measured values, finite, at least `least`.
            groups: (N,) spatial block of each label. Intervals hold for blocks without labels; None takes the labels
                for independent of each other, which neighbouring labels are not.

        Returns:
            self

        Raises:
            LabelsError: values that are missing, not finite or below `least`; lengths that differ.
            VectorsError: NaN or infinity, another shape.
            SettingsError: a parameter outside its range.
        """
        self._check_settings()
        vectors = checked_vectors(self, X, reset=True)
        target = checked_targets(y, len(vectors), self.least)
        blocks = checked_groups(groups, len(vectors))
        centre, spread = float(target.mean()), float(target.std())
        spread = spread if spread > 1e-9 * np.abs(target).max(initial=0.0) else 1.0
        standard = (target - centre) / spread
        model = fitted_model(vectors, standard, blocks, kernel=self.kernel, each=self.scaling == "each")
        self.kernel_ = "process" if len(model.features.chosen) else "linear"
        self.head_ = YieldHead.of(model.features, model.ridge, model.kernel_variance, centre, spread)
        self.interval_ = model.interval(standard, blocks)
        self.held_out_ = model.held_out.mean * spread + centre
        self.ratios_ = model.ridge.ratios
        self.n_labels_ = len(target)
        return self

    def predict(self, X: Any) -> Doubles:
        """Expected value (N,) of vectors (N, D), in the target's unit.

        Raises:
            UnfittedError: before `fit`.
            VectorsError: another dimension, NaN or infinity.
        """
        self._require_fitted()
        value, _ = self.head_.predict(checked_vectors(self, X, reset=False))
        return self._bounded(value)

    def predict_interval(self, X: Any, coverage: float | None = None) -> Doubles:
        """Low and high (N, 2) between which the value of a new place lies with probability `coverage`.

        They hold for places of groups without labels. Where nothing is known of the spread (labels of one group, a
        few labels that are all alike) the interval is unbounded: from `least`, or minus infinity, to infinity.

        Raises:
            SettingsError: a coverage outside 0..1.
            UnfittedError, VectorsError: as `predict`.
        """
        self._require_fitted()
        return self._interval(*self.head_.predict(checked_vectors(self, X, reset=False)), coverage)

    def predict_int8(self, embedding: npt.NDArray[np.int8], scale: Floats) -> Doubles:
        """Expected value (N,) of quantised vectors, `embedding` (N, D) int8 times `scale` (N,).

        Raises:
            UnfittedError: before `fit`.
            VectorsError: another type, shape or dimension, a scale that is not finite.
        """
        value, _ = self.head_.predict_int8(*self._quantised(embedding, scale))
        return self._bounded(value)

    def predict_interval_int8(
        self, embedding: npt.NDArray[np.int8], scale: Floats, coverage: float | None = None
    ) -> tuple[Doubles, Doubles]:
        """Expected values (N,) and intervals (N, 2) of quantised vectors in one pass; raises as the two above."""
        value, deviation = self.head_.predict_int8(*self._quantised(embedding, scale))
        return self._bounded(value), self._interval(value, deviation, coverage)

    def learned(self) -> Learned:
        """What was learned, for files; raises UnfittedError before `fit`."""
        self._require_fitted()
        return Learned(
            {**self.head_.tensors(), "scores": self.interval_.scores, "mass": self.interval_.mass},
            {
                "unit": self.unit,
                "labels": self.n_labels_,
                "head": self.head_.facts(),
                "interval": {
                    "root_mean_square": self.interval_.root_mean_square,
                    "groups": self.interval_.groups,
                    "independent": self.interval_.independent,
                },
            },
        )

    @classmethod
    def restored(cls, parameters: Mapping[str, Any], learned: Learned, dimension: int) -> Self:
        """The adapter that `learned()` was asked of, without `held_out_` and `ratios_`.

        Raises:
            CardError: anything unsound.
        """
        require_sound(set(parameters) <= set(cls().get_params()))
        adapter = cls(**parameters)
        require_sound(adapter._wrong_setting() is None and learned.facts.get("unit") == adapter.unit)
        adapter.head_ = restored_head(learned, dimension)
        adapter.interval_ = restored_interval(learned)
        adapter.kernel_ = "process" if len(adapter.head_.features.chosen) else "linear"
        adapter.n_features_in_ = dimension
        adapter.n_labels_ = sound_count(learned.facts.get("labels"))
        return adapter

    def _bounded(self, values: Doubles) -> Doubles:
        return values if self.least is None else np.maximum(values, self.least)

    def _interval(self, value: Doubles, deviation: Doubles, coverage: float | None) -> Doubles:
        wanted = self.coverage if coverage is None else coverage
        if not _is_number(wanted) or not 0 < wanted < 1:
            raise SettingsError(f"expected a coverage between 0 and 1; got {wanted!r}: use 0.9 for 90 %")
        half = self.interval_.factor(wanted) * deviation
        return self._bounded(np.stack([value - half, value + half], axis=1))

    def _quantised(
        self, embedding: npt.NDArray[np.int8], scale: Floats
    ) -> tuple[npt.NDArray[np.int8], Floats]:
        self._require_fitted()
        return checked_quantised(embedding, scale, self.n_features_in_)

    def _require_fitted(self) -> None:
        if not hasattr(self, "head_"):
            raise UnfittedError(
                "expected an adapter that has learned values; got one that is not fitted: call fit with labels first"
            )

    def _check_settings(self) -> None:
        wrong = self._wrong_setting()
        if wrong is not None:
            raise SettingsError(wrong)

    def _wrong_setting(self) -> str | None:
        """What is wrong with the parameters, in three parts, or None."""
        if self.kernel not in _KERNELS:
            return f"expected kernel 'auto', 'linear' or 'process'; got {self.kernel!r}: leave it out"
        if self.scaling not in _SCALINGS:
            return f"expected scaling 'common' or 'each'; got {self.scaling!r}: leave it out for embeddings"
        if self.least is not None and not (_is_number(self.least) and np.isfinite(self.least)):
            return f"expected least to be a number or None; got {self.least!r}: use 0 for yields"
        if not _is_number(self.coverage) or not 0 < self.coverage < 1:
            return f"expected coverage between 0 and 1; got {self.coverage!r}: use 0.9 for 90 %"
        if not isinstance(self.unit, str) or len(self.unit) > _LONGEST_UNIT:
            return f"expected unit to be a short text; got {self.unit!r}: write t/ha"
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
