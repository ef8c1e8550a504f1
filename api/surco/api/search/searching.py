"""A search as a client asks for it, answered by the store's own search; it says how exact the answer is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.refusals import InvalidError, TooLargeError
from surco.api.search.asked_tables import asked_source
from surco.api.search.examples import Example, item_of
from surco.api.search.gate import Gate
from surco.api.search.region_rows import Looking
from surco.api.search.regions import Region
from surco.api.search.warm_sessions import WarmSessions
from surco.embedstore import Contrast, HowFound, SearchError, Store, Table, how_found
from surco.embedstore.asking import Wanted, direction_of
from surco.embedstore.inverted import stored_lists
from surco.embedstore.similar import index_for, similar_rows
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors

__all__ = ["Found", "SearchRequest", "Searching"]

_MOST_EXAMPLES = 200

Rows = npt.NDArray[np.int64]


class SearchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /search` takes.

    Attributes:
        like: examples of what is wanted, at least one; a plain text is an id.
        unlike: examples of what is not.
        weight: how much the latter count, 0 or more: the direction is mean(like) - weight * mean(unlike).
        k: how many neighbours.
        table: None is cells, or parcels in a store without cells.
        season: None is the latest.
        res: H3 resolution of cells; None is the finest.
        model: needed where the store holds several.
        filter: CQL2 text or JSON over the table's queryables.
        filter_lang: None tells by the filter's first character.
        bbox: west, south, east, north in degrees.
        area: polygon or multipolygon in GeoJSON.
        comuna: code or name.
        region: code or name.
        exact: true compares all rows, false demands an index; None uses one where it knows the question.
    """

    like: list[str | Example]
    unlike: list[str | Example] = []
    weight: float = 0.5
    k: int = 10
    table: Table | None = None
    season: str | None = None
    res: int | None = None
    model: str | None = None
    filter: str | dict[str, Any] | None = None
    filter_lang: Literal["cql2-text", "cql2-json"] | None = msgspec.field(default=None, name="filter-lang")
    bbox: list[float] | None = None
    area: dict[str, Any] | None = None
    comuna: int | str | None = None
    region: int | str | None = None
    exact: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The neighbours that were found.

    Attributes:
        store: the version that was searched.
        source: its table.
        rows: (K,) rows of the table, most similar first.
        keys: (K,) cells or ids.
        similarity: (K,) float32, -1 to 1.
        how: exact or not, recall, rows compared.
        seconds: it took.
    """

    store: Store
    source: Source
    rows: Rows
    keys: pa.Array[Any]
    similarity: npt.NDArray[np.float32]
    how: HowFound
    seconds: float


class Searching:
    """Searches over one store at a time.

    Args:
        sessions: for predicates.
        gate: for what compares many rows: exact searches use all cores, so that two at once are no faster.
        most: neighbours of one answer.
    """

    def __init__(self, sessions: WarmSessions, gate: Gate, most: int) -> None:
        self._sessions = sessions
        self._gate = gate
        self._looking = Looking(sessions)
        self._most = most

    def search(self, store: Store, asked: SearchRequest) -> Found:
        """The places most like the examples.

        Raises:
            InvalidError, UnknownError: examples, a filter or a region that cannot be read, or are not there.
            TooLargeError: more neighbours or examples than one answer takes.
            BusyError: too many others search.
            TimedOutError: a filter that takes too long.
            StoreError, ModelMismatchError: no such table.
        """
        began = time.perf_counter()
        self._check(asked)
        region = Region.asked(asked.bbox, asked.area, asked.comuna, asked.region)
        source = asked_source(store, asked.table, asked.season, asked.res, asked.model)
        what = self._wanted(store, source, asked)
        everywhere = asked.filter is None and region == Region()
        # Places that are told by their comunas alone may be a region that has an index of its own.
        comunas = (
            frozenset(region.comunas)
            if asked.filter is None and region.comunas and not region.shape
            else None
        )
        quick = (everywhere or comunas is not None) and _knows(source, what, asked, comunas)
        with nullcontext() if quick else self._gate.inside():
            among = (
                None
                if everywhere or quick
                else self._looking.rows(store, source, region, asked.filter, asked.filter_lang)
            )
            answer = _nearest(source, what, asked, among, comunas if quick else None)
        keys = answer.column(0).combine_chunks()
        return Found(
            store,
            source,
            _rows_in_order(source, keys),
            keys,
            answer.column("similarity").to_numpy(),
            how_found(answer),
            time.perf_counter() - began,
        )

    def _check(self, asked: SearchRequest) -> None:
        if asked.k < 1:
            raise InvalidError(f"Expected k of 1 or more, got {asked.k}. Ask for at least one neighbour.")
        if asked.k > self._most:
            raise TooLargeError(
                f"Expected at most {self._most:,} neighbours (k), got {asked.k:,}. Ask for fewer."
            )
        if not asked.like:
            raise InvalidError(
                "Expected at least one example in `like`, got none. Name a cell, parcel, place or vector."
            )
        if len(asked.like) + len(asked.unlike) > _MOST_EXAMPLES:
            raise TooLargeError(
                f"Expected at most {_MOST_EXAMPLES:,} examples, got more. Choose some of them."
            )

    def _wanted(self, store: Store, source: Source, asked: SearchRequest) -> Wanted:
        like, unlike = (self._items(store, source, given) for given in (asked.like, asked.unlike))
        try:
            return like[0] if len(like) == 1 and not unlike else Contrast(like, unlike, asked.weight)
        except SearchError as error:
            raise InvalidError(str(error)) from error

    def _items(self, store: Store, source: Source, given: Sequence[str | Example]) -> list[Any]:
        examples = [Example(id=each) if isinstance(each, str) else each for each in given]
        return [item_of(store, self._sessions, source, each) for each in examples]


def _nearest(
    source: Source, what: Wanted, asked: SearchRequest, among: Rows | None, comunas: frozenset[int] | None
) -> pa.Table:
    try:
        return similar_rows(source, what, asked.k, among=among, comunas=comunas, exact=asked.exact)
    except (
        SearchError
    ) as error:  # the items are there: examples that cancel out, or no index where one is demanded
        raise InvalidError(str(error)) from error


def _knows(source: Source, what: Wanted, asked: SearchRequest, comunas: frozenset[int] | None) -> bool:
    """Whether an index answers, so that few rows are compared."""
    if stored_lists(source) is None:
        return False
    try:
        query, _ = direction_of(table_vectors(source), source.info, what)
        return index_for(source, query, asked.k, comunas=comunas, exact=asked.exact) is not None
    except SearchError as error:
        raise InvalidError(str(error)) from error


def _rows_in_order(source: Source, keys: pa.Array[Any]) -> Rows:
    """The row of each key, which the table has."""
    vectors = table_vectors(source)
    if source.table == "cells":
        return np.asarray(np.searchsorted(vectors.keys.to_numpy(), keys.to_numpy()), np.int64)
    rows = vectors.rows_of(keys)
    place = dict(zip(vectors.keys.take(rows).to_pylist(), rows.tolist(), strict=True))
    return np.array([place[name] for name in keys.to_pylist()], np.int64)
