"""Parts of Chile by the names that people give them, and the cells of their land."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.cells import resolutions_of
from surco.embedstore.errors import PlaceError
from surco.embedstore.places import FINEST_FACT, comunas, membership

__all__ = ["ISO_CODES", "NamedRegion", "count_land_cells", "find_region", "land_cells"]

ISO_CODES: Mapping[int, str] = {
    15: "CL-AP", 1: "CL-TA", 2: "CL-AN", 3: "CL-AT", 4: "CL-CO", 5: "CL-VS", 13: "CL-RM", 6: "CL-LI",
    7: "CL-ML", 16: "CL-NB", 8: "CL-BI", 9: "CL-AR", 14: "CL-LR", 10: "CL-LL", 11: "CL-AI", 12: "CL-MA",
}  # fmt: skip
"""ISO 3166-2:CL of each region by its official code, from north to south."""

_CELLS_AT_ONCE = 400_000
_FINE, _REACH_DEGREES, _FINE_REACH_DEGREES = 7, 0.7, 0.06
"""How far a cell reaches from its centre in degrees of longitude at 60 degrees south: one of resolution 4, and of 7."""
_WHOLE = ("chile", "cl")

Cells = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class NamedRegion:
    """A part of Chile: its name, and the official codes of its comunas, ascending."""

    name: str
    comunas: tuple[int, ...]


def find_region(text: str) -> NamedRegion:
    """The part of Chile that people mean.

    Args:
        text: `chile`, a code of ISO 3166-2 such as `CL-ML`, or a region's, province's or comuna's name, with or
            without accents, or its official code. A name of several is the largest of them: `Maule` is the region.

    Raises:
        PlaceError: there is no such place.
    """
    found = _by_name().get(_folded(text))
    if found is None:
        listed = ", ".join(f"{ISO_CODES[code]} {name}" for code, name in _regions().items())
        raise PlaceError(
            f"a part of Chile (chile, {listed}, or a province or comuna by name)",
            repr(text[:80]),
            "Write one of these.",
        )
    return found


def land_cells(
    wanted: Sequence[int], bounds: tuple[float, float, float, float] | None = None
) -> Iterator[tuple[Cells, Codes]]:
    """The cells of resolution 9 whose centre lies in some comunas, a few hundred thousand at a time, in no order.

    Args:
        wanted: official codes.
        bounds: west, south, east, north in degrees; cells whose centre lies outside may be left out. None takes all.

    Yields:
        (N,) cells and (N,) the comuna of each; all of Chile is 7.7 million.
    """
    cells, codes = _facts(wanted, bounds)
    below = _cells_below(cells)
    groups = np.cumsum(below) // _CELLS_AT_ONCE
    for group in np.split(np.arange(len(cells)), np.flatnonzero(np.diff(groups)) + 1):
        fine = pa.array(h3ronpy.change_resolution(pa.array(cells[group]), FINEST_FACT))
        yield fine.to_numpy().astype(np.uint64), np.repeat(codes[group], below[group])


def count_land_cells(wanted: Sequence[int], bounds: tuple[float, float, float, float] | None = None) -> int:
    """How many cells `land_cells` gives for the same arguments."""
    return int(_cells_below(_facts(wanted, bounds)[0]).sum())


def _facts(wanted: Sequence[int], bounds: tuple[float, float, float, float] | None) -> tuple[Cells, Codes]:
    """Facts of some comunas near some bounds."""
    cells, codes = membership()
    chosen = np.isin(codes, np.asarray(wanted, np.uint16))
    if bounds is not None:
        chosen[chosen] = _near(cells[chosen], bounds)
    return cells[chosen], codes[chosen]


def _cells_below(cells: Cells) -> npt.NDArray[np.int64]:
    below: npt.NDArray[np.int64] = 7 ** (FINEST_FACT - resolutions_of(cells).astype(np.int64))
    return below


def _near(cells: Cells, bounds: tuple[float, float, float, float]) -> npt.NDArray[np.bool_]:
    """Facts (N,) that may hold a cell within bounds."""
    centres = pa.record_batch(h3ronpy.vector.cells_to_coordinates(pa.array(cells)))
    lon, lat = (centres.column(name).to_numpy() for name in ("lng", "lat"))
    west, south, east, north = bounds
    reach = np.where(resolutions_of(cells) < _FINE, _REACH_DEGREES, _FINE_REACH_DEGREES)
    near: npt.NDArray[np.bool_] = (lon > west - reach) & (lon < east + reach)
    return near & (lat > south - reach) & (lat < north + reach)


@cache
def _by_name() -> Mapping[str, NamedRegion]:
    rows = comunas().to_pylist()
    found = {word: NamedRegion("Chile", tuple(sorted(row["cut"] for row in rows))) for word in _WHOLE}
    for level in ("region", "provincia", "comuna"):
        code = "cut" if level == "comuna" else f"{level}_cut"
        for number, name in {row[code]: row[level] for row in rows}.items():
            inside = NamedRegion(name, tuple(sorted(row["cut"] for row in rows if row[code] == number)))
            words = [name, str(number), *([ISO_CODES[number]] if level == "region" else [])]
            for word in words:
                found.setdefault(_folded(word), inside)
    return found


@cache
def _regions() -> Mapping[int, str]:
    """Names of the regions from north to south."""
    names = {row["region_cut"]: row["region"] for row in comunas().to_pylist()}
    return {code: names[code] for code in ISO_CODES}


def _folded(name: str) -> str:
    """Without accents and capitals."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(sign for sign in letters if not unicodedata.combining(sign))
