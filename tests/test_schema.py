"""The two tables' columns and the checked batch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

import surco.embedstore
from surco.embedstore import (
    EmbeddingBatch,
    SchemaError,
    StoreError,
    cells_schema,
    fixed_size_column,
    fixed_size_matrix,
    parcels_schema,
)
from surco.embedstore.hilbert import hilbert_distance


def batch(n: int = 5) -> pa.RecordBatch:
    """Rows of cells."""
    return cells_batch(cell_ids(n), unit_vectors(n))


def replaced(name: str, column: pa.Array) -> pa.RecordBatch:
    """Rows of cells with another column."""
    rows = batch(len(column))
    field = pa.field(name, column.type)
    return rows.set_column(rows.schema.get_field_index(name), field, column)


def test_exported_names_are_sorted_and_there() -> None:
    """`__all__` is sorted and equals what is exported."""
    names = surco.embedstore.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert all(hasattr(surco.embedstore, name) for name in names)


def test_checked_batch_is_the_table() -> None:
    """A good batch keeps its rows and gets the table's schema."""
    checked = EmbeddingBatch(batch(), "cells", MODEL, SEASON, 9)
    assert checked.batch.schema == cells_schema(64)
    assert checked.dimension == 64
    assert checked.batch.equals(batch())


def test_columns_may_be_shuffled_and_large() -> None:
    """Column order and Arrow's large types do not matter."""
    rows = parcels_batch(squares(4), unit_vectors(4), ["a", "b", None, "c"])
    columns = {name: rows.column(name) for name in reversed(rows.schema.names)}
    columns["geometry"] = columns["geometry"].cast(pa.large_binary())
    columns["id"] = columns["id"].cast(pa.large_string())
    checked = EmbeddingBatch(pa.record_batch(columns), "parcels", MODEL, SEASON)
    assert checked.batch.schema == parcels_schema(64)
    assert checked.batch.equals(rows)


def test_missing_and_unknown_columns_are_named() -> None:
    """The message lists what is missing and what does not belong."""
    rows = batch().drop_columns(["ndvi"]).append_column("colour", pa.array(["red"] * 5))
    with pytest.raises(SchemaError, match=r"missing \['ndvi'\], unknown or repeated \['colour'\]"):
        EmbeddingBatch(rows, "cells", MODEL, SEASON, 9)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("embedding", pa.array([[0.5] * 64] * 2, pa.list_(pa.float32(), 64))),
        ("embedding", pa.array([[1] * 64] * 2, pa.list_(pa.int8()))),
        ("h3", pa.array([1, 2], pa.int64())),
        ("spread", pa.array([[1] * 32] * 2, pa.list_(pa.int8(), 32))),
        ("ndvi", pa.array([[1] * 12] * 2, pa.list_(pa.int16(), 12))),
        ("n_pixels", pa.array([1.0, 2.0])),
        ("geometry", pa.array(["a", "b"])),
    ],
)
def test_other_types_are_refused(name: str, column: pa.Array) -> None:
    """A column of another type is never cast in silence."""
    with pytest.raises(SchemaError, match=f"{name}.* as "):
        EmbeddingBatch(replaced(name, column), "cells", MODEL, SEASON, 9)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("h3", pa.array([None, None], pa.uint64())),
        ("embedding", pa.array([[1] * 64, None], pa.list_(pa.int8(), 64))),
        ("embedding", pa.array([[1] * 64, [None] * 64], pa.list_(pa.int8(), 64))),
        ("embedding_scale", pa.array([None, 1.0], pa.float32())),
        ("geometry", pa.array([None, b"x"], pa.binary())),
    ],
)
def test_nulls_are_refused_where_there_must_be_none(name: str, column: pa.Array) -> None:
    """A row without key, place or vector is an error that names the column."""
    with pytest.raises(SchemaError, match=f"every row of column {name}"):
        EmbeddingBatch(replaced(name, column), "cells", MODEL, SEASON, 9)


@pytest.mark.parametrize("scale", [-1.0, np.nan, np.inf])
def test_scales_must_be_finite(scale: float) -> None:
    """A scale that is negative or no number is refused with its row."""
    with pytest.raises(SchemaError, match="in row 1"):
        EmbeddingBatch(
            replaced("embedding_scale", pa.array([1.0, scale], pa.float32())), "cells", MODEL, SEASON, 9
        )


def test_cells_must_have_the_resolution() -> None:
    """A cell of another resolution, or a number that is no cell, is refused."""
    with pytest.raises(SchemaError, match="cells of resolution 10"):
        EmbeddingBatch(batch(), "cells", MODEL, SEASON, 10)
    with pytest.raises(SchemaError, match="0x5 in row 1"):
        EmbeddingBatch(replaced("h3", pa.array([cell_ids(1)[0], 5], pa.uint64())), "cells", MODEL, SEASON, 9)


@pytest.mark.parametrize(
    ("table", "resolution"), [("cells", None), ("cells", 16), ("cells", -1), ("parcels", 9), ("fields", None)]
)
def test_table_and_resolution_belong_together(table: str, resolution: int | None) -> None:
    """Cells have a resolution, parcels none, and there is no third table."""
    with pytest.raises(SchemaError):
        EmbeddingBatch(batch(), table, MODEL, SEASON, resolution)  # type: ignore[arg-type]


@pytest.mark.parametrize("model_id", ["../evil", "a/b", "", ".hidden", "a" * 129, "a b", "a\n"])
def test_model_ids_cannot_leave_the_store(model_id: str) -> None:
    """A model id that is no plain name is refused."""
    with pytest.raises(StoreError, match="model id"):
        EmbeddingBatch(batch(), "cells", model_id, SEASON, 9)


@given(st.integers(0, 30), st.integers(1, 70), st.integers(0, 5))
def test_matrices_round_trip_as_columns(n: int, dimension: int, skipped: int) -> None:
    """(N, D) int8 survives as a column, sliced too."""
    values = np.random.default_rng(n).integers(-127, 128, (n, dimension)).astype(np.int8)
    column = fixed_size_column(values)
    np.testing.assert_array_equal(fixed_size_matrix(column), values)
    np.testing.assert_array_equal(fixed_size_matrix(column.slice(skipped)), values[skipped:])


def test_hilbert_order_is_a_walk() -> None:
    """Along the curve each cell of a square grid is next to the one before: the definition of Hilbert's curve."""
    side = np.arange(16) + 0.5
    x, y = (axis.ravel() for axis in np.meshgrid(side, side))
    order = np.argsort(hilbert_distance(x / 16 * 360 - 180, y / 16 * 180 - 90))
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert (steps == 1).all()
