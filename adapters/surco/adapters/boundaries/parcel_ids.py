"""Ids that outlive a season: a parcel keeps its id where it overlaps one parcel of before, and only that, by half."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from surco.adapters.errors import SettingsError

__all__ = ["Lineage", "new_ids", "persistent_ids"]

Objects = npt.NDArray[np.object_]
_GRID = 1e-7
"""Degrees to which outlines are rounded before they are named: 1 cm."""
_TIE = 1e-6
"""Scores nearer to each other than this share are equal: halves of a field differ by rounding only."""


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """Ids of n parcels, and where they come from.

    Attributes:
        id: (n,) text, each once.
        parents: (n,) tuples of earlier ids, sorted: empty for a parcel that kept its id and for one on ground that
            was no parcel's.
        iou: (n,) float64 intersection over union with the parcel whose id was kept, NaN where it is new.
    """

    id: Objects
    parents: tuple[tuple[str, ...], ...]
    iou: npt.NDArray[np.float64]

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """(n,) whether a parcel has the id of an earlier one."""
        return np.isfinite(self.iou)


def new_ids(geometry: Objects, season: str) -> Objects:
    """(n,) ids made of a parcel's season and outline, so that the same parcels get the same ids in any order.

    Args:
        geometry: (n,) polygons in degrees.
        season: name of the season in which they were first seen.
    """
    plain = shapely.normalize(shapely.set_precision(geometry, _GRID, mode="pointwise"))
    named = [hashlib.sha256(season.encode() + b"\0" + wkb).hexdigest()[:16] for wkb in shapely.to_wkb(plain)]
    return np.array([*named, None], object)[:-1]


def persistent_ids(
    earlier_ids: Sequence[str],
    earlier: Objects,
    geometry: Objects,
    fresh: Objects,
    *,
    min_iou: float = 0.5,
    parent_share: float = 0.1,
) -> Lineage:
    """Give parcels the ids of the season before.

    A parcel keeps an id where it and the earlier parcel are each other's best overlap, with an intersection over union
    of `min_iou` or more, and no other overlap is as good. All others get a new id, with the parcels they came from:
    parts of a split and the whole of a merger name their parents. The order of neither side matters.

    Args:
        earlier_ids: (m,) ids of the season before.
        earlier: (m,) its polygons.
        geometry: (n,) polygons of now, in the same CRS; degrees will do, since shares of neighbours compare.
        fresh: (n,) ids for those that are new, none of them among `earlier_ids` (`new_ids`).
        min_iou: above 0, at most 1.
        parent_share: an earlier parcel is a parent where the intersection is this share of either area.

    Raises:
        SettingsError: shares outside their range.
    """
    if not (0 < min_iou <= 1 and 0 < parent_share <= 1):
        raise SettingsError(
            f"expected min_iou and parent_share above 0 and at most 1; got {min_iou} and {parent_share}: "
            "leave them out for 0.5 and 0.1"
        )
    old, new, shared = _overlaps(earlier, geometry, min(parent_share, min_iou))
    area, area_before = shapely.area(geometry), shapely.area(earlier)
    iou = shared / (area[new] + area_before[old] - shared)
    mutual = _only_best(iou, old, len(earlier)) & _only_best(iou, new, len(geometry)) & (iou >= min_iou)
    kept_iou = np.full(len(geometry), np.nan)
    kept_iou[new[mutual]] = iou[mutual]
    names, before = np.array(fresh, object), np.array([*earlier_ids, None], object)[:-1]
    names[new[mutual]] = before[old[mutual]]
    related = shared >= parent_share * np.minimum(area[new], area_before[old])
    parents: list[set[str]] = [set() for _ in range(len(geometry))]
    for child, parent in zip(new[related].tolist(), before[old[related]], strict=True):
        if np.isnan(kept_iou[child]):
            parents[child].add(parent)
    return Lineage(names, tuple(tuple(sorted(each)) for each in parents), kept_iou)


def _overlaps(
    earlier: Objects, geometry: Objects, share: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Pairs (earlier, now) whose boxes overlap by `share` of the smaller area, and the area they have in common.

    Boxes first: neighbours touch by the hundred thousand, and their intersections are what takes time.
    """
    new, old = shapely.STRtree(earlier).query(geometry)
    bounds, before = shapely.bounds(geometry)[new], shapely.bounds(earlier)[old]
    sides = np.minimum(bounds[:, 2:], before[:, 2:]) - np.maximum(bounds[:, :2], before[:, :2])
    smaller = np.minimum(shapely.area(geometry)[new], shapely.area(earlier)[old])
    near = sides.clip(0).prod(axis=1) >= share * smaller
    old, new = old[near], new[near]
    return old, new, shapely.area(shapely.intersection(earlier[old], geometry[new]))


def _only_best(
    score: npt.NDArray[np.float64], owner: npt.NDArray[np.intp], count: int
) -> npt.NDArray[np.bool_]:
    """Which pairs have the highest score of their owner, above 0, without another as high."""
    best = np.zeros(count)
    np.maximum.at(best, owner, score)
    first = (score >= best[owner] * (1 - _TIE)) & (score > 0)
    times = np.bincount(owner[first], minlength=count)
    return np.asarray(first & (times[owner] == 1), np.bool_)
