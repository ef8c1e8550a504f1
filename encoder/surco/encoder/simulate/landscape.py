"""The plan of a synthetic valley: parcels cut out of farmland, roads, hedges, a river, a town and wooded hills."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from shapely import LineString, Polygon, box
from shapely.ops import split

from surco.encoder.simulate.crops import CROPS

__all__ = ["Landscape", "draw_landscape"]

_FIELD_HECTARES = 3.9
_ROOM_FOR_ALL = 1500.0  # metres a side from which a valley has a river, a town and hills
_FIELD_KINS = ("cereal", "broadleaf", "summer", "orchard", "vine", "evergreen_orchard", "meadow", "rangeland")
_MOST_OF_KIN = {
    "orchard": 3,
    "summer": 3,
    "cereal": 2,
}  # at most so many classes of a kin in one valley, else one
_SURVEYED_KINS = ("orchard", "vine", "evergreen_orchard")
_UNSURVEYED = ("wine_grape",)
"""Vines for wine have a survey of their own; ODEPA-CIREN's of orchards does not count them."""
_HILLS = {
    "north": ("matorral", "bare"),
    "central": ("matorral", "pine", "eucalyptus", "native_evergreen_forest"),
    "south": ("native_deciduous_forest", "pine", "eucalyptus", "native_evergreen_forest"),
}


@dataclass(frozen=True, slots=True)
class Landscape:
    """What lies where, in metres of the grid's CRS.

    `parcels` and `crops` (same length): polygons that do not overlap, and their classes. `roads` and `hedges` lie
    between them; `hills` is the rising ground, empty where there is none. The rest is verge.
    """

    parcels: tuple[Polygon, ...]
    crops: tuple[str, ...]
    roads: tuple[shapely.Geometry, ...]
    hedges: tuple[shapely.Geometry, ...]
    hills: shapely.Geometry


class _Cutter:
    """Cuts ground into parcels and remembers what runs along the cuts."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.roads: list[shapely.Geometry] = []
        self.hedges: list[shapely.Geometry] = []

    def cut(self, ground: Polygon, target: float, tilt: float, depth: int = 0) -> list[Polygon]:
        """Pieces of about `target` m2; wide gaps (roads) between large pieces, hedges or nothing between small ones."""
        if ground.area < target * math.exp(self.rng.normal(0.45, 0.4)) or depth > 24:
            return [ground]
        line = self._line(ground, tilt if depth < 2 else 0.0)
        width = (10.0, 8.0, 6.0, 5.0)[depth] if depth < 4 else float(self.rng.choice([0.0, 4.0, 6.0]))
        if width:
            gap = line.buffer(width / 2, cap_style="flat")
            (self.roads if depth < 4 else self.hedges).append(gap.intersection(ground))
            pieces = shapely.get_parts(ground.difference(gap))
        else:
            pieces = shapely.get_parts(split(ground, line))
        parts = [p for p in pieces if isinstance(p, Polygon) and p.area > 1.0]
        if len(parts) < 2:
            return parts
        return [q for p in parts for q in self.cut(p, target, tilt, depth + 1)]

    def _line(self, ground: Polygon, tilt: float) -> LineString:
        """A slightly bent line across the longer side of the ground."""
        corners = np.asarray(shapely.oriented_envelope(ground).exterior.coords)[:3]
        sides = np.diff(corners, axis=0)
        lengths = np.hypot(*sides.T)
        along = sides[int(lengths.argmax())] / lengths.max()
        middle = np.asarray(shapely.oriented_envelope(ground).centroid.coords[0])
        middle = middle + along * lengths.max() * self.rng.uniform(-0.13, 0.13)
        angle = tilt + math.radians(self.rng.normal(0, 4))
        across = np.array(
            [
                -along[1] * math.cos(angle) - along[0] * math.sin(angle),
                along[0] * math.cos(angle) - along[1] * math.sin(angle),
            ]
        )
        reach = lengths.sum()
        bend = middle + along * self.rng.normal(0, 0.02) * lengths.min()
        return LineString([middle - across * reach, bend, middle + across * reach])


def draw_landscape(
    width: float,
    height: float,
    climate: str,
    classes: Sequence[str] | None,
    rng: np.random.Generator,
    orchards: Mapping[str, float] | None = None,
) -> Landscape:
    """A plan of `width` by `height` metres with its lower left corner at (0, 0).

    `classes` are those of the fields; None draws up to ten that are grown in the climate. With `orchards` (hectares by
    class) the orchards among them share the ground that orchards have in that proportion.
    """
    whole = box(0, 0, width, height)
    cutter = _Cutter(rng)
    rest: shapely.Geometry = whole
    parcels: list[Polygon] = []
    crops: list[str] = []
    hills: shapely.Geometry = Polygon()
    if min(width, height) >= _ROOM_FOR_ALL:
        river = _river(width, height, rng)
        hills = _hills(width, height, rng).difference(river.buffer(30))
        town = _town(width, height, rng).difference(river.buffer(15)).difference(hills.buffer(20))
        wooded = _cut_all(cutter, hills, 5.5e4, 0.4)
        blocks = _cut_all(cutter, town, 9e3, 0.2)
        reaches = _reaches(river, width)
        parcels += [*wooded, *blocks, *reaches]
        stands = _sow(wooded, _HILLS[climate], (width, height), rng)
        crops += [*stands, *["town"] * len(blocks), *["water"] * len(reaches)]
        rest = whole.difference(shapely.union_all([river.buffer(12), hills.buffer(8), town.buffer(8)]))
    fields = _cut_all(cutter, rest, _FIELD_HECTARES * 1e4, rng.uniform(-0.35, 0.35))
    names = list(classes) if classes is not None else _field_classes(climate, len(fields), rng, orchards)
    crops += _sow(fields, names, (width, height), rng, orchards)
    parcels += fields
    return Landscape(tuple(parcels), tuple(crops), tuple(cutter.roads), tuple(cutter.hedges), hills)


def _cut_all(cutter: _Cutter, ground: shapely.Geometry, target: float, tilt: float) -> list[Polygon]:
    """Parcels of a ground in any number of pieces, with rounded corners, without slivers."""
    pieces = [
        p for part in shapely.get_parts(ground) if part.area > 0 for p in cutter.cut(part, target, tilt)
    ]
    rounded = (p.buffer(-6.0).buffer(6.0) for p in pieces if p.area > 0.12 * target)
    return [q for p in rounded for q in shapely.get_parts(p) if q.area > 0.08 * target]


def _river(width: float, height: float, rng: np.random.Generator) -> Polygon:
    x = np.linspace(-50, width + 50, 60)
    start, end = rng.uniform(0.25, 0.45, 2) * height
    phase = rng.uniform(0, 2 * np.pi, 2)
    wander = 0.05 * np.sin(x / width * 9 + phase[0]) + 0.02 * np.sin(x / width * 23 + phase[1])
    line = LineString(np.column_stack([x, start + (end - start) * x / width + wander * height]))
    return line.buffer(rng.uniform(22, 32)).intersection(box(0, 0, width, height))


def _reaches(river: shapely.Geometry, width: float, length: float = 240.0) -> list[Polygon]:
    """The river in pieces of equal length, so that water is a class with several parcels."""
    edges = np.arange(0, width + length, length)
    pieces = [river.intersection(box(a, -1e5, b, 1e5)) for a, b in pairwise(edges)]
    return [
        p for piece in pieces for p in shapely.get_parts(piece) if isinstance(p, Polygon) and p.area > 2000
    ]


def _hills(width: float, height: float, rng: np.random.Generator) -> Polygon:
    """Rising ground along the eastern edge, about a sixth of the area."""
    y = np.linspace(0, height, 40)
    phase = rng.uniform(0, 2 * np.pi, 2)
    x = width * (0.83 + 0.05 * np.sin(y / height * 5 + phase[0]) + 0.02 * np.sin(y / height * 14 + phase[1]))
    return Polygon([*zip(x, y, strict=True), (width, height), (width, 0)])


def _town(width: float, height: float, rng: np.random.Generator) -> Polygon:
    centre = np.array([rng.uniform(0.2, 0.6) * width, rng.uniform(0.65, 0.85) * height])
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    radius = (
        0.065
        * min(width, height)
        * (1 + 0.2 * np.sin(3 * angle + rng.uniform(0, 6)) + rng.normal(0, 0.05, 30))
    )
    return Polygon(centre + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))


def _field_classes(
    climate: str, fields: int, rng: np.random.Generator, orchards: Mapping[str, float] | None
) -> list[str]:
    """Up to ten classes of the climate, few of a kin; fewer where there are few fields."""
    usual = {c.name: c.grown[climate] for c in CROPS.values() if c.kin in _FIELD_KINS}
    grown = {name: weight for name, weight in _surveyed(usual, orchards).items() if weight > 0}
    names, weights = list(grown), np.array(list(grown.values()))
    chosen: list[str] = []
    for name in rng.choice(names, len(names), replace=False, p=weights / weights.sum()):
        kin = CROPS[str(name)].kin
        if sum(CROPS[c].kin == kin for c in chosen) < _MOST_OF_KIN.get(kin, 1):
            chosen.append(str(name))
    return chosen[: max(2, min(10, fields // 14))]


def _surveyed(weights: Mapping[str, float], orchards: Mapping[str, float] | None) -> dict[str, float]:
    """Weights by class, what the surveyed classes have together divided among them by their hectares."""
    told = {name: hectares for name, hectares in (orchards or {}).items() if name in weights}
    if sum(told.values()) <= 0:
        return dict(weights)
    surveyed = [n for n in weights if CROPS[n].kin in _SURVEYED_KINS and n not in _UNSURVEYED]
    whole = sum(weights[n] for n in surveyed)
    return {
        n: whole * told.get(n, 0.0) / sum(told.values()) if n in surveyed else weight
        for n, weight in weights.items()
    }


def _sow(
    fields: Sequence[Polygon],
    names: Sequence[str],
    size: tuple[float, float],
    rng: np.random.Generator,
    orchards: Mapping[str, float] | None = None,
) -> list[str]:
    """A class for every field: each class has its quota, at least twelve where there is room, and its own places."""
    weights = np.array(list(_surveyed(dict.fromkeys(names, 1.0), orchards).values()))
    shares = rng.dirichlet(np.maximum(4.0 * weights, 0.05))
    floor = min(12, len(fields) // max(len(names), 1))
    quota = floor + np.floor(shares * (len(fields) - floor * len(names)))
    centres = rng.uniform(0, 1, (len(names), 2)) * size
    out = [""] * len(fields)
    for i in rng.permutation(len(fields)):
        middle = np.asarray(fields[i].centroid.coords[0])
        near = np.exp(-np.hypot(*(centres - middle).T) / (0.5 * max(size)))
        weight = np.maximum(quota, 1e-3) * near
        k = int(rng.choice(len(names), p=weight / weight.sum()))
        quota[k] -= 1
        out[i] = names[k]
    return out
