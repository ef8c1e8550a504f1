"""What comes in at the door of a regression: measured values, checked once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import column_or_1d

from surco.adapters.errors import LabelsError

__all__ = ["checked_targets"]


def checked_targets(y: Any, rows: int, least: float | None = None) -> npt.NDArray[np.float64]:
    """Measured values (N,), finite and not below `least`.

    Raises:
        LabelsError: none, text, missing or infinite values, values below `least`, another number than `rows`.
    """
    if y is None:
        raise LabelsError(
            "this adapter requires y to be passed, but the target y is None: give one measured value a vector"
        )
    try:
        target = np.asarray(column_or_1d(y, warn=True), np.float64)
    except (TypeError, ValueError) as error:
        raise LabelsError(
            f"expected one measured value, a number, a vector; got: {error} — classes need a crop-type adapter"
        ) from error
    if len(target) != rows:
        raise LabelsError(
            f"expected one label a vector; got {rows} vectors and {len(target)} labels: match labels and table again"
        )
    bad = np.flatnonzero(~np.isfinite(target))
    if len(bad):
        raise LabelsError(
            f"expected finite values; got NaN or inf in {len(bad)} of {rows} labels, first in row {bad[0]}: "
            "leave out the places that nobody measured"
        )
    low = np.flatnonzero(target < (-np.inf if least is None else least))
    if len(low):
        raise LabelsError(
            f"expected values of at least {least:g}; got {target[low[0]]:g} in row {low[0]} and {len(low)} such in "
            "all: correct them, or leave them out"
        )
    return target
