"""Which places to visit next: a fifth drawn by chance, the others by the arm that a bandit takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import CampaignError
from surco.adapters.next_label.arms import ARMS, INCUMBENT
from surco.adapters.next_label.bandit import Bandit
from surco.adapters.next_label.campaign import Campaign, Guess
from surco.adapters.next_label.contexts import context_of
from surco.adapters.next_label.ground import CHANCE, Ground, Visits
from surco.adapters.next_label.learner import Classifier, guess_of
from surco.adapters.next_label.openings import Openings
from surco.adapters.next_label.probability_sample import chance_places, drawn_by_chance
from surco.adapters.next_label.reasons import CHANCE_REASON, reason
from surco.adapters.next_label.standing import Frame, campaign_at, frame_of, tried
from surco.adapters.next_label.warm_start import Prior
from surco.embedstore import Sentence

__all__ = ["MOST_PLACES", "NextLabel", "Policy", "Selection", "select"]

MOST_PLACES = 100
"""The most places of one batch."""
_AT_A_TIME = 10
_MOST_ROUNDS = 20
Report = Callable[[int, int, str], None]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Places to visit, in order; those drawn by chance first, because a sample that is cut short is none.

    Attributes:
        row: (n,) rows of the ground.
        arm: (n,) what chose each: an arm's name, or `CHANCE`.
        reason: (n,) in words.
        predicted: (n,) the class that is expected; None before two classes are known.
        probability: (n,) float32 its chance; NaN where nothing is expected.
        inclusion_probability: (n,) of those drawn by chance, given that the places visited before are known; NaN for
            the others, whose chance nobody knows.
        round: number of this batch, from 1.
    """

    row: Ints
    arm: npt.NDArray[np.str_]
    reason: list[str]
    predicted: list[str | None]
    probability: npt.NDArray[np.float32]
    inclusion_probability: npt.NDArray[np.float64]
    round: int

    def __len__(self) -> int:
        return len(self.row)


def select(
    ground: Ground,
    visits: Visits | None = None,
    *,
    count: int = 10,
    adapter: Classifier | None = None,
    seed: int = 0,
    prior: Prior | None = None,
    progress: Report | None = None,
) -> Selection:
    """Choose the next places to visit. The same arguments give the same places.

    At least a fifth of them is drawn by chance, each row with the same probability; the others come from the arm that
    a bandit expects most of, up to ten at a time. Where `visits` say which arm chose them and when, the bandit first
    learns from what the last twenty rounds did. Before two classes are known the incumbent, herding, chooses.

    Args:
        ground: the table.
        visits: the places visited so far; None begins a campaign.
        count: how many, 1 to 100.
        adapter: whose predictions to go by; None fits a crop-type adapter on the visits.
        seed: of all draws.
        prior: what the bandit knows at first; None is the shipped prior.
        progress: told (done, total, words).

    Raises:
        CampaignError: a count out of range, or more than there are places left with data.
        VectorsError: an adapter of another dimension.
    """
    known = Visits.none(ground) if visits is None else visits
    guide = NextLabel(Bandit(prior), seed=seed)
    rounds = np.unique(known.round[known.round > 0])[-_MOST_ROUNDS:].tolist()
    for done, number in enumerate(rounds):
        _tell(progress, done, len(rounds) + 1, f"learning from round {number}")
        guide.learn(ground, known, number)
    _tell(progress, len(rounds), len(rounds) + 1, "choosing")
    chosen = guide.propose(ground, known, count, adapter)
    _tell(progress, len(rounds) + 1, len(rounds) + 1, "")
    return chosen


class Policy(Protocol):
    """Which arm to use; `Bandit` is one."""

    def choose(self, context: Doubles, rng: np.random.Generator) -> str:
        """An arm, by name, for a context (see `contexts.FEATURES`)."""

    def learn(self, arm: str, context: Doubles, observables: Doubles) -> float:
        """Take in what a batch of an arm did (see `rewards.OBSERVABLES`); gives its estimated payoff."""


class NextLabel:
    """A campaign's guide: `propose` places, have them visited, `learn` from their labels, and again.

    Args:
        policy: which takes the arm; None is a `Bandit` that is warm-started on simulated campaigns.
        seed: of all draws.
    """

    def __init__(self, policy: Policy | None = None, *, seed: int = 0) -> None:
        self.policy: Policy = Bandit() if policy is None else policy
        self._seed = seed
        self._kept: tuple[Ground, Frame] | None = None

    def propose(
        self, ground: Ground, visits: Visits, count: int, adapter: Classifier | None = None
    ) -> Selection:
        """The next places; arguments and errors as for `select`."""
        free = _free(ground, visits)
        _check_count(count, len(free), len(ground))
        number = int(visits.round.max(initial=0)) + 1
        rng = np.random.default_rng([self._seed, number, len(visits)])
        drawn, chance = drawn_by_chance(ground.region, free, chance_places(count), rng)
        left = np.setdiff1d(free, drawn, assume_unique=True)
        frame = self._frame(ground, left)
        fitted = frame.learner.fit(visits.labelled) if adapter is None else adapter
        campaign = campaign_at(ground, frame, visits.labelled, fitted)
        rows, arms, reasons = self._by_arms(ground, frame, campaign, left, drawn, count - len(drawn), rng)
        guess = None if fitted is None else guess_of(fitted, ground.floats(np.concatenate([drawn, rows])))
        return Selection(
            np.concatenate([drawn, rows]),
            np.array([CHANCE] * len(drawn) + arms),
            [CHANCE_REASON] * len(drawn) + reasons,
            *_expected(guess, count),
            np.concatenate([np.full(len(drawn), chance), np.full(len(rows), np.nan)]),
            number,
        )

    def learn(self, ground: Ground, visits: Visits, number: int) -> dict[str, float]:
        """Learn from the labels of one round; gives the estimated payoff of each arm that was used in it.

        A round that was chosen before two classes were known tells nothing of arms, nor does a place without an arm.
        """
        before = visits.labelled.where(visits.round < number)
        frame = self._frame(ground)
        adapter = frame.learner.fit(before)
        if adapter is None:
            return {}
        campaign = campaign_at(ground, frame, before, adapter)
        context, now = context_of(campaign), visits.round == number
        held_out = visits.labelled.where(now & (visits.arm == CHANCE))
        found: dict[str, float] = {}
        for arm in ARMS:
            batch = visits.labelled.where(now & (visits.arm == arm))
            if len(batch):
                observables, _ = tried(frame.learner, campaign, adapter, batch, held_out)
                found[arm] = self.policy.learn(arm, context, observables)
        return found

    def _by_arms(
        self,
        ground: Ground,
        frame: Frame,
        campaign: Campaign,
        left: Ints,
        drawn: Ints,
        count: int,
        rng: np.random.Generator,
    ) -> tuple[Ints, list[str], list[str]]:
        """Rows, arms and reasons of the places that are not drawn by chance."""
        group = ground.group[frame.row]
        openings = Openings(group, ~np.isin(frame.row, left))
        if not (shared := np.isin(group, ground.group[drawn]))[openings.open].all():
            openings.open &= ~shared
        taken: list[int] = []
        arms: list[str] = []
        reasons: list[str] = []
        while len(taken) < count:
            arm = self._arm(campaign, rng)
            rows = ARMS[arm](campaign, openings, min(_AT_A_TIME, count - len(taken)), rng)
            taken += rows
            arms += [arm] * len(rows)
            reasons += [reason(arm, campaign, row) for row in rows]
            campaign = replace(campaign, coverage=campaign.coverage.taken(rows))
        return frame.row[np.array(taken, np.int64)], arms, reasons

    def _arm(self, campaign: Campaign, rng: np.random.Generator) -> str:
        if campaign.guess is None:
            return INCUMBENT
        return self.policy.choose(context_of(campaign), rng)

    def _frame(self, ground: Ground, left: Ints | None = None) -> Frame:
        """Candidates evenly of the rows `left`, or of all with data: those serve every round that is learned from."""
        if self._kept is not None and self._kept[0] is ground and (self._kept[1].whole or left is None):
            return self._kept[1]
        frame = frame_of(ground, np.flatnonzero(ground.with_data()) if left is None else left)
        if frame.whole or left is None:
            self._kept = (ground, frame)
        return frame


def _free(ground: Ground, visits: Visits) -> Ints:
    """Rows that may be visited: with data, and not visited yet."""
    free = ground.with_data()
    free[visits.row[visits.row >= 0]] = False
    return np.flatnonzero(free)


def _check_count(count: int, free: int, rows: int) -> None:
    if not 1 <= count <= MOST_PLACES:
        raise CampaignError(
            f"expected 1 to {MOST_PLACES} places to choose; got {count}: ask for as many at a time"
        )
    if free < count:
        raise CampaignError(
            Sentence(
                f"expected at least {count} places with data that were not visited; got {free} of {rows}: "
                "ask for fewer, or take a larger area",
                "next-few",
                count=count,
                free=int(free),
            )
        )


def _expected(guess: Guess | None, count: int) -> tuple[list[str | None], npt.NDArray[np.float32]]:
    """The likeliest class of each place, and its chance."""
    if guess is None:
        return [None] * count, np.full(count, np.nan, np.float32)
    names = guess.classes.astype(str)[guess.probability.argmax(axis=1)]
    return names.tolist(), guess.probability.max(axis=1)


def _tell(progress: Report | None, done: int, total: int, words: str) -> None:
    if progress is not None:
        progress(done, total, words)
