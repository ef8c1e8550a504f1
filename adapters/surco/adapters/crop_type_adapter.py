"""Crop types from a handful of labels: two closed heads on frozen vectors, folded into one matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from surco.adapters.blas_threads import single_threaded
from surco.adapters.checks import checked_groups, checked_labels, checked_quantised, checked_vectors
from surco.adapters.conformal import class_sets, threshold
from surco.adapters.contract import Learned, number, tensor
from surco.adapters.crop_type_fit import fit_each_head, fit_heads
from surco.adapters.errors import LabelsError, SettingsError, UnfittedError, VectorsError
from surco.adapters.learned_prior import LearnedPrior, find_prior
from surco.adapters.linear_head import HeadOnly, LinearHead
from surco.adapters.local_scatter import LocalScatter
from surco.adapters.pooled_heads import LEAST_HELD_OUT, HeadSettings
from surco.adapters.stored_classes import read_classes, written_classes
from surco.adapters.support import Support

__all__ = ["CropTypeAdapter"]


class CropTypeAdapter(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Classifies vectors after a handful of labels, with probabilities that can be believed.

    A Gaussian discriminant whose covariance prior comes from unlabelled vectors and from other tasks, pooled
    log-linearly with a regularised logistic regression; a temperature by labels a class. Both are linear, so a fitted
    adapter is one matrix (D, K) and one bias (K,).

    Args:
        C: inverse strength of the logistic head's penalty.
        prior_strength: how many labels the prior within-class covariance is worth.
        mean_strength: how many labels the common centre is worth in a class mean.
        borrowed: how many labels a label's nearest neighbours in the pool are worth.
        frequency_weight: 0 takes all classes as equally frequent, 1 takes the shares among the labels.
        scaling: "common" divides all dimensions by one number, right for embeddings, whose dimensions share a unit;
            "each" standardises every dimension, right for raw bands.
        prior: what other tasks with the same model's vectors taught: the model id of a prior shipped with Surco
            (`shipped_priors()`), or a folder that `surco meta-train` wrote; "" knows nothing.

    Learned: `classes_` (K,) sorted, `n_features_in_`, `head_` (`LinearHead`), `temperature_`, `labels_per_class_`,
    `true_probabilities_` (501,) for `predict_set`, `support_` for `support`.
    """

    task: ClassVar[str] = "crop-type"

    def __init__(
        self,
        C: float = 0.1,
        prior_strength: float = 20.0,
        mean_strength: float = 0.0,
        borrowed: float = 1.0,
        frequency_weight: float = 0.25,
        scaling: Literal["common", "each"] = "common",
        prior: str = "",
    ) -> None:
        self.C = C
        self.prior_strength = prior_strength
        self.mean_strength = mean_strength
        self.borrowed = borrowed
        self.frequency_weight = frequency_weight
        self.scaling = scaling
        self.prior = prior

    def fit(self, X: Any, y: Any, groups: Any = None, pool: Any = None) -> Self:
        """Learn classes from labelled vectors.

        Args:
            X: (N, D) vectors, N >= 2.
            y: (N,) class names or whole numbers, at least two different.
            groups: (N,) spatial block of each label. From 20 labels in three blocks on, blocks are held out in turn
                to calibrate sets and support, from 60 on the temperature too; None takes the labels for independent
                of each other, which neighbouring labels are not.
            pool: unlabelled vectors (M, D) of the same table, or their `LocalScatter` made before.

        Returns:
            self

        Raises:
            LabelsError: one class only, missing labels, lengths that differ.
            VectorsError: NaN or infinity, another shape, a pool of another dimension.
            CardError: a prior that there is not, that is damaged, or of another dimension.
        """
        vectors = checked_vectors(self, X, reset=True)
        self.classes_, codes = checked_labels(y, len(vectors))
        blocks = checked_groups(groups, len(vectors))
        scatter = None if pool is None else self._scatter(pool, self.n_features_in_)
        prior = find_prior(self.prior, self.n_features_in_) if self.prior else LearnedPrior()
        settings, common = self.settings(), self.scaling == "common"
        with single_threaded():
            fitted = fit_heads(vectors, codes, blocks, scatter, prior, settings, common=common)
        self.head_, self.temperature_ = fitted.head, fitted.temperature
        self.true_probabilities_, self.support_ = fitted.true_probabilities, fitted.support
        self.labels_per_class_ = np.bincount(codes, minlength=len(self.classes_))
        return self

    def fit_each(
        self, X: Any, y: Any, groups: Any, subsets: Sequence[Any], pool: Any = None
    ) -> list[HeadOnly]:
        """What `fit` would make of each of several subsets of the labels, for cross-validation; learns nothing itself.

        With a pool all labels are compared with it once: five folds cost little more than two fits.

        Args:
            X: (N, D) vectors of all labels.
            y: (N,) classes.
            groups: (N,) spatial block of each; None as in `fit`.
            subsets: rows of each subset; of two classes or more.
            pool: as `fit` takes it.

        Raises:
            LabelsError, VectorsError, CardError: as `fit`.
        """
        vectors = checked_vectors(clone(self), X, reset=True)
        classes, codes = checked_labels(y, len(vectors))
        blocks = checked_groups(groups, len(vectors))
        if pool is None:
            each = [
                clone(self).fit(vectors[rows], classes[codes[rows]], groups=blocks[rows]) for rows in subsets
            ]
            return [HeadOnly(one.classes_, one.head_) for one in each]
        scatter = self._scatter(pool, vectors.shape[1])
        prior = find_prior(self.prior, vectors.shape[1]) if self.prior else LearnedPrior()
        common = self.scaling == "common"
        with single_threaded():
            heads = fit_each_head(
                vectors, codes, blocks, subsets, scatter, prior, self.settings(), common=common
            )
        return [HeadOnly(classes[known], head) for known, head in heads]

    def predict_set(self, X: Any, coverage: float = 0.9) -> npt.NDArray[np.bool_]:
        """Sets of classes (N, K) that hold the true one with probability `coverage`, 0.5..0.99, over places.

        Every set holds the likeliest class. Columns as `classes_`.

        Raises:
            UnfittedError, VectorsError: as `predict_proba`.
            SettingsError: a coverage outside its range.
        """
        return class_sets(self.predict_proba(X), threshold(self.true_probabilities_, coverage))

    def support(self, X: Any) -> npt.NDArray[np.float32]:
        """How usual a vector is among the labelled classes, (N,) in 0..1: near 0 it is probably none of them.

        The share of labels, held out by group, that lie as far from the nearest class mean or farther.

        Raises:
            UnfittedError, VectorsError: as `predict_proba`.
            LabelsError: fitted on too few labels or groups to hold any out.
        """
        self._require_fitted()
        if len(self.support_.distances) == 0:
            raise LabelsError(
                f"expected at least {LEAST_HELD_OUT} labels in three groups to know what is usual; the adapter was "
                f"fitted on {int(self.labels_per_class_.sum())} labels: add labels in other places, or do not abstain"
            )
        return self.support_.share_as_far(checked_vectors(self, X, reset=False))

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
        """The head, the classes and the temperature, as files can hold them; raises UnfittedError before `fit`."""
        self._require_fitted()
        return Learned(
            {
                "weights": self.head_.weights,
                "bias": self.head_.bias,
                "true_probabilities": self.true_probabilities_,
                "whitener": self.support_.whitener,
                "means": self.support_.means,
                "distances": self.support_.distances,
            },
            {
                **written_classes(self.classes_, self.labels_per_class_),
                "temperature": self.temperature_,
                "floor": self.head_.floor,
            },
        )

    @classmethod
    def restored(cls, parameters: Mapping[str, Any], learned: Learned, dimension: int) -> Self:
        """The adapter whose parameters and `learned()` are given; raises CardError for anything unsound."""
        adapter = cls(**parameters)
        adapter.classes_, adapter.labels_per_class_ = read_classes(learned.facts)
        classes = len(adapter.classes_)
        adapter.n_features_in_ = dimension
        adapter.temperature_ = number(learned, "temperature", most=np.inf)
        adapter.head_ = LinearHead(
            tensor(learned, "weights", (dimension, classes)),
            tensor(learned, "bias", (classes,)),
            number(learned, "floor", most=1.0),
        )
        adapter.true_probabilities_ = tensor(learned, "true_probabilities", (501,))
        distances = learned.tensors.get("distances", np.zeros(0))
        adapter.support_ = Support(
            tensor(learned, "whitener", (dimension, dimension)),
            tensor(learned, "means", (classes, dimension)),
            tensor(learned, "distances", (distances.size,)),
        )
        return adapter

    def _quantised(
        self, embedding: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
        self._require_fitted()
        return checked_quantised(embedding, scale, self.n_features_in_)

    def settings(self) -> HeadSettings:
        """What the heads are fitted with; raises SettingsError for a parameter outside its range."""
        if self.scaling not in ("common", "each"):
            raise SettingsError(
                f"expected scaling 'common' or 'each'; got {self.scaling!r}: leave it out for embeddings"
            )
        return HeadSettings(
            self.C, self.prior_strength, self.mean_strength, self.borrowed, self.frequency_weight
        )

    def _require_fitted(self) -> None:
        if not hasattr(self, "head_"):
            raise UnfittedError(
                "expected an adapter that has learned classes; got one that is not fitted: call fit with labels first"
            )

    def _scatter(self, pool: Any, dimension: int) -> LocalScatter:
        scatter = pool if isinstance(pool, LocalScatter) else LocalScatter.of(pool)
        if len(scatter.mean) != dimension:
            raise VectorsError(
                f"expected a pool of the vectors' dimension, {dimension}; got {len(scatter.mean)}: "
                "take pool and labels from one table"
            )
        return scatter
