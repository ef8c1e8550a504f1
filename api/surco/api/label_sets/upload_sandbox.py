"""Reading an upload in a process of its own, which is killed with everything it started when it takes too long."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import pyarrow as pa

from surco.api import refusals
from surco.api.label_sets.upload_columns import UploadWishes
from surco.api.label_sets.upload_reading import Order, Report
from surco.api.label_sets.upload_rows import SCHEMA
from surco.api.refusals import InvalidError, TooLargeError
from surco.api.settings import Settings

__all__ = ["ReadUpload", "upload_read"]

_MEMORY: Final = 3 << 30
_MOST_SAID: Final = 4 << 20
_LAST: Final = 4_000
_KINDS: Final = ("InvalidError", "TooLargeError", "UnsupportedMediaError")


@dataclass(frozen=True, slots=True, eq=False)
class ReadUpload:
    """What the process made of a file: its sound labels, in memory blocks mapped from disk, and its account."""

    labels: pa.Table
    report: Report


@contextmanager
def upload_read(path: Path, wishes: UploadWishes, settings: Settings) -> Iterator[ReadUpload]:
    """Read a file that was received.

    Args:
        path: the file, which may be renamed.
        wishes: what the uploader says of it.
        settings: whose limits hold.

    Raises:
        InvalidError, TooLargeError, UnsupportedMediaError: what the file is not; also one whose reading took too long
            or ended in a crash.
    """
    with TemporaryDirectory(prefix="surco-upload-") as folder:
        out = Path(folder) / "labels.arrow"
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        order = Order(
            path=str(path),
            out=str(out),
            scratch=str(scratch),
            wishes=wishes,
            labels=settings.max_upload_labels,
            unpacked=10 * settings.max_upload,
            memory=_MEMORY,
            seconds=settings.upload_seconds,
        )
        report = _run(order, folder)
        if report.error is not None:
            kind = report.error_kind if report.error_kind in _KINDS else "InvalidError"
            raise getattr(refusals, kind)(report.error)
        with pa.memory_map(str(out)) as source, pa.ipc.open_file(source) as reader:
            if reader.schema != SCHEMA:
                raise InvalidError("Expected labels of the reader, got another table. Send the file again.")
            table = reader.read_all()
            table.validate(full=True)
            yield ReadUpload(table, report)


def _run(order: Order, folder: str) -> Report:
    complaints = Path(folder) / "stderr"
    with complaints.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "surco.api.label_sets.upload_reading"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
        )
    with process:
        try:
            said, _ = process.communicate(msgspec.json.encode(order), timeout=order.seconds)
        except subprocess.TimeoutExpired as error:
            raise _too_slow(order.seconds) from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode == -signal.SIGXCPU:
        raise _too_slow(order.seconds)
    if process.returncode != 0 or len(said) > _MOST_SAID:
        last = complaints.read_bytes()[-_LAST:].decode("utf-8", "replace")
        logging.getLogger("surco.api").error("reading an upload ended with %s: %s", process.returncode, last)
        raise InvalidError(
            "Expected a file that can be read, got one on which its reader failed. Export it as GeoJSON or GeoPackage."
        )
    return msgspec.json.decode(said, type=Report)


def _too_slow(seconds: int) -> TooLargeError:
    return TooLargeError(
        f"Expected a file that is read in {seconds} s, got one that takes longer. Split it, or simplify it."
    )


def _environment() -> dict[str, str]:
    """Nothing of the server's: no secrets, no proxies, no folder of plug-ins."""
    quiet = {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PROJ_NETWORK": "OFF",
        "GDAL_DRIVER_PATH": "disable",
    }
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".nothing", **quiet}
