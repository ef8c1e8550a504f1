"""Rows that a table keeps when a write over another area joins it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.embedstore.errors import SchemaError
from surco.embedstore.files import checked_file, read_rows
from surco.embedstore.manifest import FileEntry, Partition

__all__ = ["carried_files", "kept_cells", "kept_parcels"]


def carried_files(held: Partition | None, parents: Iterable[str]) -> list[FileEntry]:
    """Files of held cells whose coarse parents the write does not touch: they stay as they are."""
    touched = {f"{parent}.parquet" for parent in parents}
    return [] if held is None else [file for file in held.files if Path(file.path).name not in touched]


def kept_cells(root: Path, held: Partition | None, parent: str, rows: pa.Table) -> pa.Table | None:
    """Held rows of one coarse parent whose cells are not among the new `rows`; None where there are none."""
    for file in () if held is None else held.files:
        if Path(file.path).name == f"{parent}.parquet":
            return _without(_read(root, file), "h3", rows["h3"])
    return None


def kept_parcels(root: Path, held: Partition | None, rows: pa.Table) -> pa.Table | None:
    """Held parcels whose ids are not among the new `rows`; None where there are none.

    Raises:
        SchemaError: an id that stands for parcels in two places.
    """
    if held is None:
        return None
    old = _read(root, held.files[0])
    _check_places(old, rows)
    return _without(old, "id", rows["id"])


def _read(root: Path, file: FileEntry) -> pa.Table:
    return read_rows(checked_file(root, file)).replace_schema_metadata()


def _without(table: pa.Table, name: str, values: pa.ChunkedArray[Any]) -> pa.Table | None:
    kept = table.filter(pc.invert(pc.is_in(table[name], value_set=values.combine_chunks())))
    return kept if kept.num_rows else None


def _check_places(old: pa.Table, new: pa.Table) -> None:
    """Each id of both tables must lie in one place: rows of another area must not vanish under a common number."""
    place = pc.index_in(new["id"], value_set=old["id"].combine_chunks())
    both, where = new.filter(place.is_valid()), place.drop_null()
    if not both.num_rows:
        return
    west, south, east, north = _sides(both["bbox"])
    held = _sides(old["bbox"].take(where))
    apart = (held[0] > east) | (held[2] < west) | (held[1] > north) | (held[3] < south)
    if apart.any():
        raise SchemaError(
            "a parcel id for one place in a season",
            f"{int(apart.sum())} ids that the table has elsewhere, the first {both['id'][int(np.argmax(apart))]}",
            "Give the parcels ids that no other area uses, for example with the area's name before them.",
        )


def _sides(boxes: pa.ChunkedArray[Any]) -> list[npt.NDArray[np.float32]]:
    return [np.asarray(pc.struct_field(boxes, side)) for side in ("xmin", "ymin", "xmax", "ymax")]
