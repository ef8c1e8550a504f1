"""The cells or parcels whose vectors are most like a given one: exact cosine similarity over the int8 rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import h3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression

from surco.embedstore.errors import QueryError, SearchError
from surco.embedstore.files import read_batches, read_rows
from surco.embedstore.quantise import dequantize
from surco.embedstore.schema import Table, fixed_size_matrix
from surco.embedstore.season import Season
from surco.embedstore.sql import connect
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["nearest"]

_BLOCK = 65_536
_KEYS = {"cells": "h3", "parcels": "id"}

Vector = npt.NDArray[np.float32]


def nearest(
    store: Store,
    what: int | str | npt.ArrayLike,
    k: int,
    *,
    table: Table,
    season: str | Season | None = None,
    resolution: int | None = None,
    where: str | None = None,
    model_id: str | None = None,
    session: duckdb.DuckDBPyConnection | None = None,
) -> pa.Table:
    """The k rows most similar to an item of the table, or to a vector.

    Every row that passes `where` is compared, block by block, so the answer is exact and memory does not grow with
    the table. Similarity is the cosine, which quantisation's scale does not change.

    Args:
        store: what to search.
        what: an H3 cell (number, or text in hexadecimal), a parcel's id, or a vector (D,) of the table's model.
        k: how many, 1 or more.
        table: "cells" or "parcels".
        season: name or Season; None is the latest.
        resolution: of cells; None is the finest.
        where: an SQL predicate over the table's columns, as `n_pixels > 50`; None lets all rows pass.
        model_id: needed where the store holds several models.
        session: of `connect(store)`, to save making one; used for `where`.

    Returns:
        Columns `h3` or `id`, and `similarity` (float32, -1 to 1), most similar first, equal ones by key; at most k
        rows, fewer where fewer pass; never the item itself.

    Raises:
        SearchError: k below 1, an item that is not in the table, a vector of another length, of zeros or not finite.
        QueryError: a predicate that DuckDB refuses.
        StoreError: no such table, season or resolution.
    """
    if k < 1:
        raise SearchError("k of 1 or more", f"{k}", "Ask for at least one neighbour.")
    info = store.find(table, season=season, resolution=resolution, model_id=model_id)
    key, query = _resolve(info, what)
    best = _Best(k)
    for ids, embedding in _rows(store, info, where, session):
        similarity = _cosine(embedding, query)
        keep = np.isfinite(similarity)
        if key is not None:
            keep &= ids != key
        best.offer(ids[keep], similarity[keep])
    ids, similarity = best.ordered()
    kind = pa.uint64() if table == "cells" else pa.string()
    return pa.table(
        {_KEYS[table]: pa.array(ids.tolist(), kind), "similarity": pa.array(similarity, pa.float32())}
    )


class _Best:
    """The k most similar rows so far."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._ids: npt.NDArray[Any] | None = None
        self._similarity = np.empty(0, np.float32)

    def offer(self, ids: npt.NDArray[Any], similarity: Vector) -> None:
        if self._ids is not None:
            ids = np.concatenate([self._ids, ids])
            similarity = np.concatenate([self._similarity, similarity])
        if len(ids) > self._k:
            # Keep all that equal the k-th: which of them stays is decided by key, at the end of each block.
            threshold = np.partition(similarity, len(ids) - self._k)[len(ids) - self._k]
            candidates = similarity >= threshold
            ids, similarity = ids[candidates], similarity[candidates]
        order = np.lexsort((ids, -similarity))[: self._k]
        self._ids, self._similarity = ids[order], similarity[order]

    def ordered(self) -> tuple[npt.NDArray[Any], Vector]:
        return (np.empty(0) if self._ids is None else self._ids), self._similarity


def _resolve(info: TableInfo, what: int | str | npt.ArrayLike) -> tuple[int | str | None, Vector]:
    """The item's key (None for a vector) and its vector."""
    if isinstance(what, (int, str, np.integer)):
        key = _key(info, what)
        return key, _vector_of(info, key)
    try:
        query = np.asarray(what, np.float32)
    except (TypeError, ValueError) as error:
        raise SearchError(
            "an H3 cell, a parcel id or a vector", repr(what)[:80], f"Pass one of them ({error})."
        ) from error
    if query.shape != (info.dimension,) or not np.isfinite(query).all() or not query.any():
        raise SearchError(
            f"a finite vector of {info.dimension} values, not all zero, of model {info.model_id}",
            f"shape {query.shape}, {int(np.count_nonzero(query))} values not zero",
            "Pass one dequantised vector of that model.",
        )
    return None, query


def _key(info: TableInfo, what: int | str | np.integer[Any]) -> int | str:
    if info.table == "parcels":
        return str(what)
    try:
        return int(np.uint64(h3.str_to_int(what) if isinstance(what, str) else int(what)))
    except (ValueError, OverflowError) as error:
        raise SearchError("an H3 cell", repr(what), "Pass its number, or its hexadecimal text.") from error


def _vector_of(info: TableInfo, key: int | str) -> Vector:
    name = _KEYS[info.table]
    for file in info.files:
        found = read_rows(file, ["embedding", "embedding_scale"], [(name, "==", key)])
        if found.num_rows:
            embedding = fixed_size_matrix(found.column("embedding"))
            vector: Vector = dequantize(embedding, found.column("embedding_scale").to_numpy())[0]
            return vector
    raise SearchError(
        f"a {name} of {info.table} {info.season}"
        + ("" if info.resolution is None else f" res {info.resolution}"),
        repr(key),
        "Choose one that the table has; a cell must have the table's resolution.",
    )


def _rows(
    store: Store, info: TableInfo, where: str | None, session: duckdb.DuckDBPyConnection | None
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int8]]]:
    """Keys (N,) and embeddings (N, D) of the rows that pass, block by block."""
    allowed = None if where is None else _allowed(store, info, where, session)
    name = _KEYS[info.table]
    for file in info.files:
        for batch in read_batches(file, _BLOCK, [name, "embedding"]):
            ids = batch.column(name).to_numpy(zero_copy_only=False)
            embedding = fixed_size_matrix(batch.column("embedding"))
            passing = slice(None) if allowed is None else np.isin(ids, allowed)
            yield ids[passing], embedding[passing]


def _allowed(
    store: Store, info: TableInfo, where: str, session: duckdb.DuckDBPyConnection | None
) -> npt.NDArray[Any]:
    """Keys of the rows that pass the predicate."""
    own = session.cursor() if session is not None else connect(store)
    name = _KEYS[info.table]
    meant = (ColumnExpression("model") == ConstantExpression(info.model_id)) & (
        ColumnExpression("season") == ConstantExpression(info.season)
    )
    if info.resolution is not None:
        meant &= ColumnExpression("res") == ConstantExpression(info.resolution)
    with own:
        try:
            # A relation's filter takes an expression and nothing else, so a predicate cannot become another query.
            # Not `sql(…, params=…)`: that runs at once, holding the interpreter's lock that our file system needs.
            rows = own.table(info.table).filter(meant).filter(where)
            found = rows.project(f'"{name}"').to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(
                f"an SQL predicate over the columns of {info.table}", repr(where), f"DuckDB says: {error}"
            ) from error
    return found.column(name).to_numpy()


def _cosine(embedding: npt.NDArray[np.int8], query: Vector) -> Vector:
    """(N,) cosines; NaN for a row of zeros, which has no direction."""
    rows = embedding.astype(np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    unit = query / np.linalg.norm(query)
    similarity: Vector = np.full(len(rows), np.nan, np.float32)
    np.divide(rows @ unit, length, out=similarity, where=length > 0)
    np.clip(similarity, -1.0, 1.0, out=similarity)
    return similarity
