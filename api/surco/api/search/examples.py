"""What a search is to be like: a place, a cell or parcel, or a vector, as a client names it."""

from __future__ import annotations

from typing import Any

import h3
import msgspec
import numpy as np

from surco.api.refusals import InvalidError, UnknownError
from surco.api.search.cell_ranges import cell_at
from surco.api.search.parcel_places import parcels_at
from surco.api.search.warm_sessions import WarmSessions
from surco.embedstore import Store
from surco.embedstore.asking import Item
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors

__all__ = ["Example", "item_of"]


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One example: exactly one of the three.

    Attributes:
        id: an H3 cell in hexadecimal, or a parcel's id.
        place: longitude and latitude in degrees; the cell, or the parcel, that holds it.
        vector: as long as the model's, dequantised; only its direction counts.
    """

    id: str | None = None
    place: tuple[float, float] | None = None
    vector: tuple[float, ...] | None = None


def item_of(store: Store, sessions: WarmSessions, source: Source, example: Example) -> Item:
    """A key of the table, or a vector.

    Raises:
        InvalidError: not exactly one of the three, no degrees, no cell, or a vector that does not fit the model.
        UnknownError: a row that the table does not have.
    """
    given = [name for name in ("id", "place", "vector") if getattr(example, name) is not None]
    if len(given) != 1:
        raise InvalidError(
            f"Expected an example with one of id, place and vector, got {' and '.join(given) or 'none'}. Send one."
        )
    if example.vector is not None:
        values: Item = _checked_vector(source, example.vector)
        return values
    if example.place is not None:
        return _held(source, *_at(store, sessions, source, *example.place))
    return _held(source, _key(source, example.id or ""), repr(example.id)[:80])


def _key(source: Source, name: str) -> int | str:
    if source.table == "parcels":
        return name
    if not h3.is_valid_cell(name) or h3.get_resolution(name) != source.info.resolution:
        raise InvalidError(
            f"Expected an H3 cell of resolution {source.info.resolution} in hexadecimal, got {name[:80]!r}. "
            "Name one, or a place as longitude and latitude."
        )
    return int(h3.str_to_int(name))


def _at(
    store: Store, sessions: WarmSessions, source: Source, lon: float, lat: float
) -> tuple[int | str, str]:
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise InvalidError(
            f"Expected a place as longitude and latitude in degrees, got {lon}, {lat}. Write it like -71.5, -35.4."
        )
    if source.info.resolution is not None:
        return cell_at(lon, lat, source.info.resolution), f"{lon}, {lat}"
    (found,) = parcels_at(store, sessions, source, np.array([[lon, lat]])).to_pylist()
    if found is None:
        raise UnknownError(
            f"Expected a place inside a parcel of {source.info.season}, got {lon}, {lat}, where none is. "
            "Choose another place, or table=cells."
        )
    return found, f"{lon}, {lat}"


def _held(source: Source, key: int | str, named: str) -> int | str:
    """The key, where the table has it and its vector has a direction."""
    vectors = table_vectors(source)
    row = vectors.row_of(key)
    kind = "a parcel" if source.table == "parcels" else f"a cell of resolution {source.info.resolution}"
    if row is None:
        raise UnknownError(
            f"Expected {kind} that {source.info.season} of {source.info.model_id} has, got {named}, where it has none. "
            "Choose another, or another season."
        )
    if not np.isfinite(vectors.inverse_length[row]):
        raise UnknownError(
            f"Expected {kind} whose vector has a direction, got {named}, all zeros. Choose another."
        )
    return key


def _checked_vector(source: Source, vector: tuple[float, ...]) -> Any:
    values = np.asarray(vector, np.float64)
    if len(values) != source.info.dimension or not np.isfinite(values).all() or not values.any():
        raise InvalidError(
            f"Expected a finite vector of {source.info.dimension} values of {source.info.model_id}, not all zero, "
            f"got {len(values)} values. Pass one dequantised vector of that model."
        )
    return values
