"""Rows of a map as Arrow tables: what the adapter says of each place, with its cell or outline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.map_products.map_heads import ClassHead, ValueHead
from surco.api.map_products.maps_asked import OpenMap
from surco.api.map_products.pieces import Piece, in_order, read_piece, table_pieces
from surco.api.map_products.within import EVERYWHERE, Within
from surco.api.refusals import InvalidError, UnknownError
from surco.api.yield_maps import quantised
from surco.embedstore import Sentence

__all__ = [
    "GEOMETRIES",
    "Geometry",
    "RowsAsked",
    "hectares_of",
    "map_rows",
    "outlines",
    "read_rows_asked",
    "uncertainty_of",
]

Geometry = Literal["point", "polygon", "none"]
GEOMETRIES: tuple[Geometry, ...] = get_args(Geometry)
"""What a row has of its place: a cell's centre, an outline, or nothing but its id."""
_MORE = ("comuna", "area_ha", "probabilities")
_OWN = ("id", "h3", "geometry", "class", "probability", "uncertainty", "comuna", "area_ha")


@dataclass(frozen=True, slots=True)
class RowsAsked:
    """What of a map is wanted.

    Attributes:
        within: which part.
        geometry: of each row.
        columns: beside the adapter's answer: "comuna", "area_ha", "probabilities" (one column a class).
    """

    within: Within = EVERYWHERE
    geometry: Geometry = "point"
    columns: tuple[str, ...] = ("comuna",)


def read_rows_asked(within: Within, geometry: str | None, columns: str | None, unit: str) -> RowsAsked:
    """What query parameters ask for; cells are points and parcels polygons where nothing is said.

    Raises:
        InvalidError: a geometry that is none of `GEOMETRIES`, centres of parcels, a column that there is not.
    """
    geometry = geometry or ("point" if unit == "cells" else "polygon")
    offers = GEOMETRIES if unit == "cells" else ("polygon", "none")
    kinds: dict[str, Geometry] = {kind: kind for kind in GEOMETRIES if kind in offers}
    if geometry not in kinds:
        raise InvalidError(
            f"Expected geometry of {unit} to be one of {', '.join(offers)}, got {geometry[:40]!r}. Use one of them."
        )
    wanted = (
        ("comuna",) if columns is None else tuple(name.strip() for name in columns.split(",") if name.strip())
    )
    unknown = [name for name in wanted if name not in _MORE]
    if unknown:
        raise InvalidError(
            f"Expected columns of {', '.join(_MORE)}, got {unknown[0][:40]!r}. Class, probability and uncertainty (of "
            "a yield adapter value, low and high) are always there."
        )
    return RowsAsked(within, kinds[geometry], tuple(name for name in _MORE if name in wanted))


def map_rows(asked: OpenMap, rows: RowsAsked) -> Iterator[pa.Table]:
    """The rows of a map, table by table in the order of the store; none is empty.

    Columns: `h3` (cells) or `id` (parcels), `geometry` (WKB), then `class` (dictionary, null where nothing was
    observed), `probability` and `uncertainty` (`uncertainty_of`), or `value`, `low` and `high` (null where unbounded),
    then those asked for.

    Raises:
        UnknownError: nothing of the map lies in the part asked for.
        StoreError: a file that is damaged.
    """
    columns, empty = _stored_columns(asked, rows), True

    def answered(piece: Piece) -> pa.Table:
        table = read_piece(piece, columns, rows.within, asked.unit)
        return _rows(asked, rows, table) if table.num_rows else table

    for table in in_order(answered, table_pieces(asked.info, rows.within)):
        if table.num_rows:
            empty = False
            yield table
    if empty:
        raise UnknownError(
            Sentence(
                f"Expected {asked.unit} of season {asked.info.season} in the part asked for, got none. Choose another "
                "bbox, comuna, region, season or unit; /maps says what there is.",
                "part-empty",
            )
        )


def uncertainty_of(chances: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(N,) Shannon entropy of probabilities (N, K) as a share of the largest there can be: 0 sure, 1 anything goes."""
    if chances.shape[1] < 2:
        return np.where(np.isnan(chances[:, 0]), np.float32(np.nan), np.float32(0))
    floor = np.maximum(chances, np.finfo(np.float32).tiny)
    entropy = -np.einsum("nk,nk->n", chances, np.log(floor))
    return np.asarray(np.clip(entropy / np.log(chances.shape[1]), 0, 1), np.float32)


def hectares_of(table: pa.Table, unit: str) -> npt.NDArray[np.float64]:
    """(N,) hectares of rows with `h3`, or of parcels with `metrics:area`, as `surco map` has them."""
    if unit == "cells":
        square_metres = pa.array(h3ronpy.cells_area_m2(table["h3"].combine_chunks())).to_numpy()
    else:
        square_metres = table["metrics:area"].to_numpy()
    return np.nan_to_num(np.asarray(square_metres, np.float64)) / 10_000


def outlines(cells: pa.Array[Any]) -> pa.Array[Any]:
    """WKB polygons of H3 cells."""
    wkb: pa.Array[Any] = pa.array(h3ronpy.vector.cells_to_wkb_polygons(cells)).cast(pa.binary())
    return wkb


def _stored_columns(asked: OpenMap, rows: RowsAsked) -> list[str]:
    cells = asked.unit == "cells"
    names = ["h3" if cells else "id", "embedding", "embedding_scale"]
    if rows.geometry == "point" or (rows.geometry == "polygon" and not cells):
        names.append("geometry")
    if "comuna" in rows.columns:
        names.append("comuna")
    if "area_ha" in rows.columns and not cells:
        names.append("metrics:area")
    return names


def _rows(asked: OpenMap, rows: RowsAsked, table: pa.Table) -> pa.Table:
    name = "h3" if asked.unit == "cells" else "id"
    columns: dict[str, Any] = {name: table[name]}
    if rows.geometry == "polygon" and asked.unit == "cells":
        columns["geometry"] = outlines(table["h3"].combine_chunks())
    elif rows.geometry != "none":
        columns["geometry"] = table["geometry"]
    embedding, scale = quantised(table)
    if isinstance(asked.head, ValueHead):
        columns |= _value_columns(asked.head, embedding, scale)
        chances: dict[str, Any] = {}
    else:
        answer, chances = _class_columns(asked.head, embedding, scale, "probabilities" in rows.columns)
        columns |= answer
    if "comuna" in rows.columns:
        columns["comuna"] = table["comuna"]
    if "area_ha" in rows.columns:
        columns["area_ha"] = pa.array(hectares_of(table, asked.unit))
    return pa.table(columns | chances)


def _class_columns(
    head: ClassHead, embedding: npt.NDArray[np.int8], scale: npt.NDArray[np.float32], every: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    chances, best = head.answer(embedding, scale)
    names = pa.array(head.classes, pa.string())
    codes: Any = pa.array(best.astype(np.int32), mask=best < 0)
    answer = {
        "class": pa.DictionaryArray.from_arrays(codes, names),
        "probability": pa.array(chances.max(axis=1), from_pandas=True),
        "uncertainty": pa.array(uncertainty_of(chances), from_pandas=True),
    }
    if not every:
        return answer, {}
    named = {f"p:{name}" if name in _OWN else name: i for i, name in enumerate(head.classes)}
    return answer, {name: pa.array(chances[:, i], from_pandas=True) for name, i in named.items()}


def _value_columns(
    head: ValueHead, embedding: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]
) -> dict[str, Any]:
    found = head.answer(embedding, scale)
    known = np.where(np.isfinite(found), found, np.nan)
    names = ("value", "low", "high")
    return {name: pa.array(known[:, i], from_pandas=True) for i, name in enumerate(names)}
