"""Published embeddings become models of a store: tables of cells, points and polygons, AlphaEarth's and TESSERA's."""

from __future__ import annotations

import json
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner, Result
from litestar.testing import TestClient
from pyproj import CRS, Transformer
from rasterio.warp import transform_bounds
from store_builders import cell_ids, small_store, squares

from surco.api.app import create_app
from surco.api.cli import main
from surco.api.settings import Settings
from surco.embedstore import EmbedstoreError, Season, Store, connect, dequantize, fixed_size_matrix, nearest
from surco.encoder import EncoderError
from surco.encoder.published import import_tables
from surco.encoder.published.rasters import open_raster
from surco.encoder.published.tessera import tessera_place

LON, LAT = -71.55, -35.42
YEAR = Season(2024, start_month=1)


def surco(*words: object) -> Result:
    """Run a command in this process; a bug shows its traceback."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def take_in(*words: object) -> str:
    """`surco import-embeddings` that must succeed; what it said."""
    result = surco("import-embeddings", *words)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*words: object) -> str:
    """`surco import-embeddings` that must be refused: exit code 2 and one sentence, which is returned."""
    result = surco("import-embeddings", *words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def numbers(n: int, dimension: int = 64, seed: int = 0) -> np.ndarray:
    """(N, D) float32, of any length."""
    return np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32) * 3


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length, in double precision."""
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def lists(vectors: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
    """Vectors as a column of lists."""
    size = vectors.shape[1]
    return pa.array(vectors.tolist(), kind or pa.list_(pa.float32(), size))


def write(path: Path, columns: dict[str, pa.Array], geo: dict[str, object] | None = None) -> Path:
    """A Parquet file, as GeoParquet where `geo` describes its column geometry."""
    table = pa.table(columns)
    if geo is not None:
        about = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geo}}
        table = table.replace_schema_metadata({"geo": json.dumps(about)})
    # uncompressed, so that a changed byte is a changed value
    pq.write_table(table, path, row_group_size=50, compression="none")
    return path


def write_shapes(path: Path, shapes: np.ndarray, vectors: np.ndarray, **more: object) -> Path:
    """GeoParquet of points or polygons with vectors; `crs` and further columns where given."""
    geo: dict[str, object] = {"encoding": "WKB", "geometry_types": []}
    crs = more.pop("crs", None)
    if crs is not None:
        geo["crs"] = CRS.from_user_input(crs).to_json_dict()
    columns = {"embedding": lists(vectors), "geometry": pa.array(shapely.to_wkb(shapes), pa.binary()), **more}
    return write(path, columns, geo)


def write_cells(path: Path, cells: list[int], vectors: np.ndarray) -> Path:
    """A table of H3 cells as numbers."""
    return write(path, {"h3": pa.array(cells, pa.uint64()), "embedding": lists(vectors)})


def stored(table: pa.Table, name: str = "embedding") -> np.ndarray:
    """Vectors of a table as floats."""
    return dequantize(fixed_size_matrix(table[name]), table[f"{name}_scale"].to_numpy())


def assert_vectors(table: pa.Table, wanted: np.ndarray) -> None:
    """The table's vectors are these, to the step of int8."""
    step = table["embedding_scale"].to_numpy()[:, None]
    assert (np.abs(stored(table) - wanted) <= 0.51 * step + 2e-6).all()


@pytest.mark.parametrize("kind", ["float32", "double", "half", "large", "int8"])
@pytest.mark.parametrize("text", [False, True])
def test_cells_of_any_usual_type_are_taken_as_they_are(kind: str, text: bool, tmp_path: Path) -> None:
    """Lists of halves, floats, doubles or int8 with scales, and cells as numbers or text, give the same rows."""
    vectors, cells = numbers(120), cell_ids(120)
    h3_column = pa.array([f"{c:x}" for c in cells]) if text else pa.array(cells, pa.int64())
    kinds = {
        "float32": pa.list_(pa.float32(), 64), "double": pa.list_(pa.float64()), "half": pa.list_(pa.float16(), 64),
        "large": pa.large_list(pa.float32()),
    }  # fmt: skip
    if kind == "int8":
        scale = np.abs(vectors).max(axis=1) / 127
        q = np.rint(vectors / scale[:, None]).astype(np.int8)
        columns = {"v": lists(q, pa.list_(pa.int8(), 64)), "scale": pa.array(scale)}
        vectors = q.astype(np.float64) * scale[:, None]
    else:
        vectors = vectors.astype(np.float16) if kind == "half" else vectors
        columns = {"v": lists(vectors, kinds[kind])}
    file = write(tmp_path / "cells.parquet", {"H3_index": h3_column, **columns})
    said = take_in(file, "--store", tmp_path / "store", "--season", "2024", "--model-id", "other-1")
    assert "120 of 120 rows (cells)" in said
    table = Store.open(tmp_path / "store").read("cells")
    order = np.argsort(cells)
    assert table["h3"].to_pylist() == sorted(cells)
    assert_vectors(table, unit(vectors)[order])


def test_what_a_table_does_not_say_stays_null(tmp_path: Path) -> None:
    """Rows taken as they are have no spread, no counts, no NDVI; licence and credit are in card and files."""
    file = write_cells(tmp_path / "cells.parquet", cell_ids(9), numbers(9))
    credit = ("--licence", "CC-BY-4.0", "--source", "Somebody's vectors, 2024")
    take_in(file, "--store", tmp_path / "s", "--season", "2024", "--model-id", "other-1", *credit)
    store = Store.open(tmp_path / "s")
    table = store.read("cells")
    empty = (
        "spread",
        "spread_scale",
        "ndvi",
        "n_pixels",
        "valid_fraction",
        "n_optical",
        "n_radar",
    )
    assert {name: table[name].null_count for name in empty} == dict.fromkeys(empty, 9)
    assert table["comuna"].null_count == 0
    assert store.model_card("other-1") == {
        "kind": "published vectors", "format": "parquet", "licence": "CC-BY-4.0", "source": "Somebody's vectors, 2024",
        "model_id": "other-1",
    }  # fmt: skip
    emb = json.loads(pq.read_schema(store.tables()[0].files[0]).metadata[b"emb"])
    assert "CC-BY-4.0" in json.dumps(emb)


def test_coarser_cells_are_means_of_their_children(tmp_path: Path) -> None:
    """Asked for coarser resolutions, a table of cells gives the mean and the spread of the unit vectors below each."""
    vectors, cells = numbers(300), cell_ids(300)
    file = write_cells(tmp_path / "cells.parquet", cells, vectors)
    take_in(
        file, "--store", tmp_path / "s", "--season", "2024", "--model-id", "o-1", "--resolutions", "9,7,5"
    )
    store = Store.open(tmp_path / "s")
    assert store.read("cells", resolution=9).num_rows == 300
    for level in (7, 5):
        table = store.read("cells", resolution=level)
        parents = np.array([h3.str_to_int(h3.cell_to_parent(h3.int_to_str(c), level)) for c in cells])
        assert table["h3"].to_pylist() == sorted(set(parents.tolist()))
        members = [unit(vectors)[parents == parent] for parent in table["h3"].to_pylist()]
        assert table["n_pixels"].to_pylist() == [len(rows) for rows in members]
        assert_vectors(table, np.array([rows.mean(axis=0) for rows in members]))
        spread = np.array([rows.std(axis=0) for rows in members])
        assert np.abs(stored(table, "spread") - spread).max() < 2e-3


def points(n: int, seed: int = 1) -> np.ndarray:
    """Points in a square of some 5 km."""
    rng = np.random.default_rng(seed)
    return shapely.points(LON + rng.uniform(0, 0.05, n), LAT + rng.uniform(0, 0.05, n))


@pytest.mark.parametrize("crs", [None, "EPSG:32719"])
def test_points_are_pooled_to_the_cell_they_lie_in(crs: str | None, tmp_path: Path) -> None:
    """Points of any CRS become means of their cells, in any order of rows; one without a vector counts as not seen."""
    shapes, vectors = points(4000), numbers(4000, 16)
    vectors[7] = 0
    vectors[8, 3] = np.nan
    moved = shapes
    if crs is not None:
        move = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform
        moved = shapely.transform(shapes, move, interleaved=False)
    file = write_shapes(tmp_path / "points.parquet", moved, vectors, crs=crs)
    said = take_in(file, "--store", tmp_path / "s", "--season", "2024", "--model-id", "o-1")
    assert "3,998 of 4,000 rows (points)" in said
    store = Store.open(tmp_path / "s")
    for level in (9, 11):
        table = store.read("cells", resolution=level)
        finest = [h3.latlng_to_cell(p.y, p.x, 11) for p in shapes]
        cells = np.array([h3.str_to_int(h3.cell_to_parent(c, level)) for c in finest])
        seen = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
        assert table["h3"].to_pylist() == sorted(set(cells[seen].tolist()))
        members = [np.flatnonzero((cells == c) & seen) for c in table["h3"].to_pylist()]
        assert table["n_pixels"].to_pylist() == [len(rows) for rows in members]
        assert_vectors(table, np.array([unit(vectors[rows]).mean(axis=0) for rows in members]))
        shares = [
            len(rows) / (cells == c).sum() for c, rows in zip(table["h3"].to_pylist(), members, strict=True)
        ]
        np.testing.assert_allclose(table["valid_fraction"].to_numpy(), shares, rtol=1e-6)


def test_points_are_pooled_in_parcels_too(tmp_path: Path) -> None:
    """With parcels, each that holds a point has the mean of its points, beside the cells."""
    shapes, vectors = points(500), numbers(500, 16)
    boxes = shapely.box(LON + np.array([0, 0.03, 9]), LAT, LON + np.array([0.02, 0.05, 9.1]), LAT + 0.05)
    features = [
        {
            "type": "Feature",
            "id": f"p{i}",
            "properties": {"crop": "rice"},
            "geometry": shapely.geometry.mapping(b),
        }
        for i, b in enumerate(boxes)
    ]
    parcels = tmp_path / "parcels.geojson"
    parcels.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    file = write_shapes(tmp_path / "points.parquet", shapes, vectors)
    where = ("--store", tmp_path / "s", "--season", "2024", "--model-id", "o-1", "--parcels", parcels)
    assert "2 parcels of o-1, 16 numbers a vector" in take_in(file, *where)
    table = Store.open(tmp_path / "s").read("parcels")
    rows = {row["id"]: i for i, row in enumerate(table.select(["id"]).to_pylist())}
    assert sorted(rows) == ["p0", "p1"]
    wanted = np.array(
        [unit(vectors[shapely.contains(boxes[int(name[1])], shapes)]).mean(axis=0) for name in rows]
    )
    assert_vectors(table, wanted)


def test_polygons_become_parcels(tmp_path: Path) -> None:
    """Polygons keep their ids and crops and take their vectors as they are; a broken ring is repaired."""
    shapes, vectors = squares(60), numbers(60, 32)
    shapes[5] = shapely.Polygon([(LON, LAT), (LON + 0.01, LAT + 0.01), (LON + 0.01, LAT), (LON, LAT + 0.01)])
    ids, crops = pa.array([f"rol-{i}" for i in range(60)]), pa.array(["rice", None] * 30)
    file = write_shapes(tmp_path / "fields.parquet", shapes, vectors, id=ids, crop=crops)
    assert "60 parcels of o-1" in take_in(
        file, "--store", tmp_path / "s", "--season", "2024", "--model-id", "o-1"
    )
    table = Store.open(tmp_path / "s").read("parcels")
    order = [int(name.split("-")[1]) for name in table["id"].to_pylist()]
    assert sorted(order) == list(range(60))
    assert_vectors(table, unit(vectors)[order])
    assert [c == "rice" for c in table["crop:name"].to_pylist()] == [i % 2 == 0 for i in order]
    assert shapely.is_valid(shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))).all()
    square = order.index(3)
    assert table["metrics:area"][square].as_py() == pytest.approx(0.002**2 * 111_000**2 * 0.815, rel=0.01)


def test_an_area_cuts_tables(tmp_path: Path) -> None:
    """Only cells with their centre in the area, points in it and polygons with an inner point in it are taken."""
    store, area = tmp_path / "s", f"{LON},{LAT},{LON + 0.01},{LAT + 0.01}"
    cells, shapes = cell_ids(200), points(300)
    inside = [
        c
        for c in cells
        if all(
            LON0 <= x <= LON0 + 0.01
            for x, LON0 in zip(h3.cell_to_latlng(h3.int_to_str(c))[::-1], (LON, LAT), strict=True)
        )
    ]
    file = write_cells(tmp_path / "cells.parquet", cells, numbers(200))
    take_in(file, "--store", store, "--season", "2024", "--model-id", "cells-1", "--aoi", area)
    assert Store.open(store).read("cells", model_id="cells-1")["h3"].to_pylist() == sorted(inside)
    file = write_shapes(tmp_path / "points.parquet", shapes, numbers(300, 8))
    said = take_in(file, "--store", store, "--season", "2024", "--model-id", "points-1", "--aoi", area)
    box = shapely.box(LON, LAT, LON + 0.01, LAT + 0.01)
    assert f"{int(shapely.intersects(box, shapes).sum())} of 300 rows" in said
    file = write_shapes(tmp_path / "fields.parquet", squares(60), numbers(60, 8))
    take_in(file, "--store", store, "--season", "2024", "--model-id", "fields-1", "--aoi", area)
    assert Store.open(store).read("parcels").num_rows == 25


def test_another_area_joins_and_the_same_again_does_nothing(tmp_path: Path) -> None:
    """A second file adds rows, replaces the cells that both have, keeps the card's licence; a third run rests."""
    store, cells = tmp_path / "s", cell_ids(90)
    first = write_cells(tmp_path / "a.parquet", cells[:60], numbers(60, seed=1))
    second = write_cells(tmp_path / "b.parquet", cells[30:], numbers(60, seed=2))
    where = ("--store", store, "--season", "2024", "--model-id", "o-1")
    take_in(first, *where, "--licence", "CC0")
    take_in(second, *where)
    table = Store.open(store).read("cells")
    assert table["h3"].to_pylist() == sorted(cells)
    wanted = dict(zip(cells, [*unit(numbers(60, seed=1))[:30], *unit(numbers(60, seed=2))], strict=True))
    assert_vectors(table, np.array([wanted[c] for c in table["h3"].to_pylist()]))
    assert Store.open(store).model_card("o-1")["licence"] == "CC0"
    version = Store.open(store).version
    assert "nothing to do" in take_in(second, *where)
    assert Store.open(store).version == version


def test_a_model_of_another_length_stands_beside_ours(tmp_path: Path) -> None:
    """Vectors of 128 numbers beside ours of 64: SQL, search, labels and map work on each; a mixed one is refused."""
    path = tmp_path / "store"
    small_store(path)
    cells, vectors = cell_ids(200), numbers(200, 128)
    vectors[:100] += 4
    file = write_cells(tmp_path / "cells.parquet", cells, vectors)
    take_in(file, "--store", path, "--season", "2024-25", "--model-id", "other-1")
    store = Store.open(path)
    with connect(store) as session:
        found = session.sql(
            "SELECT model, len(embedding) AS d, count(*) FROM cells GROUP BY ALL ORDER BY d"
        ).fetchall()
        rows = session.table("cells").filter("model = 'other-1'")
        pairs = rows.set_alias("a").join(rows.set_alias("b"), "a.h3 = b.h3")
        alike = pairs.aggregate("min(cosine(a.embedding, b.embedding))").fetchone()
    assert found == [("surco-test-1", 64, 200), ("other-1", 128, 200)]
    assert alike is not None
    assert alike[0] == pytest.approx(1, abs=1e-6)
    close = nearest(store, cells[0], 20, table="cells", model_id="other-1", where="h3 > 0")
    assert set(close["h3"].to_pylist()) <= set(cells[:100])
    labels = tmp_path / "labels.geojson"
    features = [
        {"type": "Feature", "properties": {"crop": "a" if i < 100 else "b"},
         "geometry": {"type": "Point", "coordinates": h3.cell_to_latlng(h3.int_to_str(c))[::-1]}}
        for i, c in enumerate(cells) if i % 10 < 3
    ]  # fmt: skip
    labels.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    fitted = surco("adapters", "fit", path, "--labels", labels, "--name", "ab", "--model", "other-1")
    assert fitted.exit_code == 0, fitted.output
    mapped = surco("map", path, "--adapter", "ab", "--out", tmp_path / "map.parquet")
    assert mapped.exit_code == 0, mapped.output
    classes = dict(
        zip(*(pq.read_table(tmp_path / "map.parquet")[c].to_pylist() for c in ("id", "class")), strict=True)
    )
    assert np.mean([classes[f"{c:x}"] == ("a" if i < 100 else "b") for i, c in enumerate(cells)]) > 0.95


def test_the_page_shows_one_model_at_a_time(tmp_path: Path) -> None:
    """Beside a model of cells only, a store without an adapter shows the one with parcels, and says what each has."""
    path = tmp_path / "store"
    small_store(path)
    file = write_cells(tmp_path / "cells.parquet", cell_ids(50), numbers(50, 128))
    take_in(file, "--store", path, "--season", "2024-25", "--model-id", "other-1")
    with TestClient(create_app(Settings(store=path))) as client:
        facts = client.get("/api/overview").json()
        held = facts["seasons"][0]["models"]
        assert {m: (h["parcels"], [c["rows"] for c in h["cells"]]) for m, h in held.items()} == {
            "surco-test-1": (40, [200]), "other-1": (0, [50]),
        }  # fmt: skip
        assert (facts["defaults"]["model"], facts["defaults"]["unit"]) == ("surco-test-1", "parcels")
        assert client.get("/collections/parcels/items?limit=1").json()["numberMatched"] == 40


def test_our_own_cells_come_back_from_another_store(tmp_path: Path) -> None:
    """Files of one store, which hold lists of int8 with scales, import into another with the same directions."""
    source = small_store(tmp_path / "ours")
    files = source.find("cells").files
    take_in(*files, "--store", tmp_path / "theirs", "--season", "2024-25", "--model-id", "copy-1")
    ours, theirs = source.read("cells"), Store.open(tmp_path / "theirs").read("cells")
    assert ours["h3"].to_pylist() == theirs["h3"].to_pylist()
    cosines = (unit(stored(ours)) * unit(stored(theirs))).sum(axis=1)
    assert cosines.min() > 0.9999


def write_raster(path: Path, q: np.ndarray, *, bottom_up: bool = False) -> Path:
    """AlphaEarth's layout: int8 bands, -128 for no data, rows from the north or, as published, from the south."""
    left, top, rows = 300_000.0, 6_080_000.0, q.shape[0]
    transform = (
        Affine(10.0, 0, left, 0, 10.0, top - 10 * rows) if bottom_up else Affine(10.0, 0, left, 0, -10.0, top)
    )
    profile = {"driver": "GTiff", "count": q.shape[2], "height": rows, "width": q.shape[1], "dtype": "int8"}
    with rasterio.open(path, "w", crs="EPSG:32719", transform=transform, nodata=-128, **profile) as target:
        target.write(np.moveaxis(q[::-1] if bottom_up else q, 2, 0))
    return path


def test_alphaearth_by_command(tmp_path: Path) -> None:
    """A folder of GeoTIFFs gives the same cells from the north and from the south, in a new store of calendar years."""
    q = np.random.default_rng(0).integers(-90, 91, (30, 40, 64)).astype(np.int8)
    tables = []
    for name, bottom_up in (("north", False), ("south", True)):
        (tmp_path / name).mkdir()
        write_raster(tmp_path / name / "tile.tif", q, bottom_up=bottom_up)
        store = tmp_path / f"{name}.store"
        said = take_in(tmp_path / name, "--store", store, "--season", "2024", "--model-id", "alphaearth-1")
        assert "1,200 of 1,200 pixels" in said
        assert "Note" not in said
        tables.append(Store.open(store).read("cells", resolution=11))
    assert tables[0].equals(tables[1])
    assert Store.open(tmp_path / "north.store").seasons() == ["2024"]


def test_rasters_of_two_areas_share_a_table(tmp_path: Path) -> None:
    """Tiles imported one after another make the table of both, and an import of our own encoder's id is refused."""
    q = np.random.default_rng(0).integers(-90, 91, (20, 400, 8)).astype(np.int8)
    west, east = (np.full_like(q, -128) for _ in range(2))
    west[:, :150], east[:, 250:] = q[:, :150], q[:, 250:]
    both = np.where(west == -128, east, west)
    where = ("--season", "2024-25", "--model-id", "a-1")
    small_store(tmp_path / "s")
    for name, part in (("west", west), ("east", east)):
        said = take_in(write_raster(tmp_path / f"{name}.tif", part), "--store", tmp_path / "s", *where)
        assert "Note: AlphaEarth's and TESSERA's vectors are of calendar years" in said
    take_in(write_raster(tmp_path / "both.tif", both), "--store", tmp_path / "whole", *where)
    one = Store.open(tmp_path / "s").read("cells", model_id="a-1", resolution=11)
    assert one.equals(Store.open(tmp_path / "whole").read("cells", resolution=11))
    parcel = shapely.geometry.mapping(shapely.box(-71.3, -35.5, -71.0, -35.3))
    feature = {"type": "Feature", "id": "all", "properties": {}, "geometry": parcel}
    parcels = tmp_path / "parcels.geojson"
    parcels.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    options = ("--parcels", parcels, "--erode", "5", "--resolutions", "8", "--aoi", "-71.3,-35.5,-71.0,-35.3")
    said = take_in(tmp_path / "west.tif", "--store", tmp_path / "p", *where, *options)
    assert "cells at resolution 8, 1 parcels of a-1" in said
    assert Store.open(tmp_path / "p").read("parcels")["n_pixels"].to_pylist() == [20 * 150]
    said = refused(
        tmp_path / "west.tif", "--store", tmp_path / "s", "--season", "2024-25", "--model-id", "surco-test-1"
    )
    assert "whose vectors" in said
    assert "Choose another model id" in said


def write_tessera(folder: Path, name: str = "grid_-71.55_-35.45") -> tuple[Path, np.ndarray]:
    """A tile of TESSERA version 2: the two arrays, of the tile's own shape, without a land mask; and its vectors."""
    place = tessera_place(name)
    assert place is not None
    rng = np.random.default_rng(0)
    q = np.full((*place[2], 4), 1, np.int8)
    q[:60, :60] = rng.integers(-100, 101, (60, 60, 4))
    scales = np.zeros(place[2], np.float32)
    scales[:60, :60] = rng.uniform(0.01, 0.1, (60, 60))
    (folder / name).mkdir(parents=True)
    np.save(folder / name / f"{name}.npy", q)
    np.save(folder / name / f"{name}_scales.npy", scales)
    return folder / name / f"{name}.npy", q[:60, :60] * scales[:60, :60, None]


def test_tessera_without_a_land_mask_lies_where_its_name_says(tmp_path: Path) -> None:
    """The tile's corner is that of its square of 0.1 degrees in its UTM zone; pixels fall into their cells."""
    path, vectors = write_tessera(tmp_path / "tiles")
    with open_raster(path) as raster:
        assert raster.crs == "EPSG:32719"
        bounds = transform_bounds("EPSG:4326", "EPSG:32719", -71.6, -35.5, -71.5, -35.4)
        assert (raster.transform.c, raster.transform.f) == pytest.approx((bounds[0], bounds[3]))
        assert raster.transform.a == -raster.transform.e == 10
    said = take_in(
        tmp_path / "tiles", "--store", tmp_path / "s", "--season", "2024", "--model-id", "tessera-2"
    )
    assert "3,600 of" in said
    table = Store.open(tmp_path / "s").read("cells", resolution=11)
    back = Transformer.from_crs("EPSG:32719", "OGC:CRS84", always_xy=True)
    cells = {}
    for row, column in np.ndindex(60, 60):
        lon, lat = back.transform(bounds[0] + 10 * column + 5, bounds[3] - 10 * row - 5)
        cells.setdefault(h3.str_to_int(h3.latlng_to_cell(lat, lon, 11)), []).append(vectors[row, column])
    assert table["h3"].to_pylist() == sorted(cells)
    assert_vectors(table, np.array([unit(np.array(cells[c])).mean(axis=0) for c in sorted(cells)]))


def test_tessera_names_in_every_zone() -> None:
    """Names say zone and hemisphere; others say nothing."""
    zones = {
        "grid_0.15_52.05": "EPSG:32631",
        "grid_-70.95_-35.45": "EPSG:32719",
        "grid_179.95_-17.05": "EPSG:32760",
    }
    assert {name: place[0] for name in zones if (place := tessera_place(name))} == zones
    assert tessera_place("grid_200.05_10.05") is None
    assert tessera_place("tile_-70.95_-35.45") is None


def test_refused_tables_leave_the_store_as_it_was(tmp_path: Path) -> None:
    """Each bad table is refused in a sentence with what to do, exit code 2; no store is made, an old one unchanged."""
    cells, vectors = cell_ids(20), numbers(20)
    ragged = vectors.tolist()
    ragged[13] = ragged[13][:5]
    good = {"h3": pa.array(cells, pa.uint64()), "embedding": lists(vectors)}
    int8 = lists(np.ones((20, 4)), pa.list_(pa.int8()))
    bad: dict[str, tuple[dict[str, pa.Array], str]] = {
        "repeated": ({**good, "h3": pa.array([cells[0], *cells[:19]], pa.uint64())}, "each H3 cell once, got 1"),
        "mixed": ({**good, "h3": pa.array([*cells[:19], *cell_ids(1, 8)], pa.uint64())}, "of resolution 8 in row 19"),
        "null": ({**good, "h3": pa.array([*cells[:19], None], pa.uint64())}, "got None in row 19"),
        "float": ({**good, "h3": pa.array([float(c) for c in cells])}, "floats cannot hold them"),
        "ragged": ({**good, "embedding": pa.array(ragged, pa.list_(pa.float32()))}, "got 5 in row 13"),
        "empty": ({**good, "embedding": lists(vectors * 0)}, "at least one vector in the area, got none in 20 rows"),
        "nulls": ({**good, "embedding": pa.nulls(20, pa.list_(pa.float32()))}, "at least one vector in column"),
        "short": ({**good, "embedding": lists(vectors[:, :1])}, "2 to 4096 numbers"),
        "two": ({"h3": good["h3"], "a": good["embedding"], "b": good["embedding"]}, "got a, b. Name it with"),
        "none": ({"h3": good["h3"], "a": pa.array(range(20))}, "got columns h3, a. Name it with"),
        "unsigned": ({"h3": good["h3"], "embedding": lists(np.ones((20, 4)), pa.list_(pa.uint8()))}, "lists of floats"),
        "unscaled": ({"h3": good["h3"], "embedding": int8}, "scales for the int8 vectors"),
        "negative": ({"h3": good["h3"], "embedding": int8, "scale": pa.array([-1.0] * 20)}, "got -1.0 in row 0"),
        "nowhere": ({"embedding": good["embedding"]}, "Say in the file where each vector lies"),
        "no rows": ({name: column[:0] for name, column in good.items()}, "at least one row"),
    }  # fmt: skip
    old = tmp_path / "old"
    small_store(old)
    version = Store.open(old).version
    where = ("--season", "2024-25", "--model-id", "o-1", "--store")
    for name, (columns, said) in bad.items():
        file = write(tmp_path / f"{name}.parquet", columns)
        assert said in refused(file, *where, tmp_path / "new"), name
        assert not (tmp_path / "new").exists(), name
    refused(tmp_path / "repeated.parquet", *where, old)
    assert Store.open(old).version == version
    assert Store.open(old).models() == ["surco-test-1"]
    assert not list((old / ".staging").glob("*"))


def test_vectors_of_another_length_under_the_same_id_are_refused(tmp_path: Path) -> None:
    """A second import of another length leaves the first as it was; a file that is named twice is read once."""
    where = ("--season", "2024", "--model-id", "o-1", "--store", tmp_path / "s")
    first = write_cells(tmp_path / "a.parquet", cell_ids(9), numbers(9))
    assert "9 of 9 rows" in take_in(first, first, *where)
    version = Store.open(tmp_path / "s").version
    other = write_cells(tmp_path / "b.parquet", cell_ids(9, lat=LAT + 1), numbers(9, 8))
    assert "its own model id" in refused(other, *where)
    assert Store.open(tmp_path / "s").version == version
    assert not list((tmp_path / "s" / ".staging").glob("*"))


def test_refused_shapes(tmp_path: Path) -> None:
    """Lines, mixed shapes, missing points, unknown CRS, other encodings and metres called degrees are refused."""
    where = ("--season", "2024", "--model-id", "o-1", "--store", tmp_path / "new")
    vectors, dots = numbers(4, 8), points(4)
    line = shapely.LineString([(LON, LAT), (LON + 1, LAT)])
    mixed = np.array([*dots[:3], squares(1)[0]])
    missing = np.array([*dots[:3], None])
    far = shapely.points(np.full(4, 300_000.0), np.full(4, 6_080_000.0))
    for shapes, said in (
        (np.array([line] * 4), "got linestrings"),
        (mixed, "Expected a point in every row"),
        (missing, "got no geometry in row 3"),
        (far, "State the CRS of projected coordinates"),
    ):
        assert said in refused(write_shapes(tmp_path / "bad.parquet", shapes, vectors), *where)
    columns = {"embedding": lists(vectors), "geometry": pa.array(shapely.to_wkb(dots), pa.binary())}
    for geo, said in (
        ({"encoding": "WKB", "crs": "EPSG:1"}, "Expected a known CRS"),
        ({"encoding": "WKB", "crs": "EPSG:5773"}, "Expected a known CRS"),
        ({"encoding": "WKB", "crs": 'LOCAL_CS["x",UNIT["metre",1]]'}, "Expected a known CRS"),
        ({"encoding": "point"}, "geometry as WKB"),
    ):
        assert said in refused(write(tmp_path / "bad.parquet", columns, geo), *where)
    broken = {**columns, "geometry": pa.array([b"no shape"] * 4)}
    assert "Expected WKB" in refused(write(tmp_path / "bad.parquet", broken, {"encoding": "WKB"}), *where)
    assert not (tmp_path / "new").exists()


def test_refused_requests(tmp_path: Path) -> None:
    """Files of no or several formats, options that do not belong, finer cells, years among seasons are refused."""
    file = write_cells(tmp_path / "cells.parquet", cell_ids(9), numbers(9))
    other = write_cells(tmp_path / "short.parquet", cell_ids(9), numbers(9, 8))
    fields = write_shapes(tmp_path / "fields.parquet", squares(4), numbers(4, 8))
    raster = write_raster(tmp_path / "a.tif", np.ones((4, 4, 4), np.int8))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(file.read_bytes()[:-300])
    (tmp_path / "empty").mkdir()
    text = tmp_path / "a.csv"
    text.write_text("h3,embedding\n")
    parcels = tmp_path / "parcels.geojson"
    shape = shapely.geometry.mapping(squares(1)[0])
    feature = {"type": "Feature", "properties": {}, "geometry": shape}
    parcels.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    where = ("--season", "2024", "--model-id", "o-1", "--store", tmp_path / "new")
    for words, said in (
        ((file, raster), "files of one format; got 1 parquet, 1 geotiff"),
        ((text,), "--format geotiff|tessera|parquet"),
        ((tmp_path / "empty",), "got no file"),
        ((tmp_path / "no.parquet",), "Check the path"),
        ((cut,), "whole Parquet file"),
        ((file, other), "Import them one after the other"),
        ((file, "--format", "tessera"), "Leave --format out"),
        ((raster, "--vector-column", "v"), "a raster has one vector a pixel"),
        ((file, "--vector-column", "v"), "Correct --vector-column"),
        ((file, "--scale-column", "v"), "Correct --scale-column"),
        ((file, "--erode", "10"), "for rasters only"),
        ((file, "--resolutions", "11"), "a cell cannot be cut"),
        ((file, "--resolutions", "nine"), "got --resolutions 'nine'"),
        ((fields, "--resolutions", "9"), "Leave --resolutions out"),
        ((file, "--parcels", parcels), "Leave --parcels out"),
        ((file, "--aoi", "0,0,1,1"), "Choose another area"),
        ((file, "--aoi", "0,0"), "four numbers"),
    ):
        assert said in refused(*words, *where), words
        assert not (tmp_path / "new").exists(), words
    small_store(tmp_path / "may")
    said = refused(file, "--store", tmp_path / "may", "--season", "2024", "--model-id", "o-1")
    assert "got the calendar year 2024" in said
    assert "name it: 2024-25" in said
    assert "model id of letters" in refused(file, *where[:2], "--model-id", "../x", *where[4:])


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    """Whatever bytes of a table are changed, it is either read or refused in words: text that is no UTF-8 too."""
    text = pa.array([f"rol-{i}-ñ" for i in range(60)])
    whole = write_shapes(tmp_path / "whole.parquet", squares(60), numbers(60, 8), id=text).read_bytes()
    rng = np.random.default_rng(3)
    refusals = 0
    for number in range(40):
        damaged = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, len(whole), 1 + number % 5)
        damaged[places] = rng.integers(0, 256, len(places))
        file = tmp_path / "damaged.parquet"
        file.write_bytes(damaged.tobytes())
        try:
            import_tables([file], YEAR, Store.create(tmp_path / f"s{number}", start_month=1), model_id="o-1")
        except (EncoderError, EmbedstoreError) as error:
            refusals += 1
            assert "xpected" in str(error)
    assert 0 < refusals < 40
    (tmp_path / "text.parquet").write_bytes(whole.replace("ñ".encode(), b"\xf1\xf1"))
    with pytest.raises(EncoderError, match="Expected a whole Parquet file"):
        import_tables(
            [tmp_path / "text.parquet"], YEAR, Store.create(tmp_path / "s", start_month=1), model_id="o-1"
        )


def test_parcels_that_hold_no_point_are_refused(tmp_path: Path) -> None:
    """Parcels elsewhere than the points are a mistake, not an empty table."""
    shape = shapely.geometry.mapping(shapely.box(9, 9, 9.1, 9.1))
    feature = {"type": "Feature", "properties": {}, "geometry": shape}
    parcels = tmp_path / "parcels.geojson"
    parcels.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    file = write_shapes(tmp_path / "points.parquet", points(9), numbers(9, 8))
    where = ("--season", "2024", "--model-id", "o-1", "--store", tmp_path / "new")
    assert "at least one of the points" in refused(file, *where, "--parcels", parcels)
    assert not (tmp_path / "new").exists()


def test_order_and_cut_of_files_change_nothing(tmp_path: Path) -> None:
    """The same points in another order and in two files give the same table, bit for bit."""
    shapes, vectors = points(2000), numbers(2000, 16)
    order = np.random.default_rng(5).permutation(2000)
    whole = write_shapes(tmp_path / "whole.parquet", shapes, vectors)
    parts = [
        write_shapes(tmp_path / f"part{i}.parquet", shapes[rows], vectors[rows])
        for i, rows in enumerate((order[:700], order[700:]))
    ]
    tables = []
    for name, files in (("one", [whole]), ("two", parts)):
        store = Store.create(tmp_path / name, start_month=1)
        import_tables(files, YEAR, store, model_id="o-1", resolutions=(12, 6))
        tables.append([store.read("cells", resolution=level) for level in (12, 6)])
    assert all(one.equals(two) for one, two in zip(*tables, strict=True))
