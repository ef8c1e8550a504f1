"""The store's files below `/files`: what the assets of `/stac` lead to."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from surco.api.stac.documents import StoredCatalogues
from surco.api.stac.downloads import send_file
from surco.api.web.callers import needs
from surco.api.web.server import Server

__all__ = ["file_routes"]

_PARQUET = "application/vnd.apache.parquet"
_ANSWERS = {
    200: ResponseSpec(bytes, generate_examples=False, media_type=_PARQUET, description="All of it"),
    206: ResponseSpec(bytes, generate_examples=False, media_type=_PARQUET, description="The range asked for"),
    304: ResponseSpec(None, description="The client has it already"),
}


def file_routes(server: Server, stored: StoredCatalogues) -> list[Any]:
    """The handler of `/files/…`."""

    @route(
        "/files/{path:path}",
        http_method=["GET", "HEAD"],
        sync_to_thread=True,
        guards=[needs("read")],
        tags=["STAC"],
        summary="A file of the store, whole or in part",
        operation_id=lambda _, method, __: f"file{str(method).title()}",
        responses=_ANSWERS,
    )
    def file(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[Any]:
        """GeoParquet of the tables, and the models' cards, of the store's latest version.

        Takes `Range` (one of bytes), `If-Range` and `If-None-Match`; the ETag is the file's SHA-256. So DuckDB, GDAL
        and pyarrow read the rows and columns they need.
        """
        return send_file(request, stored.of(server.store()), str(path).removeprefix("/"))

    return [file]
