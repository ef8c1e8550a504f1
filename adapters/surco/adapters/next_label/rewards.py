"""What labels that came in were worth, seen without a test set: the observables from which a payoff is estimated.

Truth is known in simulated campaigns only. There `warm_start` learns how these observables go with the true change of
macro-F1; in the field the same weights estimate it, and the less they explain, the less a batch teaches the bandit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surco.adapters.next_label.campaign import Campaign, Guess, Labelled

__all__ = ["OBSERVABLES", "observed"]

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

OBSERVABLES = (
    "surprise",
    "new classes",
    "coverage gain",
    "prediction change",
    "entropy change",
    "held-out gain",
)
"""Names of the numbers that `observed` gives, in order."""


def observed(
    before: Campaign,
    after: Guess,
    batch: Labelled,
    batch_guess: Guess,
    held_out: Labelled,
    held_out_guesses: tuple[Guess, Guess],
) -> Doubles:
    """What a batch of labels did, (6,); see `OBSERVABLES`.

    Args:
        before: the campaign when the batch was chosen.
        after: what the adapter with the batch says of the candidates.
        batch: the batch's places.
        batch_guess: what the adapter without the batch says of the batch.
        held_out: places of the round's probability sample, which neither adapter has seen; may be none.
        held_out_guesses: what the adapter without and the one with the batch say of them.

    Returns:
        surprise (mean -log p of the labels that came), share of the batch in classes not known before, gain of mean
        coverage, total variation between the predictions before and after (mean over candidates), change of mean
        entropy in nats, and how much the log-loss on the probability sample fell.
    """
    if before.guess is None:
        raise RuntimeError("a batch chosen without a guess has no reward")
    floor = 1.0 / (len(before.labelled) + len(before.guess.classes) + 1)
    new = ~np.isin(batch.label, before.guess.classes.astype(str))
    gain = 0.0
    if len(held_out):
        gain = float(
            np.mean(_loss(held_out_guesses[0], held_out, floor) - _loss(held_out_guesses[1], held_out, floor))
        )
    return np.array(
        [
            float(_loss(batch_guess, batch, floor).mean()),
            float(new.mean()),
            before.coverage.labelled(batch.vectors).mean() - before.coverage.mean(),
            _change(before.guess, after),
            float(after.entropy().mean() - before.guess.entropy().mean()),
            gain,
        ]
    )


def _loss(guess: Guess, places: Labelled, floor: float) -> Doubles:
    """(L,) -log p of each label; a class that is not known has the chance `floor`."""
    column = {name: k for k, name in enumerate(guess.classes.astype(str))}
    chances = [
        guess.probability[row, column[name]] if name in column else floor
        for row, name in enumerate(places.label)
    ]
    return -np.log(np.clip(np.array(chances, np.float64), floor, 1.0))


def _change(before: Guess, after: Guess) -> float:
    """Mean total variation between two guesses of the same places, over the classes of both."""
    names = np.union1d(before.classes.astype(str), after.classes.astype(str))
    difference = _spread(before, names) - _spread(after, names)
    return float(np.abs(difference).sum(axis=1).mean()) / 2


def _spread(guess: Guess, names: npt.NDArray[np.str_]) -> Floats:
    wide = np.zeros((len(guess.probability), len(names)), np.float32)
    wide[:, np.searchsorted(names, guess.classes.astype(str))] = guess.probability
    return wide
