"""Contextual Thompson sampling over the arms, with Bayesian linear payoffs (Agrawal and Goyal 2013).

The prior comes from simulated campaigns (`warm_start`) and is worth a set number of batches, however many were
simulated (a power prior, Ibrahim and Chen 2000): a campaign of its own can overrule it. Payoffs are estimated from what
a batch did, so they count as much as the estimate is reliable; older ones fade, because what pays changes as labels
come in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import SettingsError
from surco.adapters.next_label.arms import ARMS, INCUMBENT
from surco.adapters.next_label.warm_start import Prior, shipped_prior

__all__ = ["Bandit"]

Doubles = npt.NDArray[np.float64]


class Bandit:
    """Which arm to use in a context.

    Args:
        prior: from simulated campaigns; None is the shipped one.
        worth: how many batches, each with a payoff known exactly, the prior is worth to every arm.
        discount: what is left of an observation's weight after each later one.

    Raises:
        SettingsError: a worth that is not above 0, a discount outside 0..1, a prior without sources.
    """

    def __init__(self, prior: Prior | None = None, *, worth: float = 100.0, discount: float = 0.95) -> None:
        if not worth > 0 or not 0 <= discount <= 1:
            raise SettingsError(
                f"expected a prior worth more than 0 batches and a discount in 0..1; got {worth} and {discount}: "
                "leave them out"
            )
        self._belief = (shipped_prior() if prior is None else prior).belief()
        self._discount = discount
        self._arms = [*ARMS]
        ridge = 1e-6 * np.eye(len(self._belief.contexts))
        self._precision = worth * (self._belief.contexts + ridge) / self._belief.noise
        self._pull = self._belief.weights @ self._precision
        self._seen = np.zeros((len(self._arms), *self._precision.shape))
        self._seen_pull = np.zeros_like(self._pull)

    def expected(self, context: Doubles) -> dict[str, float]:
        """Expected payoff of each arm in a context (F,): macro-F1 of a batch above the mean of the arms."""
        return {arm: float(self._posterior(k)[0] @ context) for k, arm in enumerate(self._arms)}

    def choose(self, context: Doubles, rng: np.random.Generator) -> str:
        """The arm of the highest payoff in a context (F,), drawn from what is believed.

        It takes the incumbent's place only where it leads by more than payoffs are off between one source and the next.
        """
        drawn: dict[str, float] = {}
        for k, arm in enumerate(self._arms):
            mean, covariance = self._posterior(k)
            spread = (self._belief.reliability * max(float(context @ covariance @ context), 0.0)) ** 0.5
            drawn[arm] = float(mean @ context) + spread * float(rng.standard_normal())
        best = max(drawn, key=lambda arm: drawn[arm])
        return best if drawn[best] - drawn[INCUMBENT] > self._belief.transfer else INCUMBENT

    def learn(self, arm: str, context: Doubles, observables: Doubles) -> float:
        """Take in what a batch of an arm did; gives its estimated payoff in macro-F1.

        The estimate is shrunken by its reliability r, so estimate / r is an unbiased sight of the payoff, with the
        variance of payoffs divided by r.

        Raises:
            SettingsError: an arm that there is not.
        """
        if arm not in self._arms:
            raise SettingsError(
                f"expected an arm, one of {', '.join(self._arms)}; got {arm!r}: correct its name"
            )
        estimate, reliability = self._belief.payoff(observables, context), self._belief.reliability
        self._seen *= self._discount
        self._seen_pull *= self._discount
        k, variance = self._arms.index(arm), self._belief.noise
        # (estimate / r) weighed by r / variance is estimate / variance: nothing is divided by a reliability of 0.
        self._seen[k] += reliability * np.outer(context, context) / variance
        self._seen_pull[k] += estimate * context / variance
        return estimate

    def _posterior(self, k: int) -> tuple[Doubles, Doubles]:
        """Mean (F,) and covariance (F, F) of an arm's weights."""
        covariance = np.linalg.inv(self._precision + self._seen[k])
        return covariance @ (self._pull[k] + self._seen_pull[k]), covariance
