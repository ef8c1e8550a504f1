"""What was seen, by region or comuna: rows, share of the land, and how the seeing is distributed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from surco.api.quality.land import land_by_comuna
from surco.api.quality.tallies import SEEN, Tally
from surco.embedstore import Season, comunas

__all__ = ["By", "coverage_rows", "missing_months"]

By = Literal["region", "comuna"]
_QUANTILES = {"p5": 0.05, "p50": 0.5, "p95": 0.95}

Json = dict[str, Any]
Group = tuple[str, npt.NDArray[np.int64]]


def coverage_rows(tally: Tally, by: By, resolution: int | None) -> list[Json]:
    """One row for all of the table, then one for each region or comuna that has rows.

    Each has `rows`, `land_share` (of the cells whose centre is land; None of parcels and outside Chile),
    `directionless`, and for each of `SEEN` its mean, 5 %, 50 % and 95 % quantile, least and greatest value, and nulls.

    Args:
        tally: of the table.
        by: which.
        resolution: of cells; None of parcels.
    """
    return [_row(tally, name, places, resolution) for name, places in _groups(tally, by)]


def missing_months(tally: Tally, by: By, season: Season) -> Json:
    """Share of rows whose NDVI is null in each month, for all and each region or comuna.

    `months` are their first days; `later` says which begin after the last day that the season has seen.
    """
    firsts = [first for first, _ in season.months()]
    later = [first > season.last_day for first in firsts]
    rows = []
    for name, places in _groups(tally, by):
        total = tally.rows[places].sum()
        share = tally.missing[places].sum(axis=0) / max(total, 1)
        rows.append(
            {"name": name, "rows": int(total), "missing": [round(each, 4) for each in share.tolist()]}
        )
    return {"months": [first.isoformat() for first in firsts], "later": later, "places": rows}


def _groups(tally: Tally, by: By) -> Iterator[Group]:
    """Name and places (indices of the tally) of all, then of those that have rows, by code."""
    yield "all", np.arange(len(tally.codes))
    for name, codes in _named(by).items():
        places = np.flatnonzero(np.isin(tally.codes, codes))
        if tally.rows[places].any():
            yield name, places
    if tally.rows[0]:
        yield "unknown", np.array([0])


def _named(by: By) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    code = "cut" if by == "comuna" else "region_cut"
    for row in sorted(comunas().to_pylist(), key=lambda row: (row[code], row["cut"])):
        found.setdefault(row[by], []).append(row["cut"])
    return found


def _row(tally: Tally, name: str, places: npt.NDArray[np.int64], resolution: int | None) -> Json:
    seen = {
        column: _distribution(tally.seen[column][places].sum(axis=0), steps, int(tally.rows[places].sum()))
        for column, steps in SEEN.items()
    }
    return {
        "name": name,
        "rows": int(tally.rows[places].sum()),
        "land_share": _land_share(tally, places, resolution),
        "directionless": int(tally.directionless[places].sum()),
        **seen,
    }


def _land_share(tally: Tally, places: npt.NDArray[np.int64], resolution: int | None) -> float | None:
    land = {} if resolution is None else land_by_comuna(resolution)
    inside = places[tally.codes[places] > 0]
    total = sum(land.get(code, 0.0) for code in tally.codes[inside].tolist())
    return round(float(tally.rows[inside].sum()) / total, 4) if total else None


def _distribution(counts: npt.NDArray[np.int64], steps: float, rows: int) -> Json:
    """Of counts by value; every figure but the nulls is None where nothing was seen."""
    total = int(counts.sum())
    nulls = rows - total
    if not total:
        return {"mean": None, **dict.fromkeys(_QUANTILES), "min": None, "max": None, "nulls": nulls}
    held = np.flatnonzero(counts)
    upto = np.cumsum(counts)
    quantiles = {
        name: int(np.searchsorted(upto, share * total)) / steps for name, share in _QUANTILES.items()
    }
    mean = float((counts * np.arange(len(counts))).sum()) / total / steps
    least, most = int(held[0]) / steps, int(held[-1]) / steps
    return {"mean": round(mean, 4), **quantiles, "min": least, "max": most, "nulls": nulls}
