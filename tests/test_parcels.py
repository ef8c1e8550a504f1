"""Parcel files: what is read of them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from shared_data import shared

from surco.encoder.parcels import ParcelError, measure, read_parcels

SQUARE = shapely.box(-71.5, -35.5, -71.49, -35.49)


def feature(geometry: Any = SQUARE, **more: Any) -> dict[str, Any]:
    """A GeoJSON feature."""
    mapped = shapely.geometry.mapping(geometry) if isinstance(geometry, shapely.Geometry) else geometry
    return {"type": "Feature", "properties": {}, "geometry": mapped, **more}


def write(path: Path, *features: dict[str, Any], **more: Any) -> Path:
    """A FeatureCollection in a file."""
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **more}))
    return path


def test_flanders_in_metres() -> None:
    """The crs member is honoured: farmers' parcels in UTM come out in degrees, with true areas."""
    parcels = read_parcels(shared("stac/flanders_2019/parcels.geojson"))
    assert len(parcels.id) == 19 and parcels.id[0] == "0"
    west, south, east, north = shapely.total_bounds(parcels.geometry)
    assert 4.05 < west < east < 4.07 and 50.74 < south < north < 50.75
    assert parcels.area[0] == pytest.approx(3800, rel=2e-3) and parcels.perimeter[0] == pytest.approx(
        280, rel=2e-3
    )


def test_ids_and_crops(tmp_path: Path) -> None:
    """The feature's own id comes before its property, a number where there is neither; crop names likewise."""
    path = write(
        tmp_path / "p.geojson",
        feature(id="a", properties={"id": "x", "crop": "maize"}),
        feature(properties={"id": 7, "crop:name": "wheat", "label": "other"}),
        feature(properties={"label": 1200}),
        feature(properties=None),
    )
    parcels = read_parcels(path)
    assert parcels.id.tolist() == ["a", "7", "2", "3"]
    assert parcels.crop.tolist() == ["maize", "wheat", "1200", None]


def test_invalid_polygons_are_repaired(tmp_path: Path) -> None:
    """A bow tie becomes two triangles; heights are dropped."""
    bow = shapely.Polygon([(-71.5, -35.5), (-71.49, -35.49), (-71.49, -35.5), (-71.5, -35.49)])
    high = shapely.force_3d(SQUARE, 100.0)
    parcels = read_parcels(write(tmp_path / "p.geojson", feature(bow), feature(high)))
    assert shapely.is_valid(parcels.geometry).all() and not shapely.has_z(parcels.geometry).any()
    assert parcels.area[0] == pytest.approx(parcels.area[1] / 2, rel=1e-2)


def test_areas_do_not_hang_on_how_rings_run(tmp_path: Path) -> None:
    """Parts and holes count the same whichever way they are drawn; parts that run against each other do not cancel."""
    hole = shapely.box(-71.498, -35.498, -71.495, -35.495)
    other = shapely.box(-71.48, -35.5, -71.47, -35.49)
    whole, inner, beside = measure(np.array([SQUARE, hole, other]))[0]
    ring, around = hole.exterior.coords, SQUARE.exterior.coords
    drawn = [
        shapely.Polygon(around, [ring]),
        shapely.Polygon(around, [ring[::-1]]),
        shapely.MultiPolygon([SQUARE, shapely.Polygon(other.exterior.coords[::-1])]),
        shapely.MultiPolygon([SQUARE, other]),
    ]
    area, perimeter = measure(np.array(drawn))
    np.testing.assert_allclose(area, [whole - inner] * 2 + [whole + beside] * 2, rtol=1e-9)
    np.testing.assert_allclose(perimeter, [perimeter[0]] * 2 + [2 * perimeter[0]] * 2, rtol=1e-9)
    assert [each.tolist() for each in measure(np.array([shapely.Polygon()]))] == [[0.0], [0.0]]


def test_geoparquet(tmp_path: Path) -> None:
    """GeoParquet gives the same as GeoJSON."""
    geo = {
        "version": "1.1.0",
        "primary_column": "g",
        "columns": {"g": {"encoding": "WKB", "geometry_types": []}},
    }
    table = pa.table({"g": [shapely.to_wkb(SQUARE)], "id": ["a"], "crop": ["rice"]})
    path = tmp_path / "p.parquet"
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    parcels = read_parcels(path)
    twin = read_parcels(write(tmp_path / "p.geojson", feature(id="a", properties={"crop": "rice"})))
    assert parcels.id.tolist() == ["a"] and parcels.crop.tolist() == ["rice"]
    assert parcels.geometry[0].equals(twin.geometry[0])
    np.testing.assert_array_equal(parcels.area, twin.area)


def test_real_geoparquet_in_a_national_crs() -> None:
    """A file as an agency publishes it is read in its own CRS."""
    parcels = read_parcels(shared("parcels/fiboa_samples/jp/jp_field_polygons_2024.parquet"))
    west, south, east, north = shapely.total_bounds(parcels.geometry)
    assert 120 < west < east < 155 and 20 < south < north < 46


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "Expected a GeoJSON FeatureCollection"),
        ("[]", "Expected a GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": []}', "Expected at least one parcel"),
        ('{"features": [{"geometry": {"type": "Circle"}}]}', "Expected a GeoJSON FeatureCollection"),
        ('{"features": [{"geometry": null}]}', "Expected a polygon in feature 0 .*no geometry"),
        ('{"features": [{"geometry": {"type": "Point", "coordinates": [1, 2]}}]}', "got Point"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each names the file and what was wrong."""
    path = tmp_path / "p.geojson"
    path.write_text(text)
    with pytest.raises(ParcelError, match=message):
        read_parcels(path)


def test_other_formats_are_shown_the_way(tmp_path: Path) -> None:
    """A GeoPackage or shapefile is refused with the command that takes it."""
    (tmp_path / "p.gpkg").write_bytes(b"SQLite format 3\x00\xff\xfe")
    with pytest.raises(ParcelError, match="surco parcels import"):
        read_parcels(tmp_path / "p.gpkg")


def test_metres_without_a_crs(tmp_path: Path) -> None:
    """Projected coordinates that nobody declared are not taken for degrees."""
    with pytest.raises(ParcelError, match=r"Expected longitudes and latitudes .*State the CRS"):
        read_parcels(write(tmp_path / "p.geojson", feature(), feature(shapely.box(3e5, 6e6, 3.1e5, 6.1e6))))


def test_unknown_crs(tmp_path: Path) -> None:
    """A CRS that does not exist is named."""
    crs = {"type": "name", "properties": {"name": "EPSG:99999999"}}
    with pytest.raises(ParcelError, match=r"Expected a known CRS .*99999999"):
        read_parcels(write(tmp_path / "p.geojson", feature(), crs=crs))


def test_missing_file_and_double_ids(tmp_path: Path) -> None:
    """A path that is not there, and an id that stands twice, are named."""
    with pytest.raises(ParcelError, match=r"Expected a parcel file at .*nowhere\.geojson; got No such file"):
        read_parcels(tmp_path / "nowhere.geojson")
    with pytest.raises(ParcelError, match=r"Expected each parcel id once .*'a' 2 times"):
        read_parcels(write(tmp_path / "p.geojson", feature(id="a"), feature(id="a")))


def test_countries_are_no_parcels(tmp_path: Path) -> None:
    """A parcel so large that its sums could overflow is refused by name; a large comuna is not."""
    comuna, country = shapely.box(-72, -36, -70, -34), shapely.box(-75, -40, -70, -34)
    path = write(tmp_path / "p.geojson", feature(comuna, id="comuna"), feature(country, id="country"))
    with pytest.raises(ParcelError, match=r"Expected parcels of at most 53,000 km² .*id 'country'.* Cut it"):
        read_parcels(path)
    assert read_parcels(write(tmp_path / "c.geojson", feature(comuna))).area[0] > 4e10


def test_broken_parquet(tmp_path: Path) -> None:
    """A Parquet file without geometry metadata, and one that is no Parquet, say so."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "plain.parquet")
    (tmp_path / "text.parquet").write_text("text")
    for name in ("plain.parquet", "text.parquet"):
        with pytest.raises(ParcelError, match="Expected GeoParquet with WKB polygons"):
            read_parcels(tmp_path / name)
