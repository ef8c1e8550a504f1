"""The columns of the two tables, and the batch that has been checked against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.errors import SchemaError
from surco.embedstore.names import check_name
from surco.embedstore.season import Season

__all__ = [
    "EmbeddingBatch",
    "Table",
    "cells_schema",
    "fixed_size_column",
    "fixed_size_matrix",
    "parcels_schema",
]

Table = Literal["cells", "parcels"]
"""The two tables of a store."""

_WIRE = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}
_BBOX = pa.struct([pa.field(side, pa.float32(), nullable=False) for side in ("xmin", "ymin", "xmax", "ymax")])


def cells_schema(dimension: int) -> pa.Schema:
    """Columns of `cells`: one H3 cell a row, vectors of `dimension` values."""
    place: list[pa.Field[Any]] = [
        pa.field("h3", pa.uint64(), nullable=False),
        pa.field("geometry", pa.binary(), nullable=False),
    ]
    return pa.schema([*place, *_embedding_fields(dimension)])


def parcels_schema(dimension: int) -> pa.Schema:
    """Columns of `parcels`: fiboa's core columns, then the same embedding columns as `cells`, then the crop."""
    fiboa: list[pa.Field[Any]] = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("geometry", pa.binary(), nullable=False),
        pa.field("bbox", _BBOX),  # the specification has it nullable; every row has one
        pa.field("metrics:area", pa.float32()),
        pa.field("metrics:perimeter", pa.float32()),
    ]
    return pa.schema([*fiboa, *_embedding_fields(dimension), pa.field("crop:name", pa.string())])


def fixed_size_column(values: npt.NDArray[np.int8]) -> pa.FixedSizeListArray[Any, Any]:
    """A (N, D) int8 array as a column of N lists of D values, without a copy where it is contiguous."""
    flat = pa.array(np.ascontiguousarray(values, dtype=np.int8).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def fixed_size_matrix(column: pa.Array[Any] | pa.ChunkedArray[Any]) -> npt.NDArray[np.int8]:
    """The (N, D) int8 array of a column of N lists without nulls; undoes `fixed_size_column`."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values: npt.NDArray[np.int8] = _flat(whole).to_numpy(zero_copy_only=False)
    return values.reshape(len(whole), whole.type.list_size)


def _flat(column: Any) -> pa.Array[Any]:
    """The values of all lists, one after the other (pyarrow's types do not know this method of lists)."""
    values: pa.Array[Any] = column.flatten()
    return values


def _embedding_fields(dimension: int) -> list[pa.Field[Any]]:
    vector = pa.list_(pa.int8(), dimension)
    return [
        pa.field("embedding", vector, nullable=False),
        pa.field("embedding_scale", pa.float32(), nullable=False),
        pa.field("spread", vector),
        pa.field("spread_scale", pa.float32()),
        pa.field("ndvi", pa.list_(pa.int8(), 12)),
        pa.field("n_pixels", pa.uint32()),
        pa.field("valid_fraction", pa.float32()),
        pa.field("n_optical", pa.uint16()),
        pa.field("n_radar", pa.uint16()),
        pa.field("comuna", pa.uint16()),
    ]


@dataclass(frozen=True, slots=True)
class EmbeddingBatch:
    """A record batch of one table, model and season: holding one is the proof that it was checked.

    Columns may come in any order, text and binary columns in Arrow's large or view form; `batch` then holds them in
    the table's own order and types.

    Attributes:
        batch: rows of `cells_schema` or `parcels_schema`.
        table: "cells" or "parcels".
        model_id: the model that made the vectors.
        season: when they were seen.
        resolution: H3 resolution, 0 to 15, of cells; None for parcels.

    Raises:
        SchemaError: unknown table, missing, additional or mistyped columns, nulls where there must be none, a negative
            or infinite scale, H3 indices that are no cells of `resolution`.
        StoreError: a model id that cannot be a folder's name.
    """

    batch: pa.RecordBatch
    table: Table
    model_id: str
    season: Season
    resolution: int | None = None

    def __post_init__(self) -> None:
        check_name(self.model_id, "model id")
        _check_resolution(self.table, self.resolution)
        object.__setattr__(self, "batch", _conform(self.batch, self.table))
        _check_nulls(self.batch)
        _check_scale(self.batch, "embedding_scale")
        if self.resolution is not None:
            _check_cells(self.batch.column("h3"), self.resolution)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.batch.schema.field("embedding").type.list_size)


def _check_resolution(table: str, resolution: int | None) -> None:
    if table not in get_args(Table):
        raise SchemaError("table 'cells' or 'parcels'", repr(table), "Name one of the two.")
    if table == "cells" and (resolution is None or not 0 <= resolution <= 15):
        raise SchemaError(
            "an H3 resolution from 0 to 15 for cells",
            f"{resolution}",
            "Pass the resolution of the h3 column.",
        )
    if table == "parcels" and resolution is not None:
        raise SchemaError(
            "no resolution for parcels", f"{resolution}", "Leave it out: parcels are no H3 cells."
        )


def _conform(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    """The batch in the table's column order and types."""
    schema = _schema_for(batch, table)
    missing = [name for name in schema.names if name not in batch.schema.names]
    unknown = [name for name in batch.schema.names if name not in schema.names]
    if missing or unknown or len(batch.schema.names) != len(schema.names):
        raise SchemaError(
            f"the columns of {table}: {', '.join(schema.names)}",
            f"missing {missing}, unknown or repeated {unknown or batch.schema.names}",
            f"Build the batch from {table}_schema(dimension).",
        )
    return pa.record_batch(
        [_conform_column(batch.column(field.name), field, table) for field in schema], schema=schema
    )


def _schema_for(batch: pa.RecordBatch, table: Table) -> pa.Schema:
    if "embedding" not in batch.schema.names:
        raise SchemaError(
            "a column embedding", f"columns {batch.schema.names}", f"Build the batch from {table}_schema()."
        )
    vector = batch.schema.field("embedding").type
    if not pa.types.is_fixed_size_list(vector) or vector.value_type != pa.int8():
        raise SchemaError(
            "embedding as fixed_size_list<int8>", f"{vector}", "Quantise the vectors with quantize()."
        )
    return cells_schema(vector.list_size) if table == "cells" else parcels_schema(vector.list_size)


def _conform_column(column: pa.Array[Any], field: pa.Field[Any], table: Table) -> pa.Array[Any]:
    if not _same_type(column.type, field.type):
        raise SchemaError(
            f"column {field.name} of {table} as {field.type}",
            f"{column.type}",
            f"Build the batch from {table}_schema(dimension).",
        )
    return column if column.type.equals(field.type) else column.cast(field.type)


def _same_type(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal but for nullability of children and the width of offsets."""
    if pa.types.is_fixed_size_list(wanted):
        return (
            pa.types.is_fixed_size_list(given)
            and given.list_size == wanted.list_size
            and given.value_type == wanted.value_type
        )
    if pa.types.is_struct(wanted):
        return pa.types.is_struct(given) and {f.name: f.type for f in given} == {
            f.name: f.type for f in wanted
        }
    return _WIRE.get(given, given) == wanted


def _check_nulls(batch: pa.RecordBatch) -> None:
    for field in batch.schema:
        column = batch.column(field.name)
        nulls = column.null_count if not field.nullable or field.name == "bbox" else 0
        if field.name in ("embedding", "spread"):
            nulls += _flat(column).null_count
        if nulls:
            raise SchemaError(
                f"a value in every row of column {field.name}",
                f"{nulls} nulls in {batch.num_rows} rows",
                "Leave these rows out: a row without an observation has no embedding.",
            )


def _check_scale(batch: pa.RecordBatch, name: str) -> None:
    scale = batch.column(name).to_numpy(zero_copy_only=False)
    bad = ~(np.isfinite(scale) & (scale >= 0))
    if bad.any():
        raise SchemaError(
            f"{name} finite and not negative",
            f"{scale[bad.argmax()]} in row {int(bad.argmax())}",
            "Quantise the vectors with quantize().",
        )


def _check_cells(h3: pa.Array[Any], resolution: int) -> None:
    valid = pa.array(h3ronpy.cells_valid(h3, booleanarray=True)).to_numpy(zero_copy_only=False)
    bad = ~valid
    if valid.all():
        bad = pa.array(h3ronpy.cells_resolution(h3)).to_numpy(zero_copy_only=False) != resolution
    if bad.any():
        row = int(bad.argmax())
        raise SchemaError(
            f"H3 cells of resolution {resolution} in column h3",
            f"{h3[row].as_py():#x} in row {row} ({int(bad.sum())} such rows)",
            "Write each resolution by its own put_cells.",
        )
