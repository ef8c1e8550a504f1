"""What the process that reads uploads does, in the test's own process; not a fixture."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import shapely

from surco.api.label_sets.upload_columns import UploadWishes
from surco.api.label_sets.upload_reading import Order, Report, obey
from surco.embedstore import CLASS_COLUMNS


class Reader:
    """Reads files one after the other; `report` is that of the last."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self.report = Report()

    def obey(self, content: bytes, kind: str = "class", **wishes: Any) -> Report:
        """Read a file; the labels are in `table`."""
        self._number += 1
        folder = self._folder / str(self._number)
        (folder / "scratch").mkdir(parents=True)
        (folder / "upload").write_bytes(content)
        asked = UploadWishes(kind=kind, name="the upload", class_columns=CLASS_COLUMNS, **wishes)
        order = Order(
            path=str(folder / "upload"),
            out=str(folder / "out"),
            scratch=str(folder / "scratch"),
            wishes=asked,
            labels=5_000,
            unpacked=40 << 20,
            memory=0,
            seconds=0,
        )
        self.report = obey(order)
        return self.report

    def taken(self, content: bytes, *, faults: str = "refuse", **wishes: Any) -> list[dict[str, Any]]:
        """Labels of a file that is sound: geometry and what each says."""
        report = self.obey(content, **wishes)
        assert report.error is None and (faults == "skip" or not report.refused), report
        with pa.OSFile(str(self._folder / str(self._number) / "out")) as source:
            rows = pa.ipc.open_file(source).read_all().to_pylist()
        return [{"geometry": shapely.from_wkb(row.pop("wkb")), **row} for row in rows]

    def refused(self, content: bytes, **wishes: Any) -> str:
        """Why a file is not taken: an error, or the reasons of all its features."""
        report = self.obey(content, **wishes)
        words = report.error or " ".join(one["why"] for one in report.refused)
        if report.taken == 0 and not words:
            return "no labels"
        assert report.taken == 0 and words
        assert str(self._folder) not in words and "--" not in words
        return words


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()
