"""How pictures of tiles are coloured: colours of classes as the viewer has them, fixed ramps for everything measured.

Ramps keep their order for colour-blind eyes and in grey: cividis (Nuñez, Anderton and Renslow 2018) and the
brown-to-green BrBG of ColorBrewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.viewer import ClassStyle, class_styles, rgb

__all__ = ["ClassColours", "Colours", "PrincipalColours", "Ramp"]

_RAMPS = {
    "cividis": "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838",
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "brown-green": "543005 8c510a bf812d dfc27d f6e8c3 c7eae5 80cdc1 35978f 01665e 003c30",
}
_STEPS = 255
_STEPPED_BACK = (150, 152, 142, 60)

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ClassColours:
    """One colour a class; `names` in the order of their codes from 0 on, -1 is transparent."""

    title: str
    names: tuple[str, ...]
    chosen: tuple[ClassStyle, ...]
    single: frozenset[str] = frozenset()

    @classmethod
    def of(cls, title: str, names: Sequence[str]) -> ClassColours:
        """The viewer's colours of classes."""
        return cls(title, tuple(names), tuple(class_styles(names)))

    def only(self, names: Sequence[str]) -> ClassColours:
        """These classes in their colours, all others in one grey that lets the ground through."""
        return replace(self, single=frozenset(names))

    def palette(self) -> Bytes:
        """(K + 1, 4) red, green, blue and opacity; the first is transparent."""
        shown = [
            (*rgb(style.colour), 255) if not self.single or name in self.single else _STEPPED_BACK
            for name, style in zip(self.names, self.chosen, strict=True)
        ]
        return np.array([(0, 0, 0, 0), *shown], np.uint8)

    def places(self, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Where in the palette each code (N,) stands."""
        return codes + 1

    def legend(self) -> dict[str, Any]:
        """As plain values."""
        entries = [
            {"value": name, "colour": style.colour, "es": style.es, "en": style.en}
            for name, style in zip(self.names, self.chosen, strict=True)
        ]
        return {"title": self.title, "kind": "classes", "entries": entries}


@dataclass(frozen=True, slots=True)
class Ramp:
    """Colours of numbers from `low` to `high`, beyond which they stay as at the end; NaN is transparent.

    `name` is "cividis", "viridis" or "brown-green".
    """

    title: str
    low: float
    high: float
    unit: str = ""
    name: str = "cividis"

    def palette(self) -> Bytes:
        """(256, 4) red, green, blue and opacity; the first is transparent."""
        palette = np.full((_STEPS + 1, 4), 255, np.uint8)
        palette[0] = 0
        palette[1:, :3] = self._colours(np.linspace(0, 1, _STEPS))
        return palette

    def places(self, values: npt.NDArray[Any]) -> Bytes:
        """Where in the palette each number (N,) stands."""
        span = (self.high - self.low) or 1.0
        share = np.clip((values - self.low) / span, 0, 1)
        return np.asarray(np.where(np.isnan(share), 0, np.nan_to_num(share) * (_STEPS - 1) + 1.5), np.uint8)

    def legend(self) -> dict[str, Any]:
        """As plain values, with eleven colours from low to high."""
        shares = np.linspace(0, 1, 11)
        entries = [
            {
                "value": round(self.low + share * (self.high - self.low), 4),
                "colour": "#" + bytes(colour).hex(),
            }
            for share, colour in zip(shares.tolist(), self._colours(shares), strict=True)
        ]
        span = {"low": self.low, "high": self.high, "unit": self.unit, "ramp": self.name}
        return {"title": self.title, "kind": "ramp", **span, "entries": entries}

    def _colours(self, shares: npt.NDArray[np.float64]) -> Bytes:
        anchors = np.array([rgb(f"#{digits}") for digits in _RAMPS[self.name].split()], float)
        at = np.linspace(0, 1, len(anchors))
        shown = np.stack([np.interp(shares, at, side) for side in anchors.T], axis=1)
        return np.asarray(shown.round(), np.uint8)


@dataclass(frozen=True, slots=True)
class PrincipalColours:
    """Red, green and blue of the vectors' first three principal components: alike where vectors are alike."""

    title: str

    def legend(self) -> dict[str, Any]:
        """As plain values."""
        sides = (("red", "first"), ("green", "second"), ("blue", "third"))
        entries = [{"value": f"{place} principal component", "channel": side} for side, place in sides]
        return {"title": self.title, "kind": "principal components", "entries": entries}


Colours = ClassColours | Ramp | PrincipalColours
"""What a picture is coloured by."""
