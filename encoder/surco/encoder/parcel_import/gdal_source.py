"""GeoPackage, shapefile, GeoJSON and GML through GDAL (pyogrio), as a stream of Arrow batches."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.encoder.parcel_import.features import (
    BATCH,
    Features,
    Objects,
    Source,
    shapes_of,
    storage_of,
    text_checked,
)
from surco.encoder.parcel_import.file_kinds import Kind, refuse_odd_gpkg, refuse_odd_xml
from surco.encoder.parcels import ParcelError

__all__ = ["gdal_source"]

_DRIVERS: Final[dict[Kind, str]] = {
    "GeoPackage": "GPKG",
    "shapefile": "ESRI Shapefile",
    "GeoJSON": "GeoJSON",
    "GML": "GML",
}
_PREFIX: Final[dict[Kind, str]] = {"GeoJSON": "GeoJSON:"}
"""Names the driver, so that content cannot choose another (a pipeline of GDAL's)."""
_OPTIONS: Final[dict[Kind, dict[str, str]]] = {
    "GeoPackage": {"IMMUTABLE": "YES"},
    "GML": {"DOWNLOAD_SCHEMA": "NO", "WRITE_GFS": "NO"},
}
_GUARDS: Final = {
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".nothing",
    "GML_SKIP_RESOLVE_ELEMS": "ALL",
    "OGR_SQLITE_ALLOW_EXTERNAL_ACCESS": "NO",
    "OGR_ARROW_MEM_LIMIT": str(256 << 20),
    "OGR_GEOJSON_MAX_OBJ_SIZE": "200",
    "SHAPE_RESTORE_SHX": "YES",
}
_NOTES = 20


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer, as pyogrio takes it."""

    path: Path
    kind: Kind
    title: str
    notes: list[str]

    @property
    def address(self) -> str:
        return _PREFIX.get(self.kind, "") + str(self.path.absolute())

    @property
    def options(self) -> dict[str, str]:
        return _OPTIONS.get(self.kind, {})

    def straight(self, number: npt.NDArray[np.int64]) -> Objects:
        """Outlines of some features with their arcs as short straight lines."""
        _, fids, outlines, _ = _pyogrio().raw.read(
            self.address, layer=self.title, fids=np.sort(number), columns=[], return_fids=True, **self.options
        )
        shapes = dict(zip(fids.tolist(), shapely.from_wkb(outlines, on_invalid="ignore"), strict=True))
        return np.array([*(shapes.get(each) for each in number.tolist()), None], object)[:-1]


@contextmanager
def gdal_source(path: Path, kind: Kind, layer: str | None, encoding: str | None) -> Iterator[Source]:
    """Open a file.

    GDAL is kept from the network, and from drivers, views and side files that the content may ask for.

    Args:
        path: a local file, alone in a folder of ours with what belongs to it, and with the suffix of its kind.
        kind: what `file_kinds.kind_of` said.
        layer: where there are several; the only one with outlines if None.
        encoding: of a shapefile's text.

    Raises:
        ParcelError: a file that GDAL cannot read, several layers and none named, none with outlines.
    """
    if kind == "GML":
        refuse_odd_xml(path)
    notes: list[str] = []
    with _guarded():
        chosen = _Layer(path, kind, _title(path, kind, layer, notes), notes)
        if kind == "GeoPackage":
            refuse_odd_gpkg(path, chosen.title)
        with _reading(path, kind, notes):
            info = _pyogrio().read_info(chosen.address, layer=chosen.title, **chosen.options)
            if info["driver"] != _DRIVERS[kind]:
                raise ParcelError(
                    f"Expected {kind} in {path}; got what GDAL reads as {info['driver']}. Export it as GeoPackage."
                )
            opened = _pyogrio().raw.open_arrow(
                chosen.address,
                layer=chosen.title,
                encoding=encoding if kind == "shapefile" else None,
                return_fids=True,
                batch_size=BATCH,
                use_pyarrow=True,
                **chosen.options,
            )
            meta, reader = opened.__enter__()
        try:
            yield _source(chosen, meta, reader, info["features"])
        finally:
            opened.__exit__(None, None, None)


def _source(layer: _Layer, meta: dict[str, Any], reader: pa.RecordBatchReader, count: int) -> Source:
    names: list[str] = reader.schema.names
    # Of two columns of one name the key is the first, the outline the last.
    fid = names.index(meta["fid_column"] or "OGC_FID")
    outline = len(names) - 1 - names[::-1].index(meta["geometry_name"] or "wkb_geometry")
    # A GeoPackage's own key is a column of the agency's; elsewhere GDAL made it up.
    keyed = layer.kind == "GeoPackage"
    kept = [place for place in range(len(names)) if place != outline and (keyed or place != fid)]
    schema = pa.schema(
        [pa.field(names[place], storage_of(reader.schema.field(place).type)) for place in kept]
    )
    title = "" if layer.kind in ("shapefile", "GeoJSON") else layer.title
    batches = _batches(reader, layer, fid, outline, kept)
    return Source(
        layer.kind, title, meta["crs"], schema, names[fid] if keyed else None, count, batches, layer.notes
    )


def _batches(
    reader: pa.RecordBatchReader, layer: _Layer, fid: int, outline: int, kept: list[int]
) -> Iterator[Features]:
    first = 0
    while True:
        with _reading(layer.path, layer.kind, layer.notes):
            batch = next(reader, None)
        if batch is None:
            return
        number = batch.column(fid).to_numpy(zero_copy_only=False).astype(np.int64)
        shapes, fault, repair = shapes_of(batch.column(outline).cast(pa.binary()))
        curved = np.flatnonzero([text is not None and text.startswith("curve") for text in fault])
        if len(curved):
            with _reading(layer.path, layer.kind, layer.notes):
                shapes[curved] = layer.straight(number[curved])
            read = curved[~shapely.is_missing(shapes[curved])]
            fault[read], repair[read] = None, "arcs made short straight lines"
        yield Features(first, shapes, fault, repair, text_checked(batch.select(kept)), number)
        first += batch.num_rows


def _title(path: Path, kind: Kind, layer: str | None, notes: list[str]) -> str:
    """The layer meant: the one named, else the only one with outlines (of several, with features)."""
    address = _PREFIX.get(kind, "") + str(path.absolute())
    with _reading(path, kind, notes):
        listed = [(str(title), shape) for title, shape in _pyogrio().list_layers(address)]
        found = [title for title, shape in listed if shape is not None and layer in (None, title)]
        if len(found) > 1:
            counts = {title: _pyogrio().read_info(address, layer=title)["features"] for title in found}
            found = [title for title in found if counts[title]] or found
    if len(found) != 1:
        titles = ", ".join(repr(title) for title, shape in listed if shape is not None) or "none"
        named = "" if layer is None else f", named {layer!r}"
        raise ParcelError(
            f"Expected one layer of outlines in {path}{named}; got {titles}. Name the one meant with --layer."
        )
    return found[0]


@contextmanager
def _guarded() -> Iterator[None]:
    """GDAL without the network; its settings are the process's, and are put back."""
    before = {name: _pyogrio().get_gdal_config_option(name) for name in _GUARDS}
    _pyogrio().set_gdal_config_options(_GUARDS)
    try:
        yield
    finally:
        _pyogrio().set_gdal_config_options(before)


@contextmanager
def _reading(path: Path, kind: Kind, notes: list[str]) -> Iterator[None]:
    """What GDAL warns of becomes notes, what it cannot read an error."""
    errors = _pyogrio().errors
    refused = (
        errors.DataSourceError,
        errors.DataLayerError,
        errors.FieldError,
        pa.ArrowException,
        OSError,
        UnicodeDecodeError,
    )
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            yield
    except refused as error:
        raise ParcelError(
            f"Expected {kind} that can be read in {path}; got {' '.join(str(error).split())[:300]!r}. "
            "Open it in QGIS and export it as GeoPackage."
        ) from error
    said = [f"GDAL: {str(warning.message)[:300]}" for warning in heard]
    notes += [text for text in dict.fromkeys(said) if text not in notes][: max(_NOTES - len(notes), 0)]


def _pyogrio() -> Any:
    """GDAL's vector half, loaded when a file needs it: it takes a quarter of a second."""
    try:
        for part in ("raw", "errors"):
            importlib.import_module(f"pyogrio.{part}")
        return importlib.import_module("pyogrio")
    except ModuleNotFoundError as error:
        raise ParcelError(
            "Expected pyogrio, through which GeoPackage, shapefiles, GeoJSON and GML are read; got none. "
            "Install it with pip install pyogrio, or hand in GeoParquet."
        ) from error
