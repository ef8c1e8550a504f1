"""`surco evaluate` and `surco adapters show, compare, delete`: reports from a store and from samples, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from orchard_valley import (
    CROPS,
    EARLIER,
    LATER,
    MODEL,
    PARCELS,
    crop_of,
    orchard_valley,
    outlines,
    valley_parcels,
)
from shared_data import shared
from test_cli import refused, surco

from surco.adapters import CropTypeAdapter, YieldAdapter, save_adapter
from surco.api.adapter_cards import plain_text
from surco.api.evaluating_places import blocks_of, named_places
from surco.api.evaluating_store import labelled_rows, unseen
from surco.embedstore import Store, StoreError
from surco.encoder import load_encoder


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two seasons with the adapters crops (no record of its labels) and few (of the first 20 parcels)."""
    store = orchard_valley(tmp_path_factory.mktemp("evaluate") / "store")
    _, vectors = valley_parcels(LATER)
    y = [CROPS[crop_of(i, LATER)] for i in range(PARCELS)]
    few = CropTypeAdapter().fit(vectors[:20], y[:20])
    training = {
        "labels": "few.geojson",
        "unit": "parcels",
        "season": LATER.name,
        "ids": [f"p{i}" for i in range(20)],
        "cross_validation": {
            "split": "5 folds",
            "scores": {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}},
            "baselines": {"majority class": {"accuracy": {"value": 0.25, "low": None, "high": None}}},
        },
    }
    with store.transaction() as tx:
        tx.put_adapter(
            "few", save_adapter(few, name="few", model_id=MODEL, task="crop-type", training=training)
        )
        tx.put_model(MODEL, {"title": "a test", "licence": "CC-BY-4.0\x1b[2J"})
    return store.path


def labels(path: Path, parcels: range = range(PARCELS), seasons: bool = False) -> Path:
    """Points in parcels, with the crop, the half of the valley, and the season where asked for."""
    inside = shapely.point_on_surface(outlines())
    features = [
        {
            "type": "Feature",
            "id": f"label {i} {season.name}",
            "properties": {
                "crop": CROPS[crop_of(i, season)],
                "half": "south" if i < 30 else "north",
                "zone": "" if i == 0 else f"zone {i % 7}",
                **({"season": season.name} if seasons else {}),
            },
            "geometry": {"type": "Point", "coordinates": [inside[i].x, inside[i].y]},
        }
        for season in ((EARLIER, LATER) if seasons else (LATER,))
        for i in parcels
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def series(path: Path, n: int = 120, **columns: list[str]) -> Path:
    """A sample table of two crops that differ in red and near infrared, in 12 groups."""
    rng = np.random.default_rng(0)
    dates = [np.datetime64("2024-05-15") + 30 * i for i in range(12)]
    crop = np.arange(n) % 2
    level = 0.25 + 0.15 * crop[:, None] * np.sin(np.arange(12))[None, :] + rng.normal(0, 0.02, (n, 12))
    table = pa.table(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "lon": -71.5 + 0.01 * (np.arange(n) // 10),
            "lat": np.full(n, -35.4),
            "label": np.array(["wheat", "maize"])[crop].tolist(),
            "group": [f"g{i // 10}" for i in range(n)],
            "dates": pa.array([[d.astype(object) for d in dates]] * n, pa.list_(pa.date32())),
            "red": (0.3 - level / 2).tolist(),
            "nir": level.tolist(),
            **columns,
        }
    )
    pq.write_table(table, path)
    return path


def evaluation(path: Path) -> dict:
    """The figures that were written beside a report."""
    return json.loads(path.read_text())["evaluation"]


def test_a_store_is_evaluated_by_blocks(valley: Path, tmp_path: Path) -> None:
    """Labels of a store give a page and its figures: blocks held out, comunas compared, every baseline beside."""
    out, figures = tmp_path / "r.html", tmp_path / "r.json"
    done = surco(
        "evaluate",
        valley,
        "--labels",
        labels(tmp_path / "l.geojson"),
        "--out",
        out,
        "--json",
        figures,
        "--draws",
        3,
    )
    assert done.exit_code == 0, done.output
    assert "On 60 labels in" in done.output
    found = evaluation(figures)
    assert [e["name"] for e in found["entries"]][:2] == ["this adapter", "majority class"]
    assert len(found["entries"]) == 8
    assert {r["name"] for r in found["fairness"]["regions"]} == {"Talca", "Curicó"}
    assert found["curves"]["points"]
    page = out.read_text()
    assert "store, version" in page
    assert "What this report cannot say" in page


@pytest.mark.parametrize(
    ("split", "parts"),
    [
        ("half", {"south", "north"}),
        ("comuna", {"Talca", "Curicó"}),
        ("zone", {f"zone {i}" for i in range(7)}),
    ],
)
def test_a_store_is_evaluated_by_region(valley: Path, tmp_path: Path, split: str, parts: set[str]) -> None:
    """A column of the labels or a level of Chile's places is left out in turn; labels without one only teach."""
    figures = tmp_path / "r.json"
    path = labels(tmp_path / "l.geojson")
    words = ("evaluate", valley, "--labels", path, "--split", split, "--quick")
    done = surco(*words, "--out", tmp_path / "r.html", "--json", figures)
    assert done.exit_code == 0, done.output
    found = evaluation(figures)
    assert {r["name"] for r in found["fairness"]["regions"]} == parts
    assert found["left_out"] == (1 if split == "zone" else 0)


def test_a_store_is_evaluated_by_season(valley: Path, tmp_path: Path) -> None:
    """Labels that name their season are matched with that season's vectors, and each season is left out."""
    path = labels(tmp_path / "l.geojson", seasons=True)
    rows = labelled_rows(Store.open(valley), path, "season")
    assert len(rows.data) == 2 * PARCELS
    for season in (EARLIER, LATER):
        _, vectors = valley_parcels(season)
        here = rows.seasons == season.name
        order = [int(i[1:]) for i in rows.ids[here]]
        np.testing.assert_allclose(rows.data.vectors[here], vectors[order], atol=0.01)
    figures = tmp_path / "r.json"
    words = ("evaluate", valley, "--labels", path, "--split", "season", "--quick")
    done = surco(*words, "--out", tmp_path / "r.html", "--json", figures)
    assert done.exit_code == 0, done.output
    assert "places may be the same" in evaluation(figures)["split"]


def test_a_stored_adapter_is_scored_on_new_labels_only(valley: Path, tmp_path: Path) -> None:
    """Places that an adapter learned from are left out and counted; where all are, or nobody knows, it is said."""
    path = labels(tmp_path / "l.geojson")
    words = (
        "evaluate",
        valley,
        "--labels",
        path,
        "--out",
        tmp_path / "r.html",
        "--json",
        tmp_path / "r.json",
    )
    done = surco(*words, "--adapter", "few")
    assert done.exit_code == 0, done.output
    found = evaluation(tmp_path / "r.json")
    assert found["n"] == 40
    assert found["notes"] == ["20 parcels that few learned from were left out."]
    assert surco(*words, "--adapter", "crops").exit_code == 0
    assert "does not tell" in evaluation(tmp_path / "r.json")["notes"][0]
    old = labels(tmp_path / "old.geojson", range(20))
    assert "have not learned from; got 20 parcels" in refused(
        "evaluate", valley, "--labels", old, "--out", tmp_path / "x.html", "--adapter", "few"
    )
    assert not (tmp_path / "x.html").exists()


def test_an_adapter_is_scored_on_the_unit_it_learned(valley: Path, tmp_path: Path) -> None:
    """An adapter of cells is scored on cells, where nobody says otherwise, though parcels fit the labels too."""
    store = Store.open(valley)
    _, vectors = valley_parcels(LATER)
    fitted = CropTypeAdapter().fit(vectors, [CROPS[crop_of(i, LATER)] for i in range(PARCELS)])
    training = {"unit": "cells", "season": LATER.name, "ids": []}
    files = save_adapter(fitted, name="cellwise", model_id=MODEL, task="crop-type", training=training)
    with store.transaction() as tx:
        tx.put_adapter("cellwise", files)
    path, out = labels(tmp_path / "l.geojson"), tmp_path / "r.html"
    done = surco("evaluate", valley, "--labels", path, "--adapter", "cellwise", "--out", out)
    assert done.exit_code == 0, done.output
    assert "60 cells" in out.read_text()
    with store.transaction() as tx:
        tx.remove_adapter("cellwise")


def test_another_season_of_a_training_place_is_noted(valley: Path, tmp_path: Path) -> None:
    """The same place in another season may be scored, and the report says that it was learned from."""
    rows = labelled_rows(Store.open(valley), labels(tmp_path / "l.geojson"), season=EARLIER.name)
    card = {"training": {"unit": "parcels", "season": LATER.name, "ids": ["p1", "p2"]}}
    kept, said = unseen(rows, {"few": card})
    assert len(kept.ids) == PARCELS
    assert said == ("few learned from 2 of these places in another season.",)


def test_raw_bands_are_found_by_label_id(valley: Path, tmp_path: Path) -> None:
    """A sample table whose ids are those of the labels adds baselines on raw bands; ids that lack are named."""
    path = labels(tmp_path / "l.geojson", range(40))
    names = [f"label {i} {LATER.name}" for i in range(40)]
    raw = series(tmp_path / "raw.parquet", 40, sample_id=names)
    words = ("evaluate", valley, "--labels", path, "--quick", "--out", tmp_path / "r.html")
    done = surco(*words, "--raw", raw, "--json", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    assert "logistic regression, raw bands" in {e["name"] for e in evaluation(tmp_path / "r.json")["entries"]}
    short = series(tmp_path / "short.parquet", 39, sample_id=names[1:])
    assert "none for 1 labels, such as 'label 0" in refused(*words, "--raw", short)


def test_samples_are_encoded_and_evaluated(tmp_path: Path) -> None:
    """A table of labelled series is encoded; heads on its raw bands and on another encoder's vectors stand beside."""
    table = series(tmp_path / "s.parquet", zone=[f"z{i // 10 % 3}" for i in range(120)])
    words = ("evaluate", table, "--model", "band-mean", "--beside", "band-mean", "--quick")
    done = surco(*words, "--split", "zone", "--out", tmp_path / "r.html", "--json", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    assert {r["name"] for r in evaluation(tmp_path / "r.json")["fairness"]["regions"]} == {"z0", "z1", "z2"}
    done = surco(*words, "--out", tmp_path / "r.html", "--json", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    names = {e["name"] for e in evaluation(tmp_path / "r.json")["entries"]}
    assert {"logistic regression, raw bands", "logistic regression, band-mean-1 vectors"} <= names
    assert "column `group`" in (tmp_path / "r.html").read_text()


def test_rare_classes_are_left_out_and_named(tmp_path: Path) -> None:
    """Classes of few samples are left out and listed in the report; if too little is left, that is said."""
    label = ["quinoa"] * 3 + (["wheat", "maize"] * 60)[3:]
    table = series(tmp_path / "s.parquet", label=label)
    words = ("evaluate", table, "--model", "band-mean", "--quick", "--out", tmp_path / "r.html")
    assert surco(*words).exit_code == 0
    assert "quinoa" in (tmp_path / "r.html").read_text()
    assert "two classes with 100 or more" in refused(*words, "--least-labels", 100)


def test_real_samples_are_evaluated_with_their_legend(tmp_path: Path) -> None:
    """Real series of Corsica: raw bands beside vectors, comunas none, WorldCereal's levels, classes with scores."""
    table = shared("samples/corsica_2022.parquet")
    words = ("evaluate", table, "--model", "band-mean", "--legend", "worldcereal", "--least-labels", 20)
    done = surco(*words, "--quick", "--out", tmp_path / "r.html", "--json", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    found = evaluation(tmp_path / "r.json")
    assert found["levels"]
    assert found["fairness"] is None
    assert all(e["scores"]["n"] == found["n"] for e in found["entries"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "r.pdf"], "FILE.html"),
        (["--out", "r.html"], "--labels FILE with a store"),
        (["--out", "r.html", "--labels", "LABELS", "--split", "canton"], "column 'canton'"),
        (["--out", "r.html", "--labels", "LABELS", "--split", "season"], "column 'season'"),
        (["--out", "r.html", "--labels", "LABELS", "--beside", "presto"], "--beside with a sample table"),
        (
            ["--out", "r.html", "--labels", "LABELS", "--adapter", "none"],
            r"one of the adapters ['crops', 'few']",
        ),
        (["--out", "r.html", "--labels", "LABELS", "--legend", "none"], "none"),
        (["--out", "r.html", "--labels", "gone.geojson"], "gone.geojson"),
    ],
)
def test_what_cannot_be_evaluated_is_a_sentence(
    valley: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    """Each wrong question is refused with what to do, and leaves no file."""
    monkeypatch.chdir(tmp_path)
    labels(tmp_path / "LABELS")
    assert message in refused("evaluate", valley, *words)
    assert [p.name for p in tmp_path.iterdir()] == ["LABELS"]


def test_a_sample_table_takes_no_labels(tmp_path: Path) -> None:
    """Options of a store are refused with a sample table, and a path to nothing is named."""
    table = series(tmp_path / "s.parquet")
    assert "Leave them out for a sample table" in refused(
        "evaluate", table, "--labels", "x.geojson", "--out", tmp_path / "r.html"
    )
    assert "gone.parquet" in refused("evaluate", tmp_path / "gone.parquet", "--out", tmp_path / "r.html")
    assert "Its columns are" in refused(
        "evaluate", table, "--model", "band-mean", "--split", "canton", "--out", tmp_path / "r.html"
    )


def test_show_tells_the_card(valley: Path) -> None:
    """Classes with their labels, scores beside baselines, training, and the model's licence, no control characters."""
    done = surco("adapters", "show", valley, "few")
    assert done.exit_code == 0
    for text in (
        "crop-type",
        "4, from 20 labels",
        "  5  vineyard",
        "0.80 [0.70, 0.90]",
        "majority class",
        "20 places",
    ):
        assert text in done.output
    assert "CC-BY-4.0" in done.output
    assert "\x1b" not in done.output
    assert "one of the adapters" in refused("adapters", "show", valley, "crop")


def test_adapters_that_measure_are_listed_and_shown(tmp_path: Path) -> None:
    """An adapter without classes is listed and shown by what it has, and not evaluated as a crop map."""
    store = orchard_valley(tmp_path / "store")
    _, vectors = valley_parcels(LATER)
    fitted = YieldAdapter().fit(vectors, np.linspace(1, 9, PARCELS), groups=np.arange(PARCELS) // 4)
    files = save_adapter(fitted, name="yields", model_id=MODEL, task="yield", training={"target": "t/ha"})
    with store.transaction() as tx:
        tx.put_adapter("yields", files)
    assert "yields  yield" in surco("adapters", "list", store.path).output
    assert "target t/ha" in surco("adapters", "show", store.path, "yields").output
    path = labels(tmp_path / "l.geojson")
    words = ("evaluate", store.path, "--labels", path, "--adapter", "yields", "--out", tmp_path / "r.html")
    assert "for the task 'crop-type'" in refused(*words)


def test_compare_on_labels_and_on_maps(valley: Path, tmp_path: Path) -> None:
    """On new labels scores and their paired difference; without labels the hectares on which two maps differ."""
    path = labels(tmp_path / "l.geojson")
    done = surco("adapters", "compare", valley, "crops", "few", "--labels", path)
    assert done.exit_code == 0, done.output
    assert "40 labels" in done.output
    assert "crops − few" in done.output
    maps = surco("adapters", "compare", valley, "crops", "few")
    assert maps.exit_code == 0, maps.output
    assert "say the same of" in maps.output
    assert "of 60 parcels" in maps.output
    assert "both of either" in maps.output
    same = surco("adapters", "compare", valley, "few", "crops", "--unit", "cells")
    assert "cells of season 2024-25" in same.output
    assert "two different adapters" in refused("adapters", "compare", valley, "few", "few")
    assert "names no report uses" in refused(
        "adapters", "compare", valley, "few", "majority class", "--labels", path
    )


def test_delete_asks_and_can_be_undone(tmp_path: Path) -> None:
    """Deleting asks first, makes a new version without the adapter, and names the version that keeps it."""
    store = orchard_valley(tmp_path / "store")
    assert surco("adapters", "delete", store.path, "crops").exit_code == 1
    assert Store.open(store.path).adapters() == ["crops"]
    done = surco("adapters", "delete", store.path, "crops", "--yes")
    assert done.exit_code == 0
    assert Store.open(store.path).adapters() == []
    assert f"rollback {store.path} {store.version}" in done.output
    assert "one of the adapters []" in refused("adapters", "delete", store.path, "crops", "--yes")
    with pytest.raises(StoreError):
        Store.open(store.path).adapter_dir("crops")
    assert surco("store", "rollback", store.path, store.version).exit_code == 0
    assert Store.open(store.path).adapters() == ["crops"]


def test_an_encoder_that_knows_the_table_is_named(tmp_path: Path) -> None:
    """A table that the encoder learned from is no fair test: the first screen says so, and not of another table."""
    encoder = load_encoder("surco-nano")
    for name, warned in ((next(iter(encoder.card["data"])), True), ("fresh", False)):
        table = series(tmp_path / f"{name}.parquet", 60)
        done = surco("evaluate", table, "--quick", "--out", tmp_path / "r.html")
        assert done.exit_code == 0, done.output
        assert ("itself learned from a table of this name" in (tmp_path / "r.html").read_text()) is warned
        assert ("Careful" in done.output) is warned


def test_blocks_keep_features_whole() -> None:
    """Blocks are the largest hexagons of which there are enough, and rows of one feature share one."""
    rng = np.random.default_rng(0)
    lon, lat = -71.5 + rng.random(400), -35.5 + rng.random(400)
    features = np.arange(400) // 4
    blocks, words = blocks_of(lon, lat, features)
    assert "250 km²" in words
    assert len(np.unique(blocks)) >= 15
    assert all(len(set(blocks[features == f])) == 1 for f in range(100))
    close, words = blocks_of(lon * 0 - 71.5, lat * 0 - 35.5, features)
    np.testing.assert_array_equal(close, features)
    assert "too close together" in words


def test_places_of_chile_are_named() -> None:
    """A place has its comuna, province and region by name; abroad it has none."""
    lon, lat = np.array([-71.66, 2.35]), np.array([-35.43, 48.85])
    assert named_places(lon, lat, "comuna").tolist() == ["Talca", ""]
    assert named_places(lon, lat, "province").tolist() == ["Talca", ""]
    assert "Maule" in named_places(lon, lat, "region")[0]


def test_cards_from_anyone_are_shown_as_plain_text() -> None:
    """Control characters and long texts of a card do not reach the terminal."""
    assert plain_text("a\x1b[31mb\n") == "a [31mb "
    assert len(plain_text("x" * 5000)) == 200
