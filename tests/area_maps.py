"""Simulated maps whose truth is known, for tests of area estimates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surco.adapters.areas_allocation import Allocation, allocate
from surco.adapters.areas_sample import AreaMap, ReferenceSample

CLASSES = ("cherry", "maize", "oats", "vineyard", "wheat")
_SHARES = np.array([0.06, 0.14, 0.2, 0.25, 0.35])


@dataclass(frozen=True)
class Country:
    """A map, the class that each place truly has, and which of ten comunas each lies in."""

    area_map: AreaMap
    truth: np.ndarray
    comuna: np.ndarray

    def hectares(self, within: np.ndarray | None = None) -> np.ndarray:
        """True hectares by class."""
        area = self.area_map.hectares * (1.0 if within is None else within)
        return np.bincount(self.truth, area, len(CLASSES))


def country(
    rng: np.random.Generator,
    places: int = 10_000,
    *,
    sharpness: float = 4.0,
    confidence: float = 1.0,
    uneven: bool = False,
) -> Country:
    """A country whose truth is drawn from probabilities that the map knows.

    Args:
        rng: of the draw.
        places: cells.
        sharpness: of the probabilities: 0 says nothing, 6 is a map that is right nearly everywhere.
        confidence: by which the map's log probabilities are multiplied after the truth is drawn: 1 is calibrated, 3
            over-confident, 0 is a map that knows nothing.
        uneven: hectares that differ from place to place, and between classes.
    """
    logits = np.log(_SHARES) + sharpness * rng.gumbel(size=(places, len(CLASSES))) * 0.6
    known = np.exp(logits - logits.max(axis=1, keepdims=True))
    known /= known.sum(axis=1, keepdims=True)
    truth = (known.cumsum(axis=1) > rng.random((places, 1))).argmax(axis=1)
    said = known**confidence
    said /= said.sum(axis=1, keepdims=True)
    hectares = rng.gamma(1.5, 2.0, places) * (1 + truth) if uneven else np.ones(places)
    comuna = rng.integers(0, 10, places)
    return Country(AreaMap(CLASSES, said.argmax(axis=1), said, hectares), truth, comuna)


def visited(
    rng: np.random.Generator, land: Country, size: int = 300, method: Allocation = "rare"
) -> ReferenceSample:
    """A stratified sample of a country, by mapped class, and what is truly there."""
    mapped = land.area_map.mapped
    places = np.bincount(mapped, minlength=len(CLASSES))
    kept = np.flatnonzero(places)
    counts = allocate(size, places[kept], np.full(len(kept), 0.3), method, least=40)
    rows = [
        rng.choice(np.flatnonzero(mapped == k), n, replace=False) for k, n in zip(kept, counts, strict=True)
    ]
    row = np.concatenate(rows)
    names = np.array(CLASSES)
    chance = np.repeat(counts / places[kept], counts)
    return ReferenceSample(row, names[land.truth[row]], chance, names[mapped[row]])
