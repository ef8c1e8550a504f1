"""The tables of embeddings, their schema, their versions, SQL, search and labels."""

from surco.embedstore.adapter_versions import AdapterVersion, adapter_versions
from surco.embedstore.asking import Contrast
from surco.embedstore.column_functions import ColumnFunction, Macro
from surco.embedstore.errors import (
    EmbedstoreError,
    LabelError,
    ModelMismatchError,
    PlaceError,
    QueryError,
    SchemaError,
    SearchError,
    SeasonError,
    StoreConflictError,
    StoreError,
    VectorError,
)
from surco.embedstore.garbage import Collected, Garbage, collect_garbage
from surco.embedstore.history import VersionInfo, rollback, versions
from surco.embedstore.labels import CLASS_COLUMNS, Labels, parse_labels, read_label_column, read_labels
from surco.embedstore.matching import Conflict, Examples, match_labels
from surco.embedstore.place_regions import ISO_CODES, NamedRegion, find_region, land_cells
from surco.embedstore.places import comuna_at, comuna_of, comunas
from surco.embedstore.pulling import pull
from surco.embedstore.pushing import Transfer, push
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
from surco.embedstore.sentence import Sentence, coded, codes_of, reworded
from surco.embedstore.similar import HowFound, IndexInfo, build_index, how_found
from surco.embedstore.sql import connect, run_sql, run_sql_on
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo
from surco.embedstore.transaction import Transaction
from surco.embedstore.upgrading import Upgraded, upgrade
from surco.embedstore.verification import Damage, Verification, verify

__all__ = [
    "CLASS_COLUMNS",
    "ISO_CODES",
    "QUANTISATION",
    "AdapterVersion",
    "Collected",
    "ColumnFunction",
    "Conflict",
    "Contrast",
    "Damage",
    "EmbeddingBatch",
    "EmbedstoreError",
    "Examples",
    "Garbage",
    "HowFound",
    "IndexInfo",
    "LabelError",
    "Labels",
    "Macro",
    "ModelMismatchError",
    "NamedRegion",
    "PlaceError",
    "QueryError",
    "SchemaError",
    "SearchError",
    "Season",
    "SeasonError",
    "Sentence",
    "Store",
    "StoreConflictError",
    "StoreError",
    "Table",
    "TableInfo",
    "Transaction",
    "Transfer",
    "Upgraded",
    "VectorError",
    "Verification",
    "VersionInfo",
    "adapter_versions",
    "build_index",
    "cells_schema",
    "coded",
    "codes_of",
    "collect_garbage",
    "comuna_at",
    "comuna_of",
    "comunas",
    "connect",
    "dequantize",
    "find_region",
    "fixed_size_column",
    "fixed_size_matrix",
    "how_found",
    "land_cells",
    "match_labels",
    "nearest",
    "parcels_schema",
    "parse_labels",
    "pull",
    "push",
    "quantize",
    "read_label_column",
    "read_labels",
    "reworded",
    "rollback",
    "run_sql",
    "run_sql_on",
    "upgrade",
    "verify",
    "versions",
]
