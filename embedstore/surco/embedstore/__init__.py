"""The tables of embeddings, their schema, their versions, SQL, search and labels."""

from surco.embedstore.errors import (
    EmbedstoreError,
    LabelError,
    ModelMismatchError,
    QueryError,
    SchemaError,
    SearchError,
    SeasonError,
    StoreConflictError,
    StoreError,
    VectorError,
)
from surco.embedstore.quantise import QUANTISATION, dequantize, quantize
from surco.embedstore.schema import EmbeddingBatch, Table, cells_schema, fixed_size_column, parcels_schema
from surco.embedstore.season import Season
from surco.embedstore.store import Store, TableInfo
from surco.embedstore.transaction import Transaction

__all__ = [
    "QUANTISATION",
    "EmbeddingBatch",
    "EmbedstoreError",
    "LabelError",
    "ModelMismatchError",
    "QueryError",
    "SchemaError",
    "SearchError",
    "Season",
    "SeasonError",
    "Store",
    "StoreConflictError",
    "StoreError",
    "Table",
    "TableInfo",
    "Transaction",
    "VectorError",
    "cells_schema",
    "dequantize",
    "fixed_size_column",
    "parcels_schema",
    "quantize",
]
