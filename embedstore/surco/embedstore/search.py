"""The cells or parcels whose vectors are most like a given one, among those that an SQL predicate lets pass."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from surco.embedstore.asking import Wanted
from surco.embedstore.inverted import stored_lists
from surco.embedstore.predicate import passing_comunas, passing_rows
from surco.embedstore.schema import Table
from surco.embedstore.season import Season
from surco.embedstore.similar import similar_rows
from surco.embedstore.store import Store
from surco.embedstore.vector_sources import source_of

__all__ = ["nearest"]


def nearest(
    store: Store,
    what: Wanted,
    k: int,
    *,
    table: Table,
    season: str | Season | None = None,
    resolution: int | None = None,
    where: str | None = None,
    model_id: str | None = None,
    session: duckdb.DuckDBPyConnection | None = None,
    exact: bool | None = None,
) -> pa.Table:
    """The k rows most similar to an item of the table, to a vector, or to examples.

    Every row that passes `where` is compared, so that the answer has exactly the k best of them, however few pass. Only
    where nothing is filtered, or one whole region of a table with a divided index is asked for, that index may be used
    (see `exact`). Similarity is the cosine, which quantisation's scale
    does not change.

    Args:
        store: what to search.
        what: an H3 cell (number, or text in hexadecimal), a parcel's id, a vector (D,) of the table's model, or a
            `Contrast` of examples.
        k: how many, 1 or more.
        table: "cells" or "parcels".
        season: name or Season; None is the latest.
        resolution: of cells; None is the finest.
        where: an SQL predicate over the table's columns, as `n_pixels > 50`; None lets all rows pass.
        model_id: needed where the store holds several models.
        session: of `connect(store)`, to save making one; used for `where`, and remembers what passed.
        exact: True compares all rows; False demands the index that `build_index` made; None uses it where there is one
            and the query is like the table's rows, on which its recall was measured. More than 100 neighbours,
            and those under a `where` that is not one region, are always found exactly. `how_found` tells how.

    Returns:
        Columns `h3` or `id`, and `similarity` (float32, -1 to 1), most similar first, equal ones by key; at most k
        rows, fewer where fewer pass; never an item that was asked with. A row of zeros is nobody's neighbour.

    Raises:
        SearchError: k below 1, an item that is not in the table or is all zeros, a vector of another length, of zeros
            or not finite, examples that cancel out, no index where one is demanded.
        QueryError: a predicate that DuckDB refuses.
        StoreError: no such table, season or resolution, or a damaged file.
    """
    source = source_of(store, table, season=season, resolution=resolution, model_id=model_id)
    if where is None:
        return similar_rows(source, what, k, exact=exact)
    lists = stored_lists(source)
    if lists is not None and lists.regions:
        comunas = passing_comunas(store, source, where, session)
        if comunas is not None:
            return similar_rows(source, what, k, comunas=comunas, exact=exact)
    return similar_rows(source, what, k, among=passing_rows(store, source, where, session), exact=exact)
