"""The course of a training run as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

__all__ = ["draw_curves"]

_SMOOTH = 50


def draw_curves(history: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draw each term of the loss over its steps, smoothed over fifty, as a PNG that appears whole or not at all."""
    from matplotlib.figure import Figure  # takes a second to import, and only training draws

    figure = Figure(figsize=(3 * len(history), 2.6), layout="constrained")
    for axis, (name, values) in zip(
        figure.subplots(1, len(history), squeeze=False)[0], history.items(), strict=True
    ):
        width = min(_SMOOTH, len(values))
        axis.plot(np.convolve(values, np.full(width, 1 / width), "valid"), linewidth=1)
        axis.set_title(name)
        axis.set_xlabel("step")
    draft = path.with_name(f".{path.stem}.part.png")
    figure.savefig(draft, dpi=110)
    draft.replace(path)
