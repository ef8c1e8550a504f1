"""The plain classifiers that every report shows beside an adapter, all of scikit-learn's contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.covariance import ledoit_wolf
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surco.adapters.logistic import logistic

__all__ = [
    "BASELINES",
    "FOREST_FREE",
    "ON_RAW_BANDS",
    "BalancedLogistic",
    "Classifier",
    "Prototypes",
    "ShrunkDiscriminant",
]

Doubles = npt.NDArray[np.float64]
_SHARPNESS = 10.0  # of the prototypes' softmax over cosines, whose range is -1..1


class Classifier(Protocol):
    """What is evaluated: anything of scikit-learn's classifier contract."""

    classes_: npt.NDArray[Any]

    def fit(self, X: Any, y: Any) -> Self:
        """Learn classes from vectors."""

    def predict_proba(self, X: Any) -> npt.NDArray[Any]:
        """Class probabilities, rows summing to one."""


class Prototypes(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Nearest class mean by cosine (Snell et al. 2017): probabilities are the softmax of ten times the cosine."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn one mean a class from vectors (N, D)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.means_ = _class_means(np.asarray(X, np.float64), codes)
        return self

    def predict_proba(self, X: Any) -> Doubles:
        """Class probabilities (N, K) of vectors (N, D)."""
        rows = np.asarray(X, np.float64)
        sizes = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(self.means_, axis=1)
        cosine = rows @ self.means_.T / np.where(sizes > 0, sizes, 1)
        out: Doubles = softmax(_SHARPNESS * cosine, axis=1)
        return out


class ShrunkDiscriminant(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # as above
    """Linear discriminant analysis with Ledoit and Wolf's covariance (2004) of the rows about their class means.

    One label a class has no scatter within classes: the covariance is the identity then, so that the nearest mean
    decides.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Learn means and the shared covariance from vectors (N, D)."""
        rows = np.asarray(X, np.float64)
        self.classes_, codes = np.unique(y, return_inverse=True)
        means = _class_means(rows, codes)
        covariance = np.eye(rows.shape[1])
        if len(rows) > len(self.classes_):
            covariance, _ = ledoit_wolf(rows - means[codes], assume_centered=True)
        self.weights_ = np.linalg.pinv(covariance, hermitian=True) @ means.T
        self.bias_ = np.log(np.bincount(codes) / len(codes)) - 0.5 * (means.T * self.weights_).sum(axis=0)
        return self

    def predict_proba(self, X: Any) -> Doubles:
        """Class probabilities (N, K) of vectors (N, D)."""
        out: Doubles = softmax(np.asarray(X, np.float64) @ self.weights_ + self.bias_, axis=1)
        return out


def _class_means(rows: Doubles, codes: npt.NDArray[np.intp]) -> Doubles:
    return np.stack([rows[codes == c].mean(axis=0) for c in range(int(codes.max()) + 1)])


class BalancedLogistic(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # as above
    """scikit-learn's `LogisticRegression(C, class_weight="balanced")`, solved by the adapters' own solver.

    It takes a fifth of the time for a hundred labels. Two classes are penalised as one difference, as there.
    """

    def __init__(self, C: float = 0.1) -> None:
        self.C = C

    def fit(self, X: Any, y: Any) -> Self:
        """Learn weights and bias from vectors (N, D)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        count = len(self.classes_)
        self.weights_, self.bias_ = logistic(
            np.asarray(X, np.float64), codes, count, C=self.C / 2 if count == 2 else self.C
        )
        return self

    def predict_proba(self, X: Any) -> Doubles:
        """Class probabilities (N, K) of vectors (N, D)."""
        out: Doubles = softmax(np.asarray(X, np.float64) @ self.weights_ + self.bias_, axis=1)
        return out


def _logistic(labels: int) -> Classifier:
    made: Classifier = make_pipeline(StandardScaler(), BalancedLogistic())
    return made


def _forest(labels: int) -> Classifier:
    made: Classifier = RandomForestClassifier(100, class_weight="balanced", random_state=0)
    return made


def _extra_trees(labels: int) -> Classifier:
    made: Classifier = ExtraTreesClassifier(100, class_weight="balanced", random_state=0)
    return made


BASELINES: Mapping[str, Callable[[int], Classifier]] = {
    "majority class": lambda n: DummyClassifier(strategy="prior"),
    "k-nearest neighbours": lambda n: make_pipeline(
        StandardScaler(), KNeighborsClassifier(min(5, n), weights="distance")
    ),
    "prototypes": lambda n: make_pipeline(StandardScaler(), Prototypes()),
    "linear discriminant": lambda n: make_pipeline(StandardScaler(), ShrunkDiscriminant()),
    "logistic regression": _logistic,
    "random forest": _forest,
    "extra trees": _extra_trees,
}
"""The plain heads every report shows beside the adapter, made for a number of training labels."""

FOREST_FREE = (
    "majority class",
    "k-nearest neighbours",
    "prototypes",
    "linear discriminant",
    "logistic regression",
)
"""Those of `BASELINES` that take no time."""

ON_RAW_BANDS = ("logistic regression", "random forest", "extra trees")
"""Those of `BASELINES` that are also fitted on other features of the same places, such as raw bands."""
