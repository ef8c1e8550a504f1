"""Colours and words of classes, for the page, for notebooks and for exported rasters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.viewer.crops import KNOWN, find
from surco.viewer.ine import IneClass, ine_class

__all__ = [
    "ClassStyle",
    "PrincipalAxes",
    "class_styles",
    "known_styles",
    "principal_axes",
    "principal_colours",
    "rgb",
]

_GREY = 160

_RESERVE = (
    "4f7cac c97b63 8fae5d 7d5ba6 c9a227 3c887e b4436c 8aa6c1 6f5e53 d3a4c4 5f8f3e a05a2c "
    "2f5d8a cfc08a 8c2f39 74b3a5 9a8fc7 566246 e0a989 39424e b3b3ad 7a9e9f a67f8e d8d26b"
)


@dataclass(frozen=True, slots=True)
class ClassStyle:
    """How one class looks and is called: the adapter's `name`, `colour` #rrggbb, Spanish and English words.

    `ine` is its class in the third level of INE Chile's legend, None where it has none that we know of.
    """

    name: str
    colour: str
    es: str
    en: str
    ine: IneClass | None = None


def class_styles(names: Iterable[str]) -> list[ClassStyle]:
    """Styles of the classes, in the order given.

    A known land cover keeps its colour whatever stands beside it. An unknown name takes a reserve colour by a hash of
    the name, and moves on to the next free one only if another class of the same map has it already.
    """
    names = list(names)
    colours = _assign(sorted(set(names)))
    return [_style(name, colours[name]) for name in names]


def known_styles() -> list[ClassStyle]:
    """Styles of all land covers that have a colour of their own, as names to choose from."""
    return class_styles(cover.key for cover in KNOWN)


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue (0..255) of `#rrggbb`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@dataclass(frozen=True, slots=True, eq=False)
class PrincipalAxes:
    """The first C <= 3 principal components of some vectors, and how far they reach.

    Attributes:
        mean: (D,) of the vectors.
        axes: (D, C) components, the strongest first.
        low, high: (C,) 2nd and 98th percentile along each, between which colours are stretched.
    """

    mean: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]

    def colours(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Colours (N, 3) uint8 of vectors (N, D), in a muted range; grey where they hold NaN or only zeros."""
        out = np.full((len(vectors), 3), _GREY, np.uint8)
        usable = _usable(vectors)
        scores = (np.asarray(vectors[usable], np.float32) - self.mean) @ self.axes
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        coloured = np.zeros((len(scores), 3), np.float32)
        coloured[:, : scores.shape[1]] = np.clip((scores - self.low) / span, 0, 1)
        out[usable] = (72 + 136 * coloured).round().astype(np.uint8)
        return out


def principal_axes(
    vectors: npt.NDArray[np.float32], *, fit_rows: int = 20_000, seed: int = 0
) -> PrincipalAxes | None:
    """The components of vectors (N, D), fitted on at most `fit_rows` of them; None where fewer than three say anything.

    The sign of a component is fixed by its largest weight, so that colours do not flip between two runs.
    """
    rows = np.asarray(vectors[_usable(vectors)], np.float32)
    if len(rows) < 3:
        return None
    if len(rows) > fit_rows:
        rows = rows[np.random.default_rng(seed).choice(len(rows), fit_rows, False)]
    mean = rows.mean(axis=0)
    axes = np.linalg.eigh(np.cov((rows - mean).T))[1][:, ::-1][:, :3]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    low, high = np.percentile((rows - mean) @ axes, [2, 98], axis=0)
    return PrincipalAxes(mean, axes, low, high)


def principal_colours(
    vectors: npt.NDArray[np.float32], *, fit_rows: int = 20_000, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """First three principal components of vectors (N, D) as colours (N, 3) uint8.

    Components are fitted on at most `fit_rows` rows and stretched between their 2nd and 98th percentile into a muted
    range, so that no place glares; rows that hold NaN or only zeros come out grey, as all do where fewer than three
    say anything.
    """
    axes = principal_axes(vectors, fit_rows=fit_rows, seed=seed)
    return np.full((len(vectors), 3), _GREY, np.uint8) if axes is None else axes.colours(vectors)


def _usable(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(vectors).all(axis=1) & vectors.any(axis=1))


def _assign(names: list[str]) -> dict[str, str]:
    colours: dict[str, str] = {}
    for name in names:
        known = find(name)
        if known is not None and known.colour not in colours.values():
            colours[name] = known.colour
    for name in names:
        if name not in colours:
            colours[name] = _reserve(name, set(colours.values()))
    return colours


def _reserve(name: str, taken: set[str]) -> str:
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    reserve = [f"#{digits}" for digits in _RESERVE.split()]
    order = [reserve[(start + i) % len(reserve)] for i in range(len(reserve))]
    return next((colour for colour in order if colour not in taken), order[0])


def _style(name: str, colour: str) -> ClassStyle:
    known = find(name)
    if known is not None and known.colour == colour:
        return ClassStyle(name, colour, known.es, known.en, ine_class(name))
    words = name.replace("_", " ").strip()
    words = words[:1].upper() + words[1:]
    return ClassStyle(name, colour, words, words, ine_class(name))
