"""Functions on vectors in SQL: `cosine`, `vector`, `vector_of`, and the table functions `nearest` and `change`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

from surco.embedstore.column_functions import ColumnFunction, Macro, row_function
from surco.embedstore.errors import SearchError
from surco.embedstore.likeness import KEYS, direction, read_likeness
from surco.embedstore.nearest_function import nearest_functions
from surco.embedstore.selection import rows_of, searched_table, unit_table
from surco.embedstore.store import Store

__all__ = ["vector_functions"]

_CHANGE = ("VARCHAR", "VARCHAR", "VARCHAR", "INTEGER", "VARCHAR")


def vector_functions(
    store: Store, check_filter: Callable[[str], None] | None = None
) -> tuple[ColumnFunction | Macro, ...]:
    """Functions on the vectors of a store at the version it has now; `check_filter` as in `connect`."""
    # A transaction of the caller's object would move it to another version than the session's.
    held = copy.copy(store)
    return (
        # Cosine needs no scale: it is the same for embedding * scale.
        Macro("cosine(a, b) AS list_cosine_similarity(a::FLOAT[], b::FLOAT[])"),
        Macro("vector(embedding, scale) AS list_transform(embedding, lambda value: value * scale)::FLOAT[]"),
        row_function("vector_of_json", partial(_vector, held), ("VARCHAR",) * 3, "FLOAT[]"),
        Macro(
            "vector_of(what) AS vector_of_json(to_json(what)::VARCHAR, NULL, NULL), "
            "(what, season) AS vector_of_json(to_json(what)::VARCHAR, season, NULL), "
            "(what, season, model) AS vector_of_json(to_json(what)::VARCHAR, season, model)"
        ),
        *nearest_functions(held, check_filter),
        row_function("change_query", partial(_change_query, held), _CHANGE, "VARCHAR"),
        Macro(
            "change(earlier, later, unit := NULL, res := NULL, model := NULL) AS TABLE "
            "FROM query(change_query(earlier, later, unit, res, model))"
        ),
    )


def _vector(store: Store, what: str | None, season: str | None, model: str | None) -> list[float] | None:
    """The direction of an item or of examples; null of null."""
    if what is None:
        return None
    likeness = read_likeness(what)
    info = searched_table(store, likeness, None, season, None, model)
    values: list[float] = direction(store, likeness, info).tolist()
    return values


def _change_query(
    store: Store,
    earlier: str | None,
    later: str | None,
    unit: str | None,
    resolution: int | None,
    model: str | None,
) -> str:
    """SQL of the rows that two seasons share, with the similarity of their vectors."""
    if earlier is None or later is None or earlier == later:
        raise SearchError(
            f"two of the seasons {store.seasons()}", f"{earlier} and {later}", "Name two different ones."
        )
    table = unit_table(store, unit)
    new = store.find(table, season=later, resolution=resolution, model_id=model)
    old = store.find(table, season=earlier, resolution=new.resolution, model_id=new.model_id)
    key = KEYS[table]
    vectors = ("embedding", "embedding_scale", "ndvi")
    named = ", ".join(f"{side}.{name} AS {name}_{side}" for side in ("earlier", "later") for name in vectors)
    both = "earlier.embedding_scale > 0 AND later.embedding_scale > 0"
    cosine = "list_cosine_similarity(earlier.embedding::FLOAT[], later.embedding::FLOAT[])"
    sides = [f"(SELECT * FROM {table} WHERE {rows_of(info)})" for info in (new, old)]  # noqa: S608
    return (
        f"SELECT later.{key}, CASE WHEN {both} THEN {cosine} END AS similarity, "  # noqa: S608
        f"earlier.season AS season_earlier, later.season AS season_later, {named}, "
        f"later.* EXCLUDE ({key}, season, spread, spread_scale, {', '.join(vectors)}) "
        f"FROM {sides[0]} later JOIN {sides[1]} earlier ON later.{key} = earlier.{key}"
    )
