"""A file that somebody uploaded, read by a process of its own: `python -m surco.api.label_sets.upload_reading`.

Parsers of strangers' files run here and nowhere else: without network, without the server's environment, with limits
of memory, time and files, and killed when they take too long (`upload_sandbox`). A JSON order comes on standard input;
labels go into an Arrow file, what became of each feature to standard output.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from surco.api.errors import ApiError
from surco.api.label_sets.upload_columns import UploadWishes
from surco.api.refusals import InvalidError, UnsupportedMediaError

if TYPE_CHECKING:
    from surco.api.label_sets.upload_rows import Account, Uploaded

__all__ = ["Order", "Report", "kind_of", "obey", "read_upload"]

Kind = Literal["zip", "GeoPackage", "shapefile", "GeoParquet", "JSON", "CSV"]
_HEAD: Final = 4_096


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to read, into what, within what limits."""

    path: str
    out: str
    scratch: str
    wishes: UploadWishes
    labels: int
    unpacked: int
    memory: int
    seconds: int


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of it: an error in words and its kind, or an account of every feature."""

    error: str | None = None
    error_kind: str | None = None
    format: str = ""
    taken: int = 0
    refused: list[dict[str, Any]] = []
    refused_count: int = 0
    notes: list[str] = []
    columns: dict[str, str] = {}
    left_out: list[str] = []


def kind_of(path: Path, name: str) -> Kind:
    """The kind of a file by its first bytes; names lie, and only tables of text have nothing else.

    Raises:
        UnsupportedMediaError: none of these kinds.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    starts: dict[bytes, Kind] = {
        b"PK\x03\x04": "zip",
        b"SQLite format 3\x00": "GeoPackage",
        b"\x00\x00\x27\x0a": "shapefile",
        b"PAR1": "GeoParquet",
    }
    for start, kind in starts.items():
        if head.startswith(start):
            return kind
    if text[:1] in (b"{", b"["):
        return "JSON"
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    lines = b"\n" in text or b"\r" in text
    if (utf16 or (lines and b"\x00" not in head)) and text[:1] != b"<":
        return "CSV"
    came = "an empty file" if not head else f"a file that begins with {head[:12]!r}"
    raise UnsupportedMediaError(
        f"Expected GeoJSON, GeoPackage, GeoParquet, CSV, a zipped shapefile, or an export of TEE or GeoVibes, got "
        f"{came} in {name}. Export the labels as one of these."
    )


@contextmanager
def read_upload(path: Path, scratch: Path, wishes: UploadWishes, unpacked: int) -> Iterator[list[Uploaded]]:
    """Open a file of any kind; several where a zip holds several that are one set of labels.

    Raises:
        ApiError: of any kind that says why it cannot be read.
    """
    from surco.api.label_sets.upload_zips import unzip

    kind = kind_of(path, wishes.name)
    paths = unzip(path, scratch, wishes.layer, unpacked, wishes.name) if kind == "zip" else [path]
    with ExitStack() as stack:
        yield [_opened(each, wishes, scratch, stack) for each in paths]


def _opened(path: Path, wishes: UploadWishes, scratch: Path, stack: ExitStack) -> Uploaded:
    kind = kind_of(path, wishes.name)
    if kind == "zip":
        raise InvalidError(f"Expected labels in {wishes.name}, got a zip in a zip. Send the inner one.")
    if kind == "JSON":
        from surco.api.label_sets.upload_geojson import geojson_upload

        return geojson_upload(path, wishes)
    if kind == "CSV":
        from surco.api.label_sets.upload_csv import csv_upload

        return csv_upload(path, wishes)
    from surco.api.label_sets.upload_tables import table_upload

    return stack.enter_context(table_upload(_named(path, kind, scratch), kind, wishes))


def _named(path: Path, kind: str, scratch: Path) -> Path:
    """The file under a plain name with the suffix of its kind: GDAL goes by it, and obeys files beside."""
    suffix = {"GeoPackage": ".gpkg", "shapefile": ".shp", "GeoParquet": ".parquet"}[kind]
    if path.suffix == suffix:
        return path
    target = scratch / f"upload{suffix}"
    path.rename(target)
    return target


def main() -> None:
    """Read the order, obey it, report."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    _confine(order)
    sys.meta_path.insert(0, _WithoutPandas())
    sys.stdout.buffer.write(msgspec.json.encode(obey(order)))


class _WithoutPandas(MetaPathFinder):
    """pyarrow imports pandas where it is installed, which takes longer than to read most files."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def obey(order: Order) -> Report:
    """Read a file into an Arrow file of labels, and say what came of it; what it is not comes as a report too."""
    try:
        return _read(order)
    except ApiError as error:
        return Report(error=str(error), error_kind=type(error).__name__)
    except MemoryError:
        words = "Expected a file that can be read in the memory given, got a larger one. Split it."
        return Report(error=words, error_kind="TooLargeError")


def _confine(order: Order) -> None:
    for what, most in (
        (resource.RLIMIT_DATA, order.memory),
        (resource.RLIMIT_CPU, order.seconds),
        (resource.RLIMIT_FSIZE, 2 * order.unpacked),
        (resource.RLIMIT_NOFILE, 128),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _read(order: Order) -> Report:
    import pyarrow as pa

    from surco.api.label_sets.upload_rows import SCHEMA, Account, Limits, label_batches

    account, limits = Account(), Limits(order.labels, order.unpacked)
    with (
        read_upload(Path(order.path), Path(order.scratch), order.wishes, order.unpacked) as found,
        pa.OSFile(order.out, "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        for uploaded in found:
            for batch in label_batches(uploaded, account, limits):
                writer.write_batch(batch)
    return _report(found, account)


def _report(found: list[Uploaded], account: Account) -> Report:
    counted = [f"{number:,} labels: {note}" for note, number in sorted(account.notes.items())]
    return Report(
        format=found[0].format,
        taken=account.taken,
        refused=account.refused,
        refused_count=account.refused_count,
        notes=[*dict.fromkeys(note for each in found for note in each.notes), *counted],
        columns=dict(found[0].columns.of),
        left_out=[name[:60] for name in found[0].columns.left_out[:100]],
    )


if __name__ == "__main__":
    main()
