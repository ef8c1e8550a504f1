"""GeoPackage, shapefile and GeoParquet, through the guarded readers with which parcels are imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Literal

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
    layer = wishes.layer if kind == "GeoPackage" else None
    return gdal_source(path, kind, layer, wishes.encoding)


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
