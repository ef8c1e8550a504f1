"""The store's error base: every message says what was expected, what came and what to do."""

from __future__ import annotations

__all__ = [
    "EmbedstoreError",
    "LabelError",
    "ModelMismatchError",
    "PlaceError",
    "QueryError",
    "SchemaError",
    "SearchError",
    "SeasonError",
    "StoreConflictError",
    "StoreError",
    "VectorError",
]


class EmbedstoreError(ValueError):
    """Something a user can cause.

    Args:
        expected: what the store needs, as a noun phrase.
        came: what it was given instead: file, value.
        remedy: what to do, as an instruction.
    """

    def __init__(self, expected: str, came: str, remedy: str) -> None:
        super().__init__(expected, came, remedy)
        self.expected = expected
        self.came = came
        self.remedy = remedy

    def __str__(self) -> str:
        return f"Expected {self.expected}; got {self.came}. {self.remedy}"


class SeasonError(EmbedstoreError):
    """A season that cannot be read, or does not suit the store."""


class VectorError(EmbedstoreError):
    """Vectors that cannot be quantised or compared."""


class SchemaError(EmbedstoreError):
    """Rows whose columns, types or values are not those of the table."""


class StoreError(EmbedstoreError):
    """A folder that is no store, a table that is not there, a name that cannot be used."""


class StoreConflictError(StoreError):
    """Another writer took the version that this one was about to write."""


class ModelMismatchError(StoreError):
    """Vectors of a model that the store does not hold, or of several where one was needed."""


class QueryError(EmbedstoreError):
    """SQL that DuckDB refuses; the message carries DuckDB's own."""


class SearchError(EmbedstoreError):
    """A similarity search whose query item is unknown or whose filter leaves nothing."""


class PlaceError(EmbedstoreError):
    """A part of the country that nobody knows by that name."""


class LabelError(EmbedstoreError):
    """A label file, or labels in it, that cannot be used."""
