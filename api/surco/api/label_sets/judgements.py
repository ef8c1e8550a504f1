"""Labels of several people as judgements of places: which labels speak of the same place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from surco.api.label_sets.labels import Label
from surco.api.refusals import TooLargeError

__all__ = ["NEAR_M", "Judgements", "judgements_of"]

NEAR_M = 15.0
"""Points within this many metres of the first label of a place are of that place, where nobody names it."""

_OVERLAP = 0.5
_M_PER_DEGREE = 111_320.0
_MOST_PAIRS = 5_000_000
_BLOCK = 256

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """N judgements: what each person says of each place, the last word where somebody said more than one.

    Attributes:
        label: (N,) positions in the labels that were handed in.
        place: (N,) places, 0 to P - 1, in the order of their first label.
        who: (N,) people, 0 to A - 1.
        people: A names.
        first: (P,) position of the label that stands for a place: its first, of the first polygon where there is one.
        repeated: how many earlier words of the same person on the same place were left out.
    """

    label: Numbers
    place: Numbers
    who: Numbers
    people: list[str]
    first: Numbers
    repeated: int

    def __len__(self) -> int:
        return len(self.label)


def judgements_of(labels: Sequence[Label], near_m: float = NEAR_M) -> Judgements:
    """Group labels by place.

    Labels of one season are of one place where they name the same `place`; where they name none, points within `near_m`
    of the place's first point, polygons that overlap its first polygon by half (intersection over union), and points
    within that polygon.

    Raises:
        TooLargeError: polygons that overlap without end.
    """
    shapes = np.array([shapely.from_wkb(label.wkb) for label in labels] + [None], object)[:-1]
    place = _places(labels, shapes, near_m)
    people = sorted({str(label.said["who"]) for label in labels})
    number = {name: position for position, name in enumerate(people)}
    who = np.array([number[str(label.said["who"])] for label in labels], np.int64)
    # The last word counts: labels come in the order of their numbers, and a change is a later word.
    order = np.array(
        sorted(range(len(labels)), key=lambda at: (labels[at].changed_at, labels[at].number)), np.int64
    )
    key = place * max(len(people), 1) + who
    _, last = np.unique(key[order][::-1], return_index=True)
    kept = np.sort(order[::-1][last])
    return Judgements(kept, place[kept], who[kept], people, _first(place, shapes), len(labels) - len(kept))


def _places(labels: Sequence[Label], shapes: npt.NDArray[np.object_], near_m: float) -> Numbers:
    """(N,) place of each label, numbered in the order of their first labels."""
    root = np.arange(len(labels), dtype=np.int64)
    seasons = [str(label.said["season"] or "") for label in labels]
    named: dict[tuple[str, str], int] = {}
    free: dict[str, list[int]] = {}
    for at, label in enumerate(labels):
        if label.said["place"] is None:
            free.setdefault(seasons[at], []).append(at)
        else:
            root[at] = named.setdefault((seasons[at], str(label.said["place"])), at)
    for members in free.values():
        positions = np.array(members, np.int64)
        root[positions] = positions[_leaders(shapes[positions], near_m)]
    _, dense = np.unique(root, return_inverse=True)
    return dense.astype(np.int64)


def _leaders(shapes: npt.NDArray[np.object_], near_m: float) -> Numbers:
    """(N,) position of the label that leads each label's place; leaders lead themselves."""
    leader = np.arange(len(shapes), dtype=np.int64)
    areas = shapely.get_type_id(shapes) != 0
    polygons, points = np.flatnonzero(areas), np.flatnonzero(~areas)
    if len(polygons):
        leader[polygons] = polygons[_polygon_leaders(shapes[polygons])]
    loose = points
    if len(polygons) and len(points):
        heads = polygons[leader[polygons] == polygons]
        inside = _within(shapes[points], shapes[heads])
        leader[points[inside >= 0]] = heads[inside[inside >= 0]]
        loose = points[inside < 0]
    if len(loose):
        leader[loose] = loose[_point_leaders(shapely.get_coordinates(shapes[loose]), near_m)]
    return leader


def _point_leaders(xy: npt.NDArray[np.float64], near_m: float) -> Numbers:
    """Each point joins the nearest leader within `near_m`, or leads; a grid of leaders keeps this linear."""
    leader = np.arange(len(xy), dtype=np.int64)
    grid: dict[tuple[int, int], list[int]] = {}
    step = max(near_m, 0.01) / _M_PER_DEGREE
    for at, (lon, lat) in enumerate(xy.tolist()):
        shrink = max(math.cos(math.radians(lat)), 0.01)
        # Rows of cells have one width each, that of their own latitude.
        row = math.floor(lat / step)
        best, best_m = at, near_m
        for other_row in (row - 1, row, row + 1):
            width = step / max(math.cos(math.radians(other_row * step)), 0.01)
            column = math.floor(lon / width)
            for cell in ((other_row, column - 1), (other_row, column), (other_row, column + 1)):
                for seed in grid.get(cell, ()):
                    away = math.hypot((xy[seed, 0] - lon) * shrink, xy[seed, 1] - lat) * _M_PER_DEGREE
                    if away <= best_m:
                        best, best_m = seed, away
        leader[at] = best
        if best == at:
            width = step / max(math.cos(math.radians(row * step)), 0.01)
            grid.setdefault((row, math.floor(lon / width)), []).append(at)
    return leader


def _polygon_leaders(shapes: npt.NDArray[np.object_]) -> Numbers:
    leader = np.arange(len(shapes), dtype=np.int64)
    mates = _overlapping(shapes)
    for at in range(len(shapes)):
        heads = [other for other in mates.get(at, ()) if leader[other] == other]
        if heads:
            leader[at] = min(heads)
    return leader


def _overlapping(shapes: npt.NDArray[np.object_]) -> dict[int, list[int]]:
    """For each polygon the earlier ones that it overlaps by half."""
    tree = shapely.STRtree(shapes)
    found: dict[int, list[int]] = {}
    pairs = 0
    for start in range(0, len(shapes), _BLOCK):
        one, other = tree.query(shapes[start : start + _BLOCK])
        one = one + start
        one, other = one[other < one], other[other < one]
        pairs += len(one)
        if pairs > _MOST_PAIRS:
            raise TooLargeError(
                f"Expected at most {_MOST_PAIRS:,} pairs of polygons whose bounds meet, got more. "
                "Name the place that each label judges in its field `place`."
            )
        shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
        whole = shapely.area(shapes[one]) + shapely.area(shapes[other]) - shared
        for left, right in zip(
            one[shared >= _OVERLAP * whole], other[shared >= _OVERLAP * whole], strict=True
        ):
            found.setdefault(int(left), []).append(int(right))
    return found


def _within(points: npt.NDArray[np.object_], polygons: npt.NDArray[np.object_]) -> Numbers:
    """(N,) the smallest polygon that each point lies in, -1 for none."""
    tree = shapely.STRtree(polygons)
    found = np.full(len(points), -1, np.int64)
    areas = shapely.area(polygons)
    for start in range(0, len(points), _BLOCK):
        point, polygon = tree.query(points[start : start + _BLOCK], predicate="intersects")
        order = np.lexsort((areas[polygon], point))[::-1]
        found[start + point[order]] = polygon[order]  # the smallest is written last
    return found


def _first(place: Numbers, shapes: npt.NDArray[np.object_]) -> Numbers:
    """(P,) the label whose shape stands for each place."""
    points = shapely.get_type_id(shapes) == 0
    order = np.lexsort((np.arange(len(place)), points, place))
    _, start = np.unique(place[order], return_index=True)
    return order[start]
