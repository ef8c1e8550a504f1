"""Label files, and the vectors found for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import h3
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_data import shared
from store_builders import (
    LAT,
    LON,
    MODEL,
    SEASON,
    cell_ids,
    cells_batch,
    parcels_batch,
    small_store,
    squares,
    unit_vectors,
)

from surco.embedstore import (
    LabelError,
    Labels,
    Season,
    Store,
    StoreError,
    match_labels,
    read_label_column,
    read_labels,
)


def feature(geometry: object, **properties: object) -> dict[str, object]:
    """One GeoJSON feature."""
    place = json.loads(shapely.to_geojson(geometry)) if isinstance(geometry, shapely.Geometry) else geometry
    return {"type": "Feature", "properties": properties, "geometry": place}


def write(path: Path, features: Sequence[object], **members: object) -> Path:
    """A FeatureCollection as a file."""
    file = path / "labels.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features, **members}))
    return file


def labels_at(geometry: Sequence[shapely.Geometry], classes: Sequence[str]) -> Labels:
    """Labels as read from a file, with the ids 1, 2 and so on."""
    shapes = np.empty(len(geometry), object)
    shapes[:] = list(geometry)
    return Labels(shapes, list(classes), [str(i + 1) for i in range(len(classes))], Path("labels.geojson"))


def test_points_and_polygons_are_read(tmp_path: Path) -> None:
    """Geometry, class as text, and id come in the order of the file."""
    file = write(
        tmp_path,
        [
            {**feature(shapely.Point(LON, LAT), crop=" maize "), "id": 7},
            feature(shapely.box(LON, LAT, LON + 1, LAT + 1), crop="wheat", id="field 2"),
            feature(shapely.Point(LON, LAT, 120.0), crop="oats", other=None),
        ],
    )
    labels = read_labels(file)
    assert (labels.label, labels.id, len(labels)) == (["maize", "wheat", "oats"], ["7", "field 2", "3"], 3)
    assert [shape.geom_type for shape in labels.geometry] == ["Point", "Polygon", "Point"]
    assert not shapely.has_z(labels.geometry).any()


@pytest.mark.parametrize(
    "column", ["label", "class", "crop", "crop:name", "crop_code", "class_name", "Clase", "CULTIVO"]
)
def test_usual_class_columns_are_found(tmp_path: Path, column: str) -> None:
    """The usual names of a class column need not be named, in upper or lower case."""
    file = write(tmp_path, [feature(shapely.Point(0, 0), **{column: 3.0, "name": "x"})])
    assert read_labels(file).label == ["3"]


def test_a_class_column_can_be_named(tmp_path: Path) -> None:
    """A named column wins over the usual ones, and is not guessed where it is missing."""
    file = write(tmp_path, [feature(shapely.Point(0, 0), label="a", kind="b")])
    assert read_labels(file, "kind").label == ["b"]
    with pytest.raises(LabelError, match=r"class column 'sort'.*columns kind, label"):
        read_labels(file, "sort")


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:EPSG::32719", "EPSG:32719"])
def test_other_coordinate_systems_become_degrees(tmp_path: Path, name: str) -> None:
    """A crs member is honoured: UTM metres come out as longitude and latitude."""
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32719", always_xy=True).transform(LON, LAT)
    crs = {"type": "name", "properties": {"name": name}}
    labels = read_labels(write(tmp_path, [feature(shapely.Point(x, y), label="a")], crs=crs))
    assert shapely.get_coordinates(labels.geometry).tolist() == [pytest.approx([LON, LAT], abs=1e-7)]


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326"])
def test_degrees_stay_in_their_order(tmp_path: Path, name: str) -> None:
    """GeoJSON's order is longitude first, also where EPSG:4326 is named."""
    crs = {"type": "name", "properties": {"name": name}}
    labels = read_labels(write(tmp_path, [feature(shapely.Point(LON, LAT), label="a")], crs=crs))
    assert shapely.get_coordinates(labels.geometry).tolist() == [[LON, LAT]]


def test_crossing_polygons_are_repaired(tmp_path: Path) -> None:
    """A bow tie is read as its two triangles."""
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
    (shape,) = read_labels(write(tmp_path, [feature(bow, label="a")])).geometry
    assert shape.is_valid
    assert shape.area == pytest.approx(0.5)


POINT = {"type": "Point", "coordinates": [1, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("maize", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"type": "FeatureCollection", "features": [NaN]}', "NaN is no number"),
        ("[]", "FeatureCollection; got 'list'"),
        ('"x"', "FeatureCollection; got 'str'"),
        (json.dumps(feature(POINT, label="a")), "got 'Feature'"),
        ('{"type": "FeatureCollection"}', "at least one feature; got none in"),
        ('{"type": "FeatureCollection", "features": []}', "at least one feature; got none in"),
        ('{"type": "FeatureCollection", "features": [3]}', "feature 1 of"),
    ],
)
def test_files_that_are_no_labels(tmp_path: Path, content: str, message: str) -> None:
    """Each way of being no label file names the file and what is wrong."""
    file = tmp_path / "labels.geojson"
    file.write_text(content)
    with pytest.raises(LabelError, match=message) as caught:
        read_labels(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (feature(None, label="a"), "got None in feature 2"),
        ({"type": "Feature", "geometry": POINT, "properties": None}, "feature 2 of"),
        (feature(POINT, label=None), "got None in feature 2"),
        (feature(POINT, label="  "), "got '  ' in feature 2"),
        (feature(POINT, label=["a"]), "in feature 2"),
        (feature(POINT, label="\ud800"), "in feature 2"),
        (feature(POINT, label="a\nb"), "in feature 2"),
        (feature(POINT, other="a"), "got None in feature 2"),
        (feature({"type": "Point", "coordinates": []}, label="a"), "'Point' in feature 2"),
        (feature({"type": "Point", "coordinates": ["a", 2]}, label="a"), "'Point' in feature 2"),
        (
            feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, label="a"),
            "'Polygon' in feature 2",
        ),
        (
            feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, label="a"),
            "'LineString' in feature 2",
        ),
        (feature({"type": "Blob"}, label="a"), "'Blob' in feature 2"),
        (feature("here", label="a"), "'here' in feature 2"),
        (feature({"type": "Point", "coordinates": [350_000, 6_080_000]}, label="a"), "Reproject"),
    ],
)
def test_a_bad_feature_is_named(tmp_path: Path, second: object, message: str) -> None:
    """The number of the feature and its value are in the message."""
    with pytest.raises(LabelError, match=message):
        read_labels(write(tmp_path, [feature(POINT, label="a"), second]))


@pytest.mark.parametrize(
    "crs",
    [
        {"type": "name", "properties": {"name": "EPSG:999999"}},
        {"type": "name", "properties": {"name": "+init=/etc/passwd:x"}},
        {"type": "link", "properties": {"href": "https://example.org"}},
        "EPSG:4326",
        {},
    ],
)
def test_unknown_coordinate_systems_are_refused(tmp_path: Path, crs: object) -> None:
    """Only a code of EPSG or OGC is looked up; anything else is an error, not a file to open."""
    with pytest.raises(LabelError, match="coordinate system that is known"):
        read_labels(write(tmp_path, [feature(POINT, label="a")], crs=crs))


def test_no_file_and_no_class_column(tmp_path: Path) -> None:
    """A missing file is named; without a class column the columns that there are are listed."""
    with pytest.raises(LabelError, match="which is no file"):
        read_labels(tmp_path / "nowhere.geojson")
    with pytest.raises(LabelError, match="with the columns area, owner"):
        read_labels(write(tmp_path, [feature(POINT, owner="x"), feature(POINT, area=3)]))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "coordinates", "label", "id", "properties", "name"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values, json_values, json_values)
def test_any_json_is_labels_or_an_error(tmp_path: Path, geometry: object, label: object, crs: object) -> None:
    """Whatever stands in a file from the internet, it is read or refused with a LabelError."""
    bad = {"type": "Feature", "geometry": geometry, "properties": {"label": label}}
    for features in ([bad], [feature(POINT, label=label)], geometry):
        file = write(tmp_path, features, crs=crs)  # type: ignore[arg-type]
        try:
            assert len(read_labels(file)) == 1
        except LabelError as error:
            assert str(file) in str(error)


def test_a_point_takes_its_cell_and_a_polygon_its_centres(tmp_path: Path) -> None:
    """Cells are those whose centre a polygon contains; a point takes the one around it; groups are the features."""
    store = small_store(tmp_path / "s", 200)
    cells, vectors = cell_ids(200), unit_vectors(200)
    centres = {cell: h3.cell_to_latlng(h3.int_to_str(cell))[::-1] for cell in cells}
    lon, lat = centres[cells[0]]
    polygon = shapely.box(lon - 0.01, lat - 0.006, lon + 0.01, lat + 0.006)
    far = cells[150]
    point = shapely.Point(centres[far][0] + 1e-4, centres[far][1])
    examples = match_labels(store, labels_at([polygon, point], ["maize", "oats"]), unit="cells")
    inside = [cell for cell in cells if polygon.contains(shapely.Point(centres[cell]))]
    assert len(inside) > 10
    found = dict(zip(examples.ids, zip(examples.y, examples.groups, strict=True), strict=True))
    assert found == dict.fromkeys(inside, ("maize", 0)) | {far: ("oats", 1)}
    rows = [cells.index(cell) for cell in examples.ids]
    assert (examples.X.dtype, examples.unit, examples.model_id) == (np.float32, "cells", MODEL)
    assert np.abs(examples.X - vectors[rows]).max() < 0.005


def test_a_small_polygon_takes_the_cell_around_it(tmp_path: Path) -> None:
    """A polygon without a centre takes the cell it lies in, unless the cell's centre is in another polygon."""
    store = small_store(tmp_path / "s", 50)
    lat, lon = h3.cell_to_latlng(h3.int_to_str(cell_ids(1)[0]))
    small = shapely.box(lon + 3e-4, lat, lon + 4e-4, lat + 1e-4)
    other = shapely.Point(h3.cell_to_latlng(h3.int_to_str(cell_ids(9)[8]))[::-1])
    examples = match_labels(store, labels_at([small, other], ["a", "b"]), unit="cells")
    assert dict(zip(examples.ids, examples.y, strict=True)) == {cell_ids(1)[0]: "a", cell_ids(9)[8]: "b"}
    owner = shapely.box(lon - 1e-4, lat - 1e-4, lon + 1e-4, lat + 1e-4)
    examples = match_labels(store, labels_at([small, owner, other], ["a", "c", "b"]), unit="cells")
    assert dict(zip(examples.ids, examples.y, strict=True)) == {cell_ids(1)[0]: "c", cell_ids(9)[8]: "b"}
    assert (examples.unmatched, examples.conflicts) == (("1",), ())


def test_parcels_take_the_label_within_them(tmp_path: Path) -> None:
    """The parcel that contains a label's point gets it, whatever the label's own shape."""
    store = small_store(tmp_path / "s")
    shapes = squares(40)
    middle = shapely.centroid(shapes)
    shifted = shapely.transform(shapes[9], lambda xy: xy + 2e-4)
    examples = match_labels(store, labels_at([middle[7], shifted, middle[20]], ["a", "b", "a"]))
    assert (examples.unit, examples.ids, examples.y.tolist()) == (
        "parcels",
        ["p7", "p9", "p20"],
        ["a", "b", "a"],
    )
    assert np.abs(examples.X - unit_vectors(40, seed=1)[[7, 9, 20]]).max() < 0.005
    assert examples.groups.tolist() == [0, 1, 2]


def test_auto_takes_parcels_only_where_labels_fall_in_them(tmp_path: Path) -> None:
    """With fewer than half of the labels in parcels, or no parcels in the season, cells are taken."""
    store = small_store(tmp_path / "s")
    middle = shapely.centroid(squares(40))
    beside = [shapely.Point(*h3.cell_to_latlng(h3.int_to_str(cell))[::-1]) for cell in cell_ids(200)[150:153]]
    mostly_beside = labels_at([middle[7], middle[35], *beside], ["a", "b", "a", "b", "a"])
    assert match_labels(store, mostly_beside).unit == "cells"
    half = labels_at([middle[7], middle[35], *beside[:2]], ["a", "b", "a", "b"])
    examples = match_labels(store, half)
    assert (examples.unit, examples.unmatched) == ("parcels", ("3", "4"))
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(200), unit_vectors(200))
        tx.put_cells([rows], model_id=MODEL, season=Season(2025), resolution=9)
    assert match_labels(store, half).unit == "cells"
    assert match_labels(store, half, season="2024-25").unit == "parcels"
    with pytest.raises(StoreError, match="parcels with season 2025-26"):
        match_labels(store, half, season=Season(2025), unit="parcels")


def test_a_store_of_parcels_alone_needs_no_cells(tmp_path: Path) -> None:
    """Where there are only parcels, labels mostly beside them still find those that match."""
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        tx.put_parcels([parcels_batch(squares(4), unit_vectors(4), ["a"] * 4)], model_id=MODEL, season=SEASON)
    middle = shapely.centroid(squares(4))
    far = [shapely.Point(LON + 1, LAT)] * 3
    examples = match_labels(store, labels_at([*middle[:2], *far], ["a", "b", "a", "a", "a"]))
    assert (examples.ids, examples.unmatched) == (["p0", "p1"], ("3", "4", "5"))


def test_the_finest_resolution_is_taken(tmp_path: Path) -> None:
    """Cells are matched at the finest resolution unless one is named."""
    store = small_store(tmp_path / "s", 50)
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(300, 11), unit_vectors(300))
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=11)
    places = [shapely.Point(h3.cell_to_latlng(h3.int_to_str(cell_ids(300, 11)[i]))[::-1]) for i in (0, 250)]
    labels = labels_at(places, ["a", "b"])
    fine = match_labels(store, labels, unit="cells").ids
    assert fine == [cell_ids(300, 11)[0], cell_ids(300, 11)[250]]
    assert {h3.get_resolution(h3.int_to_str(cell)) for cell in fine} == {11}
    coarse = match_labels(store, labels, unit="cells", resolution=9).ids
    assert {h3.get_resolution(h3.int_to_str(int(cell))) for cell in coarse} == {9}


def test_conflicts_are_reported_and_agreement_is_not(tmp_path: Path) -> None:
    """A parcel with two classes is left out and told; one labelled twice alike is one example."""
    store = small_store(tmp_path / "s")
    middle = shapely.centroid(squares(40))
    labels = labels_at([middle[1], middle[1], middle[2], middle[2], middle[3]], ["a", "b", "a", "a", "b"])
    examples = match_labels(store, labels)
    assert (examples.ids, examples.groups.tolist()) == (["p2", "p3"], [2, 4])
    (conflict,) = examples.conflicts
    assert (conflict.id, conflict.labels, conflict.features) == ("p1", ("a", "b"), ("1", "2"))


def test_labels_elsewhere_say_where_the_store_is(tmp_path: Path) -> None:
    """Labels outside the store's area: how many, where they are, and the store's own bounds."""
    store = small_store(tmp_path / "s")
    far = labels_at([shapely.Point(4, 51), shapely.Point(5, 51)], ["a", "b"])
    for unit in ("auto", "cells", "parcels"):
        with pytest.raises(
            LabelError, match=r"area \[-71\.\d+, -35\.\d+.*all 2 of .* \[4\.0, 51\.0, 5\.0, 51\.0\]"
        ):
            match_labels(store, far, unit=unit)  # type: ignore[arg-type]


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    """One class, or two that only disagree, is an error with the remedy."""
    store = small_store(tmp_path / "s")
    middle = shapely.centroid(squares(40))
    with pytest.raises(LabelError, match=r"two classes; got a in .*Label a second class"):
        match_labels(store, labels_at(middle[:3], ["a"] * 3))
    with pytest.raises(LabelError, match=r"got none in .*1 places have two classes"):
        match_labels(store, labels_at([middle[1], middle[1]], ["a", "b"]))


def test_real_declarations_are_read() -> None:
    """The Flanders declarations, nineteen real objects, are read as polygons."""
    labels = read_labels(shared("stac/flanders_2019/parcels.geojson"))
    assert len(labels) == 19
    assert set(shapely.get_dimensions(labels.geometry)) == {2}


def test_any_column_of_a_label_file_is_read(tmp_path: Path) -> None:
    """A property comes as text in the order of the features, empty where a feature has none; others are listed."""
    point = {"type": "Point", "coordinates": [-71.5, -35.4]}
    properties = [{"label": "a", "season": "2023-24"}, {"label": "b"}, {"label": "c", "season": 2024}]
    features = [{"type": "Feature", "geometry": point, "properties": each} for each in properties]
    file = tmp_path / "labels.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert read_label_column(file, "season") == ["2023-24", "", "2024"]
    with pytest.raises(LabelError, match="columns label, season"):
        read_label_column(file, "year")
