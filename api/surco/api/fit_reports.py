"""What is said of a fitted adapter, for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surco.adapters import CrossValidation, Estimate, Scores
from surco.adapters.label_quality import LabelReport
from surco.adapters.legends import MixedFit
from surco.embedstore import Examples

__all__ = ["FitReport", "describe_scores"]


@dataclass(frozen=True, slots=True)
class FitReport:
    """What was fitted: name, examples, labels by class, how well it does on held-out places, time of the fit.

    `blocks` says what is held out together, in words; `quality` what is wrong with the labels, or may be; `mixed` what
    a legend made of them, None without one.
    """

    name: str
    examples: Examples
    counts: dict[str, int]
    validation: CrossValidation
    blocks: str
    fit_ms: float
    quality: LabelReport
    mixed: MixedFit | None = None

    def text(self) -> str:
        """The report for people."""
        n, features = len(self.examples.y), len(np.unique(self.examples.groups))
        classes = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        lines = [
            f"Adapter {self.name}: {n} {self.examples.unit} from {features} labels in {len(self.counts)} classes "
            f"({classes}), fitted in {self.fit_ms:.0f} ms."
        ]
        lines += _mixed_lines(self.mixed)
        lines += [text for text in self.quality.text().splitlines() if text]
        if self.quality.suspects is not None and self.quality.suspects.flagged:
            lines.append("All of them, in order: surco labels check STORE --labels FILE --out suspects.html")
        return "\n".join([*lines, *_validation_lines(self.validation, self.blocks)])


def _mixed_lines(fit: MixedFit | None) -> list[str]:
    """What a legend made of the labels, in sentences."""
    if fit is None:
        return []
    mixed = fit.labels
    lines = [
        f"{given!r} is the same class as {kept!r} and was taken with it."
        for given, kept in mixed.merged.items()
    ]
    lines += [
        f"{name!r} is above {', '.join(below)}: each label of it was taken as the likeliest of them."
        for name, below in mixed.among.items()
    ]
    lines += [
        f"{name!r} is above one labelled class only, and stays a class of its own."
        for name in mixed.open_classes
    ]
    lines += [
        f"Labels of {name!r} look unlike the classes below it: if they are none of them, name them otherwise."
        for name in fit.unlike
    ]
    return lines


def _validation_lines(validation: CrossValidation, blocks: str) -> list[str]:
    if validation.scores is None:
        return [f"Accuracy: {validation.split}."]
    lines = [f"Accuracy on held-out labels ({validation.split}; groups are {blocks}):"]
    for name, scores in [("this adapter", validation.scores), *validation.baselines.items()]:
        lines.append(f"  {name:22} {describe_scores(scores)}")
    return lines


def describe_scores(scores: Scores) -> str:
    """Accuracy, macro-F1 and calibration error in one line, with 95 % intervals where there are groups enough."""
    return f"accuracy {_interval(scores.accuracy)}   macro-F1 {_interval(scores.macro_f1)}   ECE {scores.ece.value:.2f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
