"""The store's files opened by programs that know nothing of us."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import duckdb
import duckdb_extension_spatial
import numpy as np
import pyarrow.parquet as pq
import pytest
from checkers import checker, gpio_check
from store_builders import cell_ids, small_store, squares, unit_vectors

from surco.embedstore import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """200 cells and 40 parcels."""
    return small_store(tmp_path_factory.mktemp("elsewhere") / "s")


def files(store: Store) -> tuple[Path, Path]:
    """The file of cells and that of parcels."""
    return store.find("cells").files[0], store.find("parcels").files[0]


def test_geopandas_reads_places_and_vectors(store: Store) -> None:
    """Points and polygons in CRS84, vectors that give back what was written, bbox columns that filter."""
    geopandas = pytest.importorskip("geopandas", reason="geopandas is not installed (development only)")
    cells, parcels = (geopandas.read_parquet(file) for file in files(store))
    assert (len(cells), len(parcels)) == (200, 40)
    assert (set(cells.geom_type), set(parcels.geom_type)) == ({"Point"}, {"Polygon"})
    assert cells.crs.to_authority() == parcels.crs.to_authority() == ("OGC", "CRS84")
    order = np.argsort(np.array(cell_ids(200), np.uint64))
    vectors = np.stack(cells["embedding"]) * cells["embedding_scale"].to_numpy()[:, None]
    assert np.abs(vectors - unit_vectors(200)[order]).max() < 0.005
    west, south, east, north = squares(40)[7].buffer(-1e-4).bounds
    (one,) = geopandas.read_parquet(files(store)[1], bbox=(west, south, east, north))["id"]
    assert one == "p7"


def test_polars_reads_the_columns(store: Store) -> None:
    """Types are those of the schema, lists of fixed length too; nulls stay nulls."""
    polars = pytest.importorskip("polars", reason="polars is not installed (development only)")
    cells, parcels = (polars.read_parquet(file, hive_partitioning=False) for file in files(store))
    assert cells.schema["h3"] == polars.UInt64
    assert cells.schema["embedding"] == polars.Array(polars.Int8, 64)
    assert cells["h3"].to_list() == sorted(cell_ids(200))
    assert cells["ndvi"][0][2] is None
    assert parcels["crop:name"].null_count() == 10
    assert parcels["bbox"].struct.field("xmin").dtype == polars.Float32


def test_duckdb_reads_them_with_its_own_functions(store: Store) -> None:
    """A session of DuckDB's own, with spatial and hive partitions, joins cells to parcels by place."""
    extension = (
        Path(duckdb_extension_spatial.__path__[0])
        / "extensions"
        / f"v{duckdb.__version__}"
        / "spatial.duckdb_extension"
    )
    cells, parcels = (f"{store.path}/{table}/**/*.parquet" for table in ("cells", "parcels"))
    with duckdb.connect() as session:
        session.load_extension(str(extension))
        found = session.execute(
            "SELECT count(*), count(DISTINCT p.id), any_value(c.season), any_value(c.res) "
            "FROM read_parquet(?) p JOIN read_parquet(?) c ON ST_Contains(p.geometry, c.geometry)",
            [parcels, cells],
        ).fetchone()
        (kind,) = session.execute("SELECT typeof(geometry) FROM read_parquet(?) LIMIT 1", [cells]).fetchone()
    assert kind.startswith("GEOMETRY")
    assert found[0] >= found[1] > 0
    assert found[2:] == ("2024-25", 9)


def test_gdal_reads_them(store: Store) -> None:
    """GDAL's Parquet driver sees a layer of points and one of polygons, where this build of GDAL has it."""
    pyogrio = pytest.importorskip("pyogrio", reason="pyogrio is not installed (comes with geopandas)")
    if "Parquet" not in pyogrio.list_drivers():
        pytest.skip("this GDAL was built without the Parquet driver")
    points, polygons = (pyogrio.read_info(file) for file in files(store))
    assert (points["features"], points["geometry_type"]) == (200, "Point")
    assert (polygons["features"], polygons["geometry_type"]) == (40, "Polygon")


def test_gpio_finds_valid_geoparquet(store: Store, tmp_path: Path) -> None:
    """`gpio check` of geoparquet-io: every check of the GeoParquet 1.1 specification passes for both tables."""
    for number, file in enumerate(files(store)):
        assert "0 warnings, 0 failed" in gpio_check(file, tmp_path / f"home-{number}")


def test_vec_finds_valid_vecorel(store: Store) -> None:
    """`vec validate` of vecorel-cli passes for parcels, where the schemas that it loads from the web can be reached."""
    done = subprocess.run(
        [checker("vec"), "validate", str(files(store)[1])], capture_output=True, text=True, check=False
    )
    if "can't be loaded. https://" in done.stdout or "internal error: https://" in done.stdout:
        pytest.skip("vec validate loads its schemas from the web, which cannot be reached")
    assert done.returncode == 0, done.stdout + done.stderr


def test_parcels_say_which_schemas_they_follow(store: Store) -> None:
    """Parcels carry Vecorel's `collection` key, and its required columns without nulls; cells are no features of it."""
    cells, parcels = (pq.read_schema(file) for file in files(store))
    stated = json.loads(parcels.metadata[b"collection"])
    (schemas,) = stated["schemas"].values()
    assert list(stated["schemas"]) == [stated["collection"]]
    assert "https://vecorel.org/specification/v0.1.0/schema.yaml" in schemas
    assert [parcels.field(name).nullable for name in ("id", "geometry", "bbox")] == [False, False, True]
    assert b"collection" not in cells.metadata


def test_a_vector_takes_about_its_own_bytes(tmp_path: Path) -> None:
    """Sixty-four values of a byte take less than a tenth more in the file, though Parquet counts them as integers."""
    store = small_store(tmp_path / "s", 20_000)
    (info,) = [t for t in store.tables() if t.table == "cells"]
    chunks = [
        pq.ParquetFile(file).metadata.row_group(group).column(column)
        for file in info.files
        for group in range(pq.ParquetFile(file).num_row_groups)
        for column in range(pq.ParquetFile(file).metadata.num_columns)
    ]
    taken = sum(c.total_compressed_size for c in chunks if c.path_in_schema.startswith("embedding."))
    assert taken / info.rows < 1.1 * 64
