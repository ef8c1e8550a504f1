"""Parcels as agencies have them: what is kept, repaired, dropped and said."""

from __future__ import annotations

import csv
import itertools
import json
import secrets
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from checkers import checker, gpio_check, vec_errors
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from parcel_files import areas, bow_tie, geojson, metres, square, vector_file, zipped
from shared_data import SHARED, shared

from surco.api.cli import main
from surco.encoder.parcel_import import ImportReport, ParcelRequest, import_parcels
from surco.encoder.parcel_import.cleaning import clean
from surco.encoder.parcel_import.columns import safe_names
from surco.encoder.parcel_import.features import Features
from surco.encoder.parcel_import.overlaps import OverlapSearch
from surco.encoder.parcel_import.shelf import Shelf
from surco.encoder.parcels import ParcelError, read_parcels

pytest.importorskip("pyogrio", reason="pyogrio is not installed")

SAMPLES = {
    # file, layer: features, where (west, south, east, north), ids from
    "ai4sf/1_vietnam_areas.gpkg": (None, 100, (102, 8, 110, 24), "id"),
    "ai4sf/4_cambodia_areas.gpkg": (None, 100, (102, 10, 108, 15), "id"),
    "ch/lwb_nutzungsflaechen_v2_0_lv95.gpkg": (None, 100, (5.9, 45.8, 10.5, 47.9), "t_id"),
    "cz/bd51ec4dea8697946b9a570a6b7c9fe587e2f8334cee74778d2339da43178d38": (
        None,
        100,
        (12, 48.5, 19, 51.1),
        None,
    ),
    "fi/LandUse.ExistingLandUse.GSAAAgriculturalParcel.gpkg": (None, 100, (19, 59, 32, 70.2), "fid"),
    "hr/land_parcels.gpkg": (None, 100, (13, 42, 20, 47), "id"),
    "it_1/iti1_2023.parquet": (None, 100, (9, 42, 13, 45), None),
    "jecam/BD_JECAM_CIRAD_2023_feb.shp": (None, 100, (-75, -30, 55, 20), "Id"),
    "jp/jp_field_polygons_2024.parquet": (None, 100, (122, 24, 154, 46), None),
    "lv/1_100.xml": (None, 100, (20.9, 55.6, 28.3, 58.1), "PARCEL_ID"),
    "nl/brpgewaspercelen_definitief_2023.gpkg": (None, 100, (3.3, 50.7, 7.3, 53.6), "id"),
    "nl_block/referentiepercelen.gpkg": (None, 100, (3.3, 50.7, 7.3, 53.6), "fid"),
    "pt/Continente.gpkg": ("Culturas_Aveiro", 100, (-9.6, 36.9, -6.1, 42.2), "OBJECTID"),
    "sk/003b211508235a729804b1d7db871e8928250ed76d7058a36c73cb65a3c7d04c": (
        None,
        100,
        (16.8, 47.7, 22.6, 49.7),
        None,
    ),
}
TABLES = ("at", "be_vlg", "be_wal", "dk", "ec_ro", "fr", "se", "us_usda_cropland")


def run(path: Path, tmp_path: Path, **more: Any) -> tuple[ImportReport, pa.Table]:
    """Import a file; the report and the table written."""
    report = import_parcels(ParcelRequest(path, tmp_path / "out.parquet", **more))
    return report, pq.read_table(report.out)


def findings(report: ImportReport) -> list[dict[str, str]]:
    """The lines of the CSV."""
    with report.listing.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shapes(table: pa.Table) -> np.ndarray:
    """The outlines of a table."""
    return shapely.from_wkb(table.column("geometry").to_numpy(zero_copy_only=False))


# What agencies have


@pytest.mark.parametrize("name", SAMPLES)
def test_files_of_agencies(name: str, tmp_path: Path) -> None:
    """Every real file with outlines comes through whole, in its country, with its ids, and can be encoded."""
    layer, count, home, ident = SAMPLES[name]
    path = shared(f"parcels/fiboa_samples/{name}")
    before = sorted(path.parent.iterdir())
    report, table = run(path, tmp_path, layer=layer)
    assert (report.read, report.kept, report.id_from) == (count, count, ident)
    bounds = shapely.bounds(shapes(table))
    assert (bounds[:, 0] >= home[0]).all() and (bounds[:, 1] >= home[1]).all()
    assert (bounds[:, 2] <= home[2]).all() and (bounds[:, 3] <= home[3]).all()
    assert shapely.is_valid(shapes(table)).all()
    assert (report.in_chile, report.elsewhere, report.notes[:-1]) == (0, count, ())
    parcels = read_parcels(report.out)
    assert parcels.id.tolist() == table.column("id").to_pylist()
    np.testing.assert_allclose(parcels.area, table.column("metrics:area").to_numpy(), rtol=1e-6)
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("country", TABLES)
def test_tables_of_crop_codes_are_no_parcels(country: str, tmp_path: Path) -> None:
    """The samples that are lists of crops without outlines are refused in words, and nothing is written."""
    (path,) = shared(f"parcels/fiboa_samples/{country}").glob("*.csv")
    with pytest.raises(ParcelError, match="got a table of text without outlines"):
        run(path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_sample_is_tried() -> None:
    """No country of the samples is left out of the two tests above."""
    there = {path.name for path in shared("parcels/fiboa_samples").iterdir() if path.is_dir()}
    assert there == {name.split("/")[0] for name in SAMPLES} | set(TABLES)


def test_orchards_of_chile(tmp_path: Path) -> None:
    """CIREN's orchards keep their numbers, species and columns, and are known to lie in Coquimbo."""
    report, table = run(
        shared("chile/la_higuera_orchards.geojson"), tmp_path, crop_column="Especie", date=date(2024, 12, 31)
    )
    assert (report.kept, report.in_chile, dict(report.regions)) == (92, 92, {"Coquimbo": 92})
    assert sorted(table.column("id").to_pylist(), key=int)[:3] == ["1", "2", "3"]
    assert set(table.column("crop:name").to_pylist()) >= {"Olivo"}
    assert set(table.column("comuna").to_pylist()) == {4104}
    assert set(table.column("determination:datetime").to_pylist()) == {datetime(2024, 12, 31, tzinfo=UTC)}
    assert {"Especie", "Año_plantacion", "Sup_en_ha", "agency_Comuna"} <= set(table.column_names)
    said = table.to_pylist()[0]
    declared = float(said["Sup_en_ha"])
    assert said["metrics:area"] / 1e4 == pytest.approx(declared, abs=0.02 + 0.05 * declared)


@pytest.mark.parametrize("driver", ["GPKG", "GeoJSON", "ESRI Shapefile"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32719", "EPSG:5361"])
def test_formats_and_crs_agree(driver: str, crs: str, tmp_path: Path) -> None:
    """The same fields in three formats and CRS, plain and zipped, give the same outlines to a centimetre."""
    fields = [square(0), square(1), square(2)]
    suffix = {"GPKG": "gpkg", "GeoJSON": "geojson", "ESRI Shapefile": "shp"}[driver]
    moved = [metres(field, crs) for field in fields]
    path = vector_file(
        tmp_path / f"p.{suffix}", moved, {"rol": ["a", "b", "ñ"]}, driver=driver, crs=crs, kind="Polygon"
    )
    archive = zipped(tmp_path / "p.zip", *sorted(tmp_path.glob("p.*")), folder="entrega 2024/")
    for file in (path, archive):
        report, table = run(file, tmp_path, id_column="rol")
        order = np.argsort(table.column("id").to_numpy(zero_copy_only=False))
        assert table.column("id").take(order).to_pylist() == ["a", "b", "ñ"]
        for found, field in zip(shapes(table)[order], fields, strict=True):
            assert shapely.hausdorff_distance(found, field) < 2e-7
        assert report.overlaps == 0 and crs.split(":")[1] in report.crs


# Geometry


def test_each_bad_outline_is_repaired_or_named(tmp_path: Path) -> None:
    """Of ten outlines of every kind of trouble, what can be a field is one, and the rest are dropped with a reason."""
    lacking = struct.pack("<BIII", 1, 3, 1, 4) + struct.pack("<8d", 0, 0, np.nan, 0, 1, 1, 0, 0)
    hole = shapely.Polygon(square(7).exterior, [square(7).buffer(0.0001).exterior])
    path = vector_file(
        tmp_path / "p.gpkg",
        [
            square(0),
            bow_tie(1),
            None,
            shapely.Polygon(),
            shapely.Point(-71.5, -35.5),
            shapely.LineString([(-71.5, -35.5), (-71.4, -35.4)]),
            shapely.GeometryCollection([square(2), shapely.Point(-71.5, -35.5)]),
            shapely.force_3d(square(3), 120.0),
            shapely.Polygon([(-71.5, -35.5), (-71.4, -35.5), (-71.5, -35.5)]),
            lacking,
            hole,
        ],
    )
    report, table = run(path, tmp_path)
    reasons = {
        line["id"]: (line["what"], line["why"]) for line in findings(report) if line["what"] != "sliver"
    }
    assert report.kept == 4 and report.flattened == 1
    assert reasons["2"] == ("repaired", "self-intersection")
    assert reasons["3"] == ("dropped", "no outline")
    assert reasons["4"] == ("dropped", "empty outline")
    assert reasons["5"] == ("dropped", "Point, not a polygon")
    assert reasons["6"] == ("dropped", "LineString, not a polygon")
    assert reasons["7"] == ("repaired", "a collection, of which the polygons were taken")
    assert reasons["9"] == ("dropped", "nothing left with an area")
    assert reasons["10"] == ("dropped", "coordinates that are no numbers")
    assert reasons["11"][0] == "dropped"
    assert not shapely.has_z(shapes(table)).any()
    assert report.read == report.kept + sum(report.dropped.values())


def test_arcs_become_short_lines(tmp_path: Path) -> None:
    """A round field drawn with arcs (centre pivots are) keeps its area to a hundredth."""
    x, y = 300_000.0, 6_070_000.0
    ring = [(x - 400, y), (x, y + 400), (x + 400, y), (x, y - 400), (x - 400, y)]
    arcs = struct.pack("<BII", 1, 8, 5) + b"".join(struct.pack("<dd", *point) for point in ring)
    path = vector_file(tmp_path / "p.gpkg", [struct.pack("<BII", 1, 10, 1) + arcs], crs="EPSG:32719")
    report, table = run(path, tmp_path)
    assert dict(report.repaired) == {"arcs made short straight lines": 1}
    assert table.column("metrics:area")[0].as_py() == pytest.approx(np.pi * 400**2, rel=0.01)


def test_a_field_across_the_antimeridian(tmp_path: Path) -> None:
    """It is cut there, whichever way it was written, and keeps its area."""
    over = shapely.box(179.99, -16.5, 180.01, -16.49)
    jumping = shapely.Polygon([(179.99, -16.5), (-179.99, -16.5), (-179.99, -16.49), (179.99, -16.49)])
    under = shapely.box(-180.01, -16.5, -179.99, -16.49)
    _, table = run(geojson(tmp_path / "p.geojson", [over, jumping, under]), tmp_path)
    assert (np.abs(shapely.bounds(shapes(table))) <= 180).all()
    assert {shape.geom_type for shape in shapes(table)} == {"MultiPolygon"}
    np.testing.assert_allclose(
        table.column("metrics:area").to_numpy(), areas([square(0, side=0.02)])[0] * 0, atol=3e6
    )
    assert np.ptp(table.column("metrics:area").to_numpy()) < 1


def test_many_vertices(tmp_path: Path) -> None:
    """An outline of a million vertices is taken, one of over two million dropped by name."""
    angle = np.linspace(0, 2 * np.pi, 1_000_000, endpoint=False)
    round_ = shapely.Polygon(np.column_stack([-71.5 + 0.01 * np.cos(angle), -35.5 + 0.01 * np.sin(angle)]))
    twice = shapely.Polygon(np.repeat(shapely.get_coordinates(round_), 2, axis=0)[1:])
    report, _ = run(
        vector_file(tmp_path / "p.gpkg", [round_, shapely.transform(twice, lambda xy: xy + 1)]), tmp_path
    )
    assert report.kept == 1 and dict(report.dropped) == {"more than 2,000,000 vertices": 1}


coordinate = st.integers(-40, 40).map(lambda step: step / 4096)
ring = st.lists(st.tuples(coordinate, coordinate), min_size=4, max_size=12)
twice_repaired = [(x / 4096, y / 4096) for x, y in [(0, 0), (-1, -1), (1, 0), (0, -1), (-1, -1), (1, 0)]]


@settings(max_examples=150, deadline=None)
@given(st.lists(ring, min_size=1, max_size=4))
@example([twice_repaired])
def test_repair_gives_valid_polygons(rings: list[list[tuple[float, float]]]) -> None:
    """Whatever the ring, the output is a valid polygon with an area, or a reason; what was valid stays as it was."""
    drawn = [shapely.Polygon([(x - 71.5, y - 35.5) for x, y in ring]) for ring in rings]
    cleaned = clean(features_of(drawn), lambda x, y: (x, y))
    for before, after, dropped, repaired in zip(
        drawn, cleaned.geometry, cleaned.dropped, cleaned.repaired, strict=True
    ):
        assert (after is None) == (dropped is not None)
        if after is not None:
            assert after.is_valid and after.geom_type in ("Polygon", "MultiPolygon") and after.area > 0
            assert after.within(before.convex_hull.buffer(1e-9))
        if before.is_valid and after is not None:
            assert repaired is None and after.equals(before)


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 40), st.floats(0.001, 0.02), st.integers(0, 2**32 - 1))
def test_repair_keeps_the_area(corners: int, size: float, seed: int) -> None:
    """A star-shaped field spoilt by a spike, a repeated vertex and a closing loop keeps its area to a millionth."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.permutation(360)[:corners]) * np.pi / 180
    points = np.column_stack([np.cos(angle), np.sin(angle)]) * (size * rng.uniform(0.5, 1, (corners, 1)))
    points += [-71.5, -35.5]
    field = shapely.Polygon(points)
    spike = points[0] + (points[1] - points[0]) * 1.0
    spoilt = shapely.Polygon(np.vstack([points[:1], spike[None], points[:1], points[1:], points[-1:]]))
    cleaned = clean(features_of([spoilt]), lambda x, y: (x, y))
    if not field.is_valid or field.area < 1e-9:
        return
    assert cleaned.area[0] == pytest.approx(areas([field])[0], rel=1e-6)
    assert cleaned.geometry[0].symmetric_difference(field).area < 1e-6 * field.area


def features_of(drawn: list[shapely.Geometry]) -> Features:
    """Features in degrees without attributes."""
    count = len(drawn)
    none = np.full(count, None, object)
    shapes = np.array([*drawn, None], object)[:-1]
    return Features(0, shapes, none, none.copy(), pa.record_batch({"a": [0] * count}), np.arange(count))


# Ids and columns


def test_ids_that_occur_again(tmp_path: Path) -> None:
    """The first keeps its id, others are numbered past what is taken; a parcel that is there twice is kept once."""
    ids = ["7", "7", "7#2", "7", None, " ", "8", "8"]
    fields = [square(n) for n in range(7)] + [square(6)]
    report, table = run(geojson(tmp_path / "p.geojson", fields, *({"parcel_id": i} for i in ids)), tmp_path)
    assert sorted(table.column("id").to_pylist()) == ["7", "7#2", "7#3", "7#4", "8", "row-5", "row-6"]
    assert report.kept == 7 and dict(report.dropped) == {"the same parcel as before": 1}
    assert dict(report.renumbered) == {"no id": 2, "id of another parcel before": 2}
    assert (report.in_chile, report.overlaps) == (7, 0)
    told = [line for line in findings(report) if line["why"] == "id of another parcel before"]
    assert [(line["id"], line["other"]) for line in told] == [("7#3", "7"), ("7#4", "7")]
    assert any("--id-column" in note for note in report.notes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["a", "a#2", "a#3", "b", "a#2#2"]), st.integers(0, 3)), min_size=1))
def test_ids_end_up_unique(tmp_path: Path, rows: list[tuple[str, int]]) -> None:
    """Each id once; who comes first keeps its own; only an id with the same outline is left out."""
    shelf = Shelf(tmp_path / secrets.token_hex(8))
    outlines = np.array([square(n) for n in range(4)])
    for ident, which in rows:
        batch = pa.record_batch({"id": [ident], "geometry": [shapely.to_wkb(outlines[which])]})
        shelf.put(batch, outlines[which : which + 1], np.ones(1))
    found = shelf.sorted_out()
    kept = [row for row in range(len(rows)) if row not in found.repeated]
    ids = found.ids(np.array(kept))
    assert len(set(ids)) == len(ids) == len(set(rows))
    firsts = {ident: row for row, (ident, _) in reversed(list(enumerate(rows)))}
    assert all(ids[kept.index(row)] == ident for ident, row in firsts.items())


def test_ids_that_are_numbers(tmp_path: Path) -> None:
    """Whole numbers have no decimal point, whatever the column's type; the agency's column stays a number."""
    path = vector_file(
        tmp_path / "p.gpkg", [square(0), square(1)], {"ROL": [17.0, 123456789012.0], "x": [1, 2]}
    )
    _, table = run(path, tmp_path, id_column="ROL")
    assert sorted(table.column("id").to_pylist()) == ["123456789012", "17"]
    assert pa.types.is_floating(table.schema.field("ROL").type)


def test_crops_and_dates(tmp_path: Path) -> None:
    """Crop names and codes become text, years their last day; what is no date is null."""
    rows = [
        {"c": 5, "n": " Trigo ", "d": "2024"},
        {"c": 7, "n": None, "d": "2024-05-01"},
        {"c": None, "n": "", "d": "?"},
    ]
    path = geojson(tmp_path / "p.geojson", [square(n) for n in range(3)], *rows)
    report, table = run(path, tmp_path, crop_column="n", crop_code_column="c", date_column="d")
    rows = sorted(table.to_pylist(), key=lambda row: row["id"])
    assert [row["crop:name"] for row in rows] == ["Trigo", None, None]
    assert [row["crop:code"] for row in rows] == ["5", "7", None]
    assert [row["determination:datetime"] for row in rows] == [
        datetime(2024, 12, 31, tzinfo=UTC),
        datetime(2024, 5, 1, tzinfo=UTC),
        None,
    ]
    assert report.crop_from == "n"
    assert "1 parcels have no date that can be read in column d." in report.notes
    parcels = read_parcels(report.out)
    assert dict(zip(parcels.id, parcels.crop, strict=True)) == {"0": "Trigo", "1": None, "2": None}


@given(st.lists(st.text(max_size=12), unique=True, max_size=12))
def test_names_of_columns_are_safe(names: list[str]) -> None:
    """Each column gets a name, each once whatever its case, that SQL can quote and that is none of ours."""
    titles = list(safe_names(names).values())
    assert len({title.casefold() for title in titles}) == len(names)
    assert all(title and not set(title) & set(" \t\r\n\"';.,()\x00\\/") for title in titles)
    assert not {title.casefold() for title in titles} & {"id", "geometry", "bbox", "collection", "comuna"}


def test_what_was_imported_can_be_imported(tmp_path: Path) -> None:
    """An import of an import changes nothing but the name of the file."""
    path = geojson(tmp_path / "p.geojson", [square(0), square(1)], {"Comuna": "Talca", "n": 1}, {"n": 2})
    _, once = run(path, tmp_path, crop_column="n", date=date(2024, 1, 1))
    first = tmp_path / "first.parquet"
    (tmp_path / "out.parquet").rename(first)
    _, twice = run(first, tmp_path)
    names = sorted({*once.column_names} - {"comuna"})
    assert once.select(names).equals(twice.select(names))


def test_columns_of_every_type(tmp_path: Path) -> None:
    """Parquet's long, dictionary, view and nested columns come through with their values; null columns are text."""
    values = {
        "big": pa.array(["ñ", None], pa.large_string()),
        "coded": pa.array(["a", "b"]).dictionary_encode(),
        "seen": pa.array(["x", "y"], pa.string_view()),
        "price": pa.array([Decimal("1.50"), None]),
        "parts": pa.array([[1, 2], None]),
        "raw": pa.array([b"\xff", None]),
        "none": pa.nulls(2),
    }
    outline = pa.array(shapely.to_wkb(np.array([square(0), square(1)])), pa.large_binary())
    geo = {
        "version": "1.1.0",
        "primary_column": "g",
        "columns": {"g": {"encoding": "WKB", "geometry_types": []}},
    }
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({**values, "g": outline}).replace_schema_metadata({"geo": json.dumps(geo)}), path)
    _, table = run(path, tmp_path, id_column="seen")
    for name, column in values.items():
        assert sorted(map(str, table.column(name).to_pylist())) == sorted(map(str, column.to_pylist())), name
    assert sorted(table.column("id").to_pylist()) == ["x", "y"]


def test_awkward_names_of_files(tmp_path: Path) -> None:
    """Quotes, signs and accents in names, and a shapefile's parts in capitals without .shx, are no obstacle."""
    folder = tmp_path / "Año 'n°1' #?"
    folder.mkdir()
    assert run(vector_file(folder / 'pr"e"dios.gpkg', [square()]), tmp_path)[0].kept == 1
    path = vector_file(
        folder / "p.shp", [metres(square(), "EPSG:32719")], driver="ESRI Shapefile", crs="EPSG:32719"
    )
    path.with_suffix(".shx").unlink()
    for part in folder.glob("p.*"):
        part.rename(part.with_suffix(part.suffix.upper()))
    before = sorted(folder.iterdir())
    assert run(folder / "p.SHP", tmp_path)[0].in_chile == 1
    assert sorted(folder.iterdir()) == before


# What is said


def test_overlaps_slivers_and_large_ones(tmp_path: Path) -> None:
    """Pairs that share ground are counted once with their area; small, narrow and huge parcels are kept and named."""
    wide, huge = shapely.box(-71.5, -35.5, -71.498, -35.498), shapely.box(-72, -36.5, -71.7, -36.2)
    inside, ditch = wide.buffer(-0.0002), shapely.box(-71.49, -35.5, -71.48996, -35.49)
    tiny = square(40, side=0.00005)
    beside = shapely.box(-71.498, -35.5, -71.496, -35.498)
    path = geojson(tmp_path / "p.geojson", [wide, inside, beside, ditch, tiny, huge])
    report, _ = run(path, tmp_path)
    assert (report.kept, report.overlaps, report.slivers, report.large) == (6, 1, 2, 1)
    assert report.overlap_area == pytest.approx(areas([inside])[0], rel=1e-3)
    (pair,) = (line for line in findings(report) if line["what"] == "overlap")
    assert (pair["id"], pair["other"]) == ("0", "1")


def test_overlaps_across_places_are_found_once(tmp_path: Path) -> None:
    """Parcels that lie over several places of the search are compared, and each pair counts once."""
    grid = [shapely.box(-71.5 + 0.03 * x, -35.5, -71.46 + 0.03 * x, -35.45) for x in range(6)]
    report, _ = run(geojson(tmp_path / "p.geojson", grid), tmp_path)
    assert report.overlaps == 5
    expected = sum(areas([a.intersection(b)])[0] for a, b in itertools.pairwise(grid))
    assert report.overlap_area == pytest.approx(expected, rel=0.01)


box = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=60, deadline=None)
@given(st.lists(box, min_size=1, max_size=25))
def test_overlaps_are_those_of_all_pairs(boxes: list[tuple[int, int, int, int]]) -> None:
    """Place by place the same pairs are found, with the same areas, as by comparing every parcel with every other."""
    drawn = np.array(
        [shapely.box(x / 999, y / 999, (x + w) / 999, (y + h) / 999) for x, y, w, h in boxes] + [None]
    )
    drawn = drawn[:-1]
    size = areas(drawn)
    search = OverlapSearch(shapely.bounds(drawn), size, lambda rows: drawn[rows])
    found = {(pair.first, pair.second): pair.area for pair in search}
    shared_ = {
        (a, b): drawn[a].intersection(drawn[b]).area * size[a] / drawn[a].area
        for a, b in itertools.combinations(range(len(drawn)), 2)
    }
    assert not search.untested
    assert found == pytest.approx({pair: area for pair, area in shared_.items() if area > 100})


def test_the_account_beside(tmp_path: Path) -> None:
    """JSON tells what the report tells; the CSV cannot run as a formula."""
    path = geojson(tmp_path / "p.geojson", [None, square(0)], {"id": "=HYPERLINK(1)"}, {"id": "-5"})
    report, _ = run(path, tmp_path)
    said = json.loads(report.account.read_text(encoding="utf-8"))
    assert (said["read"], said["kept"], said["dropped"]) == (2, 1, {"no outline": 1})
    assert [line["id"] for line in findings(report)] == ["'=HYPERLINK(1)"]


def test_exchanged_coordinates_are_suspected(tmp_path: Path) -> None:
    """Fields of Chile with latitude first are kept where they say they are, and the account says what it looks like."""
    turned = shapely.transform(square(), lambda xy: xy[:, ::-1])
    report, _ = run(geojson(tmp_path / "p.geojson", [turned]), tmp_path)
    assert (report.in_chile, report.elsewhere) == (0, 1)
    assert any("longitude and latitude were exchanged" in note for note in report.notes)


# CRS


def test_no_crs_is_asked_for(tmp_path: Path) -> None:
    """A shapefile without .prj is refused with the option that helps, and taken with it."""
    path = vector_file(
        tmp_path / "p.shp", [metres(square(), "EPSG:32719")], driver="ESRI Shapefile", kind="Polygon"
    )
    (tmp_path / "p.prj").unlink()
    with pytest.raises(ParcelError, match=r"got none\. Ask .* --crs EPSG:32719"):
        run(path, tmp_path)
    report, table = run(path, tmp_path, crs="EPSG:32719")
    assert report.crs_from == "--crs" and report.in_chile == 1
    assert shapely.hausdorff_distance(shapes(table)[0], square()) < 1e-6


def test_metres_said_to_be_degrees(tmp_path: Path) -> None:
    """GeoJSON of metres without a crs member leaves nothing on the globe; the message says what to do."""
    with pytest.raises(
        ParcelError, match=r"got none .* 1 not on the globe in this CRS\. If the CRS is another"
    ):
        run(geojson(tmp_path / "p.geojson", [metres(square(), "EPSG:32719")]), tmp_path)


def test_old_datums_are_told(tmp_path: Path) -> None:
    """PSAD 1956 of Chile's older maps moves outlines by some 400 m, and the account says how well; SIRGAS does not."""
    for crs, said in (
        ("EPSG:24879", True),
        ("EPSG:5361", False),
        ("EPSG:32719", False),
        ("EPSG:2154", False),
    ):
        place = square() if crs != "EPSG:2154" else shapely.box(1.5, 43.5, 1.51, 43.51)
        path = vector_file(tmp_path / f"{crs[5:]}.gpkg", [metres(place, crs)], crs=crs)
        report, table = run(path, tmp_path)
        assert shapely.hausdorff_distance(shapes(table)[0], place) < 1e-6
        notes = [note for note in report.notes if "old datum: outlines were moved by some 4" in note]
        assert len(report.notes) == len(notes) == said, crs


@pytest.mark.parametrize("crs", ["EPSG:99999999", "EPSG:5703", "nonsense"])
def test_unknown_crs(crs: str, tmp_path: Path) -> None:
    """A CRS that is none, or of heights, is named."""
    with pytest.raises(ParcelError, match=r"Expected a known CRS .* from --crs; got"):
        run(geojson(tmp_path / "p.geojson", [square()]), tmp_path, crs=crs)


# Files from strangers


def test_zips_cannot_reach_out_or_blow_up(tmp_path: Path) -> None:
    """Names that climb out of the folder write nothing there; a bomb is refused before it is unpacked."""
    plain = geojson(tmp_path / "p.geojson", [square()])
    climbing = tmp_path / "climb.zip"
    with zipfile.ZipFile(climbing, "w") as archive:
        archive.write(plain, "../../../escaped.geojson")
    report, _ = run(climbing, tmp_path)
    assert report.kept == 1 and not list(tmp_path.parent.rglob("escaped.geojson"))
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("p.geojson", "w") as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    with pytest.raises(ParcelError, match=r"200 times its size; got 1 files and 104,857,600 bytes"):
        run(bomb, tmp_path)


def test_zips_with_a_password_or_a_zip_inside(tmp_path: Path) -> None:
    """Both are refused in words."""
    plain = zipped(tmp_path / "p.zip", geojson(tmp_path / "p.geojson", [square()]))
    content = bytearray(plain.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    (tmp_path / "locked.zip").write_bytes(content)
    with pytest.raises(ParcelError, match="without a password"):
        run(tmp_path / "locked.zip", tmp_path)
    inner = tmp_path / "inner.geojson"
    inner.write_bytes(plain.read_bytes())
    with pytest.raises(ParcelError, match="a zip in a zip"):
        run(zipped(tmp_path / "twice.zip", inner), tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.geojson", "b.geojson"], r"got 2: a\.geojson, b\.geojson\. Name the one meant with --layer"),
        (["a.txt"], "got 0: none"),
    ],
)
def test_zips_of_several_files(names: list[str], message: str, tmp_path: Path) -> None:
    """Which file is meant is asked, and --layer answers."""
    plain = geojson(tmp_path / "p.geojson", [square()])
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for name in names:
            archive.write(plain, name)
    with pytest.raises(ParcelError, match=message):
        run(tmp_path / "p.zip", tmp_path)
    if len(names) == 2:
        assert run(tmp_path / "p.zip", tmp_path, layer="b")[0].kept == 1


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    """Damage and other formats are named with the file; nothing is written."""
    good = vector_file(tmp_path / "p.gpkg", [square()] * 50)
    cases = {
        "empty.gpkg": (b"", "an empty file"),
        "cut.gpkg": (good.read_bytes()[:5000], "cut.gpkg"),
        "cut.parquet": (b"PAR1 and then nothing", "Expected GeoParquet"),
        "cut.zip": (b"PK\x03\x04 and then nothing", "without a password"),
        "text.pdf": (b"%PDF-1.7", "begins with b'%PDF"),
        "none.geojson": (b"{", "none.geojson"),
        "pipe.json": (
            b'{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read x"}',
            "pipe.json",
        ),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ParcelError, match=message):
            run(tmp_path / name, tmp_path)
    with pytest.raises(ParcelError, match=r"got No such file"):
        run(tmp_path / "nowhere.gpkg", tmp_path)
    assert not list(tmp_path.glob("out*")) and not list(tmp_path.glob(".surco*"))


def test_damage_of_what_was_imported_is_seen(tmp_path: Path) -> None:
    """One bit of an outline changed on disk, and neither `encode` nor another import reads past it."""
    report, _ = run(geojson(tmp_path / "p.geojson", [square(n) for n in range(50)]), tmp_path)
    column = pq.ParquetFile(report.out).metadata.row_group(0)
    (place,) = (n for n in range(column.num_columns) if column.column(n).path_in_schema == "geometry")
    start = column.column(place).data_page_offset
    content = bytearray(report.out.read_bytes())
    content[start + column.column(place).total_compressed_size // 2] ^= 1
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(content)
    with pytest.raises(ParcelError, match="Expected GeoParquet"):
        read_parcels(damaged)
    with pytest.raises(ParcelError, match="Expected GeoParquet"):
        run(damaged, tmp_path)


def test_names_of_columns_in_another_encoding(tmp_path: Path) -> None:
    """GeoJSON written as Latin-1, as some desks do, is refused in words."""
    path = geojson(tmp_path / "p.geojson", [square()], {"AÑO": 2024})
    path.write_bytes(path.read_text().encode().decode("unicode_escape").encode("latin-1"))
    with pytest.raises(ParcelError, match="Expected GeoJSON that can be read"):
        run(path, tmp_path)


def test_xml_that_would_run_away(tmp_path: Path) -> None:
    """GML with a document type (entities without end), and GDAL's own XML that opens other files, are refused."""
    bomb = '<?xml version="1.0"?><!-- --><!DOCTYPE a [<!ENTITY b "bb">]><FeatureCollection>&b;</FeatureCollection>'
    (tmp_path / "bomb.gml").write_text(bomb)
    with pytest.raises(ParcelError, match="got a document type 'a'"):
        run(tmp_path / "bomb.gml", tmp_path)
    (tmp_path / "vrt.gml").write_text("<OGRVRTDataSource><OGRVRTLayer name='x'/></OGRVRTDataSource>")
    with pytest.raises(ParcelError, match="root element 'OGRVRTDataSource'"):
        run(tmp_path / "vrt.gml", tmp_path)


def test_views_of_a_geopackage_are_not_run(tmp_path: Path) -> None:
    """A layer that is a view, which may run for ever, is refused; a plain one beside it is taken."""
    path = vector_file(tmp_path / "p.gpkg", [square()])
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE VIEW v AS SELECT * FROM p")
        base.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('v', 'features', 'v', 4326)"
        )
        base.execute(
            "INSERT INTO gpkg_geometry_columns VALUES ('v', (SELECT column_name FROM gpkg_geometry_columns), "
            "'GEOMETRY', 4326, 0, 0)"
        )
    with pytest.raises(ParcelError, match=r"to be a plain table; got a view"):
        run(path, tmp_path, layer="v")
    assert run(path, tmp_path, layer="p")[0].kept == 1


def test_text_that_is_no_utf8(tmp_path: Path) -> None:
    """A shapefile whose .cpg is wrong is read, with a mark where text cannot be; --encoding reads it right."""
    path = vector_file(
        tmp_path / "p.shp",
        [square()],
        {"c": ["Ñuble"]},
        driver="ESRI Shapefile",
        kind="Polygon",
        encoding="ISO-8859-1",
    )
    (tmp_path / "p.cpg").write_text("UTF-8")
    assert "uble" in run(path, tmp_path)[1].column("c")[0].as_py()
    assert run(path, tmp_path, encoding="ISO-8859-1")[1].column("c")[0].as_py() == "Ñuble"


def test_layers_and_columns_are_asked_for(tmp_path: Path) -> None:
    """Two layers and none named, and a column that is not there, are named with what there is."""
    sample = shared("parcels/fiboa_samples/pt/Continente.gpkg")
    with pytest.raises(
        ParcelError, match=r"'Culturas_Aveiro', 'OcupacoesSolo_Aveiro'\. Name the one meant with --layer"
    ):
        run(sample, tmp_path)
    with pytest.raises(ParcelError, match=r"--crop-column to be a column .* got 'x', and it has fid, name"):
        run(vector_file(tmp_path / "p.gpkg", [square()]), tmp_path, crop_column="x")


def test_the_output_stays_as_it_was(tmp_path: Path) -> None:
    """An import that fails leaves the earlier one whole, and the file read is never the file written."""
    run(geojson(tmp_path / "p.geojson", [square()]), tmp_path)
    before = (tmp_path / "out.parquet").read_bytes()
    with pytest.raises(ParcelError, match="none that can be kept"):
        run(geojson(tmp_path / "bad.geojson", [None]), tmp_path)
    assert (tmp_path / "out.parquet").read_bytes() == before
    with pytest.raises(ParcelError, match="another file to write"):
        run(tmp_path / "out.parquet", tmp_path)
    with pytest.raises(ParcelError, match="in a folder that is there"):
        import_parcels(ParcelRequest(tmp_path / "p.geojson", tmp_path / "no" / "out.parquet"))


# Elsewhere


def test_the_file_follows_geoparquet_and_vecorel(tmp_path: Path) -> None:
    """The keys, and the columns' types and nulls, are those of GeoParquet 1.1, Vecorel 0.1 and fiboa 0.3."""
    report, table = run(
        geojson(tmp_path / "p.geojson", [square(0), square(1)]), tmp_path, collection="maule-2024"
    )
    meta = pq.read_schema(report.out).metadata
    geo, said = json.loads(meta[b"geo"]), json.loads(meta[b"collection"])
    assert geo["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    assert said["collection"] == "maule-2024"
    assert "https://fiboa.org/specification/v0.3.0/schema.yaml" in said["schemas"]["maule-2024"]
    nullable = {field.name: field.nullable for field in table.schema}
    assert not nullable["id"] and not nullable["geometry"] and nullable["bbox"]
    assert table.schema.field("metrics:area").type == pa.float32()


def test_vec_finds_valid_vecorel(tmp_path: Path) -> None:
    """`vec validate` of vecorel-cli passes, where the schemas that it loads from the web can be reached."""
    report, _ = run(shared("chile/la_higuera_orchards.geojson"), tmp_path, date=date(2024, 12, 31))
    done = subprocess.run(
        [checker("vec"), "validate", str(report.out)], capture_output=True, text=True, check=False
    )
    if "can't be loaded. https://" in done.stdout or "internal error: https://" in done.stdout:
        pytest.skip("vec validate loads its schemas from the web, which cannot be reached")
    assert done.returncode == 0, done.stdout + done.stderr


def test_vec_finds_no_fault_without_the_web(tmp_path: Path) -> None:
    """By the rules of the schemas as we know them, vecorel-cli's validator finds nothing; it does in a spoilt file."""
    report, table = run(shared("chile/la_higuera_orchards.geojson"), tmp_path, date=date(2024, 12, 31))
    assert vec_errors(report.out, tmp_path) == []
    place = table.schema.get_field_index("metrics:area")
    spoilt = table.set_column(place, "metrics:area", table.column("metrics:area").cast(pa.float64()))
    pq.write_table(spoilt, tmp_path / "spoilt.parquet")
    (error,) = vec_errors(tmp_path / "spoilt.parquet", tmp_path)
    assert "metrics:area: Data type invalid" in error


def test_gpio_finds_valid_geoparquet(tmp_path: Path) -> None:
    """`gpio check` of geoparquet-io passes: every check of the GeoParquet 1.1 specification."""
    report, _ = run(shared("parcels/fiboa_samples/jecam/BD_JECAM_CIRAD_2023_feb.shp"), tmp_path)
    assert "0 warnings, 0 failed" in gpio_check(report.out, tmp_path)


def test_a_killed_import_leaves_nothing_to_read(tmp_path: Path) -> None:
    """Killed while it reads, it has written nothing under the names that people read; the next import is whole."""
    path = vector_file(tmp_path / "p.gpkg", [square(n % 150, n // 150) for n in range(15_000)])
    words = ["parcels", "import", str(path), "--out", str(tmp_path / "out.parquet")]
    process = subprocess.Popen([sys.executable, "-m", "surco.api.cli", *words], stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".surco-parcels-*/rows/parcels")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not list(tmp_path.glob("out.*"))
    report, _ = run(path, tmp_path)
    assert report.kept == 15_000


# The command


def test_the_command(tmp_path: Path) -> None:
    """`surco parcels import` says what was kept, repaired and dropped; an error ends with 2 and one sentence."""
    path = geojson(tmp_path / "p.geojson", [square(0), bow_tie(1), None], {"id": 1}, {"id": 2}, {"id": 3})
    done = CliRunner().invoke(
        main, ["parcels", "import", str(path), "--out", str(tmp_path / "o.parquet"), "--date", "2024-12-31"]
    )
    assert done.exit_code == 0, done.output
    assert "2 of 3 features kept" in done.output and "ids from column 'id'" in done.output
    assert "1 repaired: self-intersection (such as 2)" in done.output
    assert "1 dropped: no outline (such as 3)" in done.output
    assert "2 in Chile (Maule 2), 0 elsewhere" in done.output
    done = CliRunner().invoke(
        main, ["parcels", "import", str(tmp_path / "none.shp"), "--out", str(tmp_path / "o.parquet")]
    )
    assert done.exit_code == 2 and "Expected a parcel file at" in done.output


def test_samples_are_not_ours_to_change() -> None:
    """Reading leaves no file of GDAL's beside the samples."""
    assert not list(SHARED.glob("parcels/**/*.gfs"))
