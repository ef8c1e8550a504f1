"""From a table and the places visited to a campaign, and what a batch of labels did to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.next_label.campaign import Campaign, Labelled
from surco.adapters.next_label.coverage import Coverage
from surco.adapters.next_label.ground import Ground
from surco.adapters.next_label.learner import Classifier, Learner, guess_of
from surco.adapters.next_label.rewards import observed

__all__ = ["MOST_CANDIDATES", "Frame", "campaign_at", "frame_of", "tried"]

Ints = npt.NDArray[np.int64]
MOST_CANDIDATES = 4096
"""The most places that are compared with each other: their likeness takes 64 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Candidates of a ground.

    Attributes:
        row: (M,) their rows.
        coverage: their likeness, nothing labelled.
        learner: fits adapters with them as the pool.
        whole: whether they are all places with data, and so serve every round.
    """

    row: Ints
    coverage: Coverage
    learner: Learner
    whole: bool


def frame_of(ground: Ground, left: Ints) -> Frame:
    """All places with data where they are few; else so many of the rows `left`, evenly in the table's order."""
    rows = np.flatnonzero(ground.with_data())
    whole = len(rows) <= MOST_CANDIDATES
    if not whole:
        rows = left[np.linspace(0, len(left) - 1, MOST_CANDIDATES).astype(np.int64)]
    candidates = ground.floats(rows)
    return Frame(rows, Coverage.of(candidates), Learner.on(candidates), whole)


def campaign_at(ground: Ground, frame: Frame, labelled: Labelled, adapter: Classifier | None) -> Campaign:
    """Where a campaign stands with some labels, and what an adapter says then."""
    guess = None if adapter is None else guess_of(adapter, frame.coverage.candidates)
    coverage = frame.coverage.labelled(labelled.vectors)
    return Campaign(coverage, ground.region[frame.row].astype(np.int64), ground.region_share, labelled, guess)


def tried(
    learner: Learner, before: Campaign, adapter: Classifier, batch: Labelled, held_out: Labelled
) -> tuple[npt.NDArray[np.float64], Classifier]:
    """What a batch of labels does, and the adapter fitted again with it.

    Args:
        learner: that fits it.
        before: the campaign when the batch was chosen, with the guess of `adapter`.
        adapter: fitted on the labels before.
        batch: the labels that came.
        held_out: the round's probability sample, in neither adapter.

    Returns:
        The observables (see `rewards.OBSERVABLES`) and the new adapter.
    """
    grown = learner.fit(before.labelled.joined(batch)) or adapter
    observables = observed(
        before,
        guess_of(grown, before.candidates),
        batch,
        guess_of(adapter, batch.vectors),
        held_out,
        (guess_of(adapter, held_out.vectors), guess_of(grown, held_out.vectors)),
    )
    return observables, grown
