"""What the bandit knows before its first label: payoffs of the arms in campaigns whose truth is known.

In every state of such a campaign all arms were tried from the same labels, so the payoff of an arm is its gain of
macro-F1 less the mean gain of all arms there. Kept are sums of products by source (a data set, or a synthetic region),
from which a linear regression follows; so any source can be left out, and no data set helps to choose its own labels.
`scripts/fit_next_label_prior.py` writes the file that is shipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import SettingsError
from surco.adapters.next_label.arms import ARMS, INCUMBENT
from surco.adapters.next_label.prior_sources import (
    Source,
    plain_numbers,
    read_source,
    require_names,
    written_names,
)
from surco.adapters.next_label.rewards import OBSERVABLES

__all__ = ["Belief", "Prior", "shipped_prior"]

Doubles = npt.NDArray[np.float64]
_RIDGES = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True, slots=True)
class Belief:
    """What a prior says: linear payoffs by arm, and how payoffs are estimated from what a batch did.

    `weights` (A, F); `contexts` (F, F) mean products; `noise` variance of a payoff around its line; `transfer`
    how far the mean payoff of an arm less the incumbent's is off, as a standard deviation, in a source that was left
    out; `report_weights`
    (Z,); `reliability` share of the payoffs' variance that estimates explain in a source that was left out, 0..1.
    """

    weights: Doubles
    contexts: Doubles
    noise: float
    transfer: float
    report_weights: Doubles
    reliability: float

    def payoff(self, observables: Doubles, context: Doubles) -> float:
        """A batch's payoff as what it did tells, in macro-F1; shrunken towards 0 by the reliability."""
        return float(self.report_weights @ np.concatenate([observables, context]))


@dataclass(frozen=True, slots=True)
class Prior:
    """Sources by name."""

    sources: Mapping[str, Source]

    def without(self, *names: str) -> Prior:
        """The prior without some sources; raises SettingsError for a name that it does not have."""
        if unknown := sorted(set(names) - set(self.sources)):
            raise SettingsError(
                f"expected sources of the prior, {', '.join(sorted(self.sources))}; got {', '.join(unknown)}: "
                "leave out one of those"
            )
        return Prior({name: source for name, source in self.sources.items() if name not in names})

    def belief(self) -> Belief:
        """The regression over all sources, each weighing the same; shrunken so that it holds best for one left out.

        Raises:
            SettingsError: no source.
        """
        if not self.sources:
            raise SettingsError("expected a prior of at least one source; got none: leave fewer out")
        sources = [*self.sources.values()]
        weights, _ = _transferred(sources, _payoff_weights, _foreseen)
        report_weights, reliability = _transferred(sources, _report_weights, _told)
        noise = np.mean([(1.0 - _foreseen(one, weights)) * one.squares.mean() for one in sources])
        return Belief(
            weights,
            _mean(sources, "contexts"),
            max(float(noise), 1e-12),
            _transfer(sources),
            report_weights,
            min(max(reliability, 0.0), 1.0),
        )

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""
        sources = {
            name: {field: plain_numbers(getattr(source, field)) for field in Source.__slots__}
            for name, source in self.sources.items()
        }
        return {**written_names(), "sources": sources}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `plain` gave.

        Raises:
            SettingsError: another format, other arms or features, numbers that are missing or not finite.
        """
        require_names(plain)
        sources = plain.get("sources")
        if not isinstance(sources, dict):
            raise SettingsError("expected a prior with its sources by name; got none: copy the file again")
        return cls({name: read_source(name, fields) for name, fields in sources.items()})


def shipped_prior() -> Prior:
    """The prior in the package: six real tables and three synthetic regions."""
    return Prior.of_plain(json.loads(files(__package__).joinpath("prior.json").read_text(encoding="utf-8")))


def _mean(sources: Sequence[Source], part: str) -> Doubles:
    return np.asarray(np.mean([getattr(source, part) for source in sources], axis=0))


def _transferred(
    sources: Sequence[Source],
    fit: Callable[[Sequence[Source], float], Doubles],
    explained: Callable[[Source, Doubles], float],
) -> tuple[Doubles, float]:
    """Weights of all sources by the ridge that explains most of a source that is left out, and how much it does."""
    rest = [[one for one in sources if one is not left] or [left] for left in sources]

    def score(ridge: float) -> float:
        return float(np.mean([explained(left, fit(r, ridge)) for left, r in zip(sources, rest, strict=True)]))

    best = max(_RIDGES, key=score)
    return fit(sources, best), score(best)


def _transfer(sources: Sequence[Source]) -> float:
    """How far the mean payoffs of arms less the incumbent's lie from those of the other sources, root mean square."""
    levels = np.array([one.payoffs[:, 0] for one in sources])
    leads = np.delete(levels, [*ARMS].index(INCUMBENT), axis=1) - levels[:, [[*ARMS].index(INCUMBENT)]]
    if len(sources) < 2:
        return 0.0
    others = (leads.sum(axis=0) - leads) / (len(sources) - 1)
    return float(np.sqrt(((leads - others) ** 2).mean()))


def _payoff_weights(sources: Sequence[Source], ridge: float) -> Doubles:
    """(A, F) weights of the arms' payoffs."""
    return _regressed(_mean(sources, "contexts"), _mean(sources, "payoffs"), 0, ridge)


def _foreseen(source: Source, weights: Doubles) -> float:
    """Share of a source's squared payoffs that weights (A, F) explain; below 0 where they mislead."""
    explained = 2 * (weights * source.payoffs).sum() - ((weights @ source.contexts) * weights).sum()
    return float(explained / max(source.squares.sum(), 1e-12))


def _report_weights(sources: Sequence[Source], ridge: float) -> Doubles:
    """(Z,) weights by which a payoff is estimated from what a batch did."""
    products, targets = _mean(sources, "reports"), _mean(sources, "report_payoffs")
    return np.asarray(_regressed(products, targets[None], len(OBSERVABLES), ridge)[0])


def _told(source: Source, weights: Doubles) -> float:
    """Share of a source's squared payoffs that estimates by weights (Z,) explain; below 0 where they mislead."""
    explained = 2 * weights @ source.report_payoffs - weights @ source.reports @ weights
    return float(explained / max(source.squares.mean(), 1e-12))


def _regressed(products: Doubles, targets: Doubles, constant: int, ridge: float) -> Doubles:
    """Weights (A, F) of a ridge regression from mean products (F, F) and mean products with the targets (A, F).

    The feature at `constant`, which is always 1, is not penalised, and the others by their variance: with a high ridge
    every target is its mean.
    """
    mean, level = products[constant], targets[:, constant]
    free = np.arange(len(products)) != constant
    spread = (products - np.outer(mean, mean))[np.ix_(free, free)]
    penalty = ridge * np.diag(spread).clip(0) + 1e-9
    slopes = np.linalg.solve(spread + np.diag(penalty), (targets - level[:, None] * mean)[:, free].T).T
    weights = np.empty_like(targets)
    weights[:, free], weights[:, constant] = slopes, level - slopes @ mean[free]
    return weights
