"""Tables of the report as HTML: classifiers, classes, confusion, regions, levels, sets. Every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from surco.adapters.evaluation.findings import Evaluation
from surco.adapters.evaluation.held_out import ADAPTER
from surco.adapters.evaluation.report_words import number, signed_points
from surco.adapters.scores import Estimate, Scores

__all__ = [
    "class_table",
    "confusion_table",
    "coverage_table",
    "curve_table",
    "entry_table",
    "region_table",
    "table",
]

_MOST_CLASSES = 30  # of a confusion matrix that still can be read
_HEAT = 0.6  # of the ground's opacity at a share of one, so that figures stay legible
_CONFUSIONS = 12


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", ours: int | None = None
) -> str:
    """A table of plain texts, in a box that scrolls by itself; row `ours` is set off."""
    heads = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    body = "".join(
        f"<tr{' class=ours' if i == ours else ''}>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>"
        for i, row in enumerate(rows)
    )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{said}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def entry_table(found: Evaluation) -> str:
    """Every classifier's scores, the adapter first, with its paired differences to each."""
    head = ("", "macro-F1", "adapter − it, points", "accuracy", "ECE", "classwise ECE", "Brier", "log-loss")
    rows = [
        (
            entry.name,
            number(entry.scores.macro_f1),
            signed_points(entry.difference.macro_f1) if entry.difference else "",
            number(entry.scores.accuracy),
            f"{entry.scores.ece.value:.3f}",
            f"{entry.classwise_ece:.3f}",
            f"{entry.scores.brier.value:.3f}",
            f"{entry.scores.log_loss.value:.2f}",
        )
        for entry in found.entries
    ]
    return table(head, rows, ours=0)


def class_table(found: Evaluation) -> str:
    """Precision, recall, F1 and calibration of each class, the most frequent first."""
    rows = [
        (
            c.name,
            f"{c.n:,}",
            _share(c.precision),
            _share(c.recall),
            _share(c.f1),
            f"{c.calibration_error:.3f}",
        )
        for c in sorted(found.classes, key=lambda c: -c.n)
    ]
    return table(("class", "labels", "precision", "recall", "F1", "calibration error"), rows)


def confusion_table(scores: Scores) -> str:
    """The confusion matrix, shaded by the share of each true class; of many classes the commonest confusions."""
    counts = np.array(scores.confusion)
    if len(scores.classes) > _MOST_CLASSES:
        return _commonest(scores, counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    numbers = "".join(
        f'<th scope="col" title="{escape(n, quote=True)}">{i}</th>' for i, n in enumerate(scores.classes, 1)
    )
    body = ""
    for i, name in enumerate(scores.classes):
        cells = "".join(
            f'<td{" class=right" if i == j else ""} style="--share:{_HEAT * share[i, j]:.3f}">'
            f"{f'{counts[i, j]:g}' if counts[i, j] else ''}</td>"
            for j in range(len(scores.classes))
        )
        body += (
            f'<tr><th scope="row" title="{escape(name, quote=True)}">{i + 1} {escape(name)}</th>{cells}</tr>'
        )
    return (
        '<div class="scroll"><table class="matrix"><caption>Rows: what it is. Columns: what the adapter says, by the '
        f"rows' numbers.</caption><thead><tr><th></th>{numbers}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _commonest(scores: Scores, counts: np.ndarray) -> str:
    wrong = counts * (1 - np.eye(len(counts)))
    order = np.argsort(-wrong, axis=None)[:_CONFUSIONS]
    rows = [
        (scores.classes[i], scores.classes[j], f"{wrong[i, j]:g}", f"{wrong[i, j] / counts[i].sum():.2f}")
        for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[i, j]
    ]
    caption = f"The commonest confusions of {len(counts)} classes"
    return table(("what it is", "what the adapter says", "labels", "share of the class"), rows, caption)


def region_table(found: Evaluation) -> str:
    """Scores by region, best first."""
    if found.fairness is None:
        return ""
    rows = [
        (
            r.name + ("" if r.compared else " (too few to compare)"),
            f"{r.n:,}",
            number(r.accuracy),
            f"{r.baseline_accuracy:.2f}",
            number(r.macro_f1),
        )
        for r in found.fairness.regions
    ]
    return table(("", "labels", "accuracy", f"of {found.best}", "macro-F1"), rows)


def coverage_table(found: Evaluation) -> str:
    """Nominal and reached coverage of conformal sets."""
    rows = [
        (f"{100 * c.nominal:.0f} %", _percent(c.covered), f"{c.mean_size:.1f}", f"{100 * c.single:.0f} %")
        for c in found.coverages
    ]
    return table(("promised", "held the true class", "classes a set", "sets of one class"), rows)


def curve_table(found: Evaluation) -> str:
    """Macro-F1 by number of labels, with the gain over the classifier that is best at that number."""
    if found.curves is None:
        return ""
    rows = []
    for p in found.curves.points:
        best = max(p.gain, key=lambda name: p.macro_f1[name].value)
        rows.append(
            (
                f"{p.shots}",
                f"{p.labels:.0f}",
                number(p.macro_f1[ADAPTER]),
                f"{best} {p.macro_f1[best].value:.2f}",
                signed_points(p.gain[best]),
                f"{p.ece[ADAPTER].value:.3f}",
            )
        )
    head = ("labels a class", "in all", "macro-F1", "best baseline there", "adapter − it, points", "ECE")
    return table(head, rows)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(estimate: Estimate) -> str:
    text = f"{100 * estimate.value:.0f} %"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"
