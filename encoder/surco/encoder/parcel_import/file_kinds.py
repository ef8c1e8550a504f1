"""What kind of file somebody handed in, told from its content and checked before any driver opens it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal
from urllib.parse import quote
from xml.parsers import expat

from surco.encoder.parcels import ParcelError

__all__ = ["Kind", "kind_of", "refuse_odd_gpkg", "refuse_odd_xml"]

Kind = Literal["zip", "GeoPackage", "shapefile", "GeoJSON", "GeoParquet", "GML"]
_SHAPEFILE = b"\x00\x00\x27\x0a"
_HEAD = 512
_CHUNK = 1 << 16
_TABLE = (
    "SELECT m.type, m.sql FROM sqlite_master AS m JOIN gpkg_contents AS c ON lower(m.name) = lower(c.table_name) "
    "WHERE c.table_name = ?"
)


def kind_of(path: Path) -> Kind:
    """The kind of a file, by its first bytes: names lie, and drivers that guess open more than parcels.

    Raises:
        ParcelError: not there, empty, or none of these kinds.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise ParcelError(
            f"Expected a parcel file at {path}; got {error.strerror}. Check the path."
        ) from error
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"SQLite format 3\x00"):
        return "GeoPackage"
    if head.startswith(_SHAPEFILE):
        return "shapefile"
    if head.startswith(b"PAR1"):
        return "GeoParquet"
    if text.startswith(b"{"):
        return "GeoJSON"
    if text.startswith(b"<"):
        return "GML"
    raise ParcelError(
        f"Expected GeoPackage, a shapefile (.shp, or zipped with its .dbf, .shx and .prj), GeoJSON, GeoParquet or GML "
        f"in {path}; got {_looks(path, head)}. Export the parcels with their outlines as GeoPackage."
    )


def _looks(path: Path, head: bytes) -> str:
    if not head:
        return "an empty file"
    if path.suffix.lower() in (".csv", ".txt", ".tsv"):
        return "a table of text without outlines"
    if path.suffix.lower() in (".dbf", ".shx", ".prj", ".cpg"):
        return f"a shapefile's {path.suffix} (name its .shp)"
    return f"a file that begins with {head[:12]!r}"


def refuse_odd_xml(path: Path) -> None:
    """Look at the beginning of an XML file with expat, without any driver.

    Raises:
        ParcelError: a document type (it may define entities without end), or a root that is no feature collection.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    roots: list[str] = []
    doctypes: list[str] = []
    parser.StartElementHandler = lambda name, _: roots.append(name.rpartition(" ")[2])
    parser.StartDoctypeDeclHandler = lambda name, *_: doctypes.append(name)
    try:
        with path.open("rb") as file:
            while not (roots or doctypes) and (chunk := file.read(_CHUNK)):
                parser.Parse(chunk)
    except (expat.ExpatError, OSError) as error:
        raise ParcelError(
            f"Expected GML in {path}; got XML that cannot be read ({error}). Export it as GeoPackage."
        ) from error
    if doctypes or roots[:1] != ["FeatureCollection"]:
        found = f"a document type {doctypes[0]!r}" if doctypes else f"root element {''.join(roots[:1])!r}"
        raise ParcelError(
            f"Expected GML whose root is a FeatureCollection, without a document type, in {path}; got {found}. "
            "Export the parcels as GeoPackage."
        )


def refuse_odd_gpkg(path: Path, layer: str) -> None:
    """Look at a GeoPackage's layer without running anything of it: views and computed columns are programs.

    Raises:
        ParcelError: no SQLite database, or a layer that is no plain table.
    """
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)
        ) as base:
            found = base.execute(_TABLE, (layer,)).fetchone()
            computed = base.execute(
                "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)", (layer,)
            )
            odd = bool(computed.fetchone()[0])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise ParcelError(
            f"Expected a GeoPackage in {path}; got a database that cannot be read ({str(error)[:200]}). "
            "Copy it again, or export it anew."
        ) from error
    kind, text = found or ("nothing", "")
    if kind != "table" or str(text).upper().split()[1:2] != ["TABLE"] or odd:
        what = "a table with computed columns" if odd and kind == "table" else f"a {kind}"
        raise ParcelError(
            f"Expected layer {layer!r} of {path} to be a plain table; got {what}. Views and computed columns are "
            "programs and are not run: save the layer as a table of its own."
        )
