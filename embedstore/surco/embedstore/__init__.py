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
from surco.embedstore.labels import CLASS_COLUMNS, Labels, read_labels
from surco.embedstore.matching import Conflict, Examples, match_labels
from surco.embedstore.places import comuna_at, comuna_of, comunas
from surco.embedstore.quantise import QUANTISATION, dequantize, quantize
from surco.embedstore.schema import (
    EmbeddingBatch,
    Table,
    cells_schema,
    fixed_size_column,
    fixed_size_matrix,
    parcels_schema,
)
from surco.embedstore.search import nearest
from surco.embedstore.season import Season
from surco.embedstore.sql import connect, run_sql, run_sql_on
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo
from surco.embedstore.transaction import Transaction

__all__ = [
    "CLASS_COLUMNS",
    "QUANTISATION",
    "Conflict",
    "EmbeddingBatch",
    "EmbedstoreError",
    "Examples",
    "LabelError",
    "Labels",
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
    "comuna_at",
    "comuna_of",
    "comunas",
    "connect",
    "dequantize",
    "fixed_size_column",
    "fixed_size_matrix",
    "match_labels",
    "nearest",
    "parcels_schema",
    "quantize",
    "read_labels",
    "run_sql",
    "run_sql_on",
]
