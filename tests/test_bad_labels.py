"""Labels as people have them: whatever is wrong is said in a sentence, and the label file stays as it was."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from click.testing import CliRunner, Result
from store_builders import LAT, LON, MODEL, SEASON, parcels_batch, squares

from surco.adapters import AdapterError, CropTypeAdapter, save_adapter
from surco.adapters.checks import MOST_CLASSES
from surco.adapters.label_quality import inspect_labels
from surco.api.cli import main
from surco.api.legend_levels import adapter_legend
from surco.embedstore import Store

N = 60
CROPS = ("trigo", "maíz", "cerezo")
UNSEEN = (57, 58, 59)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty parcels in three classes, parcel i of class i mod 3; the last three hold no data."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, 64))[np.arange(N) % 3] + rng.normal(size=(N, 64)) * 0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[list(UNSEEN)] = 0
    store = Store.create(tmp_path_factory.mktemp("bad") / "store")
    with store.transaction() as tx:
        tx.put_parcels(
            [parcels_batch(squares(N), vectors.astype(np.float32), [None] * N)], model_id=MODEL, season=SEASON
        )
        tx.put_model(MODEL, {"title": "a test"})
    return store.path


def truth(parcel: int) -> str:
    """The class of a parcel."""
    return CROPS[parcel % 3]


def feature(parcel: int, label: object, at: tuple[float, float] | None = None) -> dict[str, Any]:
    """A label in the middle of a parcel, or elsewhere."""
    middle = shapely.centroid(squares(N)[parcel])
    return {
        "type": "Feature",
        "id": f"L{parcel}",
        "properties": {"label": label},
        "geometry": {"type": "Point", "coordinates": list(at or (middle.x, middle.y))},
    }


def sound(parcels: range = range(45)) -> list[dict[str, Any]]:
    """Labels that are all right."""
    return [feature(parcel, truth(parcel)) for parcel in parcels]


def written(folder: Path, features: list[dict[str, Any]]) -> Path:
    """A label file."""
    path = folder / "labels.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False))
    return path


def run(folder: Path, store: Path, features: list[dict[str, Any]], *command: str) -> Result:
    """Run a command on labels, and see that their file is the same afterwards."""
    file = written(folder, features)
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    group, name, *options = command
    done = CliRunner().invoke(main, [group, name, str(store), "--labels", str(file), *options])
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


FIT = ("adapters", "fit", "--name", "bad")
CHECK = ("labels", "check")


def changed(**wrong: object) -> list[dict[str, Any]]:
    """Sound labels of which some have another class, by id."""
    return [feature(int(one["id"][1:]), wrong.get(one["id"], one["properties"]["label"])) for one in sound()]


REFUSED = [
    (
        "all outside",
        [feature(0, "a", (4.0, 51.0)), feature(1, "b", (4.1, 51.0))],
        "labels within the store's area",
    ),
    ("one class", [feature(i, "trigo") for i in range(9)], "labels of at least two classes"),
    ("one label", [feature(0, "trigo")], "labels of at least two classes"),
    ("all contradict", [feature(0, "trigo"), feature(0, "maíz")], "1 places have two classes"),
    ("no data", [feature(i, truth(i)) for i in UNSEEN], "where something was observed"),
    ("no class left", [feature(0, "trigo"), feature(58, "maíz")], "1 of 2 labelled parcels hold no data"),
    ("empty", [*sound(), feature(50, "")], "a class in column 'label' of every feature"),
    ("blank", [*sound(), feature(50, " \t")], "a class in column 'label' of every feature"),
    ("missing", [*sound(), feature(50, None)], "a class in column 'label' of every feature"),
    ("NaN", [*sound(), feature(50, float("nan"))], "NaN is no number of JSON"),
]


@pytest.mark.parametrize(
    ("features", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_nothing_can_be_learned_from_is_refused(
    tmp_path: Path, store: Path, features: list[dict[str, Any]], sentence: str
) -> None:
    """Exit code 2, one sentence with what to do, no adapter, and the label file as it was."""
    done = run(tmp_path, store, features, *FIT)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split()), done.output
    assert Store.open(store).adapters() == []


def test_ten_thousand_classes_are_refused_at_once() -> None:
    """A sentence instead of minutes and gigabytes; a thousand classes may be asked for."""
    many = np.array([f"parcel {i}" for i in range(10_000)])
    with pytest.raises(AdapterError, match=rf"at most {MOST_CLASSES} classes; got 10000"):
        CropTypeAdapter().fit(np.ones((10_000, 8), np.float32), many)
    report = inspect_labels(np.ones((10_000, 8), np.float32), many)
    assert "10000 classes" in report.text() and report.n == 10_000


def test_ten_thousand_classes_in_a_file(tmp_path: Path, store: Path) -> None:
    """A class column that is an id: every parcel then has many classes, and that is said in a moment."""
    inside = np.random.default_rng(0).uniform(0.0001, 0.0119, (10_000, 2)) * [1.6, 1.0] + [LON, LAT]
    features = [feature(0, f"id {i}", (float(x), float(y))) for i, (x, y) in enumerate(inside)]
    done = run(tmp_path, store, features, *FIT)
    assert done.exit_code == 2 and "two classes" in done.output


def test_a_measured_target_is_refused() -> None:
    """NaN among classes, and measurements instead of classes, are a sentence each."""
    X = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    with pytest.raises(AdapterError, match="NaN"):
        CropTypeAdapter().fit(X, np.where(np.arange(30) == 4, np.nan, 1.0))
    with pytest.raises(AdapterError, match="a measured quantity needs a regression"):
        CropTypeAdapter().fit(X, np.linspace(0.1, 3.3, 30))
    with pytest.raises(AdapterError, match="text that is not empty"):
        CropTypeAdapter().fit(X, np.array(["a", None] * 15, object))
    told = inspect_labels(X, [float("nan")] * 3 + ["a", "b"] * 13 + ["a"], suspects=False)
    assert told.findings[0].kind == "empty" and told.findings[0].labels == (0, 1, 2)


def test_names_in_another_script_are_kept(tmp_path: Path, store: Path) -> None:
    """Class names are letters of any script, to the last sign, through fit, list and map."""
    names = {"trigo": "小麦", "maíz": "кукуруза", "cerezo": "كرز"}
    done = run(
        tmp_path,
        store,
        [feature(i, names[truth(i)]) for i in range(45)],
        "adapters",
        "fit",
        "--name",
        "scripts",
    )
    assert done.exit_code == 0, done.output
    assert "小麦 15" in done.output and "кукуруза 15" in done.output
    out = tmp_path / "map.parquet"
    drawn = CliRunner().invoke(
        main, ["map", str(store), "--adapter", "scripts", "--unit", "parcels", "--out", str(out)]
    )
    assert drawn.exit_code == 0, drawn.output
    assert set(names.values()) <= set(pq.read_schema(out).names)


def test_wrong_labels_are_told_and_the_fit_goes_on(tmp_path: Path, store: Path) -> None:
    """Contradictions, labels outside and without data, slips and wrong classes stand in the report of a fit."""
    features = [
        *changed(L3="maíz", L7="cerezo", L12="tirgo"),
        feature(50, "trigo"),
        feature(50, "maíz"),
        feature(51, "trigo", (4.0, 51.0)),
        feature(58, "maíz"),
    ]
    features[-2]["id"], features[-3]["id"] = "far", "twice"
    done = run(tmp_path, store, features, "adapters", "fit", "--name", "told")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    for words in (
        "1 labels name no parcels of the store: far",
        "1 parcels have two classes and were left out, such as p50 (trigo and maíz)",
        "1 labels lie where nothing was observed: L58",
        "'tirgo' and 'trigo' may be one name",
        "1 classes have one label only: tirgo",
        "label L3: maíz",
        "rather trigo",
        "surco labels check",
    ):
        assert words in text, (words, done.output)


def test_spatial_groups_that_leave_no_test_fold(tmp_path: Path, store: Path) -> None:
    """Two polygons are two groups: the adapter is fitted, and the report says why there is no score."""
    west = shapely.union_all(squares(N)[[0, 10, 20]]).buffer(-1e-4)
    east = shapely.union_all(squares(N)[[5, 15, 25]]).buffer(-1e-4)
    features = [
        {"type": "Feature", "properties": {"label": name}, "geometry": json.loads(shapely.to_geojson(shape))}
        for name, shape in (("a", west), ("b", east))
    ]
    done = run(tmp_path, store, features, "adapters", "fit", "--name", "two", "--unit", "parcels")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "not evaluated: 2 labels in 2 spatial group(s)" in text
    assert "not judged: labels of 2 spatial group(s)" in text


def test_the_check_finds_what_is_wrong_and_writes_it(tmp_path: Path, store: Path) -> None:
    """Features without a class are named instead of refused; suspects go to GeoJSON, CSV and HTML in order."""
    features = [*changed(L3="maíz", L7="cerezo", L30="maíz"), feature(50, "  "), feature(51, None)]
    for ending in ("geojson", "csv", "html"):
        out = tmp_path / f"suspects.{ending}"
        done = run(tmp_path, store, features, *CHECK, "--out", str(out), "--most", "2")
        assert done.exit_code == 0, done.output
        assert "2 labels have no class or no geometry and were left out: L50, L51" in done.output
        assert done.output.count("rather") == 2
    ranked = json.loads((tmp_path / "suspects.geojson").read_text())["features"]
    assert {one["id"] for one in ranked[:3]} == {"L3", "L7", "L30"}
    assert len(ranked) == 45 and ranked[0]["properties"]["at_odds"] is True
    with (tmp_path / "suspects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [one["id"] for one in ranked]
    assert abs(float(rows[0]["lon"]) - LON) < 0.1
    assert "<td>L3</td>" in (tmp_path / "suspects.html").read_text(encoding="utf-8")


def test_names_that_would_run_are_written_as_text(tmp_path: Path, store: Path) -> None:
    """A class name may be a script or a formula: the page shows it, the table does not run it."""
    evil, formula = "<script>alert(1)</script>", "=1+1"
    names = {"trigo": evil, "maíz": formula, "cerezo": "x"}
    features = [feature(i, names[truth(i)]) for i in range(45)]
    run(tmp_path, store, features, *CHECK, "--out", str(tmp_path / "s.html"))
    run(tmp_path, store, features, *CHECK, "--out", str(tmp_path / "s.csv"))
    assert "<script>" not in (tmp_path / "s.html").read_text(encoding="utf-8")
    assert ",'=1+1," in (tmp_path / "s.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("suspects.xlsx", "file ending in .geojson, .csv, .html"),
        ("nowhere/s.csv", "Expected a folder"),
        ("labels.geojson", "They are never changed"),
    ],
)
def test_the_check_writes_nothing_over_the_labels(
    tmp_path: Path, store: Path, out: str, sentence: str
) -> None:
    """Another ending, a folder that is not there, and the label file itself are refused."""
    done = run(tmp_path, store, sound(), *CHECK, "--out", str(tmp_path / out))
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())


def test_a_check_of_sound_labels_says_so(tmp_path: Path, store: Path) -> None:
    """Nothing is made up where nothing is wrong."""
    done = run(tmp_path, store, sound(), *CHECK, "--legend", "ine")
    assert done.exit_code == 0
    assert "0 of 45 labels are at odds" in done.output and "not in legend" not in done.output


def test_labels_of_several_levels_and_maps_at_a_level(tmp_path: Path, store: Path) -> None:
    """With a legend inexact labels count as what they say, and the map can be drawn at any level, by the card alone."""
    features = changed(**{f"L{i}": "Cultivos temporales" for i in (0, 1, 3, 4)}, L2="Cereza de montaña")
    done = run(tmp_path, store, features, "adapters", "fit", "--name", "tree", "--legend", "ine")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "'Cultivos temporales' is above maíz, trigo: each label of it was taken as the likeliest" in text
    assert "1 classes are not in legend 'ine' and stay roots of their own: Cereza de montaña" in text
    out = tmp_path / "level2.parquet"
    command = ["map", str(store), "--adapter", "tree", "--unit", "parcels", "--out", str(out)]
    done = CliRunner().invoke(main, [*command, "--level", "2"])
    assert done.exit_code == 0, done.output
    table = pq.read_table(out)
    assert {"Temporary_crops", "Permanent_crops", "Cereza de montaña"} <= set(table.column_names)
    assert "trigo" not in table.column_names
    kind = {"trigo": "Temporary_crops", "maíz": "Temporary_crops", "cerezo": "Permanent_crops"}
    drawn = dict(zip(table["id"].to_pylist(), table["class"].to_pylist(), strict=True))
    assert np.mean([drawn[f"p{i}"] == kind[truth(i)] for i in range(57)]) > 0.9
    assert drawn["p58"] is None
    assert CliRunner().invoke(main, command).exit_code == 0
    fine = pq.read_table(out).drop_null()
    parts = fine["trigo"].to_numpy() + fine["maíz"].to_numpy()
    np.testing.assert_allclose(parts, table.drop_null()["Temporary_crops"].to_numpy(), atol=1e-5)


def test_a_level_without_a_legend_is_refused(tmp_path: Path, store: Path) -> None:
    """An adapter fitted without a legend needs one for a level; a legend alone needs a level."""
    assert run(tmp_path, store, sound(), "adapters", "fit", "--name", "flat").exit_code == 0
    command = [
        "map",
        str(store),
        "--adapter",
        "flat",
        "--unit",
        "parcels",
        "--out",
        str(tmp_path / "m.parquet"),
    ]
    for options, sentence in (
        (["--level", "2"], "was fitted without"),
        (["--legend", "ine"], "Expected --level"),
        (["--level", "1", "--legend", "corine"], "hcat, ine, worldcereal"),
    ):
        done = CliRunner().invoke(main, [*command, *options])
        assert done.exit_code == 2 and sentence in " ".join(done.output.split()), done.output
    done = CliRunner().invoke(main, [*command, "--level", "1", "--legend", "ine"])
    assert done.exit_code == 0 and "Agricultural land" in done.output


ROW = {"code": "1", "name": "cereals", "parent": ""}
DAMAGED: list[object] = [
    "ine",
    [],
    {"name": "x"},
    {"name": 3, "rows": [ROW], "places": {}},
    {"name": "x", "rows": [{"name": "no code"}], "places": {}},
    {"name": "x", "rows": [{"code": 1}], "places": {}},
    {"name": "x", "rows": [ROW], "places": {"a": ["9", "same"]}},
    {"name": "x", "rows": [ROW], "places": {"a": ["1", "above"]}},
    {"name": "x", "rows": [ROW], "places": {"a": [["1"], "same"]}},
    {"name": "x", "rows": [ROW | {"parent": "1"}], "places": {}},
    {"name": "x", "rows": [ROW, ROW], "places": {}},
    {"name": "x", "rows": [], "places": {}},
]


@pytest.mark.parametrize("record", DAMAGED, ids=[str(n) for n in range(len(DAMAGED))])
def test_a_damaged_legend_of_a_card_is_refused(tmp_path: Path, record: object) -> None:
    """Cards come from anyone: a legend in one that is no tree of text is an AdapterError, never another."""
    store = Store.create(tmp_path / "store")
    X = np.eye(4, 8, dtype=np.float32)
    fitted = CropTypeAdapter().fit(X, ["a", "b", "a", "b"])
    files = save_adapter(fitted, name="x", model_id=MODEL, task=fitted.task, training={"legend": record})
    with store.transaction() as tx:
        tx.put_adapter("x", files)
    with pytest.raises(AdapterError):
        adapter_legend(store, "x", None)
