"""What the campaigns of one source tell a prior, and the same as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import SettingsError
from surco.adapters.next_label.arms import ARMS
from surco.adapters.next_label.contexts import FEATURES
from surco.adapters.next_label.rewards import OBSERVABLES

__all__ = ["Source", "plain_numbers", "read_source", "require_names", "written_names"]

Doubles = npt.NDArray[np.float64]
_FORMAT = "surco-next-label-prior"
_SEEN = (*OBSERVABLES, *FEATURES)


@dataclass(frozen=True, slots=True)
class Source:
    """Mean products over the states of a source: F features, A arms, Z observables and features.

    `states` how many; `contexts` (F, F); `payoffs` (A, F), context times payoff; `squares` (A,), of payoffs; `reports`
    (Z, Z) and `report_payoffs` (Z,), means over states and arms.
    """

    states: int
    contexts: Doubles
    payoffs: Doubles
    squares: Doubles
    reports: Doubles
    report_payoffs: Doubles

    @classmethod
    def of(cls, contexts: Doubles, payoffs: Doubles, reports: Doubles) -> Self:
        """From contexts (S, F), centred payoffs (S, A) and observables (S, A, len(OBSERVABLES)) of S states."""
        states, arms = payoffs.shape
        seen = np.concatenate([reports, np.repeat(contexts[:, None], arms, axis=1)], axis=2).reshape(
            -1, len(_SEEN)
        )
        return cls(
            states,
            contexts.T @ contexts / states,
            payoffs.T @ contexts / states,
            (payoffs**2).mean(axis=0),
            seen.T @ seen / len(seen),
            payoffs.reshape(-1) @ seen / len(seen),
        )


def written_names() -> dict[str, Any]:
    """What a prior must name as this version does, in order."""
    return {"format": _FORMAT, "arms": [*ARMS], "features": [*FEATURES], "observables": [*OBSERVABLES]}


def require_names(plain: Mapping[str, Any]) -> None:
    """Raise SettingsError for a prior of another format, or of other arms or features."""
    if any(plain.get(key) != value for key, value in written_names().items()):
        raise SettingsError(
            f"expected a prior of the format {_FORMAT!r} with this version's arms and features; got another: "
            "write it again with scripts/fit_next_label_prior.py"
        )


def plain_numbers(value: Any) -> Any:
    """Numbers with five digits, nested as the array is."""
    if isinstance(value, list):
        return [plain_numbers(each) for each in value]
    if isinstance(value, np.ndarray):
        return plain_numbers(value.tolist())
    return value if isinstance(value, int) else float(f"{value:.5g}")


def read_source(name: str, fields: Any) -> Source:
    """A source of plain JSON; raises SettingsError for numbers that are missing, not finite, or of other shapes."""
    f, a, z = len(FEATURES), len(ARMS), len(_SEEN)
    shapes = {
        "contexts": (f, f),
        "payoffs": (a, f),
        "squares": (a,),
        "reports": (z, z),
        "report_payoffs": (z,),
    }
    try:
        arrays = {key: np.array(fields[key], np.float64) for key in shapes}
        sound = all(
            arrays[key].shape == shape and np.isfinite(arrays[key]).all() for key, shape in shapes.items()
        )
        states = fields["states"]
    except (KeyError, TypeError, ValueError):
        sound, states, arrays = False, 0, {}
    if not sound or type(states) is not int:
        raise SettingsError(
            f"expected finite numbers of the right shapes in source {name!r} of the prior; got others: "
            "copy the file again"
        )
    return Source(states=states, **arrays)
