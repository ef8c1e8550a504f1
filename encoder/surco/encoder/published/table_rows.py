"""Rows of the store's tables for vectors that are taken as they were published, one a cell or a parcel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore import cells_schema, fixed_size_column, parcels_schema, quantize
from surco.encoder.parcels import Parcels
from surco.encoder.protocol import Floats
from surco.encoder.tables import cell_columns, parcel_columns

__all__ = ["given_cells", "given_parcels"]


def given_cells(cells: npt.NDArray[np.uint64], vectors: Floats) -> pa.RecordBatch:
    """Rows of `cells_schema`: (N,) cells and their vectors (N, D), finite; all else that nobody said is null."""
    return _batch(cell_columns(cells), vectors, cells_schema(vectors.shape[1]))


def given_parcels(parcels: Parcels, which: npt.NDArray[np.intp], vectors: Floats) -> pa.RecordBatch:
    """Rows of `parcels_schema`: some of the parcels and their vectors (N, D), finite; the rest is null."""
    return _batch(parcel_columns(parcels, which), vectors, parcels_schema(vectors.shape[1]))


def _batch(place: dict[str, pa.Array[Any]], vectors: Floats, schema: pa.Schema) -> pa.RecordBatch:
    embedding, scale = quantize(vectors)
    known = {**place, "embedding": fixed_size_column(embedding), "embedding_scale": pa.array(scale)}
    columns = [known.get(f.name, pa.nulls(len(vectors), f.type)) for f in schema]
    return pa.record_batch(columns, schema=schema)
