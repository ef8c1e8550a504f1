"""Two maps of the same places, row beside row, file by file in bounded memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.map_products.map_rows import hectares_of
from surco.api.map_products.maps_asked import MapAsked, OpenMap, open_map
from surco.api.map_products.pieces import in_order
from surco.api.map_products.within import Within
from surco.api.refusals import InvalidError
from surco.api.yield_maps import quantised
from surco.embedstore import Store
from surco.embedstore.files import read_rows

__all__ = ["MapPair", "PairedRows", "open_pair", "paired_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class MapPair:
    """Two maps of classes, of one unit and resolution."""

    first: OpenMap
    second: OpenMap

    @property
    def unit(self) -> str:
        """What the rows are: "cells" or "parcels"."""
        return self.first.unit

    @property
    def words(self) -> tuple[str, str]:
        """Both maps as a request names them."""
        return tuple(f"{m.asked.adapter}:{m.info.season}" for m in (self.first, self.second))  # type: ignore[return-value]

    def same_class(self) -> npt.NDArray[np.bool_]:
        """(K, L) whether a class of the first and one of the second have one name."""
        one, two = self.first.classes().classes, self.second.classes().classes
        return np.array([[a == b for b in two] for a in one], np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class PairedRows:
    """Places that both maps have observed.

    Attributes:
        table: of the first map: `h3` or `id`, `geometry`, `comuna`.
        classes: (N,) positions in the first map's classes, and (N,) in the second's.
        chances: (N, K) of the first and (N, L) of the second.
        hectares: (N,); of the first map's outlines where these are parcels.
    """

    table: pa.Table
    classes: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    chances: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
    hectares: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return self.table.num_rows


def open_pair(store: Store, first: str, second: str, unit: str, resolution: int | None) -> MapPair:
    """Open two maps that are named as `adapter:season`.

    Raises:
        InvalidError: another form, the same map twice, two units or resolutions, a map of values.
        EmbedstoreError, AdapterError, UnknownError: as `open_map`.
    """
    maps = [
        open_map(store, _asked(text, name, unit, resolution)) for name, text in (("a", first), ("b", second))
    ]
    pair = MapPair(maps[0], maps[1])
    for each in maps:
        each.classes()
    said = [f"{m.unit} of resolution {m.info.resolution}" if m.unit == "cells" else m.unit for m in maps]
    if said[0] != said[1]:
        raise InvalidError(
            f"Expected two maps of the same places, got {said[0]} and {said[1]}. Say unit and res."
        )
    if pair.words[0] == pair.words[1]:
        raise InvalidError(
            f"Expected two maps, got {pair.words[0]} twice. Name another season or adapter as b."
        )
    return pair


def paired_rows(pair: MapPair, within: Within, *, measured: bool = True) -> Iterator[PairedRows]:
    """The places that both maps have observed and that belong to a part, in the order of the first.

    Args:
        pair: the maps.
        within: the part.
        measured: whether hectares are wanted; they take time, and are 0 otherwise.

    Raises:
        StoreError: a file that is damaged.
    """
    one, two = (_by_name(each) for each in (pair.first, pair.second))
    common = [(one[name], two[name]) for name in one if name in two and within.may_hold(one[name][0])]

    def paired(files: tuple[list[Path], list[Path]]) -> PairedRows:
        return _paired(pair, files, within, measured)

    yield from (rows for rows in in_order(paired, common) if len(rows))


def _asked(text: str, name: str, unit: str, resolution: int | None) -> MapAsked:
    adapter, colon, season = text.partition(":")
    if not (adapter and colon and season):
        raise InvalidError(
            f"Expected {name}=adapter:season, got {text[:80]!r}. Write {name}=crops:2024-25, say."
        )
    return MapAsked(adapter, season, unit, resolution)


def _by_name(asked: OpenMap) -> dict[str, list[Path]]:
    """Files by their name: the H3 cell above their rows."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in asked.info.files:
        found[path.name].append(path)
    return found


def _paired(
    pair: MapPair, files: tuple[Sequence[Path], Sequence[Path]], within: Within, measured: bool
) -> PairedRows:
    name = "h3" if pair.unit == "cells" else "id"
    kept = [name, "comuna", "geometry", *(("metrics:area",) if name == "id" else ())]
    first = _read(files[0], [*kept, "embedding", "embedding_scale", *within.columns(pair.unit)])
    rows = within.rows(first, pair.unit)
    first = first if rows is None else first.filter(pa.array(rows))
    second = _read(files[1], [name, "embedding", "embedding_scale"])
    ids = [_ids(table[name]) for table in (first, second)]
    _, *at = np.intersect1d(ids[0], ids[1], assume_unique=True, return_indices=True)
    order = np.argsort(at[0])
    tables = [table.take(where[order]) for table, where in zip((first, second), at, strict=True)]
    answers = [
        each.classes().answer(*quantised(table))
        for each, table in zip((pair.first, pair.second), tables, strict=True)
    ]
    seen = (answers[0][1] >= 0) & (answers[1][1] >= 0)
    table = tables[0].select([c for c in kept if c in tables[0].column_names]).filter(pa.array(seen))
    hectares = hectares_of(table, pair.unit) if measured else np.zeros(table.num_rows)
    chances, classes = zip(*((each[seen], best[seen]) for each, best in answers), strict=True)
    return PairedRows(table, (classes[0], classes[1]), (chances[0], chances[1]), hectares)


def _read(files: Sequence[Path], columns: Sequence[str]) -> pa.Table:
    wanted = [*dict.fromkeys(columns)]
    return pa.concat_tables([read_rows(path, wanted).replace_schema_metadata() for path in files])


def _ids(column: pa.ChunkedArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(column.to_pylist(), object) if pa.types.is_string(column.type) else column.to_numpy()
