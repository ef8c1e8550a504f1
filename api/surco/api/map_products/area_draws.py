"""A stratified sample of a map of any size, drawn in bounded memory: the one that `surco areas plan` draws."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.adapters.areas_plan import SamplePlan, StratumSums, draw_ordinals, plan_strata
from surco.adapters.errors import AreasError
from surco.api.area_domains import divide
from surco.api.area_plans import PlanRequest
from surco.api.area_samples import write_sample
from surco.api.map_products.area_frames_summed import cell_texts, summed_frame
from surco.api.map_products.area_sums import MapSums, SeenRows, seen_rows
from surco.api.map_products.maps_asked import OpenMap
from surco.api.map_products.within import Within
from surco.api.maps import Places
from surco.api.refusals import TooLargeError

__all__ = ["MOST_DRAWN", "drawn_sample"]

MOST_DRAWN = 50_000
"""Places of one sample."""
_NAME = "sample.geojson"


def drawn_sample(asked: OpenMap, sums: MapSums, within: Within, request: PlanRequest) -> bytes:
    """Plan a sample, draw it, and give it as GeoJSON with an empty `class` to fill in.

    Args:
        asked: the map.
        sums: of the part asked for.
        within: that part.
        request: how exact, how many, by which strata.

    Raises:
        AreasError: a target or setting that makes no plan.
        TooLargeError: more than `MOST_DRAWN` places.
        StoreError: a file that is damaged.
    """
    stratum, names = _strata(asked, sums, request)
    plan = _plan(sums, stratum, names, request)
    if plan.size > MOST_DRAWN:
        raise TooLargeError(
            f"Expected a sample of at most {MOST_DRAWN:,} places, got {plan.size:,}. Allow a larger standard_error, or "
            "name a size."
        )
    position = {name: at for at, name in enumerate(names)}
    planned = np.array([position[each.name] for each in plan.strata])
    of, ordinal, chance = draw_ordinals(plan, seed=request.seed)
    places, where = _found(asked, sums, within, stratum, planned[of], ordinal)
    with tempfile.TemporaryDirectory(prefix="surco-sample-") as folder:
        path = Path(folder) / _NAME
        words = [names[at] for at in planned[of].tolist()]
        write_sample(path, places, where, chance, words, plan, _origin(asked, within, request, plan))
        return path.read_bytes()


def _strata(
    asked: OpenMap, sums: MapSums, request: PlanRequest
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """(C, K) stratum of a comuna's places that are mapped as a class, -1 where there are none, and the names."""
    k = len(sums.classes)
    if request.by == "none":
        return np.tile(np.arange(k), (len(sums.comuna), 1)), sums.classes
    frame = summed_frame(asked, sums, [], 0)
    domains = divide(frame.places, request.by)
    row, mapped = np.nonzero(sums.places > 0)
    stratum = np.full(sums.places.shape, -1)
    stratum[row, mapped] = domains.code * k + mapped
    return stratum, tuple(f"{domain} / {label}" for domain in domains.names for label in sums.classes)


def _plan(
    sums: MapSums, stratum: npt.NDArray[np.int64], names: tuple[str, ...], request: PlanRequest
) -> SamplePlan:
    held = stratum >= 0
    parts = [each[held] for each in (sums.places, sums.hectares, _expected(sums, request))]
    sums_of = [np.asarray(np.bincount(stratum[held], part, len(names)), np.float64) for part in parts]
    places, hectares, expected = sums_of
    return plan_strata(
        StratumSums(names, np.rint(places).astype(np.int64), hectares, expected),
        standard_error=request.standard_error,
        target=request.target,
        size=request.size,
        allocation=request.allocation,
        least=request.least,
    )


def _expected(sums: MapSums, request: PlanRequest) -> npt.NDArray[np.float64]:
    """(C, K) summed chances that places are right, or are of the target class."""
    target, users = request.target, request.expected or {}
    for name, value in [*users.items(), *([(target, 1.0)] if target is not None else [])]:
        if name not in sums.classes or not 0 <= value <= 1:
            raise AreasError(
                f"expected an accuracy between 0 and 1 of one of the map's classes {', '.join(sums.classes)}; got "
                f"{name} = {value}: name one of them, for example wheat=0.85"
            )
    if target is None:
        chances = np.array(np.einsum("ckk->ck", sums.chances), np.float64)
    else:
        chances = np.array(sums.chances[:, :, sums.classes.index(target)], np.float64)
    for name, value in users.items():
        if target in (None, name):
            chances[:, sums.classes.index(name)] = value * sums.places[:, sums.classes.index(name)]
    return chances


def _found(
    asked: OpenMap,
    sums: MapSums,
    within: Within,
    stratum: npt.NDArray[np.int64],
    of: npt.NDArray[np.int64],
    ordinal: npt.NDArray[np.int64],
) -> tuple[Places, npt.NDArray[np.int64]]:
    """The drawn places, and the row of each in the order of the draw."""
    wanted = np.lexsort((ordinal, of))
    keys = of[wanted] << 32 | ordinal[wanted]
    met = np.zeros(int(stratum.max()) + 1, np.int64)
    kept: list[SeenRows] = []
    numbers: list[npt.NDArray[np.int64]] = []
    for rows in seen_rows(asked, within, measured=False):
        mine = stratum[np.searchsorted(sums.comuna, rows.comuna), rows.mapped]
        key = mine << 32 | _numbered(mine, met)
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        drawn = keys[at] == key
        kept.append(rows.where(drawn))
        numbers.append(wanted[at[drawn]])
    order = np.concatenate(numbers)
    where = np.empty(len(order), np.int64)
    where[order] = np.arange(len(order))
    return _places(asked, kept), where


def _numbered(stratum: npt.NDArray[np.int64], met: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(N,) number of each place among those of its stratum, going on from `met`, which is moved on."""
    order = np.argsort(stratum, kind="stable")
    count = np.bincount(stratum, minlength=len(met))
    first = np.cumsum(count) - count
    number = np.empty(len(stratum), np.int64)
    number[order] = np.arange(len(stratum)) - first[stratum[order]] + met[stratum[order]]
    met += count
    return number


def _places(asked: OpenMap, kept: list[SeenRows]) -> Places:
    info = asked.info
    names = np.array([name for rows in kept for name in cell_texts(rows.names)], object)
    table = pa.concat_tables([rows.table for rows in kept])
    hectares = np.concatenate([rows.hectares for rows in kept])
    return Places(
        asked.unit, info.season, info.resolution, info.model_id, asked.version, table, names, hectares
    )


def _origin(asked: OpenMap, within: Within, request: PlanRequest, plan: SamplePlan) -> dict[str, Any]:
    info = asked.info
    return {
        "adapter": asked.asked.adapter,
        "season": info.season,
        "unit": asked.unit,
        "resolution": info.resolution,
        "model_id": info.model_id,
        "aoi": within.name,
        "comunas": sorted(within.comunas) if within.comunas else None,
        "seed": request.seed,
        "allocation": request.allocation,
        "target": plan.target,
        "expected_standard_error": plan.standard_error,
    }
