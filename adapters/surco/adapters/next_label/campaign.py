"""What is known when the next places are chosen: candidates, labels so far, and what an adapter says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.next_label.coverage import Coverage

__all__ = ["Campaign", "Guess", "Labelled"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Places that were visited: vectors (L, D), class names (L,) and regions (L,), -1 where the region is not known."""

    vectors: Floats
    label: npt.NDArray[np.str_]
    region: Ints

    def __len__(self) -> int:
        return len(self.label)

    def where(self, keep: npt.NDArray[np.bool_]) -> Labelled:
        """Some of the places."""
        return Labelled(self.vectors[keep], self.label[keep], self.region[keep])

    def joined(self, more: Labelled) -> Labelled:
        """These places, then others."""
        return Labelled(
            np.concatenate([self.vectors, more.vectors]),
            np.concatenate([self.label, more.label]),
            np.concatenate([self.region, more.region]),
        )


@dataclass(frozen=True, slots=True)
class Guess:
    """What an adapter says of the candidates: class names (K,) and probabilities (M, K), rows summing to one."""

    classes: npt.NDArray[Any]
    probability: Floats

    def entropy(self) -> Doubles:
        """(M,) entropy in nats."""
        chances = np.clip(self.probability.astype(np.float64), 1e-12, 1.0)
        return np.asarray(-(chances * np.log(chances)).sum(axis=1))

    def margin(self) -> Floats:
        """(M,) probability of the likeliest class less that of the next."""
        if self.probability.shape[1] < 2:
            return np.ones(len(self.probability), np.float32)
        two = np.partition(self.probability, -2, axis=1)[:, -2:]
        return np.asarray(two[:, 1] - two[:, 0], np.float32)


@dataclass(frozen=True, slots=True)
class Campaign:
    """Where a campaign stands.

    Attributes:
        coverage: the M candidates, and how well the labelled places cover them.
        region: (M,) region of each candidate, 0..R-1.
        region_share: (R,) share of the whole table's rows in each region.
        labelled: the places that were visited.
        guess: what an adapter says of the candidates; None before two classes are known.
    """

    coverage: Coverage
    region: Ints
    region_share: Doubles
    labelled: Labelled
    guess: Guess | None

    def __len__(self) -> int:
        return len(self.region)

    @property
    def candidates(self) -> Floats:
        """(M, D) vectors of the places that may be visited."""
        return self.coverage.candidates

    def class_counts(self) -> Doubles:
        """(K,) labels of each class of the guess."""
        if self.guess is None:
            return np.empty(0)
        names = self.guess.classes.astype(str)
        return np.array([(self.labelled.label == name).sum() for name in names], np.float64)

    def region_counts(self) -> Doubles:
        """(R,) labels of each region."""
        known = self.labelled.region[self.labelled.region >= 0]
        return np.bincount(known, minlength=len(self.region_share)).astype(np.float64)
