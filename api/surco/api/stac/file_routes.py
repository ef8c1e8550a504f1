"""The store's files below `/files`: what the assets of `/stac` lead to."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, route
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
    """Handlers of `/files/…`."""

    def answer(request: Request[Any, Any, Any], path: str) -> Response[Any]:
        return send_file(request, stored.of(server.store()), path.removeprefix("/"))

    @get(
        "/files/{path:path}",
        sync_to_thread=True,
        guards=[needs("read")],
        tags=["STAC"],
        summary="A file of the store, whole or in part",
        operation_id="file",
        responses=_ANSWERS,
    )
    def file(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[Any]:
        """GeoParquet of the tables, and the models' cards, of the store's latest version.

        Takes HEAD too, and `Range` (one of bytes), `If-Range` and `If-None-Match`; the ETag is the file's SHA-256. So
        DuckDB, GDAL and pyarrow read the rows and columns they need.
        """
        return answer(request, str(path))

    @route(
        "/files/{path:path}",
        http_method=["HEAD"],
        sync_to_thread=True,
        guards=[needs("read")],
        include_in_schema=False,
    )
    def file_head(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[Any]:
        return answer(request, str(path))

    return [file, file_head]
