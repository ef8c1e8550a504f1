"""Where a tile lies, and in which form it is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Self

from surco.api.refusals import InvalidError, UnknownError

__all__ = ["DEEPEST", "MEDIA_TYPES", "Form", "TileAddress", "parsed"]

Form = Literal["mvt", "png"]

DEEPEST = 22
"""The highest zoom."""
MEDIA_TYPES: dict[str, str] = {"mvt": "application/vnd.mapbox-vector-tile", "png": "image/png"}
"""Of each form; the first is the default."""

_LAST = re.compile(r"([0-9]{1,9})(@2x)?(?:\.(mvt|pbf|png))?")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class TileAddress:
    """A tile of the pyramid: zoom, column from the west, row from the north."""

    z: int
    x: int
    y: int

    @classmethod
    def checked(cls, z: int, x: int, y: int) -> Self:
        """The address; raises UnknownError where there is no such tile."""
        if not 0 <= z <= DEEPEST:
            raise UnknownError(f"Expected a zoom from 0 to {DEEPEST}, got {z}. Ask for one of them.")
        most = (1 << z) - 1
        if not (0 <= x <= most and 0 <= y <= most):
            raise UnknownError(
                f"Expected column and row from 0 to {most} at zoom {z}, got x={x} and y={y}. "
                "Rows count from the north (XYZ, not TMS)."
            )
        return cls(z, x, y)

    @property
    def size(self) -> int:
        """Units a side."""
        return 1 << (32 - self.z)

    @property
    def west(self) -> int:
        """Of the corner, in units."""
        return self.x * self.size

    @property
    def north(self) -> int:
        """Of the corner, in units."""
        return self.y * self.size


def parsed(z: str, x: str, y: str) -> tuple[TileAddress, int, Form | None]:
    """A tile as it stands in a path: its address, 1 or 2 for `@2x`, and the form that its ending names, if any.

    Raises:
        InvalidError: no numbers, or another ending.
        UnknownError: no such tile.
    """
    last = _LAST.fullmatch(y)
    if last is None or not _NUMBER.fullmatch(z) or not _NUMBER.fullmatch(x):
        raise InvalidError(
            f"Expected /{{z}}/{{x}}/{{y}} as numbers, y with .mvt, .png or @2x.png if you like, got "
            f"/{z[:20]}/{x[:20]}/{y[:30]}. Write /10/308/620.png, for example."
        )
    number, double, ending = last.groups()
    form: Form | None = None if ending is None else "png" if ending == "png" else "mvt"
    return TileAddress.checked(int(z), int(x), int(number)), 2 if double else 1, form
