"""The adapter that a campaign fits again after each round, and what it says of places."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from surco.adapters.crop_type_adapter import CropTypeAdapter
from surco.adapters.local_scatter import LocalScatter
from surco.adapters.next_label.campaign import Guess, Labelled

__all__ = ["Classifier", "Learner", "guess_of"]

Floats = npt.NDArray[np.float32]


class Classifier(Protocol):
    """What can be asked for the chances of classes."""

    classes_: npt.NDArray[Any]

    def predict_proba(self, X: Any) -> npt.NDArray[Any]:
        """(N, K) chances of vectors (N, D), columns as `classes_`."""


@dataclass(frozen=True, slots=True)
class Learner:
    """Fits crop-type adapters on labels, a few milliseconds each.

    `scatter` is what unlabelled candidates say of classes, where there are enough of them.
    """

    scatter: LocalScatter | None

    @classmethod
    def on(cls, candidates: Floats) -> Learner:
        """A learner whose pool are candidates (M, D)."""
        return cls(LocalScatter.where_enough(candidates))

    def fit(self, labelled: Labelled) -> Classifier | None:
        """An adapter of some labels; None where they are of one class or none."""
        if len(np.unique(labelled.label)) < 2:
            return None
        with warnings.catch_warnings():
            # A campaign begins with about as many classes as labels, which scikit-learn takes for a regression.
            warnings.filterwarnings("ignore", "The number of unique classes")
            # One block for all: holding blocks out calibrates sets, which a campaign does not ask for.
            adapter: Classifier = CropTypeAdapter().fit(
                labelled.vectors, labelled.label, groups=np.zeros(len(labelled)), pool=self.scatter
            )
        return adapter


def guess_of(adapter: Classifier, vectors: Floats) -> Guess:
    """What an adapter says of vectors (N, D)."""
    classes = np.asarray(adapter.classes_)
    if not len(vectors):
        return Guess(classes, np.empty((0, len(classes)), np.float32))
    return Guess(classes, np.asarray(adapter.predict_proba(vectors), np.float32))
