"""The route of uploads: a file's labels, all or none, with an account of each."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import pyarrow as pa
from anyio import to_thread
from litestar import Response, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.params import FromPath, FromQuery, QueryParameter

from surco.api.label_sets.contents import FIELDS, checked_properties
from surco.api.label_sets.item_rows import NewLabel
from surco.api.label_sets.items import Existing, Outcome, add_labels
from surco.api.label_sets.parameters import Text, User
from surco.api.label_sets.receiving import receive
from surco.api.label_sets.sets import LabelSet, find_set
from surco.api.label_sets.shapes import Placed
from surco.api.label_sets.upload_columns import UploadWishes
from surco.api.label_sets.upload_reading import Report
from surco.api.label_sets.upload_sandbox import upload_read
from surco.api.refusals import BusyError
from surco.api.web.callers import Caller, needs
from surco.api.web.server import Server
from surco.embedstore import CLASS_COLUMNS

__all__ = ["upload_route"]

_READERS: Final = 2
_WAITING: Final = 8


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
    async def place(self) -> AsyncIterator[None]:
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


def upload_route(server: Server) -> Any:
    """The handler of `/labels/{set}/upload`."""
    readers = _Readers()

    @post(
        "/labels/{set_id:str}/upload",
        guards=[needs("label")],
        request_max_body_size=None,
        summary="Add the labels of a file",
        tags=["Labels"],
        operation_id="upload_labels",
        operation_class=_UploadOperation,
    )
    async def upload(
        request: User,
        set_id: FromPath[str],
        filename: Text = None,
        faults: FromQuery[Literal["refuse", "skip"]] = "refuse",
        existing: FromQuery[Literal["refuse", "replace"]] = "refuse",
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
            wishes = UploadWishes(
                kind=present.kind,
                name=received.name,
                class_columns=CLASS_COLUMNS,
                class_column=class_column,
                value_column=value_column,
                crs=crs,
                layer=layer,
                encoding=encoding,
                positive=positive,
            )
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

    def run(self, path: Path, wishes: UploadWishes) -> Response[bytes]:
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
        f"Expected a file whose labels are all sound, got {report.taken:,} that are and {report.refused_count:,} "
        f"that are not: {came} Nothing was stored: correct them, or send ?faults=skip to add the others."
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
