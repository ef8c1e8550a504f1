"""The rows that a question for embeddings means, read a row group at a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.api.refusals import ConflictError, InvalidError, TooLargeError
from surco.api.search.asked_tables import asked_source
from surco.api.search.embedding_requests import EmbeddingsRequest, wanted_columns
from surco.api.search.parcel_places import parcels_at
from surco.api.search.region_rows import Looking
from surco.api.search.regions import Region
from surco.api.search.row_groups import RowReader
from surco.api.search.warm_sessions import WarmSessions
from surco.embedstore import Store
from surco.embedstore.cells import resolutions_of
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import KEYS, table_vectors

__all__ = ["Embeddings", "EmbeddingsFound"]

_GATHERED = 16_384

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingsFound:
    """What is to be sent.

    Attributes:
        store: the version that was asked.
        source: its table.
        rows: how many rows the tables have together.
        missing: how many of the asked places or ids the table does not have; None of an area.
        matched: rows of an area on all pages; None of places and ids.
        next_token: of the page after; None where this is the last.
        tables: the rows, to be read once; columns as the files have them.
    """

    store: Store
    source: Source
    rows: int
    missing: int | None
    matched: int | None
    next_token: str | None
    tables: Iterator[pa.Table]


class Embeddings:
    """Finds vectors.

    Args:
        sessions: for predicates.
        most_asked: points or ids of one question.
        most_rows: of one answer.
    """

    def __init__(self, sessions: WarmSessions, most_asked: int, most_rows: int) -> None:
        self._sessions = sessions
        self._looking = Looking(sessions)
        self._reader = RowReader()
        self._most_asked = most_asked
        self._most_rows = most_rows

    def find(self, store: Store, asked: EmbeddingsRequest, *, located: bool = False) -> EmbeddingsFound:
        """The rows that are asked for; `located` adds `geometry` to their columns.

        Raises:
            InvalidError: columns, places, ids, a filter or a token that cannot be read.
            ConflictError: a token of an earlier version of the store.
            TooLargeError: more than one answer takes.
            UnknownError, TimedOutError, StoreError, ModelMismatchError: as a search.
        """
        source = asked_source(store, asked.table, asked.season, asked.res, asked.model)
        columns = wanted_columns(source, asked.columns, asked.vectors, located=located)
        if asked.points is None and asked.ids is None:
            return self._of_area(store, source, asked, columns)
        places = self._of_points(store, source, asked.points) if asked.points is not None else None
        known = places if places is not None else self._of_ids(source, asked.ids or [])
        rows = _rows_of_keys(source, known["key"])
        read = self._in_order(source, rows, columns)
        return EmbeddingsFound(
            store,
            source,
            len(rows),
            int((rows < 0).sum()),
            None,
            None,
            iter([_beside(known, read, rows, source)]),
        )

    def _of_area(
        self, store: Store, source: Source, asked: EmbeddingsRequest, columns: Sequence[str]
    ) -> EmbeddingsFound:
        region = Region.asked(asked.bbox, asked.area, asked.comuna, asked.region)
        first, most = _row_of_token(asked.token, source), self._most_rows
        most = most if asked.limit is None else min(asked.limit, most)
        if region == Region() and asked.filter is None:
            # Not seven million numbers for each page of a country.
            begin, matched = min(first, source.info.rows), source.info.rows
            page = np.arange(begin, min(begin + most + 1, matched))
        else:
            rows = self._looking.rows(store, source, region, asked.filter, asked.filter_lang)
            begin, matched = int(np.searchsorted(rows, first)), len(rows)
            page = rows[begin : begin + most + 1]
        page, rest = page[:most], page[most:]
        if asked.limit is None and len(rest):
            raise TooLargeError(
                f"Expected at most {self._most_rows:,} rows in one answer, got {matched:,}. Ask for a smaller area, "
                "for pages with `limit` and `token`, or download the table's files: /stac leads to them."
            )
        token = _token(source, int(rest[0])) if len(rest) else None
        tables = (
            _gathered(self._reader.take(source, page, columns))
            if len(page)
            else iter([self._empty(source, columns)])
        )
        return EmbeddingsFound(store, source, len(page), None, matched, token, tables)

    def _of_points(self, store: Store, source: Source, points: Sequence[tuple[float, float]]) -> pa.Table:
        """Columns lon, lat and key: the cell that holds each point, or the parcel (the first by id), else null."""
        self._check_count(len(points), "points")
        lon, lat = np.array(points, np.float64).reshape(-1, 2).T
        good = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
        if not good.all():
            first = points[int(np.argmin(good))]
            raise InvalidError(
                f"Expected points as longitude and latitude in degrees, got {list(first)}. Write them like -71.5,-35.4."
            )
        places = {"lon": pa.array(lon), "lat": pa.array(lat)}
        if source.info.resolution is not None:
            cells = h3ronpy.vector.coordinates_to_cells(places["lat"], places["lon"], source.info.resolution)
            return pa.table({**places, "key": pa.array(cells)})
        return pa.table(
            {**places, "key": parcels_at(store, self._sessions, source, np.stack([lon, lat], axis=1))}
        )

    def _of_ids(self, source: Source, ids: Sequence[str]) -> pa.Table:
        self._check_count(len(ids), "ids")
        level = source.info.resolution
        if source.table == "parcels":
            return pa.table({"key": pa.array(ids, pa.string())})
        cells = pa.array(h3ronpy.cells_parse(pa.array(ids, pa.string()), set_failing_to_invalid=True))
        fit = resolutions_of(cells.fill_null(0).to_numpy()) == level
        if not fit.all():
            bad = ids[int(np.argmin(fit))]
            raise InvalidError(
                f"Expected H3 cells of resolution {level} in hexadecimal, got {bad[:80]!r}. "
                "Correct it, or name another table or resolution."
            )
        return pa.table({"key": cells})

    def _check_count(self, count: int, what: str) -> None:
        if not count:
            raise InvalidError(
                f"Expected at least one of {what}, got none. Send some, or leave the list out."
            )
        if count > self._most_asked:
            raise TooLargeError(
                f"Expected at most {self._most_asked:,} {what}, got {count:,}. Ask for them in several questions, "
                "or for an area."
            )

    def _in_order(self, source: Source, rows: Rows, columns: Sequence[str]) -> pa.Table:
        """A row for each of (N,) row numbers, nulls where it is -1."""
        wanted, place = np.unique(rows[rows >= 0], return_inverse=True)
        parts = list(self._reader.take(source, wanted, columns))
        read = pa.concat_tables(parts) if parts else self._empty(source, columns)
        index = np.zeros(len(rows), np.int64)
        index[rows >= 0] = place
        positions: Any = pa.array(index, mask=rows < 0)
        return read.take(positions)

    def _empty(self, source: Source, columns: Sequence[str]) -> pa.Table:
        return next(self._reader.take(source, np.zeros(1, np.int64), columns)).slice(0, 0)


def _rows_of_keys(source: Source, keys: pa.ChunkedArray[Any]) -> Rows:
    """(N,) row of each key, -1 where it is null or not in the table."""
    vectors, asked = table_vectors(source), keys.combine_chunks()
    if source.table == "parcels":
        rows = vectors.rows_of(asked.drop_null())
        named = vectors.keys.take(rows).cast(pa.string())
        which = pc.index_in(asked, value_set=named).fill_null(-1).to_numpy(zero_copy_only=False)
        return np.where(which < 0, -1, np.append(rows, -1)[which])
    cells, held = asked.to_numpy(zero_copy_only=False), vectors.keys.to_numpy()
    rows = np.searchsorted(held, cells)
    found = held[np.minimum(rows, len(held) - 1)] == cells
    return np.where(found, rows, -1)


def _beside(known: pa.Table, read: pa.Table, rows: Rows, source: Source) -> pa.Table:
    """The key as it was asked for, lon and lat of points, whether the table has it, and the columns that were read."""
    key = KEYS[source.table]
    columns: dict[str, Any] = {key: known["key"]}
    columns |= {name: known[name] for name in ("lon", "lat") if name in known.column_names}
    columns["found"] = pa.array(rows >= 0)
    columns |= {name: read[name] for name in read.column_names if name != key}
    return pa.table(columns)


def _gathered(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables that are not small."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(each.num_rows for each in held) >= _GATHERED:
            yield pa.concat_tables(held).combine_chunks()
            held = []
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _token(source: Source, row: int) -> str:
    """Names the page that begins with a row of this version of the table."""
    return base64.urlsafe_b64encode(f"{source.digest[:16]}.{row}".encode()).decode().rstrip("=")


def _row_of_token(token: str | None, source: Source) -> int:
    if token is None:
        return 0
    try:
        digest, _, row = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().partition(".")
        begin = int(row)
        if not 0 <= begin <= source.info.rows:
            raise ValueError("no row of the table")
    except (ValueError, binascii.Error) as error:
        raise InvalidError(
            f"Expected the token of an answer before, got {token[:80]!r}. Send it as it came, or none."
        ) from error
    if digest != source.digest[:16]:
        raise ConflictError(
            "Expected a token of the table as it is now, got one of another table or version. Start again without one."
        )
    return begin
