"""The route of exports: labels of a set as a file, streamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream

from surco.api.label_sets.answers import GEOJSON
from surco.api.label_sets.labels import Label
from surco.api.label_sets.parameters import Bbox, ClassName, IfNoneMatch, Since, Text, User, wanted_labels
from surco.api.label_sets.querying import blocks, last_number
from surco.api.label_sets.revisions import etag
from surco.api.label_sets.sets import find_set
from surco.api.label_sets.table_files import write_geopackage, write_geoparquet
from surco.api.label_sets.writing import csv_pieces, geojson_pieces
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["export_route"]

_PIECE: Final = 1 << 20
_GEOPACKAGE: Final = "application/geopackage+sqlite3"
_PARQUET: Final = "application/vnd.apache.parquet"
_FORMATS: Final = {"geojson": GEOJSON, "csv": "text/csv", "gpkg": _GEOPACKAGE, "geoparquet": _PARQUET}
_ENDINGS: Final = {"geojson": "geojson", "csv": "csv", "gpkg": "gpkg", "geoparquet": "parquet"}
_TEXTS: Final[Mapping[str, Callable[[Iterable[Sequence[Label]]], Iterator[bytes]]]] = {
    "geojson": geojson_pieces,
    "csv": csv_pieces,
}
_FILES: Final[Mapping[str, Callable[[Iterable[Sequence[Label]], Path], None]]] = {
    "gpkg": write_geopackage,
    "geoparquet": write_geoparquet,
}


def export_route(server: Server) -> Any:
    """The handler of `/labels/{set}/export`."""

    @get(
        "/labels/{set_id:str}/export",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Labels of a set as a file",
        tags=["Labels"],
        operation_id="export_labels",
    )
    def export(
        request: User,
        set_id: FromPath[str],
        f: Text = None,
        class_: ClassName = None,
        who: Text = None,
        season: Text = None,
        place: Text = None,
        bbox: Bbox = None,
        since: Since = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[Any]:
        """GeoJSON, CSV, GeoPackage or GeoParquet, whole, streamed. What is exported can be uploaded again."""
        kind = chosen(request, f, _FORMATS)
        wanted = wanted_labels(class_, who, season, place, bbox, since)
        with server.database.reading() as connection:
            present = find_set(connection, set_id, request.user)
            until = last_number(connection, set_id)
        headers = {"etag": etag(present.revision), "vary": "accept"}
        if if_none_match is not None and etag(present.revision) in if_none_match:
            return Response(b"", status_code=304, headers=headers)
        found = blocks(server.database, set_id, wanted, until)
        headers["content-disposition"] = f'attachment; filename="{set_id}.{_ENDINGS[kind]}"'
        pieces = _TEXTS[kind](found) if kind in _TEXTS else _from_file(kind, found)
        return Stream(pieces, media_type=_FORMATS[kind], headers=headers)

    return export


def _from_file(kind: str, found: Iterable[Sequence[Label]]) -> Iterator[bytes]:
    """Pieces of a file that has no name any more when the first is read, so that nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="surco-export-"))
    try:
        path = folder / f"labels.{_ENDINGS[kind]}"
        _FILES[kind](found, path)
        file = path.open("rb")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _pieces(file)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
