"""The store: versions, atomic writes, and what a reader sees."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_builders import (
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
    ModelMismatchError,
    SchemaError,
    Season,
    SeasonError,
    Store,
    StoreConflictError,
    StoreError,
    dequantize,
    fixed_size_matrix,
    rollback,
    versions,
)
from surco.embedstore.manifest import FORMAT_VERSION


def put(
    store: Store, n: int = 20, *, season: Season = SEASON, model_id: str = MODEL, resolution: int = 9
) -> None:
    """Write n cells."""
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(n, resolution), unit_vectors(n))
        tx.put_cells([rows], model_id=model_id, season=season, resolution=resolution)


def files_of(folder: Path) -> set[Path]:
    """All files in a folder."""
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_new_store_is_empty(tmp_path: Path) -> None:
    """A new store has version 0 and nothing in it."""
    store = Store.create(tmp_path / "s", start_month=11)
    again = Store.open(tmp_path / "s")
    assert (again.version, again.start_month, again.tables(), again.seasons()) == (0, 11, [], [])
    assert (again.models(), again.adapters(), again.path) == ([], [], store.path)


def test_rows_come_back_sorted_by_cell(tmp_path: Path) -> None:
    """Cells given in any order and in several batches are read sorted, each with its own vector."""
    cells, vectors = cell_ids(300), unit_vectors(300)
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        batches = (cells_batch(cells[i : i + 70], vectors[i : i + 70]) for i in range(0, 300, 70))
        tx.put_cells(batches, model_id=MODEL, season=SEASON, resolution=9)
    rows = store.read("cells")
    order = np.argsort(np.array(cells, np.uint64))
    assert rows.column("h3").to_pylist() == sorted(cells)
    restored = dequantize(
        fixed_size_matrix(rows.column("embedding")), rows.column("embedding_scale").to_numpy()
    )
    assert np.abs(restored - vectors[order]).max() < 0.005


def test_cells_are_split_by_coarse_parent(tmp_path: Path) -> None:
    """Cells of two valleys lie in different files, each sorted; together they are all the rows."""
    store = Store.create(tmp_path / "s")
    cells = cell_ids(50) + cell_ids(50, lon=-70.9, lat=-33.5)
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cells, unit_vectors(100))], model_id=MODEL, season=SEASON, resolution=9)
    (info,) = store.tables()
    assert len(info.files) == 2
    assert sum(pq.read_metadata(file).num_rows for file in info.files) == info.rows == 100
    for file in info.files:
        h3 = pq.read_table(file, partitioning=None).column("h3").to_pylist()
        assert h3 == sorted(h3)


@pytest.mark.parametrize("resolution", [0, 3, 7, 15])
def test_every_resolution_can_be_stored(tmp_path: Path, resolution: int) -> None:
    """From the coarsest to the finest, each cell comes back once."""
    store = Store.create(tmp_path / "s")
    cells = cell_ids(7, resolution)
    with store.transaction() as tx:
        rows = cells_batch(cells, unit_vectors(len(cells)))
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=resolution)
    assert store.read("cells").column("h3").to_pylist() == sorted(cells)


def test_parcels_are_ordered_by_place_and_carry_their_bounds(tmp_path: Path) -> None:
    """Neighbours in the file are neighbours on the ground; bbox covers each parcel in spite of float32."""
    shapes = squares(400)
    shuffled = np.random.default_rng(0).permutation(400)
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        rows = parcels_batch(shapes[shuffled], unit_vectors(400), ["maize"] * 400)
        tx.put_parcels([rows.slice(0, 150), rows.slice(150)], model_id=MODEL, season=SEASON)
    rows = store.read("parcels")
    stored = shapely.from_wkb(rows.column("geometry").to_numpy())
    centres = shapely.centroid(stored)
    step = shapely.distance(centres[1:], centres[:-1]).mean()
    unordered = shapely.distance(
        *shapely.centroid(shapes[shuffled])[[np.arange(399), np.arange(1, 400)]]
    ).mean()
    assert step < unordered / 4
    bbox = rows.column("bbox").combine_chunks().flatten()
    west, south, east, north = (side.to_numpy().astype(float) for side in bbox)
    bounds = shapely.bounds(stored)
    assert (
        (west <= bounds[:, 0]) & (south <= bounds[:, 1]) & (east >= bounds[:, 2]) & (north >= bounds[:, 3])
    ).all()


def test_files_are_geoparquet_with_their_model(tmp_path: Path) -> None:
    """The geo key follows GeoParquet 1.1 and the emb key says whose vectors these are, how long, how stored."""
    store = Store.create(tmp_path / "s")
    season = Season(2024, as_of=date(2024, 12, 31))
    with store.transaction() as tx:
        rows = parcels_batch(squares(12), unit_vectors(12), ["maize"] * 12)
        tx.put_parcels([rows], model_id=MODEL, season=season, sources=["s2"], licence="CC-BY-4.0")
        tx.put_cells([cells_batch(cell_ids(5), unit_vectors(5))], model_id=MODEL, season=season, resolution=9)
    cells, parcels = (pq.read_metadata(info.files[0]).metadata for info in store.tables())
    geo = json.loads(parcels[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"], column["encoding"]) == ("1.1.0", "geometry", "WKB")
    assert column["geometry_types"] == ["Polygon"]
    assert column["crs"]["id"] == {"authority": "OGC", "code": "CRS84"}
    assert column["bbox"] == pytest.approx([-71.55, -35.42, -71.53, -35.416])
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert json.loads(cells[b"geo"])["columns"]["geometry"]["geometry_types"] == ["Point"]
    emb = json.loads(parcels[b"emb"])
    assert (emb["model"], emb["dimension"], emb["sources"], emb["licence"]) == (
        MODEL,
        64,
        ["s2"],
        "CC-BY-4.0",
    )
    assert emb["season"] == {
        "name": "2024-25",
        "start": "2024-05-01",
        "end": "2025-04-30",
        "as_of": "2024-12-31",
    }
    assert "127" in emb["quantisation"]


def test_a_reader_keeps_its_version(tmp_path: Path) -> None:
    """What others write is seen only by who opens the store afterwards; the writer sees its own."""
    store = small_store(tmp_path / "s", 50)
    reader = Store.open(store.path)
    put(store, 80)
    assert (reader.version, reader.read("cells").num_rows) == (1, 50)
    assert (store.version, store.read("cells").num_rows) == (2, 80)
    assert Store.open(store.path).read("cells").num_rows == 80


def test_a_write_replaces_its_table_and_carries_the_others_over(tmp_path: Path) -> None:
    """The same table, model, season and resolution is replaced; everything else stays."""
    store = small_store(tmp_path / "s", 50)
    put(store, 30, resolution=10)
    put(store, 20, season=Season(2025))
    put(store, 10)
    held = {(info.table, info.season, info.resolution): info.rows for info in store.tables()}
    assert held == {
        ("cells", "2024-25", 9): 10,
        ("cells", "2024-25", 10): 30,
        ("cells", "2025-26", 9): 20,
        ("parcels", "2024-25", None): 40,
    }
    assert store.seasons() == ["2024-25", "2025-26"]
    assert store.read("cells").num_rows == 20
    assert store.read("cells", season="2024-25").num_rows == 30
    assert store.read("cells", season=SEASON, resolution=9, columns=["h3"]).schema.names == ["h3"]


def test_meta_sources_and_as_of_come_back(tmp_path: Path) -> None:
    """What the writer noted is in TableInfo of a store opened later."""
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cell_ids(5), unit_vectors(5, 32))],
            model_id=MODEL,
            season=Season(2024, as_of=date(2024, 9, 30)),
            resolution=9,
            sources=["https://example.org/stac"],
            meta={"key": [1, "a", None]},
        )
    (info,) = Store.open(store.path).tables()
    assert (info.meta, info.sources, info.as_of, info.dimension) == (
        {"key": [1, "a", None]},
        ("https://example.org/stac",),
        date(2024, 9, 30),
        32,
    )


def test_models_and_adapters_are_kept(tmp_path: Path) -> None:
    """A model's card and an adapter's files come back; an adapter of the same name is replaced."""
    store = small_store(tmp_path / "s", 10)
    for content in (b"old", b"new"):
        with store.transaction() as tx:
            tx.put_adapter("crops", {"card.json": b"{}", "weights.safetensors": content})
    store = Store.open(store.path)
    assert (store.models(), store.model_card(MODEL), store.adapters()) == (
        [MODEL],
        {"title": "a test"},
        ["crops"],
    )
    assert (store.adapter_dir("crops") / "weights.safetensors").read_bytes() == b"new"
    (store.adapter_dir("crops") / "weights.safetensors").write_bytes(b"bad")
    with pytest.raises(StoreError, match="SHA-256"):
        store.adapter_dir("crops")
    with pytest.raises(StoreError, match=r"one of the adapters \['crops'\]"):
        store.adapter_dir("yields")
    with pytest.raises(ModelMismatchError, match="other"):
        store.model_card("other")


def test_an_adapter_is_removed_from_the_next_version_only(tmp_path: Path) -> None:
    """A removed adapter is gone for new readers, stays in the earlier version, and comes back by rollback."""
    store = small_store(tmp_path / "s", 10)
    with store.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{}"})
        tx.put_adapter("yields", {"card.json": b"{}"})
    reader = Store.open(store.path)
    with store.transaction() as tx:
        tx.remove_adapter("crops")
    assert Store.open(store.path).adapters() == ["yields"]
    assert reader.adapters() == ["crops", "yields"]
    assert (reader.adapter_dir("crops") / "card.json").read_bytes() == b"{}"
    assert versions(store.path)[0].changes == ("adapter crops: removed",)
    rollback(store.path, reader.version)
    assert Store.open(store.path).adapters() == ["crops", "yields"]


def test_an_unknown_adapter_cannot_be_removed(tmp_path: Path) -> None:
    """Removing what is not there is a sentence that lists what is, and makes no version."""
    store = small_store(tmp_path / "s", 10)
    with store.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{}"})
    with pytest.raises(StoreError, match=r"adapters \['crops'\]"), store.transaction() as tx:
        tx.remove_adapter("crop")
    with pytest.raises(StoreError, match=r"adapters \[\]"), store.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{ }"})
        tx.remove_adapter("crops")
    assert Store.open(store.path).version == 2


def test_an_error_in_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    """Nothing of a failed transaction is visible, and its files are gone."""
    store = small_store(tmp_path / "s", 20)
    before = files_of(store.path)
    with pytest.raises(RuntimeError, match="no scene"), store.transaction() as tx:
        tx.put_cells([cells_batch(cell_ids(9), unit_vectors(9))], model_id=MODEL, season=SEASON, resolution=9)
        tx.put_adapter("crops", {"card.json": b"{}"})
        raise RuntimeError("no scene")
    assert files_of(store.path) == before
    assert (Store.open(store.path).version, store.adapters()) == (1, [])


def test_an_empty_transaction_is_no_version(tmp_path: Path) -> None:
    """A transaction that puts nothing makes no version."""
    store = Store.create(tmp_path / "s")
    with store.transaction():
        pass
    assert Store.open(store.path).version == 0


def test_of_two_writers_one_wins(tmp_path: Path) -> None:
    """The slower of two writers on one version gets a clear error and leaves nothing behind."""
    store = small_store(tmp_path / "s", 20)
    other = Store.open(store.path)
    with (
        pytest.raises(StoreConflictError, match=r"version 2 .*Open the store again"),
        store.transaction() as slow,
    ):
        slow.put_adapter("slow", {"card.json": b"{}"})
        put(other, 33)
    reader = Store.open(store.path)
    assert (reader.version, reader.read("cells").num_rows, reader.adapters()) == (2, 33, [])
    assert not list((store.path / "adapters").rglob("card.json"))
    assert {path.name for path in (store.path / "manifests").iterdir()} == {"1.json", "2.json"}


def test_a_killed_writer_breaks_nothing(tmp_path: Path) -> None:
    """After kill -9 at random moments the store opens at a whole version and can be written."""
    store = small_store(tmp_path / "s", 20)
    moments = random.Random(7)  # noqa: S311 - moments, not secrets
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("store_writer.py")), str(store.path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert writer.stdout is not None
        with writer, writer.stdout as output:
            assert output.readline() == b"ready\n"
            time.sleep(moments.uniform(0.0, 0.25))
            writer.send_signal(signal.SIGKILL)
        reader = Store.open(store.path)
        (cells, *_) = reader.tables()
        assert reader.version == (1 if cells.rows == 20 else cells.meta["after"] + 1)
        assert reader.read("cells").num_rows == cells.rows
        assert reader.read("parcels").num_rows == 40
    version = Store.open(store.path).version
    put(store, 11)
    assert (store.version, Store.open(store.path).read("cells").num_rows) == (version + 1, 11)


def test_models_are_not_mixed(tmp_path: Path) -> None:
    """Asking for a model that is not there, or for none where there are two, is an error that lists them."""
    store = small_store(tmp_path / "s", 20)
    with pytest.raises(ModelMismatchError, match=rf"presto-1.*{MODEL}"):
        store.read("cells", model_id="presto-1")
    put(store, 10, model_id="presto-1")
    with pytest.raises(ModelMismatchError, match="Name the model"):
        store.read("cells")
    assert store.read("cells", model_id="presto-1").num_rows == 10


def test_a_model_has_one_vector_length(tmp_path: Path) -> None:
    """Vectors of another length under the same model id are refused, within one write and across writes."""
    store = small_store(tmp_path / "s", 20)
    long, short = cells_batch(cell_ids(3), unit_vectors(3)), cells_batch(cell_ids(3, 10), unit_vectors(3, 32))
    with pytest.raises(ModelMismatchError, match=r"64 values.*32 values"), store.transaction() as tx:
        tx.put_cells([short], model_id=MODEL, season=SEASON, resolution=10)
    other = cells_batch(cell_ids(6)[3:], unit_vectors(3, 32))
    with pytest.raises(SchemaError, match="vectors of 64 values"), store.transaction() as tx:
        tx.put_cells([long, other], model_id=MODEL, season=SEASON, resolution=9)


def test_repeated_rows_and_no_rows_are_refused(tmp_path: Path) -> None:
    """A cell or parcel twice, or none at all, is an error."""
    store = Store.create(tmp_path / "s")
    cells = cells_batch(cell_ids(5), unit_vectors(5))
    parcels = parcels_batch(squares(5), unit_vectors(5), ["a"] * 5)
    with pytest.raises(SchemaError, match="each h3 once"), store.transaction() as tx:
        tx.put_cells([cells, cells.slice(4)], model_id=MODEL, season=SEASON, resolution=9)
    with pytest.raises(SchemaError, match=r"each id once.*'p4'"), store.transaction() as tx:
        tx.put_parcels([parcels, parcels.slice(4)], model_id=MODEL, season=SEASON)
    with pytest.raises(SchemaError, match="at least one row"), store.transaction() as tx:
        tx.put_cells([cells.slice(5)], model_id=MODEL, season=SEASON, resolution=9)
    with pytest.raises(StoreError, match="each table once"), store.transaction() as tx:
        tx.put_parcels([parcels], model_id=MODEL, season=SEASON)
        tx.put_parcels([parcels], model_id=MODEL, season=SEASON)
    assert files_of(store.path) == {store.path / "store.json"}


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        (shapely.Point(-71, -35), "geometry of type Polygon or MultiPolygon"),
        (shapely.Polygon(), "1 empty"),
        (shapely.box(250_000, 6_080_000, 251_000, 6_081_000), "Reproject"),
    ],
)
def test_parcels_must_be_polygons_in_degrees(tmp_path: Path, shape: shapely.Geometry, problem: str) -> None:
    """Points, empty and projected geometries are refused as parcels."""
    rows = parcels_batch(squares(1), unit_vectors(1), ["a"])
    place = rows.schema.get_field_index("geometry")
    rows = rows.set_column(
        place, rows.schema.field("geometry"), pa.array([shapely.to_wkb(shape)], pa.binary())
    )
    store = Store.create(tmp_path / "s")
    with pytest.raises(SchemaError, match=problem), store.transaction() as tx:
        tx.put_parcels([rows], model_id=MODEL, season=SEASON)


def test_geometry_must_be_wkb(tmp_path: Path) -> None:
    """Bytes that are no WKB are an error of the room, not of a library."""
    rows = cells_batch(cell_ids(1), unit_vectors(1))
    rows = rows.set_column(1, rows.schema.field("geometry"), pa.array([b"no WKB"], pa.binary()))
    store = Store.create(tmp_path / "s")
    with pytest.raises(SchemaError, match="WKB in column geometry"), store.transaction() as tx:
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9)


def test_any_arrow_stream_can_be_put(tmp_path: Path) -> None:
    """A table or a record batch reader is taken as well as an iterable of batches."""
    rows = pa.table(cells_batch(cell_ids(30), unit_vectors(30)))
    store = Store.create(tmp_path / "s")
    for stream in (rows, rows.to_reader(7)):
        with store.transaction() as tx:
            tx.put_cells(stream, model_id=MODEL, season=SEASON, resolution=9)
        assert store.read("cells").num_rows == 30


def test_seasons_must_start_as_the_stores(tmp_path: Path) -> None:
    """A season of another start month is refused, and so is opening with another."""
    store = Store.create(tmp_path / "s")
    with pytest.raises(SeasonError, match="starts in month 5"):
        put(store, season=Season(2018, 11))
    with pytest.raises(StoreError, match="start in month 11"):
        Store.open_or_create(store.path, 11)
    assert Store.open_or_create(store.path, 5).version == 0
    assert Store.open_or_create(tmp_path / "new", 11).start_month == 11


@pytest.mark.parametrize("name", ["../evil", "/etc", "..", "a/../b", "", "a\\b", ".x"])
def test_names_cannot_leave_the_store(tmp_path: Path, name: str) -> None:
    """Models, adapters, their files and staging keys are plain names."""
    store = Store.create(tmp_path / "s")
    for attempt in (
        lambda tx: tx.put_model(name, {}),
        lambda tx: tx.put_adapter(name, {"card.json": b""}),
        lambda tx: tx.put_adapter("good", {name: b""}),
        lambda tx: tx.put_cells([], model_id=name, season=SEASON, resolution=9),
    ):
        with pytest.raises(StoreError, match="starting with a letter or digit"), store.transaction() as tx:
            attempt(tx)
    with pytest.raises(StoreError, match="staging key"):
        store.staging(name)
    assert files_of(tmp_path) == {store.path / "store.json"}


def test_staging_stays_until_it_is_cleared(tmp_path: Path) -> None:
    """Resumable work survives other writes and is gone when cleared, twice without harm."""
    store = Store.create(tmp_path / "s")
    (store.staging("run-1") / "tile.arrow").write_bytes(b"x")
    put(store)
    assert (Store.open(store.path).staging("run-1") / "tile.arrow").read_bytes() == b"x"
    store.clear_staging("run-1")
    store.clear_staging("run-1")
    assert not list(store.staging("run-1").iterdir())


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    """A folder without store.json, one with other JSON, and a full folder for a new store are errors."""
    with pytest.raises(StoreError, match=r"a folder with store.json"):
        Store.open(tmp_path / "nowhere")
    (tmp_path / "store.json").write_text("[1]")
    with pytest.raises(StoreError, match=r"a folder with store.json"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match="a new or empty folder"):
        Store.create(tmp_path)


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    """A store or manifest of a newer format says to update."""
    store = small_store(tmp_path / "s", 5)
    manifest = store.path / "manifests" / "1.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": FORMAT_VERSION + 1}))
    with pytest.raises(StoreError, match="Update surco"):
        Store.open(store.path)
    settings = {"format": "surco-store", "version": FORMAT_VERSION + 1, "start_month": 5}
    (store.path / "store.json").write_text(json.dumps(settings))
    with pytest.raises(StoreError, match="Update surco"):
        Store.open(store.path)


def changed(manifest: dict[str, object], path: tuple[str | int, ...], value: object) -> str:
    """A manifest with one value changed, as JSON."""
    content = json.loads(json.dumps(manifest))
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("partitions", 0, "files", 0, "path"), "../../etc/passwd"),
        (("partitions", 0, "files", 0, "path"), "/etc/passwd"),
        (("models", MODEL, "folder"), ".."),
        (("partitions", 0, "model"), "a'b"),
        (("partitions", 0, "season", "start"), "soon"),
        (("partitions", 0, "bbox"), [1]),
        (("partitions",), None),
        (("models",), [1]),
        (("version",), {}),
    ],
)
def test_a_manifest_is_not_trusted(tmp_path: Path, path: tuple[str | int, ...], value: object) -> None:
    """A manifest that points out of the store or is no manifest is an error of the room."""
    store = small_store(tmp_path / "s", 5)
    file = store.path / "manifests" / "1.json"
    file.write_text(changed(json.loads(file.read_text()), path, value))
    with pytest.raises(StoreError, match="Expected "):
        Store.open(store.path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_as_a_manifest_are_an_error(tmp_path: Path, content: bytes) -> None:
    """Whatever stands in a manifest, the store says that it is broken and nothing else happens."""
    path = tmp_path / "s"
    if not path.exists():
        Store.create(path)
    (path / "manifests" / "1.json").write_bytes(content)
    with pytest.raises(StoreError, match="manifest"):
        Store.open(path)


def test_files_changed_from_outside_are_noticed(tmp_path: Path) -> None:
    """A truncated, missing or linked-away file is an error that names it."""
    store = small_store(tmp_path / "s", 5)
    (file,) = store.find("cells").files
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(StoreError, match=rf"{len(content) - 1} bytes"):
        store.read("cells")
    file.unlink()
    with pytest.raises(StoreError, match="no such file"):
        store.read("cells")
    (tmp_path / "outside.parquet").write_bytes(content)
    file.symlink_to(tmp_path / "outside.parquet")
    with pytest.raises(StoreError, match="no such file"):
        store.read("cells")


def test_what_is_not_there_is_listed(tmp_path: Path) -> None:
    """Asking for a season, resolution or column that is not there says what is."""
    store = small_store(tmp_path / "s", 5)
    with pytest.raises(StoreError, match=r"season 1999-00.*cells 2024-25 res 9"):
        store.read("cells", season="1999-00")
    with pytest.raises(StoreError, match="resolution 11"):
        store.read("cells", resolution=11)
    with pytest.raises(StoreError, match="colour"):
        store.read("cells", columns=["h3", "colour"])
    with pytest.raises(StoreError, match="no such table"):
        Store.create(tmp_path / "empty").read("parcels")
