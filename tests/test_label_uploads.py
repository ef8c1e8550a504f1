"""Files of labels as people in Chile and other tools write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely
from label_reader import Reader, zipped
from label_server import LAT, LON, LabelClient, as_key, collection, point, serving
from parcel_files import metres, vector_file

SQUARE = shapely.box(LON, LAT, LON + 0.002, LAT + 0.002)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelClient]:
    """A client of one server for what only a server shows."""
    limits = {"max_upload": 4 << 20, "max_upload_labels": 5_000, "upload_seconds": 12}
    with serving(tmp_path_factory.mktemp("labels"), **limits) as (http, settings):
        yield as_key(http, settings, "ana")


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader of uploads."""
    return Reader(tmp_path)


def taken(client: LabelClient, content: bytes, **query: Any) -> list[dict[str, Any]]:
    """What the labels of a file say that a new set takes from a server."""
    set_id = client.new_set()
    client.upload(set_id, content, **query)
    return [one["properties"] for one in client.said(set_id)]


def refused(client: LabelClient, content: bytes, status: int = 400, **query: Any) -> str:
    """Why a server takes no label of a file; the set stays empty."""
    set_id = client.new_set()
    detail = str(client.upload(set_id, content, status, **query)["detail"])
    assert client.said(set_id) == []
    assert "surco-received" not in detail and "--" not in detail
    return detail


def place(one: dict[str, Any]) -> list[float]:
    """Coordinates of a point, to a tenth of a metre."""
    return [round(one["geometry"].x, 6), round(one["geometry"].y, 6)]


CHILEAN = {
    "semicolons and decimal commas": "latitud;longitud;cultivo;confianza\n-35,4;-71,5;maíz;0,8\n",
    "English": "lat,lon,class,confidence\n-35.4,-71.5,maíz,0.8\n",
    "quoted decimal commas": 'lat,lon,clase,certeza\n"-35,4","-71,5",maíz,"0,8"\n',
    "tabs, accents and capitals": "LATITUD\tLONGITUD\tEtiqueta\tConfianza\n-35.4\t-71.5\tmaíz\t0.8\n",
    "wkt": "wkt;class;confianza\nPOINT (-71.5 -35.4);maíz;0,8\n",
    "wkt with an srid": "geom|class|confidence\nSRID=4326;POINT (-71.5 -35.4)|maíz|0.8\n",
    "x and y in degrees": "x,y,class,confidence\n-71.5,-35.4,maíz,0.8\n",
    "blank lines and a short row": "lat,lon,class,confidence,note\n\n-35.4,-71.5,maíz,0.8\n\n",
}


@pytest.mark.parametrize("text", CHILEAN.values(), ids=CHILEAN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_of_text_are_read_as_people_write_them(reader: Reader, text: str, encoding: str) -> None:
    """Delimiter, decimal comma, language of headings, encoding and byte order mark are recognised."""
    (one,) = reader.taken(text.encode(encoding))
    assert (one["class"], one["confidence"], place(one)) == ("maíz", 0.8, [-71.5, -35.4])


def test_metres_need_their_system(reader: Reader) -> None:
    """Easting and northing are refused without a coordinate system, and land in degrees with one."""
    text = b"este;norte;cultivo\n272812,8;6079706,5;trigo\n"
    assert "?crs=EPSG:32719" in reader.refused(text)
    (one,) = reader.taken(text, crs="EPSG:32719")
    assert place(one) == pytest.approx([-71.5, -35.4], abs=2e-3)
    assert "Expected a coordinate system by its code" in reader.refused(text, crs="+proj=utm +zone=19")
    assert "/etc/passwd" not in reader.refused(text, crs="/etc/passwd")[60:]


def test_swapped_coordinates_are_told(reader: Reader) -> None:
    """Latitude before longitude is refused where it cannot be, and noted where it lies in the far south."""
    assert "look swapped" in reader.refused(collection([point("a", 40.0, 120.0)]))
    reader.taken(collection([point("a", -35.4, -71.5)]))
    assert "swapped" in reader.report.notes[0]


def test_an_upload_is_all_or_nothing_and_accounts_for_every_feature(client: LabelClient) -> None:
    """One bad feature keeps all out and is named with its number and reason; `skip` takes the others."""
    good = [point("a", id="1"), point("b", LON + 1, id="2")]
    bad = [
        point(None),
        {**point("c"), "geometry": None},
        point("d", id="1"),
        point("e", properties={"confidence": 7}),
    ]
    content = collection([*good[:1], *bad, *good[1:]])
    set_id = client.new_set()
    body = client.upload(set_id, content, 400)
    assert [one["feature"] for one in body["refused"]] == [2, 3, 4, 5] and body["taken"] == 0
    why = " ".join(one["why"] for one in body["refused"])
    assert all(
        words in why
        for words in ("Expected a class", "got none", "'1' as in feature 1", "Divide percentages")
    )
    assert client.said(set_id) == []
    body = client.upload(set_id, content, 201, faults="skip")
    assert (body["added"], body["taken"], body["refused_count"]) == (2, 2, 4)
    assert [one["id"] for one in client.said(set_id)] == ["1", "2"]
    assert "existing=replace" in client.upload(set_id, content, 409, faults="skip")["detail"]
    assert client.upload(set_id, content, 201, faults="skip", existing="replace")["replaced"] == 2


def test_a_form_and_a_body_are_both_taken(client: LabelClient) -> None:
    """As curl -F sends it and as --data-binary does; other parts of a form are refused."""
    set_id, content = client.new_set(), collection([point("a")])
    path = f"/labels/{set_id}/upload"
    assert client.ask("POST", path, 201, files={"file": ("a.geojson", content)})["added"] == 1
    assert client.ask("POST", path, 201, content=content)["added"] == 1
    assert "got nothing" in client.ask("POST", path, 400, content=b"")["detail"]
    assert (
        "two files"
        in client.ask("POST", path, 400, files=[("file", ("a", content)), ("file", ("b", content))])["detail"]
    )
    assert (
        "the field 'crs'"
        in client.ask("POST", path, 400, files={"file": content}, data={"crs": "x"})["detail"]
    )
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert "cannot be read" in client.ask("POST", path, 400, content=b"--y\r\n", headers=broken)["detail"]
    name = client.ask("POST", path, 400, files={"file": ("../../etc/pass\x07wd\n.geojson", b"{}")})["detail"]
    assert "etc" not in name


def shapefile(
    folder: Path, *, crs: str | None = "EPSG:32719", columns: dict[str, Any] | None = None
) -> dict[str, bytes]:
    """A shapefile of one field in metres, with its side files."""
    folder.mkdir(exist_ok=True)
    shape = metres(SQUARE, crs) if crs else SQUARE
    vector_file(
        folder / "predios.shp",
        [shape],
        columns or {"cultivo": ["trigo"]},
        driver="ESRI Shapefile",
        crs=crs,
        kind="Polygon",
    )
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_zipped_shapefile_in_metres(reader: Reader, tmp_path: Path) -> None:
    """It is brought to degrees; without its .prj it asks for the system."""
    files = shapefile(tmp_path / "a")
    (one,) = reader.taken(zipped(files))
    assert one["class"] == "trigo"
    assert one["geometry"].equals_exact(SQUARE, 1e-6, normalize=True)
    bare = zipped({name: content for name, content in files.items() if not name.endswith(".prj")})
    assert "?crs=EPSG:32719" in reader.refused(bare)
    (same,) = reader.taken(bare, crs="EPSG:32719")
    assert same["class"] == "trigo"


def test_a_geopackage_of_several_layers_asks_which(reader: Reader, tmp_path: Path) -> None:
    """The layer is named in the address."""
    path = tmp_path / "labels.gpkg"
    for layer in ("uno", "dos"):
        vector_file(path, [SQUARE], {"class": [layer]}, layer=layer, append=path.exists())
    assert "?layer=" in reader.refused(path.read_bytes())
    assert [one["class"] for one in reader.taken(path.read_bytes(), layer="dos")] == ["dos"]


TEE_LABEL = {
    "name": "Forest",
    "color": "#38a169",
    "code": "w1",
    "type": "point",
    "lat": LAT,
    "lon": LON,
    "threshold": 0,
}


def test_exports_of_tee(reader: Reader, tmp_path: Path) -> None:
    """Its JSON (pins, polygons, saved searches), GeoJSON of both kinds, CSV and zipped shapefiles."""
    ring = [[LAT, LON], [LAT, LON + 0.01], [LAT + 0.01, LON + 0.01]]
    manual = [
        TEE_LABEL,
        {**TEE_LABEL, "name": "Arable", "type": "polygon", "vertices": ring, "embedding": [0.1] * 128},
    ]
    saved = {
        "id": "label_1",
        "name": "Grass",
        "source_pixel": {"lat": LAT, "lon": LON},
        "embedding": [1.0],
        "threshold": 3,
    }
    envelope = {"viewport": "talca", "year": "2024", "embedding_version": "1.0", "labels": [*manual, saved]}
    found = reader.taken(json.dumps(envelope).encode())
    assert [(one["class"], one["geometry"].geom_type, one["observed"], one["source"]) for one in found] == [
        ("Forest", "Point", "2024", "TEE"),
        ("Arable", "Polygon", "2024", "TEE"),
        ("Grass", "Point", "2024", "TEE"),
    ]
    assert reader.report.format == "TEE JSON" and place(found[0]) == [LON, LAT]
    assert len(reader.taken(json.dumps([saved]).encode())) == 1
    hidden = {key: value for key, value in saved.items() if key != "source_pixel"}
    assert "locations hidden" in reader.refused(json.dumps({"labels": [hidden]}).encode())
    assert [
        one["class"]
        for one in reader.taken(json.dumps(envelope).encode(), class_column="code", faults="skip")
    ] == [
        "w1",
        "w1",
    ]
    run = {**point(None), "properties": {"label_name": "Forest", "label_color": "#38a169"}}
    pins = {**point(None), "properties": {"name": "Forest", "color": "#fff", "code": "", "type": "point"}}
    for feature in (run, pins):
        (one,) = reader.taken(collection([feature]))
        assert (one["class"], one["source"], reader.report.format) == ("Forest", "TEE", "TEE GeoJSON")
    text = f'name,code,type,lat,lon,pixel_count\n"Forest, old",w1,point,{LAT},{LON},12\n'
    (one,) = reader.taken(text.encode())
    assert (one["class"], one["source"], reader.report.format) == ("Forest, old", "TEE", "TEE CSV")
    columns = {"name": ["Forest"], "color": ["#fff"], "code": ["w1"], "type": ["point"]}
    files = {}
    for kind, shape in (("Point", shapely.Point(LON, LAT)), ("Polygon", SQUARE)):
        vector_file(tmp_path / f"{kind}.shp", [shape], columns, driver="ESRI Shapefile", kind=kind)
        files |= {f"layers/{kind.upper()}{f.suffix}": f.read_bytes() for f in tmp_path.glob(f"{kind}.*")}
    found = reader.taken(zipped(files))
    assert [(one["class"], one["source"]) for one in found] == [("Forest", "TEE")] * 2
    assert {one["geometry"].geom_type for one in found} == {"Point", "Polygon"}


def test_exports_of_geovibes(reader: Reader) -> None:
    """Labels 1 and 0 become what they mean; embeddings are not read; detections are no labels."""
    vector = [0.25] * 768

    def one(label: int, **more: Any) -> dict[str, Any]:
        return {
            **point(None),
            "properties": {"id": f"{label}{len(more)}", "label": label, "embedding": vector, **more},
        }

    plain = collection([one(1), one(0)], metadata={"positive_points": 1})
    assert [each["class"] for each in reader.taken(plain)] == ["positive", "negative"]
    assert reader.report.format == "GeoVibes"
    reviewed = [
        one(1, **{"class": "relabel_pos", "source": "detection_review", "tile_id": "t1"}),
        one(0, **{"class": "geovibes_neg", "source": "manual", "tile_id": "t2"}),
        one(1, **{"class": "pond", "source": "manual"}),
    ]
    found = reader.taken(collection(reviewed), positive="piscina")
    assert [each["class"] for each in found] == ["piscina", "not piscina", "pond"]
    assert found[0]["source"] == "GeoVibes detection_review" and found[0]["place"] == "t1"
    detections = {**point(None), "properties": {"tile_id": "t", "probability": 0.9, "class": "aquaculture"}}
    assert "what a classifier predicts" in reader.refused(collection([detections]))
    assert "lat and lon" in reader.refused(b"id,label\n1,1\n")


def test_queues_and_samples_keep_what_drew_them(client: LabelClient) -> None:
    """Arm, round, rank, stratum and inclusion probability stay; the id is the place, which several may judge."""
    queue = point(
        "trigo", id="p7", properties={"arm": "chance", "round": 2, "rank": 1, "inclusion_probability": 0.02}
    )
    sample = point(
        "maíz", properties={"id": "p9", "stratum": "trigo", "inclusion_probability": 0.5, "reason": "x"}
    )
    (one,) = taken(client, collection([queue]))
    assert [one[name] for name in ("place", "arm", "round", "rank")] == ["p7", "chance", 2, 1]
    set_id = client.new_set()
    for who in ("ana", "eva"):
        client.upload(set_id, collection([sample]), who=who, season="2024-25")
    found = [each["properties"] for each in client.said(set_id)]
    assert [(each["place"], each["who"], each["stratum"]) for each in found] == [
        ("p9", "ana", "trigo"),
        ("p9", "eva", "trigo"),
    ]
    assert client.ask("GET", f"/labels/{set_id}/agreement")["agreement"] == 1.0


def test_values_of_yields(reader: Reader) -> None:
    """A set of values takes a column of numbers."""
    found = reader.taken(b"lat;lon;rendimiento\n-35,4;-71,5;6,25\n", kind="value")
    assert found[0]["value"] == 6.25
    assert "?value_column=" in reader.refused(b"lat,lon,class\n-35,-71,a\n", kind="value")


def test_a_third_coordinate_and_a_crossing_are_repaired_and_told(reader: Reader) -> None:
    """3D is flattened, a bow-tie becomes its two areas, and the notes count both."""
    bow = [[LON, LAT], [LON + 0.01, LAT + 0.01], [LON + 0.01, LAT], [LON, LAT + 0.01], [LON, LAT]]
    features = [
        {**point("a"), "geometry": {"type": "Point", "coordinates": [LON, LAT, 120.5]}},
        {**point("b"), "geometry": {"type": "Polygon", "coordinates": [bow]}},
    ]
    flat, bows = reader.taken(collection(features))
    assert not flat["geometry"].has_z and bows["geometry"].geom_type == "MultiPolygon"
    assert reader.report.notes == [
        "1 labels: outline that crosses itself repaired",
        "1 labels: third coordinate dropped",
    ]


def test_too_many_labels_and_too_large_files(client: LabelClient) -> None:
    """The limits of the settings hold: labels, and bytes however they are sent."""
    rows = b"".join(b"-35.4,-71.5,a\n" for _ in range(5_001))
    assert "at most 5,000 labels" in refused(client, b"lat,lon,class\n" + rows, 413)
    large = b"lat,lon,class\n" + b"-35.4,-71.5,a\n" * 400_000
    assert "at most 4 MB" in refused(client, large, 413)
    set_id = client.new_set()

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield large[: 1 << 16]

    answer = client.ask("POST", f"/labels/{set_id}/upload", 413, content=pieces())
    assert "at most 4 MB" in answer["detail"]
