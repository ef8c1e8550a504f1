"""Maps of values as tiles: what a yield adapter expects of every place, between which bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.api.map_products.map_heads import ValueHead
from surco.api.tiles.columns import Column
from surco.api.tiles.ground import Ground, means, painted_png, rounded
from surco.api.tiles.styles import Colours, Ramp
from surco.api.tiles.tile_tables import Outlined, Pictured

__all__ = ["ValueMap"]

_SHOWN = (2, 98)


@dataclass(frozen=True, slots=True, eq=False)
class ValueMap:
    """What a yield adapter says of a table."""

    ground: Ground
    head: ValueHead
    _spans: dict[str, tuple[float, float]] = field(default_factory=dict)

    styles = ("value", "uncertainty")

    def colours(self, style: str) -> Colours:
        """The colours of one of `styles`, between the 2nd and the 98th percentile of rows drawn over the table."""
        if style not in self._spans:
            values = self._shown(style, self.ground.sample())
            known = values[np.isfinite(values)]
            low, high = np.percentile(known, _SHOWN).tolist() if len(known) else (0.0, 1.0)
            self._spans[style] = (round(low, 3), round(high, 3))
        low, high = self._spans[style]
        if style == "value":
            return Ramp("Value", low, high, self.head.unit, "viridis")
        return Ramp("Uncertainty (half the interval)", low, high, self.head.unit)

    def picture(self, style: str, shown: Pictured) -> bytes:
        """A picture of one of `styles`."""
        return painted_png(self.colours(style), self._shown(style, shown.rows), shown)

    def columns(self, outlined: Outlined) -> list[Column]:
        """Value, low and high, means over the rows looked at where a feature stands for several: `drawn` of `n`."""
        found = self.head.answer(*self.ground.rows(outlined.rows))
        count, feature = outlined.shapes.count, outlined.feature
        made = [
            Column.numbers(name, rounded(means(found[:, place], feature, count)))
            for place, name in enumerate(("value", "low", "high"))
        ]
        if outlined.below is None:
            return made
        drawn = np.bincount(feature[np.isfinite(found[:, 0])], minlength=count)
        return [*made, Column.counts("n", outlined.below), Column.counts("drawn", drawn)]

    def _shown(self, style: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        found = self.head.answer(*self.ground.rows(rows))
        return found[:, 0] if style == "value" else (found[:, 2] - found[:, 1]) / 2
