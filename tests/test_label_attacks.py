"""Files that are no labels, and those that mean harm: a sentence each, nothing stored, and the server lives on."""

from __future__ import annotations

import io
import sqlite3
import stat
import struct
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import shapely
from label_reader import Reader, zipped
from label_server import LAT, LON, LabelClient, as_key, collection, point, serving
from parcel_files import vector_file

SQUARE = shapely.box(LON, LAT, LON + 0.002, LAT + 0.002)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelClient]:
    """A client of a server that gives an upload four seconds."""
    with serving(tmp_path_factory.mktemp("labels"), upload_seconds=4) as (http, settings):
        yield as_key(http, settings, "ana")


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader of uploads."""
    return Reader(tmp_path)


def nested(depth: int) -> bytes:
    """A geometry of brackets."""
    return (
        b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"class":"a"},"geometry":{"type":"Polygon","coordinates":'
        + b"[" * depth
        + b"]" * depth
        + b"}}]}"
    )


def feature(kind: str, coordinates: object) -> bytes:
    """A collection of one label with such a geometry; NaN is written as JSON has none."""
    geometry = {"type": kind, "coordinates": coordinates}
    return collection([{**point("a"), "geometry": geometry}])


KINDS = {None: 400, "InvalidError": 400, "TooLargeError": 413, "UnsupportedMediaError": 415}
ATTACKS: dict[str, tuple[bytes, int, str]] = {
    "no file of ours": (b"\x7fELF\x02\x01\x01", 415, "begins with"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00", 415, "begins with"),
    "a pickle": (b"\x80\x04\x95\x10\x00\x00\x00.", 415, "begins with"),
    "XML with an entity": (
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        415,
        "begins with",
    ),
    "a VRT": (b"<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", 415, "begins with"),
    "a pipeline of GDAL's": (
        b'{"type":"gdal_streamed_alg","command_line":"gdal vector pipeline ! read /etc/passwd"}',
        400,
        "FeatureCollection",
    ),
    "no JSON": (b'{"type":', 400, "no JSON"),
    "NaN": (
        b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"class":"a"},"geometry":{"type":"Point","coordinates":[NaN,1]}}]}',
        400,
        "no JSON",
    ),
    "infinity by exponent": (
        b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"class":"a"},"geometry":{"type":"Point","coordinates":[1e999,1]}}]}',
        400,
        "point or a polygon",
    ),
    "brackets without end": (nested(100_000), 400, "that form"),
    "a list of lists": (b"[" * 200_000 + b"]" * 200_000, 400, "that form"),
    "a line": (feature("LineString", [[0, 0], [1, 1]]), 400, "got a LineString"),
    "a collection": (
        collection([{**point("a"), "geometry": {"type": "GeometryCollection", "geometries": []}}]),
        400,
        "GeometryCollection",
    ),
    "an empty polygon": (feature("Polygon", []), 400, "empty"),
    "a ring of two": (feature("Polygon", [[[0, 0], [1, 1]]]), 400, "that can be read"),
    "a polygon that collapses": (
        feature("Polygon", [[[0, 0], [1, 1], [0, 0], [1, 1], [0, 0]]]),
        400,
        "collapses",
    ),
    "text as coordinates": (feature("Point", ["a", "b"]), 400, "that can be read"),
    "beyond the pole": (feature("Point", [10, 91]), 400, "latitude -90 to 90"),
    "metres without a system": (feature("Point", [271000, 6080000]), 400, "coordinate system"),
    "a crs that opens a file": (
        collection([point("a")], crs={"type": "name", "properties": {"name": "/etc/passwd"}}),
        400,
        "by its code",
    ),
    "a crs of the Moon": (
        collection([point("a")], crs={"type": "name", "properties": {"name": "IAU:30100"}}),
        400,
        "by its code",
    ),
    "zeros in text": (b"lat,lon,class\n-35.4,-71.5,a\x00b\n", 415, "begins with"),
    "a class of a novel": (collection([point("x" * 201)]), 400, "at most 200"),
    "a class that turns text round": (collection([point("trigo\u202eoziam")]), 400, "control characters"),
    "a class with a line break": (collection([point("a\nb")]), 400, "control characters"),
    "a lone surrogate": (
        b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"class":"\\ud800"},"geometry":{"type":"Point","coordinates":[0,0]}}]}',
        400,
        "no JSON",
    ),
    "an id that leads elsewhere": (collection([point("a", id="../../x")]), 400, "without / ?"),
    "no class column": (collection([{**point("a"), "properties": {"kind": "a"}}]), 400, "?class_column="),
    "no features": (collection([]), 400, "column of the class"),
    "a table without places": (b"class,who\na,b\n", 400, "lat and lon"),
    "a table of one heading": (b"lat,lon,class\n", 400, "no labels"),
    "a heading twice": (b"lat,lon,class,class\n-35,-71,a,b\n", 400, "twice"),
    "decimal commas split": (b"lat,lon,class\n-35,4,-71,5,trigo\n", 400, "decimal comma"),
    "words as coordinates": (b"lat,lon,class\nnorth,west,trigo\n", 400, "Expected a number in"),
    "no WKT": (b"wkt,class\nPOINT (,a\n", 400, "Expected WKT"),
    "utf-16 that is none": (b"\xff\xfea", 400, "UTF-16"),
    "a database that is no GeoPackage": (b"SQLite format 3\x00" + b"\x00" * 4000, 400, "GeoPackage"),
    "half a Parquet": (b"PAR1" + b"\x00" * 100, 400, "GeoParquet"),
    "a bare shp": (struct.pack(">I", 9994) + b"\x00" * 96, 400, "shapefile"),
    "an empty zip": (b"PK\x05\x06" + b"\x00" * 18, 415, "begins with"),
    "half a zip": (b"PK\x03\x04" + b"\x00" * 40, 400, "zip"),
    "a zip of pictures": (zipped({"a.png": b"x"}), 400, "got none"),
    "a zip that climbs": (
        zipped({"../../etc/cron.d/x.geojson": collection([point("a")])}),
        400,
        "plain names",
    ),
    "a zip from the root": (zipped({"/etc/x.geojson": collection([point("a")])}), 400, "plain names"),
    "a zip of a drive": (zipped({"C:\\x.geojson": collection([point("a")])}), 400, "plain names"),
    "a zip in a zip": (zipped({"a.zip": zipped({"a.geojson": b"{}"})}), 400, "no archive"),
    "a zip that says it is none": (zipped({"a.geojson": zipped({"a.geojson": b"{}"})}), 400, "zip in a zip"),
    "two sets in a zip": (zipped({"a.geojson": b"{}", "b.geojson": b"{}"}), 400, "?layer="),
    "a bomb by ratio": (zipped({"a.geojson": b" " * (30 << 20)}), 413, "times its size"),
    "a bomb by number": (zipped({f"{n}.prj": b"" for n in range(300)}), 413, "200 files"),
    "a bomb by size": (
        zipped(
            {"a.csv": b"lat,lon,class\n" + np.random.default_rng(0).bytes(48 << 18)}
            | {f"{n}.csv": b"0" * (9 << 20) for n in range(4)}
        ),
        413,
        "MB",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_no_label_file_is_a_sentence(reader: Reader, name: str) -> None:
    """Each is refused with a status of its own and a sentence; nothing is stored, and the server lives on."""
    content, status, words = ATTACKS[name]
    assert words in reader.refused(content)
    assert KINDS[reader.report.error_kind] == status


def test_a_link_in_a_zip_is_refused(reader: Reader) -> None:
    """A symbolic link would make another file of the server readable."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        link = zipfile.ZipInfo("labels.geojson")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "got the link" in reader.refused(sink.getvalue())


def test_a_million_vertices_are_a_sentence(reader: Reader) -> None:
    """One label of a million vertices is refused by its number; many large ones by their sum."""
    turn = np.linspace(0, 2 * np.pi, 120_001)[:-1]
    circle = shapely.polygons(np.column_stack([LON + np.cos(turn) / 100, LAT + np.sin(turn) / 100]).round(7))
    content = b"wkt;class\n" + shapely.to_wkt(circle).encode() + b";a\n"
    assert "at most 100,000 vertices, got 120,001" in reader.refused(content)


def test_programs_in_a_geopackage_do_not_run(reader: Reader, tmp_path: Path) -> None:
    """A view as layer, or as the list of layers, is refused before a driver opens the file; triggers do nothing."""
    path = tmp_path / "a.gpkg"
    vector_file(path, [SQUARE], {"class": ["trigo"]}, layer="labels")
    program = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 3"
    with closing(sqlite3.connect(path)) as base:
        base.execute("ALTER TABLE labels RENAME TO kept")
        view = f"CREATE VIEW labels AS SELECT * FROM kept WHERE fid IN ({program})"  # noqa: S608
        base.execute(view)
        base.commit()
    assert "programs" in reader.refused(path.read_bytes())
    with closing(sqlite3.connect(path)) as base:
        base.execute("ALTER TABLE gpkg_contents RENAME TO listed")
        base.execute("CREATE VIEW gpkg_contents AS SELECT * FROM listed")
        base.commit()
    assert "gpkg_contents" in reader.refused(path.read_bytes())
    two = tmp_path / "b.gpkg"
    vector_file(two, [SQUARE], {"class": ["trigo"]}, layer="labels")
    with closing(sqlite3.connect(two)) as base:
        base.execute("CREATE TABLE loot (x)")
        base.execute("CREATE TRIGGER t AFTER INSERT ON gpkg_contents BEGIN INSERT INTO loot VALUES (1); END")
        base.commit()
    assert [one["class"] for one in reader.taken(two.read_bytes())] == ["trigo"]


def zigzag(vertices: int) -> bytes:
    """An outline that crosses itself at every step: a small file whose repair would take hours."""
    turns = LON + np.random.default_rng(1).random((vertices, 2)) / 100
    ring = [*turns.tolist(), turns[0].tolist()]
    return collection([{**point("a"), "geometry": {"type": "Polygon", "coordinates": [ring]}}])


def test_a_reader_that_spins_is_killed_and_the_server_lives_on(client: LabelClient) -> None:
    """A file whose reading does not end is ended after its time; the next upload is served."""
    set_id, content = client.new_set(), zigzag(60_000)
    began = time.monotonic()
    client.upload(set_id, content, 413)
    assert time.monotonic() - began < 60
    assert client.said(set_id) == []
    assert client.upload(set_id, collection([point("a")]))["added"] == 1


SERVED = ("a pickle", "a VRT", "brackets without end", "a bomb by ratio", "a zip that climbs")


@pytest.mark.parametrize("name", SERVED)
def test_the_server_answers_with_a_problem(client: LabelClient, name: str) -> None:
    """Over HTTP the status is the one of the table, the body a problem document, and nothing is stored."""
    content, status, words = ATTACKS[name]
    set_id = client.new_set()
    body = client.upload(set_id, content, status)
    assert words in body["detail"] and body["status"] == status
    assert client.said(set_id) == []
