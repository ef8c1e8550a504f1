"""Uploaded features on their way to labels: shapes brought to degrees, fields checked, each one accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from pyproj import CRS, Transformer

from surco.api.label_sets.contents import FIELDS, checked_id, checked_properties
from surco.api.label_sets.shapes import KINDS, MOST_VERTICES, Placed, placed
from surco.api.label_sets.upload_columns import Columns
from surco.api.refusals import InvalidError, TooLargeError
from surco.embedstore import Sentence, coded

__all__ = ["SCHEMA", "Account", "Feature", "Limits", "Uploaded", "label_batches"]

_BATCH: Final = 2_000
_MOST_TOLD: Final = 1_000
_MOST_ALL_VERTICES: Final = 20_000_000
# Chile with its islands: whoever swaps coordinates of places there sends them into the Southern Ocean.
_CHILE: Final = (-110.0, -56.5, -66.0, -17.0)
_SWAPPED: Final = "in the far south, and in Chile if longitude and latitude were swapped: check their order"
_TYPES: Final[Mapping[str, pa.DataType]] = {
    "value": pa.float64(),
    "confidence": pa.float64(),
    "inclusion_probability": pa.float64(),
    "round": pa.int64(),
    "rank": pa.int64(),
}

_COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "id": pa.string(),
    "wkb": pa.binary(),
    **dict.fromkeys(("west", "south", "east", "north"), pa.float64()),
    **{name: _TYPES.get(name, pa.string()) for name in FIELDS},
}
SCHEMA: Final = pa.schema(_COLUMNS)
"""Columns of the labels of an upload: id (null where none was given), shape in degrees and its bounds, fields."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an upload may hold: labels, and bytes that a zip in it becomes."""

    labels: int
    unpacked: int


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a file: its shape or what is wrong with it, and its columns."""

    shape: shapely.Geometry | None
    values: Mapping[str, object]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that was opened.

    Attributes:
        format: for people.
        crs: of its shapes; None is longitude and latitude.
        columns: what is where.
        features: to be read once.
        notes: what there is to say of the whole.
        by_place: whether its ids name places, as in samples and queues, rather than labels.
    """

    format: str
    crs: CRS | None
    columns: Columns
    features: Iterator[Feature]
    notes: tuple[str, ...] = ()
    by_place: bool = False


@dataclass(slots=True)
class Account:
    """What became of each feature.

    Attributes:
        seen: how many there were, of all files of one upload.
        taken: how many are sound.
        refused: number (from 1) and reason of those that are not, at most a thousand.
        refused_count: how many are not.
        notes: what was done, and to how many.
        ids: ids that were given, with the number of the feature that has each.
        vertices: of all shapes.
    """

    seen: int = 0
    taken: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    refused_count: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    ids: dict[str, int] = field(default_factory=dict)
    vertices: int = 0

    def refuse(self, number: int, why: str) -> None:
        """Note a feature that is not taken."""
        self.refused_count += 1
        if len(self.refused) < _MOST_TOLD:
            self.refused.append({"feature": number, "why": str(why), **(coded(why) or {})})


def label_batches(uploaded: Uploaded, account: Account, limits: Limits) -> Iterator[pa.RecordBatch]:
    """The sound features as batches of `SCHEMA`; the others are in the account.

    Raises:
        TooLargeError: more features or vertices than allowed.
    """
    for part in _parts(uploaded.features):
        shapes = np.array([each.shape for each in part] + [None], object)[:-1]
        account.vertices += int(shapely.get_num_coordinates(shapes).sum())
        if account.seen + len(part) > limits.labels or account.vertices > _MOST_ALL_VERTICES:
            raise TooLargeError(
                f"Expected a file of at most {limits.labels:,} labels and {_MOST_ALL_VERTICES:,} vertices, got more. "
                "Split it into several uploads."
            )
        placed_ = zip(part, _placed(shapes, uploaded.crs), strict=True)
        rows = [
            _row(each, shape, uploaded, at, account)
            for at, (each, shape) in enumerate(placed_, account.seen + 1)
        ]
        sound = [row for row in rows if row is not None]
        account.seen += len(part)
        account.taken += len(sound)
        yield pa.RecordBatch.from_pylist(sound, schema=SCHEMA)


def _parts(features: Iterable[Feature]) -> Iterator[list[Feature]]:
    part: list[Feature] = []
    for each in features:
        part.append(each)
        if len(part) == _BATCH:
            yield part
            part = []
    if part:
        yield part


def _row(
    feature: Feature,
    shape: Placed | InvalidError,
    uploaded: Uploaded,
    number: int,
    account: Account,
) -> dict[str, Any] | None:
    """One row of `SCHEMA`, or None where the account says why not."""
    try:
        if feature.fault is not None:
            raise InvalidError(feature.fault)
        if isinstance(shape, InvalidError):
            raise shape
        given = {name: feature.values.get(column) for name, column in uploaded.columns.of.items()}
        said = checked_properties(given)
        main = "value" if "value" in uploaded.columns.of else "class"
        if said[main] is None:
            raise InvalidError(
                Sentence(
                    f"Expected a {main} in column {uploaded.columns.of[main]!r}, got none. Fill it in.",
                    "upload-empty",
                    column=str(uploaded.columns.of[main]),
                )
            )
        label_id = checked_id(given.get("id"))
    except InvalidError as error:
        account.refuse(number, error.args[0])
        return None
    if uploaded.by_place:
        said["place"], label_id = said["place"] or label_id, None
    if label_id is not None and account.ids.setdefault(label_id, number) != number:
        first = account.ids[label_id]
        account.refuse(
            number,
            Sentence(
                f"Expected every id once, got {label_id!r} as in feature {first}. Rename one.",
                "upload-twice",
                name=label_id,
                number=first,
            ),
        )
        return None
    west, south, east, north = shape.bounds
    account.notes.update(shape.notes)
    account.notes.update([_SWAPPED] if _looks_swapped(west, south) else [])
    box = {"west": west, "south": south, "east": east, "north": north}
    return {"id": label_id, "wkb": shape.wkb, **box, **said}


def _placed(shapes: npt.NDArray[np.object_], crs: CRS | None) -> Sequence[Placed | InvalidError]:
    """Each shape in degrees, or why it is none."""
    if crs is not None:
        shapes = _to_degrees(shapes, crs)
    there = ~shapely.is_missing(shapes)
    kinds = np.array([None if shape is None else shape.geom_type for shape in shapes], object)
    bounds = shapely.bounds(shapes)
    with np.errstate(invalid="ignore"):
        on_earth = (np.abs(bounds) <= (180.0, 90.0, 180.0, 90.0)).all(axis=1)
    sound = there & np.isin(kinds, KINDS) & on_earth & (shapely.get_num_coordinates(shapes) <= MOST_VERTICES)
    sound &= ~(shapely.has_z(shapes) | shapely.has_m(shapes)) & ~shapely.is_empty(shapes)
    # Bounds overlook a vertex that is no number among others; WKB of sound points and polygons is made at one go.
    xy, whose = shapely.get_coordinates(shapes, return_index=True)
    sound[np.unique(whose[~np.isfinite(xy).all(axis=1)])] = False
    sound[sound] = shapely.is_valid(shapes[sound])
    wkb = shapely.to_wkb(shapes, byte_order=1, output_dimension=2)
    return [
        Placed(wkb[at], tuple(bounds[at].tolist())) if sound[at] else _one(shapes[at])
        for at in range(len(shapes))
    ]


def _one(shape: shapely.Geometry | None) -> Placed | InvalidError:
    try:
        return placed(shape)
    except InvalidError as error:
        return error


def _to_degrees(shapes: npt.NDArray[np.object_], crs: CRS) -> npt.NDArray[np.object_]:
    move = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    flat = shapely.force_2d(shapes)
    moved: npt.NDArray[np.object_] = shapely.transform(
        flat, lambda xy: np.column_stack(move.transform(*xy.T))
    )
    return moved


def _looks_swapped(x: float, y: float) -> bool:
    """Whether a place would lie in Chile if its coordinates were swapped; as they are it lies in the far south."""
    west, south, east, north = _CHILE
    return west <= y <= east and south <= x <= north
