"""Similarity search among the rows of a table or among given ones, exact or by an index; it knows no SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from surco.embedstore.asking import Wanted, direction_of
from surco.embedstore.errors import SearchError
from surco.embedstore.inverted import InvertedLists, stored_lists
from surco.embedstore.list_making import make_lists
from surco.embedstore.recall import LARGEST_K
from surco.embedstore.scan import best_rows
from surco.embedstore.schema import Table
from surco.embedstore.season import Season
from surco.embedstore.shards import LARGEST
from surco.embedstore.store import Store
from surco.embedstore.vector_sources import Source, source_of
from surco.embedstore.vectors import KEYS, Floats, Rows, TableVectors, table_vectors

__all__ = [
    "HowFound",
    "IndexInfo",
    "build_index",
    "how_found",
    "index_for",
    "rows_in",
    "similar",
    "similar_rows",
]


@dataclass(frozen=True, slots=True)
class HowFound:
    """How an answer was found.

    Attributes:
        exact: whether every row that might be in it was compared.
        recall: share of the true neighbours that it has on average, 1.0 where exact, otherwise as measured on rows of
            the table when its index was made.
        compared: how many rows were.
    """

    exact: bool
    recall: float
    compared: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """An index of a table: how many lists it has, how many of them a search looks at, its recall, its shards."""

    rows: int
    lists: int
    probes: int
    recall: float
    shards: int


def build_index(
    store: Store,
    *,
    table: Table,
    season: str | Season | None = None,
    resolution: int | None = None,
    model_id: str | None = None,
    recall: float = 0.99,
    largest: int = LARGEST,
    processes: int = 1,
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> IndexInfo:
    """Make an index of a table, beside it in the store's folder; `nearest` then uses it where nothing is filtered.

    It belongs to the table's present version: a later one is searched exactly until it has an index of its own. Takes
    a minute or two for seven million rows, and 4 bytes a row. A table of more than `largest` rows is divided by region
    of Chile, elsewhere by coarse H3 parent, and has an index for each; it then answers in a whole region, too. Shards
    that are there already, as after a build that was killed, are kept.

    Args:
        store: what holds the table.
        table: "cells" or "parcels".
        season: name or Season; None is the latest.
        resolution: of cells; None is the finest.
        model_id: needed where the store holds several models.
        recall: share of true neighbours that an answer should have at least, below 1.
        largest: rows of a shard at most; building one takes some 80 bytes of memory a row.
        processes: how many shards are made at a time.
        progress: told how many steps of how many are done, and what is done next.

    Raises:
        SearchError: a table of fewer than a thousand rows, a recall that is not between 0 and 1, shards of less than a
            thousand rows, or no process.
        StoreError: no such table, or the store cannot be written.
    """
    source = source_of(store, table, season=season, resolution=resolution, model_id=model_id)
    lists = make_lists(source, recall=recall, largest=largest, processes=processes, progress=progress)
    return IndexInfo(lists.count, len(lists.centroids), lists.probes, lists.recall, len(lists.shards))


def similar(
    store: Store,
    what: Wanted,
    k: int,
    *,
    table: Table,
    season: str | Season | None = None,
    resolution: int | None = None,
    model_id: str | None = None,
    among: pa.Array[Any] | None = None,
    exact: bool | None = None,
) -> pa.Table:
    """The k rows most similar to what is asked for; as `nearest`, with keys in place of a predicate.

    Args:
        store: what to search.
        what: a row's key, a vector or a `Contrast`.
        k: 1 or more.
        table: "cells" or "parcels".
        season: name or Season; None is the latest.
        resolution: of cells; None is the finest.
        model_id: needed where the store holds several models.
        among: keys (uint64 cells, string ids) to choose from; None is all. Unknown ones count for nothing.
        exact: see `nearest`.

    Returns:
        As `nearest`; `how_found` reads how.

    Raises:
        SearchError: as `nearest`.
        StoreError: no such table, season or resolution, or a damaged file.
    """
    source = source_of(store, table, season=season, resolution=resolution, model_id=model_id)
    rows = None if among is None else table_vectors(source).rows_of(among)
    return similar_rows(source, what, k, among=rows, exact=exact)


def similar_rows(
    source: Source,
    what: Wanted,
    k: int,
    *,
    among: Rows | None = None,
    comunas: frozenset[int] | None = None,
    exact: bool | None = None,
) -> pa.Table:
    """As `similar`, of a table that was found already, with row numbers in place of keys.

    `comunas` in place of `among` are codes of all the places to choose from (0 is an unknown one): where they are one
    whole region, its part of a divided index may answer.
    """
    if k < 1:
        raise SearchError("k of 1 or more", f"{k}", "Ask for at least one neighbour.")
    vectors = table_vectors(source)
    query, own = direction_of(vectors, source.info, what)
    lists = index_for(source, query, k, comunas=comunas, exact=exact) if among is None else None
    looked_at = among if lists is None else lists.near(query, k + len(own))
    if lists is not None and looked_at is None:
        lists = None  # a shard of it is damaged
    if lists is None and comunas is not None:
        looked_at = rows_in(vectors, comunas)
    rows, similarity = best_rows(vectors, query, k + len(own), among=looked_at)
    others = ~np.isin(rows, own)
    found = HowFound(
        lists is None,
        1.0 if lists is None else lists.recall,
        len(vectors.inverse_length) if looked_at is None else len(looked_at),
    )
    return _answer(source, vectors, rows[others][:k], similarity[others][:k], found)


def how_found(answer: pa.Table) -> HowFound:
    """How an answer of `nearest` or `similar` was found.

    Raises:
        SearchError: another table.
    """
    noted = answer.schema.metadata or {}
    try:
        return HowFound(noted[b"exact"] == b"true", float(noted[b"recall"]), int(noted[b"compared"]))
    except (KeyError, ValueError) as error:
        raise SearchError(
            "an answer of nearest()",
            f"a table of columns {answer.column_names}",
            "Pass the table as it came.",
        ) from error


def rows_in(vectors: TableVectors, comunas: frozenset[int]) -> Rows:
    """(M,) rows of places in these comunas, ascending; 0 is an unknown one."""
    held = np.zeros(1 << 16, np.bool_)
    held[list(comunas)] = True
    return np.asarray(np.flatnonzero(held[vectors.comuna]), np.int64)


def index_for(
    source: Source,
    query: Floats,
    k: int,
    *,
    comunas: frozenset[int] | None = None,
    exact: bool | None = None,
) -> InvertedLists | None:
    """The index that answers; None where the answer is to be exact, or can be nothing else.

    Args:
        source: the table.
        query: (D,) unit vector.
        k: neighbours.
        comunas: codes of the places to choose from; None is all.
        exact: True wants no index, False one whatever the query, None one that knows the query.

    Raises:
        SearchError: an index is demanded of all rows, and there is none.
    """
    if exact or k > LARGEST_K:
        return None
    lists = stored_lists(source)
    if comunas is not None:
        lists = None if lists is None else lists.within(comunas)
    if exact is None and lists is not None and not lists.knows(query):
        return None
    if lists is None and comunas is None and exact is False:
        raise SearchError(
            f"an index of {source.name}",
            "none of this version",
            "Make one with build_index(), or search exactly.",
        )
    return lists


def _answer(source: Source, vectors: TableVectors, rows: Rows, similarity: Any, found: HowFound) -> pa.Table:
    keys = vectors.keys.take(rows).cast(pa.uint64() if source.table == "cells" else pa.string())
    columns = {KEYS[source.table]: keys, "similarity": pa.array(similarity, pa.float32())}
    noted = {
        "exact": str(found.exact).lower(),
        "recall": f"{found.recall:.4f}",
        "compared": str(found.compared),
    }
    return pa.table(columns).replace_schema_metadata(noted)
