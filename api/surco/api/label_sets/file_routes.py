"""Routes of files: labels in bulk, in and out."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, Literal

import msgspec
import pyarrow as pa
from anyio import to_thread
from litestar import Response, get, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from surco.api.label_sets.answers import GEOJSON
from surco.api.label_sets.contents import FIELDS, checked_properties
from surco.api.label_sets.items import Existing, NewLabel, Outcome, add_labels
from surco.api.label_sets.labels import Label
from surco.api.label_sets.parameters import Bbox, ClassName, IfNoneMatch, Since, Text, User, wanted_labels
from surco.api.label_sets.querying import blocks, last_number
from surco.api.label_sets.receiving import receive
from surco.api.label_sets.revisions import etag
from surco.api.label_sets.sets import LabelSet, find_set
from surco.api.label_sets.shapes import Placed
from surco.api.label_sets.table_files import write_geopackage, write_geoparquet
from surco.api.label_sets.upload_reading import Report
from surco.api.label_sets.upload_sandbox import upload_read
from surco.api.label_sets.writing import csv_pieces, geojson_pieces
from surco.api.refusals import BusyError
from surco.api.web.callers import Caller, needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["file_routes"]

_TAGS = ["Labels"]
_READERS: Final = 2
_WAITING: Final = 8
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


def file_routes(server: Server) -> list[Any]:
    """Handlers of `/labels/{set}/upload` and `/labels/{set}/export`."""
    return [_upload(server), _export(server)]


@dataclass
class _UploadOperation(Operation):
    """The description of an upload, whose body is any file."""

    def __post_init__(self) -> None:
        file = Schema(type="string", format="binary")  # type: ignore[arg-type]
        form = Schema(type="object", properties={"file": file}, required=["file"])  # type: ignore[arg-type]
        self.request_body = RequestBody(
            required=True,
            description="GeoJSON, GeoPackage, GeoParquet, CSV, a zipped shapefile, or an export of TEE or GeoVibes.",
            content={
                "application/octet-stream": OpenAPIMediaType(schema=file),
                "multipart/form-data": OpenAPIMediaType(schema=form),
            },
        )


class _Readers:
    """Places for uploads that are read at a time; some wait, more are told to come back."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_READERS)
        self._there = 0

    @asynccontextmanager
    async def place(self) -> Any:
        """Wait for a place.

        Raises:
            BusyError: too many wait already.
        """
        if self._there >= _READERS + _WAITING:
            raise BusyError(
                "Expected fewer uploads at a time, got too many. Send the file again in some seconds."
            )
        self._there += 1
        try:
            async with self._places:
                yield
        finally:
            self._there -= 1


def _upload(server: Server) -> Any:
    readers = _Readers()

    @post(
        "/labels/{set_id:str}/upload",
        guards=[needs("label")],
        request_max_body_size=None,
        summary="Add the labels of a file",
        tags=_TAGS,
        operation_id="upload_labels",
        operation_class=_UploadOperation,
    )
    async def upload(
        request: User,
        set_id: FromPath[str],
        filename: Text = None,
        faults: Literal["refuse", "skip"] = "refuse",
        existing: Literal["refuse", "replace"] = "refuse",
        class_column: Text = None,
        value_column: Text = None,
        crs: Annotated[str | None, QueryParameter(max_length=60)] = None,
        layer: Text = None,
        encoding: Annotated[str | None, QueryParameter(max_length=40)] = None,
        positive: Text = None,
        who: Text = None,
        source: Text = None,
        season: Annotated[str | None, QueryParameter(max_length=20)] = None,
        observed: Annotated[str | None, QueryParameter(max_length=40)] = None,
    ) -> Response[bytes]:
        """All labels of a file, or none: with `faults=skip` those that are sound.

        The file is the body, or the part `file` of a form. The answer accounts for every feature, by its number from 1.
        `who`, `source`, `season` and `observed` count for labels that say none themselves.
        """
        usual = checked_properties({"who": who, "source": source, "season": season, "observed": observed})
        present = await to_thread.run_sync(_may_add, server, set_id, request.user)
        with tempfile.TemporaryDirectory(prefix="surco-received-") as folder:
            most = server.settings.max_upload
            received = await receive(request, Path(folder) / "received", most, filename)
            wishes = {
                "kind": present.kind,
                "name": received.name,
                "class_column": class_column,
                "value_column": value_column,
                "crs": crs,
                "layer": layer,
                "encoding": encoding,
                "positive": positive,
            }
            store = _Storing(server, request.user, set_id, existing, faults == "skip", usual)
            async with readers.place():
                return await to_thread.run_sync(store.run, received.path, wishes)

    return upload


def _may_add(server: Server, set_id: str, caller: Caller) -> LabelSet:
    with server.database.reading() as connection:
        return find_set(connection, set_id, caller, "add")


@dataclass(frozen=True, slots=True)
class _Storing:
    """What is to become of the labels of one file."""

    server: Server
    caller: Caller
    set_id: str
    existing: Existing
    skip: bool
    usual: Mapping[str, Any]

    def run(self, path: Path, wishes: Mapping[str, str | None]) -> Response[bytes]:
        """Read the file elsewhere, store its labels here, and account for each."""
        with upload_read(path, wishes, self.server.settings) as read:
            if (read.report.refused_count and not self.skip) or not read.report.taken:
                return _refusal(read.report, f"/labels/{self.set_id}/upload")
            outcome = self._store(read.labels, read.report)
        body = {"added": outcome.added, "replaced": outcome.replaced, **_account(read.report)}
        return Response(msgspec.json.encode(body), status_code=201, media_type="application/json")

    def _store(self, table: pa.Table, report: Report) -> Outcome:
        labels = [self._label(row) for row in table.to_pylist()]
        with self.server.database.writing() as connection:
            return add_labels(
                connection,
                self.caller,
                self.set_id,
                labels,
                existing=self.existing,
                quota=self.server.settings.labels_per_key,
                action="labels.upload",
                detail={"format": report.format, "refused": report.refused_count},
            )

    def _label(self, row: Mapping[str, Any]) -> NewLabel:
        said = {name: self.usual[name] if row[name] is None else row[name] for name in FIELDS}
        box = (row["west"], row["south"], row["east"], row["north"])
        return NewLabel(row["id"], Placed(row["wkb"], box), said)


def _refusal(report: Report, instance: str) -> Response[bytes]:
    """A problem document that accounts for every feature; nothing was stored."""
    first = report.refused[0] if report.refused else None
    came = f"feature {first['feature']}: {first['why']}" if first else "none"
    detail = (
        f"Expected a file whose labels are all sound, got {report.taken:,} that are and {report.refused_count:,} that are "
        f"not: {came} Nothing was stored: correct them, or send ?faults=skip to add the others."
        if first
        else "Expected a file with labels, got none. Nothing was stored: look whether it is the right one."
    )
    body = {
        "type": "about:blank",
        "title": "The labels cannot be taken",
        "status": 400,
        "detail": detail,
        "instance": instance,
        **_account(report),
        "taken": 0,
    }
    return Response(msgspec.json.encode(body), status_code=400, media_type="application/problem+json")


def _account(report: Report) -> dict[str, Any]:
    return {
        "format": report.format,
        "taken": report.taken,
        "refused_count": report.refused_count,
        "refused": report.refused,
        "columns": report.columns,
        "left_out": report.left_out,
        "notes": report.notes,
    }


def _export(server: Server) -> Any:
    @get(
        "/labels/{set_id:str}/export",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Labels of a set as a file",
        tags=_TAGS,
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
