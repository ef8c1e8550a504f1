"""GeoPackage, shapefile and GeoParquet, through the guarded readers with which parcels are imported."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from surco.api.label_sets.upload_columns import UploadWishes, names_places, plain_name, recognise
from surco.api.label_sets.upload_crs import said_crs
from surco.api.label_sets.upload_rows import Feature, Uploaded
from surco.api.refusals import InvalidError
from surco.encoder.parcel_import.features import Features, Source
from surco.encoder.parcels import ParcelError

__all__ = ["TableKind", "table_upload"]

TableKind = Literal["GeoPackage", "shapefile", "GeoParquet"]
_TEE: Final = frozenset({"name", "color", "code", "type"})
_WORDS: Final = (("--layer", "?layer="), ("--crs", "?crs="), ("parcels", "labels"), ("parcel", "label"))


@contextmanager
def table_upload(path: Path, kind: TableKind, wishes: UploadWishes) -> Iterator[Uploaded]:
    """Open a table, alone in a folder of ours with what belongs to it.

    Raises:
        InvalidError: damaged, a layer that is a view or a program, several layers, no CRS, no class column.
    """
    with _in_our_words(path, wishes.name), _opened(path, kind, wishes) as source:
        names = [*source.schema.names]
        plain = {plain_name(name) for name in names}
        tee = kind == "shapefile" and plain >= _TEE
        columns = recognise([*names, *(["source"] if tee else [])], wishes, ("name",) if tee else ())
        crs = said_crs(wishes.crs, source.crs, wishes.name)
        kept = set(columns.of.values())
        features = (
            each
            for batch in source.batches
            for each in _features(batch, kept, {"source": "TEE"} if tee else {})
        )
        yield Uploaded("TEE shapefile" if tee else kind, crs, columns, features, (), names_places(names))


def _opened(path: Path, kind: TableKind, wishes: UploadWishes) -> AbstractContextManager[Source]:
    from surco.encoder.parcel_import.gdal_source import gdal_source
    from surco.encoder.parcel_import.parquet_source import parquet_source

    if kind == "GeoParquet":
        return parquet_source(path)
    if kind == "GeoPackage":
        _refuse_programs(path, wishes.name)
    layer = wishes.layer if kind == "GeoPackage" else None
    return gdal_source(path, kind, layer, wishes.encoding)


def _refuse_programs(path: Path, name: str) -> None:
    """Views that stand for layers or for the list of layers are queries, which a driver would run by opening the file.

    Only the schema is read here, which runs nothing.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as base:
            views = {
                str(row[0]).lower()
                for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'view'")
            }
            odd = sorted(view for view in views if view.startswith("gpkg_"))
            if not odd:
                layers = {str(row[0]).lower() for row in base.execute("SELECT table_name FROM gpkg_contents")}
                odd = sorted(views & layers)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise InvalidError(
            f"Expected a GeoPackage in {name}, got a database that cannot be read ({str(error)[:160]}). "
            "Export it again."
        ) from error
    if odd:
        raise InvalidError(
            f"Expected layers of {name} to be plain tables, got the view {odd[0][:60]!r}. Views are programs "
            "and are not run: save the layer as a table of its own."
        )


def _features(batch: Features, kept: set[str], also: dict[str, str]) -> Iterator[Feature]:
    attributes: Any = batch.attributes
    columns = [name for name in attributes.schema.names if name in kept]
    rows = attributes.select(columns).to_pylist() if columns else [{}] * len(batch.geometry)
    for shape, fault, row in zip(batch.geometry, batch.fault, rows, strict=True):
        why = None if fault is None else f"Expected a shape that can be read, got: {fault}. Draw it again."
        yield Feature(shape, {**also, **row}, why)


@contextmanager
def _in_our_words(path: Path, name: str) -> Iterator[None]:
    """The readers speak of parcels, of our names of files and of the command line's options."""
    try:
        yield
    except ParcelError as error:
        text = re.sub(re.escape(str(path.parent)) + r"/[\w.]+", name, str(error))
        for theirs, ours in _WORDS:
            text = text.replace(theirs, ours)
        raise InvalidError(text) from error
