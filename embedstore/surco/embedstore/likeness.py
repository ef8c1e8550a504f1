"""What a query in SQL may be like: cells, parcels, vectors, or examples of what is wanted and what is not.

SQL hands it over as JSON, because a macro's argument may be of any type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.asking import contrasted
from surco.embedstore.cells import parent_resolution, parents_of, resolutions_of
from surco.embedstore.errors import SearchError
from surco.embedstore.files import read_rows
from surco.embedstore.quantise import dequantize
from surco.embedstore.schema import Table, fixed_size_matrix
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["KEYS", "UNLIKE_WEIGHT", "Item", "Likeness", "direction", "read_likeness"]

KEYS = {"cells": "h3", "parcels": "id"}
"""The column that names a row, by table."""

UNLIKE_WEIGHT = 0.5
"""How much the examples of what is not wanted count."""

_FORMS = "a cell, a parcel id, a vector, a list of these, or {'like': …, 'unlike': …, 'season': …}"

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Item:
    """A row that is named by its key, or a vector.

    `table` is "cells" where `key` is an H3 cell, "parcels" where it is an id, and None where `vector` is the item.
    """

    table: Table | None
    key: int | str | None = None
    vector: tuple[float, ...] = ()

    @property
    def resolution(self) -> int | None:
        """H3 resolution of a cell; None of anything else."""
        if self.table != "cells" or not isinstance(self.key, int):
            return None
        return int(resolutions_of(np.array([self.key], np.uint64))[0])


@dataclass(frozen=True, slots=True)
class Likeness:
    """Items to be like, items to be unlike, and the season to take their vectors from (None: that of the search)."""

    like: tuple[Item, ...]
    unlike: tuple[Item, ...] = ()
    season: str | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        """All of them."""
        return self.like + self.unlike


def read_likeness(text: str) -> Likeness:
    """Read what `to_json` makes of a macro's argument.

    A number is a cell, a text a cell in hexadecimal or else a parcel's id, a list of numbers a vector unless each of
    them is a cell; other lists are examples.

    Raises:
        SearchError: anything else.
    """
    try:
        what = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unknown(text) from error
    if not isinstance(what, dict):
        return Likeness(_items(what))
    season = what.get("season")
    if set(what) - {"like", "unlike", "season"} or "like" not in what or not isinstance(season, str | None):
        raise _unknown(what)
    unlike = what.get("unlike")
    return Likeness(_items(what["like"]), () if unlike is None else _items(unlike), season)


def direction(store: Store, likeness: Likeness, info: TableInfo) -> Vector:
    """The vector (D,) of length one that is most like what is wanted: a row's own, or mean(like) - mean(unlike) / 2.

    Args:
        store: where the items lie.
        likeness: what is wanted.
        info: the table that is searched; items are vectors of its model and, unless the likeness says so, its season.

    Raises:
        SearchError: an item that is not there or has no direction, vectors of another length, examples that cancel
            each other out.
    """
    season = likeness.season or info.season
    like, unlike = (_units(store, items, info, season) for items in (likeness.like, likeness.unlike))
    return contrasted(like, unlike, UNLIKE_WEIGHT)


def _items(what: Any) -> tuple[Item, ...]:
    if not isinstance(what, list):
        return (_item(what),)
    cells = [_cell(value) for value in what]
    if what and all(_is_number(value) for value in what) and None in cells:
        return (Item(None, vector=tuple(map(float, what))),)
    if not what:
        raise _unknown(what)
    return tuple(_item(value) for value in what)


def _item(value: Any) -> Item:
    cell = _cell(value)
    if cell is not None:
        return Item("cells", cell)
    if isinstance(value, str) and value:
        return Item("parcels", value)
    if isinstance(value, list) and value and all(_is_number(number) for number in value):
        return Item(None, vector=tuple(map(float, value)))
    raise _unknown(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> int | None:
    """The H3 cell of a number or hexadecimal text; None where it is none."""
    if isinstance(value, str):
        parsed = pa.array(h3ronpy.cells_parse(pa.array([value]), set_failing_to_invalid=True))
        return None if parsed.null_count else int(parsed[0].as_py())
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        return None
    valid = pa.array(h3ronpy.cells_valid(pa.array([value], pa.uint64()), booleanarray=True))
    return value if valid[0].as_py() else None


def _unknown(what: object) -> SearchError:
    return SearchError(_FORMS, repr(what)[:80], "Pass one of them.")


def _units(store: Store, items: Sequence[Item], info: TableInfo, season: str) -> npt.NDArray[np.float64]:
    """(N, D) unit vectors."""
    rows = [_checked(item, info) for item in items if item.table is None]
    for table, resolution, keys in _by_table(items):
        held = store.find(table, season=season, resolution=resolution, model_id=info.model_id)
        rows += list(_stored(held, keys))
    vectors = np.array(rows, np.float64).reshape(len(rows), info.dimension)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not length.all():
        raise SearchError(
            "examples with a direction", "a vector of zeros", "Take a place where something was seen."
        )
    units: npt.NDArray[np.float64] = vectors / length
    return units


def _by_table(items: Iterable[Item]) -> list[tuple[Table, int | None, list[int | str]]]:
    """Keys by the table and resolution that they belong to."""
    found: dict[tuple[Table, int | None], list[int | str]] = {}
    for item in items:
        if item.table is not None and item.key is not None:
            found.setdefault((item.table, item.resolution), []).append(item.key)
    return [(table, level, keys) for (table, level), keys in found.items()]


def _checked(item: Item, info: TableInfo) -> Vector:
    vector = np.array(item.vector, np.float32)
    if len(vector) != info.dimension or not np.isfinite(vector).all():
        raise SearchError(
            f"a finite vector of {info.dimension} values, of model {info.model_id}",
            f"{len(vector)} values, {int((~np.isfinite(vector)).sum())} of them not finite",
            "Pass one dequantised vector of that model.",
        )
    return vector


def _stored(info: TableInfo, keys: list[int | str]) -> Vector:
    """(N, D) vectors of the rows with these keys."""
    name = KEYS[info.table]
    wanted = list(dict.fromkeys(keys))
    parts, found = [], set()
    for file in info.files:
        if not _may_hold(file.stem, info, wanted):
            continue
        rows = read_rows(file, [name, "embedding", "embedding_scale"], [(name, "in", wanted)])
        if rows.num_rows:
            found |= set(rows.column(name).to_pylist())
            scale = rows.column("embedding_scale").to_numpy()
            parts.append(dequantize(fixed_size_matrix(rows.column("embedding")), scale))
    missing = [key for key in wanted if key not in found]
    if missing:
        place = f"{info.table} of {info.season}" + (
            "" if info.resolution is None else f", res {info.resolution}"
        )
        raise SearchError(f"a row of {place}", f"{missing[0]!r}, which has none", "Name one that is there.")
    vectors: Vector = np.concatenate(parts)
    return vectors


def _may_hold(stem: str, info: TableInfo, keys: list[int | str]) -> bool:
    """Whether a file's name, for cells their coarse parent, leaves it possible that it holds one of the keys."""
    if info.table != "cells" or info.resolution is None:
        return True
    parents = parents_of(np.array(keys, np.uint64), parent_resolution(info.resolution))
    return stem in {f"{parent:x}" for parent in parents.tolist()}
