"""What the OpenAPI document says of the answers of `/sql`: one status, five formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar.openapi.spec import (
    Example,
    OpenAPIFormat,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Schema,
)

from surco.api.sql_box.encoders import FORMATS

__all__ = ["SqlOperation"]

_ROWS: Final = {
    "columns": [{"name": "season", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}],
    "rows": [["2024-25", 7200000]],
    "count": 1,
    "truncated": False,
}
_FEATURES: Final = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [-71.2, -35.4]},
            "properties": {"id": "p4"},
        }
    ],
    "numberReturned": 1,
    "truncated": False,
}
_OBJECT = Schema(type=OpenAPIType.OBJECT)
_FILE = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
_TEXT = Schema(type=OpenAPIType.STRING)
_SHOWN: Final[Mapping[str, tuple[Schema, Any]]] = {
    "json": (_OBJECT, _ROWS),
    "csv": (_TEXT, '"season","n"\n"2024-25",7200000\n'),
    "arrow": (_FILE, None),
    "parquet": (_FILE, None),
    "geojson": (_OBJECT, _FEATURES),
}


@dataclass
class SqlOperation(Operation):
    """An operation whose answer is in any of the formats."""

    def __post_init__(self) -> None:
        if self.responses is not None:
            self.responses["200"] = OpenAPIResponse(
                description="The rows, in the format asked for.",
                content={FORMATS[name].partition(";")[0]: _media(*shown) for name, shown in _SHOWN.items()},
                headers={
                    "surco-rows": _header(
                        "Rows of the answer, where it is at most a megabyte.", OpenAPIType.INTEGER
                    ),
                    "surco-truncated": _header(
                        "Whether `limit` left rows out, likewise.", OpenAPIType.BOOLEAN
                    ),
                    "surco-store-version": _header(
                        "Version of the store that was asked.", OpenAPIType.INTEGER
                    ),
                },
            )


def _media(schema: Schema, value: Any) -> OpenAPIMediaType:
    example = Example(summary="An answer", value=value)
    return OpenAPIMediaType(schema=schema, examples={"answer": example} if value is not None else None)


def _header(words: str, kind: OpenAPIType) -> OpenAPIHeader:
    return OpenAPIHeader(description=words, schema=Schema(type=kind))
