"""What an evaluation found, in sentences: what, on how much, against what, and what it cannot say."""

from __future__ import annotations

from surco.adapters.evaluation.findings import Evaluation
from surco.adapters.scores import Estimate

__all__ = ["among", "cannot_say", "finding", "number", "signed_points", "verdict"]

_LEAST_LABELS = 30  # of a class, below which its own figures are a guess


def number(estimate: Estimate, digits: int = 2) -> str:
    """A score with its interval where there is one: "0.71 (0.66 to 0.75)"."""
    text = f"{estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def finding(found: Evaluation, name: str) -> str:
    """The first sentence: how often the adapter is right, on how many labels it had not seen, in how many places."""
    scores = found.entry().scores
    share = _hundredths(scores.accuracy)
    return (
        f"On {found.n:,} labels in {found.n_groups:,} places that it had not seen, {name} names the right one of "
        f"{len(scores.classes)} classes for {share} of 100; its macro-F1, in which every class counts alike, is "
        f"{number(scores.macro_f1)}."
    )


def verdict(found: Evaluation) -> str:
    """The second sentence: against the best baseline, and whether the difference is more than chance."""
    best = found.entry(found.best)
    if best.difference is None:
        return "There was nothing to compare it with."
    gap = best.difference.macro_f1
    base = f"{among(found)} at {best.scores.macro_f1.value:.2f}"
    points = f"{abs(100 * gap.value):.1f} points of macro-F1"
    if gap.low is None or gap.high is None:
        way = "above" if gap.value >= 0 else "below"
        return f"That is {points} {way} {base}; there are too few places to say whether this is more than chance."
    span = f"95 % interval {_signed(gap.low)} to {_signed(gap.high)}"
    if gap.low > 0:
        return f"That is {points} above {base}, and more than chance ({span})."
    if gap.high < 0:
        return f"That is {points} below {base}, and more than chance ({span}): use that one instead."
    return f"That is no clear difference from {base}: {signed_points(gap)} points of macro-F1."


def signed_points(gap: Estimate) -> str:
    """A difference in hundredths: "+3.1 (−0.5 to +5.7)"."""
    text = _signed(gap.value)
    if gap.low is None or gap.high is None:
        return text
    return f"{text} ({_signed(gap.low)} to {_signed(gap.high)})"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def among(found: Evaluation) -> str:
    """Which baseline is meant, and out of how many it was chosen."""
    others = len(found.entries) - 1
    return (
        f"the best of {others} baselines, {found.best}" if others > 1 else f"its only baseline, {found.best}"
    )


def cannot_say(found: Evaluation) -> list[str]:
    """What nobody should read out of the report, a sentence each."""
    said = [
        "How many hectares of a class there are: labels were not drawn by chance. Areas with intervals need a "
        "probability sample (surco areas).",
    ]
    if found.held_out == "block":
        said.append(
            "How it does in a region or season without any labels: blocks held out lie among labelled ones."
        )
    elif found.held_out != "season":
        said.append("How it does in another season: all labels are of the seasons named here.")
    rare = [c.name for c in found.classes if 0 < c.n < _LEAST_LABELS]
    if rare:
        listed = ", ".join(rare[:4]) + (f" and {len(rare) - 4} more" if len(rare) > 4 else "")
        said.append(f"Much about single classes with under {_LEAST_LABELS} labels: {listed}.")
    if found.entry().scores.macro_f1.low is None:
        said.append("How sure its figures are: under five places no interval can be given.")
    if found.left_out:
        said.append(f"Anything about {found.left_out:,} labels that could not be tested (see the notes).")
    return said


def _hundredths(estimate: Estimate) -> str:
    text = f"{100 * estimate.value:.0f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"
