"""What an evaluation found: scores of each classifier and class, as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from surco.adapters.evaluation.calibration import Reliability
from surco.adapters.evaluation.held_out import ADAPTER
from surco.adapters.evaluation.label_curves import LabelCurves
from surco.adapters.evaluation.legend_levels import Level
from surco.adapters.evaluation.regions import Fairness
from surco.adapters.evaluation.selective import Coverage
from surco.adapters.scores import Difference, Scores

__all__ = ["ClassScore", "Entry", "Evaluation"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One classifier's scores; `difference` is the adapter's minus this one's, None for the adapter itself."""

    name: str
    scores: Scores
    classwise_ece: float
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class of the adapter: labels tested, precision, recall, F1, and its probability's calibration error.

    Precision is None where it was never answered, recall where it never occurred, F1 where neither.
    """

    name: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None
    calibration_error: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found on rows that no classifier had seen.

    Attributes:
        split: how rows were held out, in words; `resampled` says what intervals resample.
        n, n_groups: labels tested, and the blocks they lie in.
        left_out: labels that could not be tested.
        entries: the adapter first, then every baseline.
        best: name of the baseline with the highest macro-F1, chosen knowing the result and so in its favour.
        classes: scores by class.
        reliability: points of the diagram, of the adapter and of `best`.
        selective: (share answered, accuracy) of the surest, of the adapter and of `best`.
        fairness: scores by region, None where no regions are known.
        levels: scores up the legend's tree.
        coverages: of conformal sets, where the adapter makes them.
        curves: scores by number of labels, None where they were not asked for.
        notes: what could not be tested.
    """

    split: str
    resampled: str
    held_out: str
    n: int
    n_groups: int
    left_out: int
    entries: tuple[Entry, ...]
    best: str
    classes: tuple[ClassScore, ...]
    reliability: Mapping[str, tuple[Reliability, ...]]
    selective: Mapping[str, tuple[tuple[float, float], ...]]
    fairness: Fairness | None
    levels: tuple[Level, ...]
    coverages: tuple[Coverage, ...]
    curves: LabelCurves | None
    notes: tuple[str, ...]

    def entry(self, name: str = ADAPTER) -> Entry:
        """The scores of one classifier."""
        return next(e for e in self.entries if e.name == name)

    def as_dict(self) -> dict[str, Any]:
        """The evaluation as plain JSON values."""
        return asdict(self)
