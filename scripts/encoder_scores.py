"""What every measurement of vectors shares: stored forms, macro-F1 of a head over tasks, intervals, Markdown.

A task is the row numbers of (train, test). Intervals are 95 %, percentile bootstrap over tasks within each table: they
hold for these tables, and say nothing of how other tables differ.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surco.embedstore import dequantize, quantize

Task = tuple[np.ndarray, np.ndarray]
Head = Callable[[int], object]
BOOTSTRAP_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def plain(self) -> str:
        """As `.412 [.401, .423]`."""
        return f"{points(self.mean)} [{points(self.low)}, {points(self.high)}]"

    def signed(self) -> str:
        """As `+.012 [-.003, +.027]`."""
        return f"{points(self.mean, '+')} [{points(self.low, '+')}, {points(self.high, '+')}]"


def points(value: float, sign: str = "") -> str:
    """Three decimals without the leading zero; a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:{sign}.3f}".replace("0.", ".", 1)


def logistic(seed: int) -> object:
    """Logistic regression of every comparison: standardised, C = 0.1."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=400))


def logistic_unscaled(seed: int) -> object:
    """Logistic regression of vectors of length 1 as they are: few labels say little of how wide a number is spread."""
    return LogisticRegression(C=30, max_iter=400)


def nearest(seed: int) -> object:
    """The nearest labelled row by cosine, as a store searches: nothing is scaled."""
    return KNeighborsClassifier(1, metric="cosine")


def macro_f1(head: Head, x: np.ndarray, label: np.ndarray, tasks: Sequence[Task], seed: int) -> list[float]:
    """Macro-F1 over the classes tested, for each task."""
    found = []
    for number, (train, test) in enumerate(tasks):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", "The number of unique classes")  # of one label a class
            guess = head(seed + number).fit(x[train], label[train]).predict(x[test])  # type: ignore[attr-defined]
        classes = np.unique(label[test])
        found.append(float(f1_score(label[test], guess, average="macro", labels=classes, zero_division=0)))
    return found


def filled(vectors: np.ndarray) -> np.ndarray:
    """Rows that the encoder could make nothing of get the mean vector of the others, which tells no class."""
    seen = np.isfinite(vectors).all(axis=1)
    mean = vectors[seen].mean(axis=0) if seen.any() else np.zeros(vectors.shape[1])
    return np.where(seen[:, None], vectors, mean).astype(np.float32)


def stored(vectors: np.ndarray) -> np.ndarray:
    """The vectors as a store gives them back: rounded to int8 with a scale a row."""
    return dequantize(*quantize(vectors))


def shortened(vectors: np.ndarray, length: int) -> np.ndarray:
    """The first numbers of each vector, brought to unit length."""
    return unit(vectors[:, :length])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows at unit length; a row of zeros stays."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norm > 0, norm, 1.0)


def standardised(x: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1; constant ones 0."""
    deviation = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1.0)


def estimate(by_table: Sequence[Sequence[float]], seed: int = 0) -> Estimate:
    """Mean over tables of the mean over tasks; tables without a task do not count."""
    tables = [np.asarray(values, float) for values in by_table if len(values)]
    if not tables:
        return Estimate(np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    draws = [t[rng.integers(len(t), size=(BOOTSTRAP_DRAWS, len(t)))].mean(axis=1) for t in tables]
    low, high = np.percentile(np.mean(draws, axis=0), [2.5, 97.5])
    return Estimate(float(np.mean([t.mean() for t in tables])), float(low), float(high))


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, ready for docs/log.md."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
