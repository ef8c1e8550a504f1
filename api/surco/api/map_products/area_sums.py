"""What areas are made from, summed over a map of any size in bounded memory: places, hectares and probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.api.area_domains import shares_within
from surco.api.map_products.map_rows import hectares_of
from surco.api.map_products.maps_asked import OpenMap
from surco.api.map_products.pieces import Piece, in_order, read_piece, table_pieces
from surco.api.map_products.within import EVERYWHERE, Within
from surco.api.maps import Places
from surco.api.refusals import UnknownError
from surco.api.yield_maps import quantised
from surco.embedstore import Sentence

__all__ = ["MapSums", "SeenRows", "comuna_codes", "observed_places", "seen_rows", "shares_of", "sum_map"]

Doubles = npt.NDArray[np.float64]
_NOWHERE = 0  # the comuna of places whose comuna nobody knows


@dataclass(frozen=True, slots=True, eq=False)
class SeenRows:
    """Observed places of a map.

    Attributes:
        names: (N,) H3 cells (uint64) or parcel ids (object).
        table: rows with `comuna`, and the columns that outlines are made of.
        comuna: (N,) code, 0 where unknown.
        mapped: (N,) position of the class.
        probabilities: (N, K).
        hectares: (N,) within the part asked for.
        touching: (N,) whether any of the place is within it.
        unseen: hectares within the part that were never observed, beside these rows.
    """

    names: npt.NDArray[Any]
    table: pa.Table
    comuna: npt.NDArray[np.int64]
    mapped: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    hectares: Doubles
    touching: npt.NDArray[np.bool_]
    unseen: float = 0.0

    def __len__(self) -> int:
        return len(self.mapped)

    def where(self, kept: npt.NDArray[np.bool_]) -> SeenRows:
        """Some of the rows."""
        return SeenRows(
            self.names[kept],
            self.table.filter(pa.array(kept)),
            self.comuna[kept],
            self.mapped[kept],
            self.probabilities[kept],
            self.hectares[kept],
            self.touching[kept],
            self.unseen,
        )


@dataclass(frozen=True, slots=True, eq=False)
class MapSums:
    """Sums over a map's observed places by comuna and mapped class.

    Attributes:
        classes: (K,) names.
        comuna: (C,) codes that occur, ascending; 0 where unknown.
        places: (C, K) that touch the part asked for.
        hectares: (C, K) within it.
        expected: (C, K, J) hectares times the probability of class J of those mapped as K.
        chances: (C, K, J) sum of probabilities alone.
        unseen: hectares that were never observed.
    """

    classes: tuple[str, ...]
    comuna: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    hectares: Doubles
    expected: Doubles
    chances: Doubles
    unseen: float


def sum_map(asked: OpenMap, within: Within) -> MapSums:
    """Sum a map, or part of it: a place that the box or polygon cuts counts with the share inside.

    Raises:
        InvalidError: a map of values.
        UnknownError: nothing that was observed lies in the part.
        StoreError: a file that is damaged.
    """
    classes = asked.classes().classes
    k = len(classes)
    total, unseen = _Totals(k), 0.0
    for rows in seen_rows(asked, within):
        total.add(rows)
        unseen += rows.unseen
    sums = total.found(classes, unseen)
    if not sums.hectares.sum() > 0:
        raise UnknownError(
            Sentence(
                f"Expected observed {asked.unit} of {asked.info.season} in the part asked for, got none. "
                "Choose another "
                "bbox, comuna, region, season or unit.",
                "part-empty",
            )
        )
    return sums


def seen_rows(
    asked: OpenMap, within: Within, files: frozenset[str] | None = None, *, measured: bool = True
) -> Iterator[SeenRows]:
    """The observed places of a map, piece by piece in the order of the store.

    Args:
        asked: a map of classes.
        within: the part; places that do not touch it are left out unless `files` are named.
        files: names of the files to read, all of their rows; None for those that may have rows of the part.
        measured: whether hectares are wanted; they take most of the time, and are 0 otherwise.
    """
    head = asked.classes()
    columns = _columns(asked.unit)
    read = within if files is None else EVERYWHERE
    pieces = (p for p in table_pieces(asked.info, read) if files is None or p.path.name in files)

    def seen(piece: Piece) -> SeenRows:
        table = read_piece(piece, columns, EVERYWHERE, asked.unit)
        embedding, scale = quantised(table)
        needed = measured or within.bbox is not None
        whole = hectares_of(table, asked.unit) if needed else np.zeros(table.num_rows)
        share = shares_of(asked, table, whole, within)
        chances, best = head.answer(embedding, scale)
        observed = ~np.isnan(chances[:, 0])
        rest = table.drop_columns(["embedding", "embedding_scale"])
        codes, hectares = comuna_codes(rest), whole * share
        names, mapped = _names(rest, asked.unit), np.maximum(best, 0)
        rows = SeenRows(names, rest, codes, mapped, chances, hectares, share > 0)
        kept = rows.where(observed if files is not None else observed & (share > 0))
        return replace(kept, unseen=float(hectares[~observed].sum()))

    yield from in_order(seen, pieces)


def observed_places(asked: OpenMap) -> int:
    """How many places of a whole map were ever observed."""

    def count(piece: Piece) -> int:
        scale = read_piece(piece, ("embedding_scale",), EVERYWHERE, asked.unit)["embedding_scale"].to_numpy()
        return int((np.isfinite(scale) & (scale > 0)).sum())

    return sum(in_order(count, table_pieces(asked.info, EVERYWHERE)))


def comuna_codes(table: pa.Table) -> npt.NDArray[np.int64]:
    """(N,) official codes of a table's column `comuna`, 0 where unknown."""
    comuna: Any = pc.fill_null(table["comuna"], pa.scalar(_NOWHERE, pa.uint16()))
    return np.asarray(comuna.to_numpy(), np.int64)


class _Totals:
    """Sums that grow, by comuna and class."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._row: dict[int, int] = {}
        self._sums: list[npt.NDArray[np.float64]] = []

    def add(self, rows: SeenRows) -> None:
        k = self._classes
        present, position = np.unique(rows.comuna, return_inverse=True)
        bins, size = position * k + rows.mapped, len(present) * k
        columns: list[npt.NDArray[Any]] = [np.ones(len(rows)), rows.hectares]
        columns += [rows.hectares * rows.probabilities[:, j] for j in range(k)]
        columns += [rows.probabilities[:, j] for j in range(k)]
        sums = np.stack([np.bincount(bins, each, size) for each in columns], axis=-1)
        for code, part in zip(present.tolist(), sums.reshape(len(present), k, 2 + 2 * k), strict=True):
            place = self._row.setdefault(code, len(self._sums))
            if place == len(self._sums):
                self._sums.append(np.zeros_like(part))
            self._sums[place] += part

    def found(self, classes: tuple[str, ...], unseen: float) -> MapSums:
        """The sums, codes ascending."""
        k = self._classes
        codes = sorted(self._row)
        every = np.stack([np.zeros((k, 2 + 2 * k)), *(self._sums[self._row[code]] for code in codes)])[1:]
        counts = np.rint(every[..., 0]).astype(np.int64)
        expected, chances = every[..., 2 : 2 + k], every[..., 2 + k :]
        return MapSums(classes, np.array(codes, np.int64), counts, every[..., 1], expected, chances, unseen)


def _columns(unit: str) -> list[str]:
    shape = ["h3"] if unit == "cells" else ["id", "geometry", "metrics:area"]
    return [*shape, "embedding", "embedding_scale", "comuna"]


def _names(table: pa.Table, unit: str) -> npt.NDArray[Any]:
    if unit == "cells":
        return np.asarray(table["h3"].to_numpy(), np.uint64)
    return np.asarray(table["id"].to_pylist(), object)


def shares_of(asked: OpenMap, table: pa.Table, whole: Doubles, within: Within) -> Doubles:
    """(N,) share of each place that lies in the part: 0 or 1 by its comuna, times that in the box or polygon."""
    if within.comunas is None:
        share = np.ones(table.num_rows)
    else:
        share = np.asarray(Within(None, within.comunas).rows(table, asked.unit), np.float64)
    shape = within.shape
    if shape is None or not table.num_rows:
        return share
    info = asked.info
    nameless = np.empty(table.num_rows, object)
    places = Places(
        asked.unit, info.season, info.resolution, info.model_id, asked.version, table, nameless, whole
    )
    return share * shares_within(places, shape)
