"""Fit the table of `surco.adapters.temperatures` on few-label tasks of the real labelled series.

    python scripts/fit_temperatures.py --vectors raw pca --draws 12

For both heads log t = constant + slope * log(labels a class / 5) + slope * log(classes / 6), minimising the mean
negative log-likelihood over held-out groups, every set weighing the same. Prints the constants from all sets, and the
likelihood each set would have had with constants fitted on the other sets only.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from head_episodes import SETS, SHOTS, Episode, LabelledSet, draws, read_set
from scipy.optimize import minimize
from scipy.special import logsumexp

from surco.adapters import LocalScatter
from surco.adapters.pooled_heads import HeadSettings, PooledHeads

SETTINGS = HeadSettings(C=0.1, prior_strength=100.0, mean_strength=1.0, pool_share=0.5, frequency_weight=0.25)
START = np.array([-0.8, 0.0, 0.0, -2.8, 0.5, 0.0])
PENALTY = 0.01  # holds the slope by classes, which differs between few sets, near none
MOST_TEST = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What both heads say of an episode's test rows, and the truth."""

    name: str
    logistic: np.ndarray
    discriminant: np.ndarray
    truth: np.ndarray
    shots: int


def answers(labelled: LabelledSet, common: bool, with_pool: bool, count: int) -> list[Answer]:
    """Fit both heads on every episode of a set."""
    scatter = LocalScatter.of(labelled.vectors)
    spread = scatter.deviation
    if common:
        spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
    local = scatter.covariance / np.outer(spread, spread)
    prior = np.eye(len(spread))
    if with_pool:
        prior = (
            SETTINGS.pool_share * local / np.trace(local) * len(spread) + (1 - SETTINGS.pool_share) * prior
        )
    standard = (labelled.vectors - scatter.mean) / spread
    return [
        _answer(labelled, standard, episode, shots, prior)
        for shots in SHOTS
        for episode in draws(labelled, shots, count, seed=7_000_000 + 100 * SETS.index(labelled.name) + shots)
    ]


def _answer(
    labelled: LabelledSet, standard: np.ndarray, episode: Episode, shots: int, prior: np.ndarray
) -> Answer:
    codes = np.searchsorted(episode.classes, labelled.labels[episode.train])
    fitted = PooledHeads.fit(standard[episode.train], codes, len(episode.classes), prior, SETTINGS)
    rows = np.random.default_rng(0).permutation(episode.test)[:MOST_TEST]
    test = standard[rows]
    truth = np.searchsorted(episode.classes, labelled.labels[rows])
    (w1, b1), (w2, b2) = fitted.logistic, fitted.discriminant
    return Answer(labelled.name, test @ w1 + b1, test @ w2 + b2, truth, shots)


def surprise(constants: np.ndarray, answer: Answer) -> float:
    """Mean negative log-likelihood of one episode under a table."""
    labels, classes = np.log(answer.shots / 5), np.log(answer.logistic.shape[1] / 6)
    t1, t2 = (np.exp(a + b * labels + c * classes) for a, b, c in constants.reshape(2, 3))
    logits = t1 * answer.logistic + t2 * answer.discriminant
    return float((logsumexp(logits, axis=1) - logits[np.arange(len(logits)), answer.truth]).mean())


def mean_surprise(constants: np.ndarray, episodes: list[Answer]) -> float:
    """Mean over sets of the mean over their episodes."""
    names = sorted({e.name for e in episodes})
    return float(np.mean([np.mean([surprise(constants, e) for e in episodes if e.name == n]) for n in names]))


def fit(episodes: list[Answer]) -> np.ndarray:
    """The six constants of a table."""
    penalised = lambda c: mean_surprise(c, episodes) + PENALTY * float(np.square(c - START).sum())  # noqa: E731
    return minimize(penalised, START, method="BFGS", options={"maxiter": 20, "gtol": 2e-3}).x


def main() -> None:
    """Fit both tables and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=Path, default=Path("../shared/data/samples"))
    parser.add_argument("--vectors", nargs="+", default=["raw", "pca"], help="raw, pca, encoders' names")
    parser.add_argument("--draws", type=int, default=12)
    args = parser.parse_args()
    sets = [(read_set(args.samples, name, v), v != "raw") for v in args.vectors for name in SETS]
    for table, with_pool in (("pool", True), ("labels", False)):
        episodes = [a for labelled, common in sets for a in answers(labelled, common, with_pool, args.draws)]
        everywhere = fit(episodes)
        print(table, np.round(everywhere.reshape(2, 3), 3).tolist(), f"{len(episodes)} episodes", flush=True)
        for name in SETS:
            inside = [e for e in episodes if e.name == name]
            elsewhere = fit([e for e in episodes if e.name != name])
            print(
                f"  {name}: {mean_surprise(elsewhere, inside):.3f} left out, {mean_surprise(everywhere, inside):.3f} in"
            )


if __name__ == "__main__":
    main()
