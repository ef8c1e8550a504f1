"""What two maps say differently: hectares from class to class, and the places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.area_domains import Division, divide
from surco.api.map_products.area_sums import comuna_codes
from surco.api.map_products.map_pairs import MapPair, PairedRows, paired_rows
from surco.api.map_products.map_rows import Geometry, outlines
from surco.api.map_products.within import Within
from surco.api.maps import Places
from surco.api.refusals import UnknownError

__all__ = ["CHANGE_NOTE", "ChangeRow", "ChangeTable", "PairSums", "change_rows", "change_table", "sum_pair"]

CHANGE_NOTE = (
    "Both maps err, so what they say differently is no estimate of change: two maps that are each right in nine of ten "
    "places differ in up to a fifth of them where nothing changed. To estimate change, draw a sample and look "
    "at both seasons of each (docs/areas.md)."
)


class ChangeRow(msgspec.Struct, frozen=True, rename={"first": "from", "second": "to"}):
    """Hectares and places of a domain that the first map has as one class and the second as another, or the same."""

    domain: str
    first: str
    second: str
    hectares: float
    places: int


class ChangeTable(msgspec.Struct, frozen=True):
    """What two maps say of the same places.

    `rows` has the total first, then the domains; pairs of classes that occur nowhere are left out. `same_ha` are the
    hectares of which both say the same.
    """

    a: dict[str, Any]
    b: dict[str, Any]
    unit: str
    by: str
    places: int
    same_places: int
    hectares: float
    same_ha: float
    rows: list[ChangeRow]
    note: str = CHANGE_NOTE


@dataclass(frozen=True, slots=True, eq=False)
class PairSums:
    """Sums over the places of two maps: `comuna` (C,) codes, `hectares` and `places` (C, K, L)."""

    comuna: npt.NDArray[np.int64]
    hectares: npt.NDArray[np.float64]
    places: npt.NDArray[np.int64]


def sum_pair(pair: MapPair, within: Within) -> PairSums:
    """Sum two maps, or part of them, by comuna and class.

    Raises:
        UnknownError: no place of the part that both maps have observed.
        StoreError: a file that is damaged.
    """
    k, m = (len(each.classes().classes) for each in (pair.first, pair.second))
    sums: dict[int, npt.NDArray[np.float64]] = {}
    for rows in paired_rows(pair, within):
        codes = comuna_codes(rows.table)
        present, position = np.unique(codes, return_inverse=True)
        bins = (position * k + rows.classes[0]) * m + rows.classes[1]
        counted = [np.bincount(bins, each, len(present) * k * m) for each in (rows.hectares, None)]
        parts = np.stack([np.asarray(each, np.float64) for each in counted]).reshape(2, len(present), k, m)
        for at, code in enumerate(present.tolist()):
            sums[code] = sums.get(code, np.zeros_like(parts[:, at])) + parts[:, at]
    if not sums:
        raise UnknownError(
            f"Expected {pair.unit} that {pair.words[0]} and {pair.words[1]} both have in the part asked for, got none. "
            "Choose another bbox, comuna, region, unit or season."
        )
    known = np.array(sorted(sums), np.int64)
    every = np.stack([sums[code] for code in known.tolist()], axis=1)
    return PairSums(known, every[0], np.rint(every[1]).astype(np.int64))


def change_table(pair: MapPair, sums: PairSums, by: Division) -> ChangeTable:
    """The sums as rows, in total and by comuna, province or region."""
    rows = [*_rows(pair, "total", sums.hectares.sum(axis=0), sums.places.sum(axis=0))]
    if by != "none":
        domains = divide(_comunas(pair, sums.comuna), by)
        for at, name in enumerate(domains.names):
            mine = domains.code == at
            rows += _rows(pair, name, sums.hectares[mine].sum(axis=0), sums.places[mine].sum(axis=0))
    same = pair.same_class()
    return ChangeTable(
        a=pair.first.provenance(),
        b=pair.second.provenance(),
        unit=pair.unit,
        by=by,
        places=int(sums.places.sum()),
        same_places=int(sums.places[:, same].sum()),
        hectares=float(sums.hectares.sum()),
        same_ha=float(sums.hectares[:, same].sum()),
        rows=rows,
    )


def change_rows(pair: MapPair, within: Within, least: float, geometry: Geometry) -> Iterator[pa.Table]:
    """The places of which two maps say differently, table by table; none is empty.

    Columns: `h3` or `id`, `geometry`, `class_a`, `class_b`, their `probability_a` and `probability_b`,
    `change_probability` (that the classes differ, were both maps calibrated and their errors independent), `comuna`.

    Args:
        pair: the maps.
        within: the part.
        least: of `change_probability`.
        geometry: of each row.

    Raises:
        UnknownError: no such place.
        StoreError: a file that is damaged.
    """
    same, empty = pair.same_class(), True
    for rows in paired_rows(pair, within, measured=False):
        likely = 1 - np.einsum("nk,kl,nl->n", rows.chances[0], same.astype(np.float32), rows.chances[1])
        differ = ~same[rows.classes[0], rows.classes[1]] & (likely >= least)
        if differ.any():
            empty = False
            yield _changed(pair, rows, differ, np.clip(likely, 0, 1), geometry)
    if empty:
        raise UnknownError(
            f"Expected {pair.unit} of which {pair.words[0]} and {pair.words[1]} say differently, got none. Ask for "
            "another part, or a smaller least."
        )


def _changed(
    pair: MapPair, rows: PairedRows, kept: npt.NDArray[np.bool_], likely: Any, geometry: Geometry
) -> pa.Table:
    table = rows.table.filter(pa.array(kept))
    name = "h3" if pair.unit == "cells" else "id"
    columns: dict[str, Any] = {name: table[name]}
    if geometry == "polygon" and name == "h3":
        columns["geometry"] = outlines(table["h3"].combine_chunks())
    elif geometry != "none":
        columns["geometry"] = table["geometry"]
    for side, each, codes in zip("ab", (pair.first, pair.second), rows.classes, strict=True):
        names = pa.array(each.classes().classes, pa.string())
        indices: Any = pa.array(codes[kept].astype(np.int32))
        columns[f"class_{side}"] = pa.DictionaryArray.from_arrays(indices, names)
    for side, chances in zip("ab", rows.chances, strict=True):
        columns[f"probability_{side}"] = pa.array(chances[kept].max(axis=1))
    columns["change_probability"] = pa.array(likely[kept].astype(np.float32))
    return pa.table(columns | {"comuna": table["comuna"]})


def _rows(
    pair: MapPair, domain: str, hectares: npt.NDArray[np.float64], places: npt.NDArray[np.int64]
) -> Iterator[ChangeRow]:
    one, two = pair.first.classes().classes, pair.second.classes().classes
    for i, j in np.argwhere(places > 0).tolist():
        yield ChangeRow(domain, one[i], two[j], float(hectares[i, j]), int(places[i, j]))


def _comunas(pair: MapPair, codes: npt.NDArray[np.int64]) -> Places:
    """One place of each comuna, by which they are divided."""
    info, count = pair.first.info, len(codes)
    table = pa.table({"comuna": pa.array(codes.astype(np.uint16), mask=codes == 0)})
    nothing = np.zeros(count)
    return Places(
        pair.unit,
        info.season,
        info.resolution,
        info.model_id,
        pair.first.version,
        table,
        np.empty(count, object),
        nothing,
    )
