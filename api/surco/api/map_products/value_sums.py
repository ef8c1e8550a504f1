"""Means and totals of a map of values by comuna, province or region, and what can be said of how far off they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.area_domains import Division, divide
from surco.api.map_products.area_sums import comuna_codes, shares_of
from surco.api.map_products.map_rows import hectares_of
from surco.api.map_products.maps_asked import OpenMap
from surco.api.map_products.pieces import Piece, in_order, read_piece, table_pieces
from surco.api.map_products.within import EVERYWHERE, Within
from surco.api.maps import Places
from surco.api.refusals import InvalidError, UnknownError
from surco.api.yield_maps import quantised
from surco.embedstore import Sentence, codes_of

__all__ = ["ValueRow", "ValueSums", "ValueTable", "sum_values", "value_table"]

_ALIKE = Sentence(
    "The adapter's intervals are of single places. Errors of places are alike where weather and soil are: they do not "
    "average out, and no interval of a mean can be given without measured yields of the domain. mean_of_lows and "
    "mean_of_highs are what the mean would be if every place erred the same way: no interval of a stated coverage.",
    "value-alike",
)
_UNBOUNDED = Sentence(
    "Intervals of single places are unbounded: labels of one block say nothing of others.", "value-unbounded"
)
_EVERY = Sentence(
    "Mean over all places of the table: name the crop's (crop=adapter:class) before calling it the crop's yield.",
    "value-every",
)
_OFFICIAL = Sentence(
    "Official totals by comuna come down to places with `surco disaggregate` (docs/yield.md).",
    "value-official",
)


class ValueRow(msgspec.Struct, frozen=True):
    """A domain's observed places: their number and hectares, mean by area, and the total, mean times hectares."""

    domain: str
    places: int
    hectares: float
    mean: float
    total: float
    mean_of_lows: float | None
    mean_of_highs: float | None


class ValueTable(msgspec.Struct, frozen=True):
    """Means and totals, the total of all first, with notes to read. `coverage` is that of single places' intervals.

    `said` has the code and values of each note that has some, by its words.
    """

    adapter: str
    season: str
    unit: str
    resolution: int | None
    store_version: int
    target_unit: str
    coverage: float
    crop: str | None
    by: str
    rows: list[ValueRow]
    notes: list[str]
    said: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ValueSums:
    """Sums by comuna.

    `comuna` (C,) codes, 0 where unknown; `sums` (C, 5) places, hectares, and hectares times value, low and high,
    infinite where an interval is unbounded.
    """

    comuna: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]


def sum_values(asked: OpenMap, within: Within, crop: tuple[OpenMap, str] | None) -> ValueSums:
    """Sum a map of values, or part of it, where a map of classes says a crop.

    Args:
        asked: the values.
        within: the part; a place that the box cuts counts with the share inside.
        crop: a map of the same table, and one of its classes; None takes every place.

    Raises:
        InvalidError: a map of classes, or of another table; a class that it does not have.
        UnknownError: no such place.
        StoreError: a file that is damaged.
    """
    head, unit = asked.values(), asked.unit
    mask = None if crop is None else _class_code(asked, *crop)
    shape = ["h3"] if unit == "cells" else ["geometry", "metrics:area", "id"]
    columns = [*shape, "embedding", "embedding_scale", "comuna"]

    def summed(piece: Piece) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        table = read_piece(piece, columns, EVERYWHERE, unit)
        embedding, scale = quantised(table)
        found = head.answer(embedding, scale)
        whole = hectares_of(table, unit)
        hectares = whole * shares_of(asked, table, whole, within)
        kept = np.isfinite(found[:, 0]) & (hectares > 0)
        if crop is not None:
            kept &= crop[0].classes().answer(embedding, scale)[1] == mask
        present, position = np.unique(comuna_codes(table)[kept], return_inverse=True)
        weighted = [hectares[kept] * each for each in (1.0, *found[kept].T)]
        sums = [np.bincount(position, each, len(present)) for each in (np.ones(int(kept.sum())), *weighted)]
        return present, np.stack(sums, axis=1)

    total: dict[int, npt.NDArray[np.float64]] = {}
    for codes, sums in in_order(summed, table_pieces(asked.info, within)):
        for code, each in zip(codes.tolist(), sums, strict=True):
            total[code] = total.get(code, np.zeros(5)) + each
    if not total:
        raise UnknownError(
            Sentence(
                f"Expected observed {unit}{f' of {crop[1]}' if crop else ''} in the part asked for, got none. Choose "
                "another bbox, comuna, region or crop.",
                "part-empty",
            )
        )
    known = sorted(total)
    return ValueSums(np.array(known, np.int64), np.stack([total[code] for code in known]))


def value_table(asked: OpenMap, sums: ValueSums, by: Division, crop: str | None) -> ValueTable:
    """The sums as means and totals, in all and by comuna, province or region."""
    head, info = asked.values(), asked.info
    rows = [_row("total", sums.sums.sum(axis=0))]
    if by != "none":
        nothing = np.zeros(len(sums.comuna))
        table = pa.table({"comuna": pa.array(sums.comuna.astype(np.uint16), mask=sums.comuna == 0)})
        nameless = np.empty(len(nothing), object)
        places = Places(
            asked.unit, info.season, info.resolution, info.model_id, asked.version, table, nameless, nothing
        )
        domains = divide(places, by)
        rows += [_row(n, sums.sums[domains.code == at].sum(axis=0)) for at, n in enumerate(domains.names)]
    notes = [_ALIKE if rows[0].mean_of_highs is not None else _UNBOUNDED]
    notes += [_EVERY] if crop is None else []
    notes += [_OFFICIAL, *asked.notes]
    return ValueTable(
        asked.asked.adapter, info.season, asked.unit, info.resolution, asked.version, head.unit, head.coverage,
        crop, by, rows, [str(note) for note in notes], codes_of(notes),
    )  # fmt: skip


def _class_code(asked: OpenMap, crop: OpenMap, label: str) -> int:
    if (crop.info.model_id, crop.info.table, crop.info.resolution) != (
        asked.info.model_id,
        asked.info.table,
        asked.info.resolution,
    ):
        raise InvalidError(
            f"Expected an adapter of classes for vectors of {asked.info.model_id} in crop, got "
            f"{crop.asked.adapter!r} for {crop.info.model_id}. Name one of the same model."
        )
    classes = crop.classes().classes
    if label not in classes:
        raise InvalidError(
            f"Expected crop to name a class of {crop.asked.adapter!r} ({', '.join(classes)}), got {label[:60]!r}. "
            "Name one of them."
        )
    return classes.index(label)


def _row(domain: str, sums: npt.NDArray[np.float64]) -> ValueRow:
    places, hectares, value, low, high = sums.tolist()
    mean = value / hectares
    ends = [end / hectares if np.isfinite(end) else None for end in (low, high)]
    return ValueRow(domain, round(places), hectares, mean, value, ends[0], ends[1])
