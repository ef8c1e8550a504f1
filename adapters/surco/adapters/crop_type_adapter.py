"""Crop types from a handful of labels: two closed heads on frozen vectors, folded into one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from surco.adapters.checks import checked_groups, checked_labels, checked_vectors
from surco.adapters.contract import Learned, require_sound, tensor
from surco.adapters.errors import SettingsError, UnfittedError, VectorsError
from surco.adapters.linear_head import LinearHead
from surco.adapters.local_scatter import LocalScatter
from surco.adapters.pooled_heads import HeadSettings, PooledHeads, pooled_temperatures
from surco.adapters.stored_classes import read_classes, written_classes
from surco.adapters.temperatures import Temperatures

__all__ = ["CropTypeAdapter"]

Doubles = npt.NDArray[np.float64]


class CropTypeAdapter(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Classifies vectors after a handful of labels, with probabilities that can be believed.

    A Gaussian discriminant whose covariance prior may come from unlabelled vectors, pooled log-linearly with a
    regularised logistic regression; temperatures by labels a class. Both are linear, so a fitted adapter is one
    matrix (D, K) and one bias (K,).

    Args:
        C: inverse strength of the logistic head's penalty.
        prior_strength: how many labels the prior within-class covariance is worth.
        mean_strength: how many labels the common centre is worth in a class mean.
        pool_share: share of the pool's local scatter in the covariance prior; the rest is a multiple of the identity.
        frequency_weight: 0 takes all classes as equally frequent, 1 takes the shares among the labels.
        scaling: "common" divides all dimensions by one number, right for embeddings, whose dimensions share a unit;
            "each" standardises every dimension, right for raw bands.

    Learned: `classes_` (K,) sorted, `n_features_in_`, `head_` (`LinearHead`), `temperatures_`, `labels_per_class_`.
    """

    task: ClassVar[str] = "crop-type"

    def __init__(
        self,
        C: float = 0.1,
        prior_strength: float = 100.0,
        mean_strength: float = 1.0,
        pool_share: float = 0.5,
        frequency_weight: float = 0.25,
        scaling: Literal["common", "each"] = "common",
    ) -> None:
        self.C = C
        self.prior_strength = prior_strength
        self.mean_strength = mean_strength
        self.pool_share = pool_share
        self.frequency_weight = frequency_weight
        self.scaling = scaling

    def fit(self, X: Any, y: Any, groups: Any = None, pool: Any = None) -> Self:
        """Learn classes from labelled vectors.

        Args:
            X: (N, D) vectors, N >= 2.
            y: (N,) class names or whole numbers, at least two different.
            groups: (N,) spatial block of each label. From 60 labels on the temperature is checked on blocks held
                out; None takes the labels for independent of each other, which neighbouring labels are not.
            pool: unlabelled vectors (M, D) of the same table, or their `LocalScatter` made before.

        Returns:
            self

        Raises:
            LabelsError: one class only, missing labels, lengths that differ.
            VectorsError: NaN or infinity, another shape, a pool of another dimension.
        """
        vectors = checked_vectors(self, X, reset=True)
        self.classes_, codes = checked_labels(y, len(vectors))
        blocks = checked_groups(groups, len(vectors))
        scatter = None if pool is None else self._scatter(pool)
        centre, spread = self._standard(vectors, scatter)
        standard = (vectors - centre) / spread
        settings = self._settings()
        prior = self._prior(scatter, spread)
        heads = PooledHeads.fit(standard, codes, len(self.classes_), prior, settings)
        self.temperatures_ = pooled_temperatures(
            standard, codes, blocks, heads, prior, settings, with_pool=scatter is not None
        )
        self.head_ = _folded(heads, self.temperatures_, self.frequency_weight, centre, spread)
        self.labels_per_class_ = np.bincount(codes, minlength=len(self.classes_))
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Class probabilities (N, K) float32 of vectors (N, D), columns as `classes_`, rows summing to one.

        Raises:
            UnfittedError: before `fit`.
            VectorsError: another dimension, NaN or infinity.
        """
        self._require_fitted()
        return self.head_.probabilities(checked_vectors(self, X, reset=False))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Most probable class (N,) of vectors (N, D); raises as `predict_proba`."""
        self._require_fitted()
        predicted: npt.NDArray[Any] = self.classes_[self.head_.codes(checked_vectors(self, X, reset=False))]
        return predicted

    def predict_proba_int8(
        self, embedding: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Class probabilities (N, K) of quantised vectors, `embedding` (N, D) int8 times `scale` (N,).

        No float copy of the table is made: the row scale is applied to the K scores of a row.

        Raises:
            UnfittedError: before `fit`.
            VectorsError: another type, shape or dimension, a scale that is not finite.
        """
        return self.head_.probabilities(*self._quantised(embedding, scale))

    def predict_int8(
        self, embedding: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]
    ) -> npt.NDArray[Any]:
        """Most probable class (N,) of quantised vectors; raises as `predict_proba_int8`."""
        predicted: npt.NDArray[Any] = self.classes_[self.head_.codes(*self._quantised(embedding, scale))]
        return predicted

    def learned(self) -> Learned:
        """The head, the classes and the temperatures, as files can hold them; raises UnfittedError before `fit`."""
        self._require_fitted()
        return Learned(
            {"weights": self.head_.weights, "bias": self.head_.bias},
            {
                **written_classes(self.classes_, self.labels_per_class_),
                "temperatures": [self.temperatures_.logistic, self.temperatures_.discriminant],
            },
        )

    @classmethod
    def restored(cls, parameters: Mapping[str, Any], learned: Learned, dimension: int) -> Self:
        """The adapter whose parameters and `learned()` are given; raises CardError for anything unsound."""
        adapter = cls(**parameters)
        adapter.classes_, adapter.labels_per_class_ = read_classes(learned.facts)
        classes = len(adapter.classes_)
        adapter.n_features_in_ = dimension
        adapter.head_ = LinearHead(
            tensor(learned, "weights", (dimension, classes)), tensor(learned, "bias", (classes,))
        )
        temperatures = learned.facts.get("temperatures")
        require_sound(
            isinstance(temperatures, list)
            and len(temperatures) == 2
            and all(isinstance(t, int | float) and np.isfinite(t) for t in temperatures)
        )
        adapter.temperatures_ = Temperatures(*map(float, temperatures or ()))
        return adapter

    def _quantised(
        self, embedding: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
        self._require_fitted()
        table, factors = np.asarray(embedding), np.asarray(scale, np.float32)
        if table.dtype != np.int8 or table.ndim != 2 or table.shape[1] != self.n_features_in_:
            raise VectorsError(
                f"expected int8 vectors of shape (rows, {self.n_features_in_}); got {table.dtype} of shape "
                f"{table.shape}: read `embedding` from the table of the adapter's model"
            )
        if factors.shape != (len(table),) or not np.isfinite(factors).all():
            raise VectorsError(
                f"expected one finite scale a row, shape ({len(table)},); got shape {factors.shape}: "
                "read `embedding_scale` beside `embedding` and leave out the rows without data"
            )
        return table, factors

    def _settings(self) -> HeadSettings:
        if self.scaling not in ("common", "each"):
            raise SettingsError(
                f"expected scaling 'common' or 'each'; got {self.scaling!r}: leave it out for embeddings"
            )
        return HeadSettings(
            self.C, self.prior_strength, self.mean_strength, self.pool_share, self.frequency_weight
        )

    def _require_fitted(self) -> None:
        if not hasattr(self, "head_"):
            raise UnfittedError(
                "expected an adapter that has learned classes; got one that is not fitted: call fit with labels first"
            )

    def _scatter(self, pool: Any) -> LocalScatter:
        scatter = pool if isinstance(pool, LocalScatter) else LocalScatter.of(pool)
        if len(scatter.mean) != self.n_features_in_:
            raise VectorsError(
                f"expected a pool of the vectors' dimension, {self.n_features_in_}; got {len(scatter.mean)}: "
                "take pool and labels from one table"
            )
        return scatter

    def _standard(
        self, vectors: npt.NDArray[np.floating], scatter: LocalScatter | None
    ) -> tuple[Doubles, Doubles]:
        """Centre (D,) and spread (D,) by which vectors are standardised."""
        if scatter is None:
            centre = vectors.mean(axis=0, dtype=np.float64)
            spread = vectors.std(axis=0, dtype=np.float64)
        else:
            centre, spread = scatter.mean, scatter.deviation
        if self.scaling == "common":
            spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
        return centre, np.where(spread > 0, spread, 1.0)

    def _prior(self, scatter: LocalScatter | None, spread: Doubles) -> Doubles:
        """Shape (D, D) of the within-class covariance of standardised vectors, mean variance one."""
        identity = np.eye(len(spread))
        if scatter is None:
            return identity
        local = scatter.covariance / np.outer(spread, spread)
        size = np.trace(local) / len(spread)
        return identity if size <= 0 else self.pool_share * local / size + (1 - self.pool_share) * identity


def _folded(
    heads: PooledHeads, temperatures: Temperatures, frequency_weight: float, centre: Doubles, spread: Doubles
) -> LinearHead:
    """One head on plain vectors: the standardisation, both heads, their temperatures and the class prior."""
    weights, bias = heads.pooled(temperatures)
    weights = weights / spread[:, None]
    bias = bias + heads.log_prior(frequency_weight) - centre @ weights
    return LinearHead(weights.astype(np.float32), bias.astype(np.float32))
