"""A tally of changes as rows for people: all, then each region or comuna where something changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.api.quality.coverage import By
from surco.embedstore import comunas
from surco.embedstore.changes import DISTANCES, ChangeTally

__all__ = ["place_rows"]

Json = dict[str, Any]
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def place_rows(tally: ChangeTally, by: By) -> list[Json]:
    """One row for all of the table, then one for each place with rows that were read."""
    rows = [_row("all", tally, np.arange(tally.rows.shape[1]))]
    for name, codes in _named(by):
        if tally.rows[:, codes].any():
            rows.append(_row(name, tally, codes))
    return rows


def _named(by: By) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    code = "cut" if by == "comuna" else "region_cut"
    found: dict[str, list[int]] = {}
    for row in sorted(comunas().to_pylist(), key=lambda row: (row[code], row["cut"])):
        found.setdefault(row[by], []).append(row["cut"])
    yield from ((name, np.array(codes)) for name, codes in found.items())


def _row(name: str, tally: ChangeTally, codes: npt.NDArray[np.int64]) -> Json:
    added, removed, changed, same, dark = tally.rows[:, codes].sum(axis=1).tolist()
    gained, lost = tally.months[:, :, codes].sum(axis=2).tolist()
    return {
        "name": name, "added": added, "removed": removed, "changed": changed, "same": same, "without_vector": dark,
        "distance": _quantiles(tally.distances(codes)),
        "optical_gained": int(tally.optical[codes].sum()), "radar_gained": int(tally.radar[codes].sum()),
        "months_gained": gained, "months_lost": lost,
    }  # fmt: skip


def _quantiles(counts: npt.NDArray[np.int64]) -> dict[str, float] | None:
    """1 - cosine at some quantiles of the rows that changed: the upper edge of the bin; None where none did."""
    total = counts.sum()
    if not total:
        return None
    sums = counts.cumsum()
    edges = {k: DISTANCES[1 + int(np.searchsorted(sums, q * total))] for k, q in _QUANTILES.items()}
    return {name: float(f"{edge:.3g}") for name, edge in edges.items()}
