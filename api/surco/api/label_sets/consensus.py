"""One answer a place from the judgements of several people, with how sure it is, and how far to trust each person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from surco.api.refusals import TooLargeError

__all__ = [
    "METHODS",
    "ClassConsensus",
    "Method",
    "ValueConsensus",
    "class_consensus",
    "modelled",
    "value_consensus",
]

Method = Literal["majority", "dawid-skene"]
METHODS: Final[tuple[Method, ...]] = ("majority", "dawid-skene")

_ROUNDS = 200
_STILL = 1e-5
_POOLED = 5.0
"""Judgements that what is known of all people together counts for in the confusion matrix of one."""
_HONEST = 0.7
_PRIOR = 2.0
_MOST_CELLS = 20_000_000
_TIE = 1e-9

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ClassConsensus:
    """Classes of P places.

    Attributes:
        chosen: (P,) class, -1 where two are equally likely.
        probability: (P, K) of each class; of a majority the share of votes. Rows sum to one.
        entropy: (P,) of that, 0 (sure) to 1 (no idea).
        trust: (A,) the chance that a person's word is right, over the classes as they occur.
        rounds: of the EM algorithm; 0 for a majority.
    """

    chosen: Numbers
    probability: Floats
    entropy: Floats
    trust: Floats
    rounds: int


@dataclass(frozen=True, slots=True, eq=False)
class ValueConsensus:
    """Values of P places: (P,) value and standard error (NaN of one judgement), and the (A,) error of each person."""

    value: Floats
    standard_error: Floats
    spread: Floats


def class_consensus(
    place: Numbers, who: Numbers, said: Numbers, classes: int, method: Method
) -> ClassConsensus:
    """Classes by majority, or by Dawid and Skene's model of what each person confuses.

    Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm", Journal of
    the Royal Statistical Society C 28. Rows of a person's confusion matrix are shrunken to those of all people, so
    that somebody with three labels is neither trusted nor distrusted without reason.

    Args:
        place: (N,) place of each judgement, from 0 without gaps.
        who: (N,) person, likewise.
        said: (N,) class.
        classes: K.
        method: "majority" or "dawid-skene".

    Raises:
        TooLargeError: too many people and classes for confusion matrices.
    """
    places, people = int(place.max()) + 1, int(who.max()) + 1
    votes = np.zeros((places, classes))
    np.add.at(votes, (place, said), 1.0)
    share = votes / votes.sum(axis=1, keepdims=True)
    if method == "majority":
        return _classes(share, _trust_of_share(share, who, place, said, people), 0)
    if not modelled(people, classes):
        raise TooLargeError(
            f"Expected at most {_MOST_CELLS:,} cells of confusion matrices, got {people:,} people and {classes:,} "
            "classes. Ask for the majority, or merge classes."
        )
    return _dawid_skene(share, place, who, said, people)


def modelled(people: int, classes: int) -> bool:
    """Whether there is room for a confusion matrix of each person."""
    return people * classes * classes <= _MOST_CELLS


def value_consensus(place: Numbers, who: Numbers, value: Floats, method: Method) -> ValueConsensus:
    """Values by median, or weighing each person by the precision that the model finds ("dawid-skene").

    For measured values the model is Gaussian: everybody is right on average, each with an error variance of their own,
    shrunken to that of all people, found by the same alternation (Mandel and Paule's weighted mean between them).

    Args:
        place: (N,) place of each judgement, from 0 without gaps.
        who: (N,) person, likewise.
        value: (N,) what was measured.
        method: "majority" takes the median.
    """
    places, people = int(place.max()) + 1, int(who.max()) + 1
    said = np.bincount(place, minlength=places).astype(np.float64)
    middle = _medians(place, value, places)
    variance = _variances(value - middle[place], place, who, said, people)
    if method == "dawid-skene":
        for _ in range(_ROUNDS):
            before, middle = middle, _weighted(place, value, 1.0 / variance[who], places)
            variance = _variances(value - middle[place], place, who, said, people)
            if np.abs(middle - before).max() <= _STILL * max(float(np.abs(middle).max()), 1e-12):
                break
    weight = np.bincount(place, 1.0 / variance[who], minlength=places)
    error = np.where(said >= 2, 1.0 / np.sqrt(weight), np.nan)
    return ValueConsensus(middle, error, np.sqrt(variance))


def _dawid_skene(share: Floats, place: Numbers, who: Numbers, said: Numbers, people: int) -> ClassConsensus:
    places, classes = share.shape
    belief, rounds, moved = share, 0, 1.0
    while moved >= _STILL and rounds < _ROUNDS:
        prevalence = (belief.sum(axis=0) + 1.0) / (places + classes)
        confusion = _confusion(belief, place, who, said, people)
        log = np.tile(np.log(prevalence), (places, 1))
        np.add.at(log, place, np.log(confusion[who, :, said]))
        log -= log.max(axis=1, keepdims=True)
        after = np.exp(log)
        after /= after.sum(axis=1, keepdims=True)
        moved, belief, rounds = float(np.abs(after - belief).max()), after, rounds + 1
    prevalence = belief.mean(axis=0)
    trust = np.einsum("akk,k->a", _confusion(belief, place, who, said, people), prevalence)
    return _classes(belief, trust, rounds)


def _confusion(belief: Floats, place: Numbers, who: Numbers, said: Numbers, people: int) -> Floats:
    """(A, K, K) chance that a person says the third where the second is true."""
    classes = belief.shape[1]
    counts = np.zeros((people, classes, classes))
    # (A, K said, K true) sums, since numpy adds whole rows of beliefs at once.
    np.add.at(counts, (who, said), belief[place])
    counts = counts.transpose(0, 2, 1)
    honest = np.full((classes, classes), (1 - _HONEST) / max(classes - 1, 1))
    np.fill_diagonal(honest, _HONEST if classes > 1 else 1.0)
    pooled = counts.sum(axis=0) + _PRIOR * honest
    pooled /= pooled.sum(axis=1, keepdims=True)
    shrunken = counts + _POOLED * pooled
    found: Floats = shrunken / shrunken.sum(axis=2, keepdims=True)
    return found


def _classes(probability: Floats, trust: Floats, rounds: int) -> ClassConsensus:
    order = np.sort(probability, axis=1)
    tied = order[:, -1] - order[:, -2] < _TIE if probability.shape[1] > 1 else np.zeros(len(order), bool)
    chosen = np.where(tied, -1, probability.argmax(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = np.where(probability > 0, probability * np.log(probability), 0.0)
    entropy = np.abs(bits.sum(axis=1)) / np.log(max(probability.shape[1], 2))
    return ClassConsensus(chosen.astype(np.int64), probability, entropy, trust, rounds)


def _trust_of_share(share: Floats, who: Numbers, place: Numbers, said: Numbers, people: int) -> Floats:
    """How far each person goes with the votes of all, their own among them."""
    agrees = share[place, said]
    return np.bincount(who, agrees, minlength=people) / np.maximum(np.bincount(who, minlength=people), 1)


def _medians(place: Numbers, value: Floats, places: int) -> Floats:
    order = np.lexsort((value, place))
    said = np.bincount(place, minlength=places)
    start = np.concatenate([[0], np.cumsum(said)[:-1]])
    ordered = value[order]
    found: Floats = (ordered[start + (said - 1) // 2] + ordered[start + said // 2]) / 2
    return found


def _weighted(place: Numbers, value: Floats, weight: Floats, places: int) -> Floats:
    found: Floats = np.bincount(place, weight * value, minlength=places) / np.bincount(
        place, weight, minlength=places
    )
    return found


def _variances(apart: Floats, place: Numbers, who: Numbers, said: Numbers | Floats, people: int) -> Floats:
    """(A,) error variance of each person, shrunken to that of all; judgements without a second one say nothing."""
    told = said[place] >= 2
    # A deviation from a mean that one's own word is part of is too small by this much.
    freed = (1.0 - 1.0 / np.maximum(said[place], 2))[told]
    square = apart[told] ** 2
    pooled = max(float(square.sum() / freed.sum()) if told.any() else 1.0, 1e-12)
    own = np.bincount(who[told], square, minlength=people)
    number = np.bincount(who[told], freed, minlength=people)
    found: Floats = (own + _POOLED * pooled) / (number + _POOLED)
    return found
