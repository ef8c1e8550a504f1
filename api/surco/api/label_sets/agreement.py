"""How far people agree: percent agreement and chance-corrected coefficients, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ClassAgreement",
    "Coefficient",
    "PairAgreement",
    "alpha",
    "class_agreement",
    "fleiss",
    "pair_agreement",
    "percent",
    "value_alpha",
]

_DRAWS = 1_000
_LEVEL = 0.95
_MOST_PAIRS = 200
_LEAST_SHARED = 5
_MOST_MATES = 60
"""People of one place who are compared pair by pair; more tell nothing new."""

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A coefficient with its 95 % interval over places; None where it is not defined (nobody disagrees, or could)."""

    value: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        """For JSON, rounded to four digits."""
        return {name: _rounded(getattr(self, name)) for name in ("value", "low", "high")}


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """Agreement on one class: of judgements that say it, the share of others of the same place that say it too."""

    name: str
    judgements: int
    agreement: float | None
    alpha: Coefficient


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two people on the places that both judged: the share that they agree on, and Cohen's kappa."""

    one: str
    other: str
    places: int
    agreement: float
    kappa: float | None


def alpha(counts: Counts, seed: int = 0) -> Coefficient:
    """Krippendorff's alpha for classes, with a bootstrap interval over places.

    Krippendorff (2011), "Computing Krippendorff's alpha-reliability", sections B and C; places with one judgement say
    nothing and are left out.

    Args:
        counts: (P, K) how many people said each class of each place.
        seed: of the bootstrap.
    """
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return Coefficient(None, None, None)
    patterns, often = np.unique(counts, axis=0, return_counts=True)
    said = patterns.sum(axis=1)
    apart = (said**2 - (patterns**2).sum(axis=1)) / (said - 1)
    value = _alphas(often[None].astype(np.float64), patterns, apart)[0]
    # Places of one pattern are alike, so drawing patterns is drawing places.
    draws = np.random.default_rng(seed).multinomial(often.sum(), often / often.sum(), size=_DRAWS)
    return _interval(value, _alphas(draws.astype(np.float64), patterns, apart))


def value_alpha(place: npt.NDArray[np.int64], value: Counts, seed: int = 0) -> Coefficient:
    """Krippendorff's alpha for measured values (interval metric: squared differences), with its interval over places.

    Args:
        place: (N,) place of each judgement, from 0.
        value: (N,) its value.
        seed: of the bootstrap.
    """
    centred = value - value.mean() if len(value) else value
    said = np.bincount(place).astype(np.float64)
    sums, squares = np.bincount(place, centred), np.bincount(place, centred**2)
    kept = said >= 2
    said, sums, squares = said[kept], sums[kept], squares[kept]
    if not len(said):
        return Coefficient(None, None, None)
    apart = 2 * (said * squares - sums**2) / (said - 1)
    table = np.stack([said, sums, squares, apart], axis=1)

    def coefficients(often: Counts) -> Counts:
        n, total, square, observed = (often @ table).T
        expected = 2 * (n * square - total**2) / np.maximum(n - 1, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(expected > 1e-12, 1.0 - observed / expected, np.nan)

    random = np.random.default_rng(seed)
    # One draw at a time: draws by places, of a hundred thousand places, do not fit into memory together.
    share = np.full(len(said), 1 / len(said))
    draws = [coefficients(random.multinomial(len(said), share)[None].astype(float))[0] for _ in range(_DRAWS)]
    return _interval(float(coefficients(np.ones((1, len(said))))[0]), np.array(draws))


def fleiss(counts: Counts) -> float | None:
    """Fleiss' kappa (1971), generalised to places with different numbers of judgements; None where undefined."""
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return None
    said = counts.sum(axis=1)
    observed = float(((counts * (counts - 1)).sum(axis=1) / (said * (said - 1))).mean())
    share = counts.sum(axis=0) / counts.sum()
    chance = float((share**2).sum())
    return None if chance >= 1.0 else (observed - chance) / (1.0 - chance)


def percent(counts: Counts) -> float | None:
    """The chance that two people who judged the same place say the same, places weighing alike."""
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return None
    said = counts.sum(axis=1)
    return float(((counts * (counts - 1)).sum(axis=1) / (said * (said - 1))).mean())


def class_agreement(counts: Counts, classes: list[str]) -> list[ClassAgreement]:
    """Agreement on each class.

    The share is Spitzer and Fleiss' (1974) specific agreement; alpha is that of the class against all others.
    """
    judged = counts[counts.sum(axis=1) >= 2]
    said = judged.sum(axis=1)
    found = []
    for place, name in enumerate(classes):
        column = judged[:, place]
        could = float((column * (said - 1)).sum())
        share = float((column * (column - 1)).sum()) / could if could else None
        apart = alpha(np.stack([column, said - column], axis=1))
        found.append(ClassAgreement(name, int(counts[:, place].sum()), share, apart))
    return found


def pair_agreement(
    place: npt.NDArray[np.int64], who: npt.NDArray[np.int64], said: npt.NDArray[np.int64], people: list[str]
) -> list[PairAgreement]:
    """Pairs of people who share at least five places, those with the most first, at most 200.

    Args:
        place: (N,) place of each judgement.
        who: (N,) person.
        said: (N,) class.
        people: names.
    """
    by_place: dict[int, list[int]] = {}
    for at, where in enumerate(place.tolist()):
        by_place.setdefault(where, []).append(at)
    shared: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for members in by_place.values():
        for i, one in enumerate(members[:_MOST_MATES]):
            for other in members[i + 1 : _MOST_MATES]:
                left, right = (one, other) if who[one] < who[other] else (other, one)
                pair = (int(who[left]), int(who[right]))
                shared.setdefault(pair, []).append((int(said[left]), int(said[right])))
    most = sorted(shared.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST_PAIRS]
    return [
        PairAgreement(people[one], people[other], len(both), *_cohen(np.array(both)))
        for (one, other), both in most
        if len(both) >= _LEAST_SHARED
    ]


def _cohen(both: npt.NDArray[np.int64]) -> tuple[float, float | None]:
    """Share of agreement and Cohen's kappa (1960) of (N, 2) classes."""
    observed = float((both[:, 0] == both[:, 1]).mean())
    classes = int(both.max()) + 1
    left, right = (np.bincount(both[:, side], minlength=classes) / len(both) for side in (0, 1))
    chance = float((left * right).sum())
    return observed, None if chance >= 1.0 else (observed - chance) / (1.0 - chance)


def _alphas(often: Counts, patterns: Counts, apart: Counts) -> Counts:
    """(D,) alpha of D draws, each of `often[d, p]` places of pattern p."""
    totals = often @ patterns
    judgements = totals.sum(axis=1)
    expected = (judgements**2 - (totals**2).sum(axis=1)) / np.maximum(judgements - 1, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Counts = np.where(expected > 0, 1.0 - (often @ apart) / expected, np.nan)
    return found


def _interval(value: float, draws: Counts) -> Coefficient:
    if not np.isfinite(value):
        return Coefficient(None, None, None)
    sound = draws[np.isfinite(draws)]
    if not len(sound):
        return Coefficient(float(value), None, None)
    low, high = np.quantile(sound, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]).tolist()
    return Coefficient(float(value), low, high)


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 4)
