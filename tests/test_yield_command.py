"""Yields from the command line to files and SQL: fitting on measured labels, mapping values, asking for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.adapters import CardError, CropTypeAdapter, load_adapter, read_card, save_adapter
from surco.api.app import create_app
from surco.api.cli import main
from surco.api.maps import predict_table
from surco.api.predicting import connect_with_adapters
from surco.api.settings import Settings
from surco.embedstore import QueryError, Store, run_sql_on

N = 400
SLOPE = np.random.default_rng(4).normal(size=64).astype(np.float32) * 4


def yields(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """t/ha that depend on the vectors."""
    return np.maximum(8 + vectors @ SLOPE + np.random.default_rng(seed).normal(size=len(vectors)) * 0.3, 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 400 cells, one of them without data, and 60 parcels, with labels beside it and a crop adapter."""
    folder = tmp_path_factory.mktemp("yield")
    vectors, crops = unit_vectors(N), unit_vectors(60, seed=1)
    vectors[7] = 0
    shapes = squares(60)
    store = Store.create(folder / "store")
    classes = CropTypeAdapter().fit(crops, ["maize", "wheat"] * 30)
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cell_ids(N), vectors)], model_id=MODEL, season=SEASON, resolution=9)
        tx.put_parcels([parcels_batch(shapes, crops, [None] * 60)], model_id=MODEL, season=SEASON)
        tx.put_model(MODEL, {"title": "a test"})
        tx.put_adapter(
            "crops", save_adapter(classes, name="crops", model_id=MODEL, task="crop-type", training={})
        )
    write_labels(folder / "labels.geojson", shapes[:40], yields(crops)[:40].tolist())
    return folder


def write_labels(path: Path, shapes: np.ndarray, values: list[object], column: str = "t_ha") -> Path:
    """GeoJSON of outlines with a value each."""
    features = [
        {
            "type": "Feature",
            "id": f"f{i}",
            "properties": {column: v},
            "geometry": json.loads(shapely.to_geojson(s)),
        }
        for i, (s, v) in enumerate(zip(shapes, values, strict=True))
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def surco(*words: object, code: int = 0) -> str:
    """Output of a command."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def fitted(place: Path) -> str:
    """What `surco adapters fit --task yield` printed."""
    return surco(
        "adapters", "fit", place / "store", "--labels", place / "labels.geojson", "--name", "trigo",
        "--task", "yield", "--target-column", "t_ha", "--unit", "parcels",
    )  # fmt: skip


def test_fitting_says_how_good_it_is(place: Path, fitted: str) -> None:
    """The report names labels, range, unit, held-out scores and baselines; the card keeps them."""
    assert "40 parcels from 40 labels of t_ha" in fitted
    assert "this adapter R²" in fitted and "random forest R²" in fitted and "t/ha" in fitted
    card = read_card(Store.open(place / "store").adapter_dir("trigo"))
    assert (card["task"], card["unit"], card["training"]["target"]) == ("yield", "t/ha", "t_ha")
    assert len(card["training"]["ids"]) == 40
    assert card["training"]["cross_validation"]["scores"]["n"] == 40


def test_it_is_listed_and_shown(place: Path, fitted: str) -> None:
    """`list` and `show` know an adapter without classes."""
    assert f"trigo yield {MODEL}" in surco("adapters", "list", place / "store")
    assert "trigo: yield" in surco("adapters", "show", place / "store", "trigo")


@pytest.mark.parametrize("unit", ["cells", "parcels"])
def test_the_map_is_what_the_adapter_says(place: Path, fitted: str, unit: str) -> None:
    """Parquet holds value, low and high of every place, null where nothing was seen."""
    out = place / f"{unit}.parquet"
    words = surco("map", place / "store", "--adapter", "trigo", "--unit", unit, "--out", out)
    table = pq.read_table(out)
    vectors = unit_vectors(N) if unit == "cells" else unit_vectors(60, seed=1)
    assert f"{len(vectors)} {unit}" in words and "intervals of single places" in words
    store = Store.open(place / "store")
    adapter = load_adapter(store.adapter_dir("trigo"))
    ids = {c: i for i, c in enumerate(cell_ids(N))}
    order = [ids[h] for h in table["h3"].to_pylist()] if unit == "cells" else [
        int(i[1:]) for i in table["id"].to_pylist()
    ]  # fmt: skip
    expected = adapter.predict(vectors)[order]
    known = np.array([unit == "parcels" or row != 7 for row in order])
    found = {name: table[name].to_numpy(zero_copy_only=False) for name in ("value", "low", "high")}
    np.testing.assert_allclose(found["value"][known], expected[known], atol=0.1)
    assert np.isnan(found["value"][~known]).all()
    assert (found["low"][known] <= found["value"][known]).all()
    assert (found["value"][known] <= found["high"][known]).all()
    provenance = json.loads(table.schema.metadata[b"surco"])
    assert (provenance["source"], provenance["target_unit"], provenance["coverage"]) == ("trigo", "t/ha", 0.9)


@pytest.mark.parametrize("unit", ["cells", "parcels"])
def test_the_raster_holds_the_values_of_its_places(place: Path, fitted: str, unit: str) -> None:
    """The three bands of the COG are named, and a pixel in a place has its values."""
    table_file, raster_file = place / f"r-{unit}.parquet", place / f"r-{unit}.tif"
    for out in (table_file, raster_file):
        surco("map", place / "store", "--adapter", "trigo", "--unit", unit, "--out", out)
    table = pq.read_table(table_file)
    points = shapely.point_on_surface(shapely.from_wkb(table["geometry"].to_pylist()))
    with rasterio.open(raster_file) as raster:
        assert raster.descriptions == ("value", "low", "high")
        assert raster.dtypes == ("float32",) * 3
        xs, ys = rasterio.warp.transform(
            "OGC:CRS84", raster.crs, shapely.get_x(points).tolist(), shapely.get_y(points).tolist()
        )
        found = np.array([*raster.sample(zip(xs, ys, strict=True))])
    expected = np.stack([table[n].to_numpy(zero_copy_only=False) for n in ("value", "low", "high")], axis=1)
    same = np.isclose(found, expected, equal_nan=True).all(axis=1)
    assert same.mean() > 0.95  # overviews and edges aside


def test_geojson_has_values_that_are_numbers_or_null(place: Path, fitted: str) -> None:
    """GeoJSON is JSON: what is unknown or unbounded is null."""
    out = place / "map.geojson"
    surco("map", place / "store", "--adapter", "trigo", "--out", out)
    content = json.loads(out.read_text(), parse_constant=lambda c: pytest.fail(c))
    rows = [f["properties"] for f in content["features"]]
    assert sum(row["value"] is None for row in rows) == 1
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["value"] is not None)


def test_sql_predicts_values(place: Path, fitted: str) -> None:
    """`predict_value` is a struct of value, low and high; asking a yield for classes, or crops for values, says so."""
    store = Store.open(place / "store")
    session = connect_with_adapters(store)
    found = run_sql_on(
        session, "SELECT id, predict_value('trigo', embedding, embedding_scale) AS y FROM parcels"
    ).to_pylist()
    adapter = load_adapter(store.adapter_dir("trigo"))
    vectors = unit_vectors(60, seed=1)
    for row in found:
        assert row["y"]["value"] == pytest.approx(adapter.predict(vectors[[int(row["id"][1:])]])[0], abs=0.1)
        assert row["y"]["low"] <= row["y"]["value"] <= row["y"]["high"]
    cells = run_sql_on(
        session,
        "SELECT count(*) AS n FROM cells WHERE predict_value('trigo', embedding, embedding_scale) IS NULL",
    )
    assert cells["n"].to_pylist() == [1]
    with pytest.raises(QueryError, match="predicts classes, got 'trigo', which is for yield"):
        run_sql_on(session, "SELECT predict('trigo', embedding, embedding_scale) FROM parcels")
    with pytest.raises(QueryError, match="predicts a value, got 'crops', which is for crop-type"):
        run_sql_on(session, "SELECT predict_value('crops', embedding, embedding_scale) FROM parcels")


def test_the_server_draws_crops_beside_a_yield(place: Path, fitted: str) -> None:
    """The page offers both, each with its task; a class map of a yield is refused with a sentence."""
    from litestar.testing import TestClient

    with TestClient(create_app(Settings(place / "store"))) as client:
        store = client.get("/api/overview").json()
        assert {a["name"]: a["task"] for a in store["adapters"]} == {"crops": "crop-type", "trigo": "yield"}
    with pytest.raises(CardError, match="for the task 'crop-type'; got adapter 'trigo' for 'yield'"):
        predict_table(Store.open(place / "store"), "trigo")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--task", "yield"], "Expected --target-column beside --task yield"),
        (["--target-column", "t_ha"], "Expected --task yield beside --target-column t_ha"),
        (["--task", "yield", "--target-column", "t_ha", "--class-column", "t_ha"], "without --class-column"),
        (["--task", "yield", "--target-column", "kg"], "expected a class column 'kg'"),
    ],
)
def test_options_that_do_not_fit_are_refused(place: Path, options: list[str], words: str) -> None:
    """A task without its column, and the other way round, end with a sentence and exit code 2."""
    found = surco(
        "adapters",
        "fit",
        place / "store",
        "--labels",
        place / "labels.geojson",
        "--name",
        "x",
        *options,
        code=2,
    )
    assert words.lower() in found.lower()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("trigo", "got 'trigo' in feature f3"),
        ("nan", "got 'nan' in feature f3"),
        (None, "None in feature 4"),
        (-1.5, "at least 0; got -1.5"),
    ],
)
def test_values_that_are_none_are_named(place: Path, tmp_path: Path, value: object, words: str) -> None:
    """Text, missing and negative values are refused by their feature; nothing is kept."""
    path = write_labels(tmp_path / "labels.geojson", squares(60)[:10], [5.0, 6.0, 7.0, value, *[5.5] * 6])
    before = path.read_bytes()
    found = surco(
        "adapters", "fit", place / "store", "--labels", path, "--name", "bad", "--task", "yield",
        "--target-column", "t_ha", code=2,
    )  # fmt: skip
    assert words in found
    assert path.read_bytes() == before
    assert "bad" not in Store.open(place / "store").adapters()


def test_one_label_makes_an_unbounded_map(place: Path, tmp_path: Path) -> None:
    """A single label is learned from, not scored, and its map says that the intervals are unbounded."""
    path = write_labels(tmp_path / "labels.geojson", squares(60)[:1], [5.0])
    words = surco(
        "adapters", "fit", place / "store", "--labels", path, "--name", "one", "--task", "yield",
        "--target-column", "t_ha",
    )  # fmt: skip
    assert "not evaluated: 1 labels in 1 spatial group" in words
    out = tmp_path / "one.parquet"
    assert "unbounded" in surco("map", place / "store", "--adapter", "one", "--unit", "parcels", "--out", out)
    table = pq.read_table(out)
    assert table["high"].null_count == 60 and table["value"].null_count == 0
