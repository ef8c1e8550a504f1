"""The report's sections as HTML, each what one question is answered by. Every text from outside is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from surco.adapters.evaluation.findings import Evaluation
from surco.adapters.evaluation.held_out import ADAPTER
from surco.adapters.evaluation.judging import FLOOR
from surco.adapters.evaluation.report_plots import Dot, Line, dots, lines
from surco.adapters.evaluation.report_tables import (
    class_table,
    confusion_table,
    coverage_table,
    curve_table,
    entry_table,
    region_table,
)
from surco.adapters.evaluation.report_words import number

__all__ = ["belief", "comparison", "confusions", "curves", "method", "regions"]

_TERMS = (
    "Macro-F1: the mean over classes of the harmonic mean of precision (how many of its answers are right) and recall "
    "(how many of the class it finds). Calibration error: mean distance of confidence and accuracy in 15 parts of "
    "equal size. Brier: squared distance of probabilities to the truth, 0 to 2. Log-loss: −log of the truth's "
    "probability; a truth called impossible costs 13.8."
)


def _text(*sentences: str) -> str:
    return f"<p>{escape(' '.join(sentences))}</p>"


def comparison(found: Evaluation) -> Iterator[str]:
    """Every classifier's macro-F1 as a plot, all scores as a table."""
    yield _text(
        f"All classifiers learned from the same labels and were asked about the same {found.n:,}: {found.split}.",
        f"Bars are 95 % intervals over {found.resampled}.",
    )
    shown = [e for e in found.entries if e.name != FLOOR or len(found.entries) == 2]
    ranked = sorted(shown, key=lambda e: -e.scores.macro_f1.value)
    rows = [
        Dot(
            e.name,
            e.scores.macro_f1.value,
            e.scores.macro_f1.low,
            e.scores.macro_f1.high,
            _style(found, e.name),
        )
        for e in ranked
    ]
    yield f"<figure>{dots(rows, 'Macro-F1 of the adapter and of every baseline')}</figure>"
    yield entry_table(found)


def _style(found: Evaluation, name: str) -> str:
    return "ours" if name == ADAPTER else "best" if name == found.best else "rest"


def curves(found: Evaluation) -> Iterator[str]:
    """Macro-F1 and calibration by number of labels."""
    held = found.curves
    if held is None or not held.points:
        yield _text(f"Not measured: {held.words if held else ''}.")
        return
    yield _text(
        f"Macro-F1 after at most so many labels of each class: {held.words}.",
        "Bands are 95 % intervals over the draws, and say how lucky a draw is.",
    )
    names = list(held.points[0].macro_f1)
    best = max(names[1:], key=lambda n: sum(p.macro_f1[n].value for p in held.points), default="")
    shots = [p.shots for p in held.points]

    def line(name: str, style: str, ece: bool = False) -> Line:
        found_at = [(p.shots, (p.ece if ece else p.macro_f1)[name]) for p in held.points]
        band = [
            (x, max(e.low, 0.0), min(e.high, 1.0))
            for x, e in found_at
            if e.low is not None and e.high is not None
        ]
        return Line(name, [(x, e.value) for x, e in found_at], band if style != "rest" else (), style)

    styles = {name: "ours" if name == ADAPTER else "best" if name == best else "rest" for name in names}
    f1 = [line(name, style) for name, style in styles.items()]
    ece = [line(name, style, ece=True) for name, style in styles.items()]
    yield (
        f'<div class="pair"><figure>'
        f"{lines(f1, 'Macro-F1 by labels a class', 'labels a class', 'macro-F1', x_ticks=shots, x_of=math.log)}"
        f"</figure><figure>"
        f"{lines(ece, 'Calibration by labels', 'labels a class', 'calibration error', x_ticks=shots, x_of=math.log)}"
        "</figure></div>"
    )
    yield curve_table(found)


def regions(found: Evaluation) -> Iterator[str]:
    """Accuracy by region, and how far apart regions are."""
    fair = found.fairness
    if fair is None:
        return
    if fair.spread is None:
        yield _text("Too few regions have labels enough to be compared.")
    else:
        yield _text(
            f"The best and the worst served region are {100 * fair.spread:.0f} points of accuracy apart; the worst is "
            f"{fair.worst}. A region is compared from 20 labels on."
        )
    if any(r.of_labels for r in fair.regions):
        yield _text(
            "Where a region's labels lie in under five blocks its interval takes them for independent of each other, "
            "and is too narrow if they are neighbours."
        )
    style = {fair.worst: "best"}
    rows = [
        Dot(r.name, r.accuracy.value, r.accuracy.low, r.accuracy.high, style.get(r.name, "ours"))
        for r in fair.regions
    ]
    yield f"<figure>{dots(rows, 'Accuracy by region')}<figcaption>Accuracy, 95 % intervals.</figcaption></figure>"
    yield region_table(found)


def confusions(found: Evaluation) -> Iterator[str]:
    """The confusion matrix, scores by class, and the same at each level of the legend."""
    yield confusion_table(found.entry().scores)
    yield f"<h3>Class by class</h3>{class_table(found)}"
    for level in found.levels:
        scores = level.scores
        steps = "one step" if level.steps == 1 else f"{level.steps} steps"
        yield (
            f"<h3>{steps.capitalize()} up the legend: {len(scores.classes)} classes</h3>"
            + _text(
                f"Accuracy {number(scores.accuracy)}, macro-F1 {number(scores.macro_f1)}.",
                "Probabilities are summed before the answer is taken.",
            )
            + confusion_table(scores)
        )


def belief(found: Evaluation) -> Iterator[str]:
    """Reliability diagram, abstention curve and coverage of conformal sets."""
    entry = found.entry()
    yield _text(
        "When it says 80 in 100, is it right 80 times of 100?",
        f"Its probabilities are off by {entry.scores.ece.value:.3f} on average (expected calibration error),",
        f"{entry.classwise_ece:.3f} class by class.",
    )
    points = {name: [(b.confidence, b.accuracy) for b in bins] for name, bins in found.reliability.items()}
    ticks = (0.2, 0.4, 0.6, 0.8, 1.0)
    trust = [Line(n, p, (), _style(found, n)) for n, p in points.items()]
    keep = [Line(n, list(p), (), _style(found, n)) for n, p in found.selective.items()]
    first = lines(
        trust,
        "Reliability",
        "confidence",
        "share that is right",
        x_ticks=ticks,
        diagonal=True,
        y_range=(0.0, 1.0),
    )
    second = lines(
        keep, "Accuracy of the surest", "share of places answered", "accuracy of the answers", x_ticks=ticks
    )
    yield (
        f'<div class="pair"><figure>{first}<figcaption>Ten parts of equal size by confidence; on the dashed line '
        f"confidence comes true.</figcaption></figure><figure>{second}<figcaption>If only the surest places are "
        "answered and the rest is left for a visit.</figcaption></figure></div>"
    )
    if found.coverages:
        yield "<h3>Sets of classes that hold the true one</h3>" + coverage_table(found)


def method(found: Evaluation, facts: Sequence[tuple[str, str]], credits: str) -> Iterator[str]:
    """How it was measured: split, intervals, notes, facts about the data, terms, credits."""
    yield _text(
        f"{found.n:,} labels in {found.n_groups:,} places were tested: {found.split}.",
        f"Intervals are 95 %: {found.resampled} are drawn with replacement a thousand times.",
        "Differences are paired: both classifiers are resampled together.",
        f"The best baseline ({found.best}) was chosen knowing the result, in favour of the baselines.",
    )
    if found.notes:
        yield "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in found.notes) + "</ul>"
    if facts:
        yield "<dl>" + "".join(f"<dt>{escape(w)}</dt><dd>{escape(v)}</dd>" for w, v in facts) + "</dl>"
    yield f'<p class="note">{escape(_TERMS)}</p>'
    if credits:
        yield f'<p class="note">{escape(credits)}</p>'
