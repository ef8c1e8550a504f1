"""The column of vectors in a Parquet table: which it is, and its rows as unit vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.lib import ArrowException

from surco.encoder.errors import EncoderError
from surco.encoder.protocol import Floats
from surco.encoder.published.geotiff import unit_vectors

__all__ = ["DAMAGED", "TableError", "VectorColumn", "find_vectors"]

_USUAL = ("embedding", "embeddings", "vector", "vectors", "emb", "features")
_SHORTEST, _LONGEST = 2, 4096
"""Numbers in a vector; more would not fit into memory batch by batch."""


DAMAGED = (ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow's reader was seen to raise at changed bytes."""


class TableError(EncoderError):
    """A table of vectors that cannot be read, placed or understood."""


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """A column of vectors of `dimension` numbers, and the column of their scales, None where there is none."""

    path: Path
    name: str
    scale: str | None
    dimension: int

    @property
    def columns(self) -> list[str]:
        """Names of the columns to read."""
        return [self.name] if self.scale is None else [self.name, self.scale]

    def read(self, batch: pa.RecordBatch, first: int) -> Floats:
        """Unit vectors (N, D) float32 of a batch; NaN rows where there is none: null, zeros, NaN or infinity.

        Args:
            batch: with the columns of `columns`.
            first: number in the file of its first row, for messages.

        Raises:
            TableError: a vector of another length, or a negative scale.
        """
        column = batch.column(self.name)
        there = np.asarray(column.is_valid())
        self._check_lengths(column, first)
        numbers = _flat(column).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            found = numbers.astype(np.float32).reshape(-1, self.dimension)
        vectors: Floats = np.full((len(column), self.dimension), np.nan, np.float32)
        vectors[there] = found
        if self.scale is not None:
            vectors *= self._scales(batch, self.scale, first)[:, None]
        return unit_vectors(vectors)

    def _check_lengths(self, column: pa.Array[Any], first: int) -> None:
        if pa.types.is_fixed_size_list(column.type):
            return
        lengths = pc.list_value_length(column).fill_null(self.dimension).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero(lengths != self.dimension)
        if len(bad):
            raise TableError(
                f"Expected vectors of {self.dimension} numbers in column {self.name!r} of {self.path}, got "
                f"{lengths[bad[0]]} in row {first + int(bad[0])}. Write one model's vectors, all of one length."
            )

    def _scales(self, batch: pa.RecordBatch, name: str, first: int) -> npt.NDArray[np.float32]:
        scales = batch.column(name).to_numpy(zero_copy_only=False).astype(np.float32)
        bad = np.flatnonzero(scales < 0)
        if len(bad):
            raise TableError(
                f"Expected scales of 0 or more in column {name!r} of {self.path}, got {scales[bad[0]]} in row "
                f"{first + int(bad[0])}. Name the column of the scales with --scale-column."
            )
        return scales


def find_vectors(source: pq.ParquetFile, path: Path, name: str | None, scale: str | None) -> VectorColumn:
    """The column of vectors of a Parquet file.

    Args:
        source: the open file.
        path: of it, for messages.
        name: of the column; None takes the only list of numbers, or the one of a usual name such as `embedding`.
        scale: column of one number a row, by which its vector is to be multiplied; None takes `NAME_scale` or `scale`
            where the numbers are int8, and none where they are floats.

    Raises:
        TableError: no such column, several that could be meant, numbers of another type, int8 without scales, no
            vector in the whole file, or one of an odd length.
    """
    schema = source.schema_arrow
    chosen = name if name is not None else _only(schema, path)
    _check_type(schema, path, chosen)
    numbers: Any = schema.field(chosen).type
    whole = numbers.value_type == pa.int8()
    scales = _scale_column(schema, path, chosen, scale, whole)
    dimension = _dimension(source, path, chosen)
    if not _SHORTEST <= dimension <= _LONGEST:
        raise TableError(
            f"Expected vectors of {_SHORTEST} to {_LONGEST} numbers in column {chosen!r} of {path}, got {dimension}. "
            "Name the column of the vectors with --vector-column."
        )
    return VectorColumn(path, chosen, scales, dimension)


def _is_vector(kind: Any) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists) and (pa.types.is_floating(kind.value_type) or kind.value_type == pa.int8())


def _only(schema: pa.Schema, path: Path) -> str:
    found = [field.name for field in schema if _is_vector(field.type)]
    usual = [name for name in _USUAL if name in found]
    if len(found) == 1 or usual:
        return usual[0] if usual else found[0]
    came = f"{', '.join(found)}" if found else f"columns {', '.join(schema.names)[:300]}"
    raise TableError(
        f"Expected one column of vectors (lists of floats or int8) in {path}, got {came}. "
        "Name it with --vector-column."
    )


def _check_type(schema: pa.Schema, path: Path, name: str) -> None:
    if schema.get_field_index(name) < 0:
        raise TableError(
            f"Expected a column {name!r} of vectors in {path}, got columns {', '.join(schema.names)[:300]}. "
            "Correct --vector-column."
        )
    kind = schema.field(name).type
    if not _is_vector(kind):
        raise TableError(
            f"Expected lists of floats or int8 in column {name!r} of {path}, got {kind}. "
            "Name the column of the vectors with --vector-column."
        )


def _scale_column(schema: pa.Schema, path: Path, name: str, scale: str | None, whole: bool) -> str | None:
    usual = [c for c in (f"{name}_scale", "scale") if schema.get_field_index(c) >= 0] if whole else []
    chosen = scale if scale is not None else (usual[0] if usual else None)
    if chosen is None:
        if whole:
            raise TableError(
                f"Expected a column of scales for the int8 vectors {name!r} of {path}, got none. Name it with "
                "--scale-column; numbers of another rule, such as AlphaEarth's squares, must be floats first."
            )
        return None
    index = schema.get_field_index(chosen)
    kind = schema.field(chosen).type if index >= 0 else None
    if kind is None or not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise TableError(
            f"Expected one number a row in column {chosen!r} of {path}, got {kind or 'no such column'}. "
            "Correct --scale-column."
        )
    return chosen


def _dimension(source: pq.ParquetFile, path: Path, name: str) -> int:
    kind = source.schema_arrow.field(name).type
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    try:
        for batch in source.iter_batches(1024, columns=[name]):
            lengths = pc.list_value_length(batch.column(0)).drop_null()
            if len(lengths):
                return int(lengths[0].as_py())
    except DAMAGED as error:
        raise TableError(
            f"Expected a whole Parquet file at {path}, got {type(error).__name__} ({str(error)[:200]}). "
            "Fetch the file again."
        ) from error
    raise TableError(
        f"Expected at least one vector in column {name!r} of {path}, got none. Check the export."
    )


def _flat(column: Any) -> pa.Array[Any]:
    """The numbers of all lists that are not null, one after the other."""
    values: pa.Array[Any] = column.flatten()
    return values
