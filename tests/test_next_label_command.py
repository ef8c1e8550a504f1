"""`surco next-label`: from a store and label files to places to visit, and back through `surco adapters fit`."""

from __future__ import annotations

import json
from pathlib import Path

import h3ronpy.vector
import numpy as np
import pyarrow as pa
import pytest
import shapely
from click.testing import CliRunner, Result
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.api.cli import main
from surco.embedstore import Store, read_labels

CLASSES = np.array(["maize", "vineyard", "cherry"])
CELLS = 300


def surco(*words: object) -> Result:
    """Run a command in this process; a bug shows its traceback."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def refused(*words: object) -> str:
    """Run a command that must be refused: exit code 2, and one sentence, which is returned."""
    result = surco(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells and parcels of three classes whose vectors lie apart; the last cell has no data."""
    path = tmp_path_factory.mktemp("next") / "store"
    made = Store.create(path)
    cells = vectors(CELLS)
    cells[-1] = 0
    shapes = squares(60)
    with made.transaction() as tx:
        batch = cells_batch(cell_ids(CELLS), cells)
        tx.put_cells([batch], model_id=MODEL, season=SEASON, resolution=9)
        tx.put_parcels([parcels_batch(shapes, vectors(60), [None] * 60)], model_id=MODEL, season=SEASON)
        tx.put_model(MODEL, {"title": "a test"})
    return path


def vectors(n: int) -> np.ndarray:
    """Unit vectors of the three classes in turn."""
    rows = 2.5 * np.eye(3, 64, dtype=np.float32)[np.arange(n) % 3] + unit_vectors(n, seed=3)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def truth() -> dict[str, str]:
    """The class of each cell and parcel by its id."""
    names = pa.array(h3ronpy.cells_to_string(pa.array(cell_ids(CELLS), pa.uint64()))).to_pylist()
    return {name: str(CLASSES[k % 3]) for k, name in enumerate(names)} | {
        f"p{k}": str(CLASSES[k % 3]) for k in range(60)
    }


def filled(path: Path, out: Path, only: str | None = None) -> Path:
    """The output of a round with its classes filled in, as somebody who was there does."""
    content = json.loads(path.read_text())
    for feature in content["features"]:
        feature["properties"]["class"] = only or truth()[feature["id"]]
    out.write_text(json.dumps(content))
    return out


def test_a_campaign_from_nothing_to_an_adapter(store, tmp_path):
    """Three rounds, each filled in and handed back, take new places; the first fits an adapter of all classes."""
    files, seen = [], set()
    for number in (1, 2, 3):
        out = tmp_path / f"round{number}.geojson"
        given = [word for file in files for word in ("--labels", file)]
        done = surco("next-label", store, "--unit", "cells", "--out", out, "--count", 15, *given)
        assert done.exit_code == 0, done.output
        assert f"Round {number}: 15 of 300 cells" in done.output
        features = json.loads(out.read_text())["features"]
        properties = [feature["properties"] for feature in features]
        assert [p["rank"] for p in properties] == [*range(1, 16)]
        assert {p["class"] for p in properties} == {None}
        assert {p["round"] for p in properties} == {number}
        chance = [p for p in properties if p["inclusion_probability"] is not None]
        assert len(chance) == 3
        assert all(p["inclusion_probability"] == pytest.approx(3 / (299 - 15 * (number - 1))) for p in chance)
        assert all((p["predicted"] is None) == (number == 1) for p in properties)
        assert not {f["id"] for f in features} & seen
        seen |= {f["id"] for f in features}
        files.append(filled(out, tmp_path / f"labels{number}.geojson"))
    done = surco("adapters", "fit", store, "--labels", files[0], "--unit", "cells", "--name", "crops")
    assert done.exit_code == 0, done.output
    assert "15 cells from 15 labels in 3 classes" in done.output
    right = [p["predicted"] == truth()[f["id"]] for f, p in zip(features, properties, strict=True)]
    assert np.mean(right) > 0.8


def test_one_class_is_enough_to_go_on(store, tmp_path):
    """After a round that found one class only, the next is chosen by coverage."""
    first, second = tmp_path / "first.geojson", tmp_path / "second.geojson"
    assert surco("next-label", store, "--out", first, "--count", 5).exit_code == 0
    labels = filled(first, tmp_path / "labels.geojson", only="maize")
    done = surco("next-label", store, "--labels", labels, "--out", second)
    assert done.exit_code == 0, done.output
    arms = {f["properties"]["arm"] for f in json.loads(second.read_text())["features"]}
    assert arms == {"probability sample", "herding"}


def test_parcels_and_an_adapter_of_the_store(store, tmp_path):
    """Parcels come with their ids and a point within; an adapter's expectation stands beside each place."""
    first, second = tmp_path / "first.geojson", tmp_path / "second.geojson"
    done = surco("next-label", store, "--unit", "parcels", "--out", first, "--count", 20)
    assert "20 of 60 parcels" in done.output
    labels = filled(first, tmp_path / "labels.geojson")
    assert surco("adapters", "fit", store, "--labels", labels, "--name", "fields").exit_code == 0
    assert (
        surco("next-label", store, "--unit", "parcels", "--adapter", "fields", "--out", second).exit_code == 0
    )
    content = json.loads(second.read_text())
    assert content["surco"]["adapter"] == "fields"
    assert all(f["properties"]["predicted"] in CLASSES for f in content["features"])
    shapes = squares(60)
    for feature in content["features"]:
        lon, lat = feature["geometry"]["coordinates"]
        assert shapes[int(feature["id"][1:])].contains_properly(shapely.Point(lon, lat))
    assert len(read_labels(filled(second, tmp_path / "more.geojson"))) == 10


def test_an_area_holds_all_places(store, tmp_path):
    """With --aoi all places lie in it, and chances are those of the area."""
    out = tmp_path / "next.geojson"
    done = surco("next-label", store, "--unit", "cells", "--aoi", "-71.56,-35.43,-71.54,-35.41", "--out", out)
    assert done.exit_code == 0, done.output
    content = json.loads(out.read_text())
    places = np.array([f["geometry"]["coordinates"] for f in content["features"]])
    assert (np.abs(places - [-71.55, -35.42]) <= 0.01).all()
    drawn = [f["properties"]["inclusion_probability"] for f in content["features"]][:2]
    assert drawn == pytest.approx([2 / content["surco"]["places"]] * 2)


def test_the_same_seed_gives_the_same_file(store, tmp_path):
    """The output is the same to the byte, and another seed gives another."""
    texts = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert (
            surco("next-label", store, "--out", tmp_path / f"{name}.geojson", "--seed", seed).exit_code == 0
        )
        texts.append((tmp_path / f"{name}.geojson").read_text().replace(f'"seed": {seed}', ""))
    assert texts[0] == texts[1] != texts[2]


def test_what_is_refused(store, tmp_path):
    """Counts, areas, files and labels that cannot be used end with a sentence, and nothing is written."""
    out = tmp_path / "next.geojson"
    assert "1 to 100 places to choose; got 0" in refused("next-label", store, "--out", out, "--count", 0)
    assert "got 101" in refused("next-label", store, "--out", out, "--count", 101)
    words = refused("next-label", store, "--unit", "parcels", "--out", out, "--count", 61)
    assert "at least 61 places with data" in words
    assert "which has none" in refused("next-label", store, "--out", out, "--aoi", "0,0,1,1")
    assert "ending in .geojson" in refused("next-label", store, "--out", tmp_path / "next.csv")
    assert "nosuch" in refused("next-label", store, "--out", out, "--adapter", "nosuch")
    assert not out.exists()


def test_label_files_that_cannot_be_used(store, tmp_path):
    """A file not filled in, labels elsewhere, a spoiled round, and the labels' own file as output are refused."""
    out, again = tmp_path / "next.geojson", tmp_path / "again.geojson"
    assert surco("next-label", store, "--out", out).exit_code == 0
    words = refused("next-label", store, "--labels", out, "--out", again)
    assert "Fill it in" in words
    labels = filled(out, tmp_path / "labels.geojson")
    assert "another file than the labels" in refused("next-label", store, "--labels", labels, "--out", labels)
    content = json.loads(labels.read_text())
    for spoiled in ("soon", -1, 1.5, 10**9, "９"):
        content["features"][3]["properties"]["round"] = spoiled
        labels.write_text(json.dumps(content))
        assert "a round as this command wrote it" in refused(
            "next-label", store, "--labels", labels, "--out", again
        )
    for feature in content["features"]:
        feature["properties"]["round"] = 1
        feature["geometry"]["coordinates"] = [10.0, 10.0]
    labels.write_text(json.dumps(content))
    assert "outside any of its" in refused("next-label", store, "--labels", labels, "--out", again)
    assert not again.exists()
