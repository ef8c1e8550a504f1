"""`surco areas`: counts that say that they are none, samples that are planned, filled in and believed, or refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from area_valley import CROPS, PARCELS, area_valley, fill_in, outlines, truth
from click.testing import CliRunner, Result

from surco.api.area_domains import divide, shares_within
from surco.api.area_frames import AreaQuestion
from surco.api.area_plans import PlanRequest, write_plan
from surco.api.area_results import AreaAnswer
from surco.api.area_tables import area_answer
from surco.api.cli import main
from surco.api.maps import read_places
from surco.embedstore import Store


def surco(*words: object) -> Result:
    """Run a command in this process; a bug shows its traceback."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def refused(*words: object) -> str:
    """Run a command that must be refused: exit code 2, and one sentence with no traceback, which is returned."""
    result = surco(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with 800 parcels whose true crops are known."""
    return area_valley(tmp_path_factory.mktemp("areas") / "store").path


@pytest.fixture(scope="module")
def plan(valley: Path) -> Path:
    """A planned sample of 200 parcels, to fill in."""
    out = valley.parent / "sample.geojson"
    done = surco("areas", "plan", valley, "--adapter", "crops", "--size", 200, "--least", 30, "--out", out)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def filled(plan: Path) -> Path:
    """The sample with the true crops."""
    return fill_in(plan, plan.parent / "filled.geojson")


def question(valley: Path, **more: object) -> AreaQuestion:
    """A question about the valley's parcels."""
    return AreaQuestion(valley, "crops", **{"unit": "parcels", **more})


def hectares(valley: Path, inside: np.ndarray | None = None) -> dict[str, float]:
    """True hectares by crop; `inside` (PARCELS,) limits them to a share of each parcel, by its number."""
    places = read_places(Store.open(valley), None, "parcels")
    number = np.array([int(name[1:]) for name in places.id])
    share = np.ones(PARCELS) if inside is None else inside
    counted = np.bincount(truth()[number], places.area_ha * share[number], len(CROPS))
    return dict(zip(CROPS, counted.tolist(), strict=True))


def test_without_a_sample_there_is_no_interval(valley: Path, tmp_path: Path) -> None:
    """Hectares as mapped and as expected, no estimate, and the words that lead to one; `estimate` may be left out."""
    done = surco("areas", valley, "--adapter", "crops", "--out", tmp_path / "areas.json")
    assert done.exit_code == 0, done.output
    assert done.output.replace("areas estimate", "areas") == (
        surco("areas", "estimate", valley, "--adapter", "crops", "--out", tmp_path / "areas.json").output
    )
    assert "no interval can be given without a probability sample" in done.output
    assert f"surco areas plan {valley} --adapter crops --out sample.geojson" in done.output
    answer = json.loads((tmp_path / "areas.json").read_text())
    assert answer["accuracy"] is None
    assert all(row["area_ha"] is None and row["low_ha"] is None for row in answer["areas"])
    total = sum(hectares(valley).values())
    assert sum(row["mapped_ha"] for row in answer["areas"]) == pytest.approx(total)
    assert sum(row["expected_ha"] for row in answer["areas"]) == pytest.approx(total)


def test_a_plan_is_a_file_to_fill_in(valley: Path, plan: Path) -> None:
    """The file has outlines, ids, strata, inclusion probabilities that add up to the map, and empty classes."""
    content = json.loads(plan.read_text())
    places = read_places(Store.open(valley), None, "parcels")
    shapes = dict(zip(places.id, places.polygons(), strict=True))
    assert len(content["features"]) == 200
    for feature in content["features"]:
        properties = feature["properties"]
        assert properties["id"] == feature["id"]
        assert properties["class"] == ""
        assert properties["stratum"] in CROPS
        outline = shapely.geometry.shape(feature["geometry"])
        assert shapely.equals_exact(outline, shapes[feature["id"]], tolerance=1e-6, normalize=True)
    chances = [feature["properties"]["inclusion_probability"] for feature in content["features"]]
    assert sum(1 / chance for chance in chances) == pytest.approx(PARCELS)
    strata = content["surco_sample"]["strata"]
    assert sum(entry["drawn"] for entry in strata.values()) == 200
    assert sum(entry["places"] for entry in strata.values()) == PARCELS


def test_the_same_seed_draws_the_same_places(valley: Path, tmp_path: Path) -> None:
    """A plan can be made again, and another seed draws others."""
    drawn = []
    for seed in (5, 5, 6):
        out = tmp_path / f"{len(drawn)}.geojson"
        write_plan(question(valley), PlanRequest(size=60, seed=seed), out)
        drawn.append([f["id"] for f in json.loads(out.read_text())["features"]])
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_plan_aims_at_a_standard_error(valley: Path, tmp_path: Path) -> None:
    """A smaller standard error needs more places, and the expected one is printed."""
    sizes = []
    for error in (0.04, 0.02):
        asked = ("--adapter", "crops", "--standard-error", error, "--least", 5, "--expect", "wheat=0.7")
        done = surco("areas", "plan", valley, *asked, "--out", tmp_path / "s.geojson")
        assert done.exit_code == 0, done.output
        sizes.append(len(json.loads((tmp_path / "s.geojson").read_text())["features"]))
        reached = float(done.output.split("overall accuracy: ")[1].split()[0].rstrip("."))
        assert reached <= error
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("method", ["assisted", "stratified"])
def test_a_filled_in_plan_gives_intervals(valley: Path, filled: Path, method: str, tmp_path: Path) -> None:
    """Estimates of all classes lie near the truth, within their intervals, and add up to the valley."""
    out = tmp_path / "areas.csv"
    asked = ("--adapter", "crops", "--sample", filled, "--method", method, "--confidence", 0.999)
    done = surco("areas", valley, *asked, "--out", out)
    assert done.exit_code == 0, done.output
    assert "Overall accuracy 0.9" in done.output or "Overall accuracy 0.8" in done.output
    with out.open() as file:
        rows = list(csv.DictReader(file))
    true = hectares(valley)
    assert [row["class"] for row in rows] == list(CROPS)
    for row in rows:
        assert float(row["low_ha"]) <= true[row["class"]] <= float(row["high_ha"])
    assert sum(float(row["area_ha"]) for row in rows) == pytest.approx(sum(true.values()))


def test_intervals_hold_the_truth_over_many_draws(valley: Path, tmp_path: Path) -> None:
    """Of 40 planned and filled-in samples about 95 of 100 intervals hold the valley's true hectares."""
    true, held = hectares(valley), []
    for seed in range(40):
        out = tmp_path / "s.geojson"
        write_plan(question(valley), PlanRequest(size=200, least=30, seed=seed), out)
        answer = area_answer(question(valley), sample=fill_in(out, out))
        held += [r.low_ha <= true[r.label] <= r.high_ha for r in answer.rows if r.low_ha is not None]
    assert len(held) > 130
    assert 0.9 <= np.mean(held) <= 0.99


def test_areas_by_comuna(valley: Path, filled: Path) -> None:
    """Each comuna has its own estimates, by its name, that add up to its hectares; the total comes first."""
    answer = area_answer(question(valley), by="comuna", sample=filled)
    assert answer.domains == ("total", "Talca", "Curicó")
    halves = {"Talca": np.arange(PARCELS) < PARCELS // 2, "Curicó": np.arange(PARCELS) >= PARCELS // 2}
    for name, inside in halves.items():
        true = hectares(valley, inside.astype(float))
        assert sum(r.area_ha or 0 for r in answer.of(name)) == pytest.approx(sum(true.values()), rel=0.15)
        for row in answer.of(name):
            assert row.area_ha == pytest.approx(true[row.label], abs=0.3 * sum(true.values()))


@pytest.mark.parametrize(("by", "name"), [("province", "Curicó"), ("region", "Maule")])
def test_areas_by_larger_divisions(valley: Path, by: str, name: str) -> None:
    """Provinces and regions are named as well, and add up to the total."""
    answer = area_answer(question(valley), by=by)
    assert name in answer.domains
    parts = sum(row.mapped_ha for row in answer.rows if row.domain != "total")
    assert parts == pytest.approx(sum(row.mapped_ha for row in answer.of("total")))


def test_places_without_a_comuna_are_a_domain(valley: Path) -> None:
    """Cells whose comuna the table does not know are counted under a name that says so."""
    answer = area_answer(question(valley, unit="cells"), by="comuna")
    assert answer.domains == ("total", "no comuna known")


def test_a_comuna_with_few_sampled_places_gets_a_sentence(valley: Path, tmp_path: Path) -> None:
    """Where fewer than twenty sampled places lie in a comuna it has mapped hectares and the reason."""
    out = tmp_path / "s.geojson"
    write_plan(question(valley), PlanRequest(size=24, least=2, seed=1), out)
    answer = area_answer(question(valley), by="comuna", sample=fill_in(out, out))
    for row in answer.of("Talca"):
        assert row.area_ha is None
        assert "sampled places lie here; an estimate needs 20" in row.note
        assert row.mapped_ha > 0


def drawn_area(path: Path, shape: shapely.Geometry) -> Path:
    """A GeoJSON file of one polygon."""
    path.write_text(
        json.dumps({"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)})
    )
    return path


def test_a_drawn_polygon_counts_what_it_cuts(valley: Path, tmp_path: Path) -> None:
    """Parcels that a polygon cuts count with the share that lies inside."""
    west, south, east, north = shapely.total_bounds(outlines()[: PARCELS // 2])
    middle = west + (east - west) * 0.55  # through the middle of a column of parcels
    aoi = drawn_area(tmp_path / "a.geojson", shapely.box(west - 1, south - 1, middle, north + 1))
    answer = area_answer(question(valley, aoi=str(aoi)))
    share = np.clip((middle - shapely.bounds(outlines())[:, 0]) / 0.001, 0, 1)
    share[PARCELS // 2 :] = 0
    true = sum(hectares(valley, share).values())
    assert sum(row.mapped_ha for row in answer.rows) == pytest.approx(true, rel=1e-6)


def test_cells_that_a_polygon_cuts(valley: Path) -> None:
    """Shares of cells are those of their hexagons: two halves make a whole, far cells have none."""
    places = read_places(Store.open(valley), None, "cells")
    west, south, east, north = shapely.total_bounds(places.polygons())
    middle = (west + east) / 2
    left = shares_within(places, shapely.box(west - 1, south - 1, middle, north + 1))
    right = shares_within(places, shapely.box(middle, south - 1, east + 1, north + 1))
    assert left + right == pytest.approx(np.ones(len(places.id)))
    assert ((left > 0) & (left < 1)).any()
    assert not shares_within(places, shapely.box(0, 0, 1, 1)).any()


def test_a_whole_sample_serves_a_part(valley: Path, filled: Path, tmp_path: Path) -> None:
    """A sample of the whole map allows estimates of a polygon; one of the polygon none of the whole map."""
    aoi = str(drawn_area(tmp_path / "a.geojson", shapely.box(-72, -36, -71.5, -35)))
    inside = (np.arange(PARCELS) < PARCELS // 2).astype(float)
    part = area_answer(question(valley, aoi=aoi), sample=filled, confidence=0.999)
    true = hectares(valley, inside)
    assert all(row.low_ha <= true[row.label] <= row.high_ha for row in part.rows if row.low_ha is not None)
    out = tmp_path / "s.geojson"
    write_plan(question(valley, aoi=aoi), PlanRequest(size=100, least=20), out)
    fill_in(out, out)
    again = area_answer(question(valley, aoi=aoi), sample=out, confidence=0.999)
    assert all(row.low_ha <= true[row.label] <= row.high_ha for row in again.rows if row.low_ha is not None)
    assert "add up to 400" in refused("areas", valley, "--adapter", "crops", "--sample", out)


def test_the_sample_names_its_unit(valley: Path, tmp_path: Path) -> None:
    """A plan of cells is read with cells, without saying so again."""
    out = tmp_path / "s.geojson"
    write_plan(question(valley, unit="cells"), PlanRequest(size=60, least=10), out)
    content = json.loads(out.read_text())
    for feature in content["features"]:
        feature["properties"]["class"] = "wheat"
    out.write_text(json.dumps(content))
    answer = area_answer(question(valley, unit="auto"), sample=out)
    assert (
        "fitted on parcels of 2024-25: whether the sample meets its labels was not looked at"
        in answer.notes[-1]
    )
    assert (answer.unit, answer.resolution) == ("cells", 9)


def test_strata_of_comunas_and_classes(valley: Path, tmp_path: Path) -> None:
    """A plan may cross classes with comunas; its sample is taken like any other."""
    out = tmp_path / "s.geojson"
    plan = write_plan(question(valley), PlanRequest(size=200, least=15, by="comuna"), out)
    assert {"Talca / wheat", "Curicó / cherry"} <= {stratum.name for stratum in plan.strata}
    answer = area_answer(question(valley), sample=fill_in(out, out), confidence=0.999)
    true = hectares(valley)
    assert all(row.low_ha <= true[row.label] <= row.high_ha for row in answer.rows if row.low_ha is not None)


def test_a_file_that_lost_its_record_is_enough(valley: Path, filled: Path, tmp_path: Path) -> None:
    """Ids, strata and inclusion probabilities suffice: what GIS programs keep of the file."""
    content = json.loads(filled.read_text())
    del content["surco_sample"]
    for feature in content["features"]:
        del feature["id"]
    bare = tmp_path / "bare.geojson"
    bare.write_text(json.dumps(content))
    ours, theirs = (area_answer(question(valley), sample=path) for path in (filled, bare))
    assert ours.rows == theirs.rows


def test_places_that_could_not_be_visited(valley: Path, filled: Path, tmp_path: Path) -> None:
    """Features that are missing count as missing at random in their stratum, and the answer says how many."""
    content = json.loads(filled.read_text())
    content["features"] = content["features"][12:]
    less = tmp_path / "less.geojson"
    less.write_text(json.dumps(content))
    answer = area_answer(question(valley), sample=less)
    assert "12 of 200 drawn places are not in the file and count as missing at random." in answer.notes
    assert sum(row.area_ha for row in answer.rows) == pytest.approx(sum(hectares(valley).values()))


def test_training_places_met_by_chance_are_named(valley: Path, filled: Path) -> None:
    """A random sample meets some of the labels that the adapter learned from; the answer says how many."""
    met = sum(int(f["id"][1:]) < 60 for f in json.loads(filled.read_text())["features"])
    notes = area_answer(question(valley), sample=filled).notes
    assert f"{met} of the sampled places trained the adapter too, as chance would have it." in notes


def test_training_labels_are_no_sample(valley: Path, filled: Path, tmp_path: Path) -> None:
    """Labels that the adapter was fitted on, passed off as a sample, are refused."""
    content = json.loads(filled.read_text())
    del content["surco_sample"]
    shapes, crops = outlines(), truth()
    content["features"] = [
        {
            "type": "Feature",
            "id": f"p{i}",
            "properties": {
                "class": CROPS[crops[i]],
                "inclusion_probability": 60 / PARCELS,
                "stratum": "all",
            },
            "geometry": shapely.geometry.mapping(shapes[i]),
        }
        for i in range(60)
    ]
    labels = tmp_path / "labels.geojson"
    labels.write_text(json.dumps(content))
    message = refused("areas", valley, "--adapter", "crops", "--unit", "parcels", "--sample", labels)
    assert "got 60 of 60 places" in message


def test_a_class_that_the_map_does_not_have(valley: Path, plan: Path, tmp_path: Path) -> None:
    """It is estimated where strata are known; without strata it is taken for a slip and refused."""
    odd = fill_in(plan, tmp_path / "odd.geojson")
    content = json.loads(odd.read_text())
    for feature in content["features"][:20]:
        feature["properties"]["class"] = "quinoa"
    odd.write_text(json.dumps(content))
    answer = area_answer(question(valley), sample=odd)
    assert "Classes of the sample that the map does not have: quinoa. Check their spelling." in answer.notes
    last = answer.rows[-1]
    assert (last.label, last.mapped_ha, last.sampled) == ("quinoa", 0.0, 20)
    assert last.low_ha > 0
    del content["surco_sample"]
    for feature in content["features"]:
        del feature["properties"]["stratum"]
    odd.write_text(json.dumps(content))
    assert "got 'quinoa'" in refused("areas", valley, "--adapter", "crops", "--sample", odd)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class": ""}, "Fill it in, or remove the feature"),
        ({"class": None}, "Fill it in, or remove the feature"),
        ({"id": "p99999"}, "got 1 others"),
        ({"id": ""}, "Expected the id of a cell or parcel"),
        ({"id": ["p1"]}, "Expected the id of a cell or parcel"),
        ({"inclusion_probability": 0}, "above 0 and at most 1"),
        ({"inclusion_probability": 1.2}, "above 0 and at most 1"),
        ({"inclusion_probability": None}, "were not drawn at random"),
        ({"inclusion_probability": "0.5"}, "above 0 and at most 1"),
        ({"inclusion_probability": True}, "above 0 and at most 1"),
        ({"stratum": None}, "the stratum of every feature or of none"),
        ({"stratum": "alone"}, "got one in alone"),
    ],
)
def test_features_that_cannot_be_used(
    valley: Path, plan: Path, change: dict[str, object], message: str, tmp_path: Path
) -> None:
    """A feature that is wrong is named with what to do, and nothing is written."""
    bad = fill_in(plan, tmp_path / "bad.geojson", **change)
    out = tmp_path / "areas.csv"
    told = refused("areas", valley, "--adapter", "crops", "--sample", bad, "--out", out)
    assert message in told
    assert not out.exists()


def test_a_place_twice(valley: Path, filled: Path, tmp_path: Path) -> None:
    """The same place twice is refused by its id."""
    content = json.loads(filled.read_text())
    content["features"].append(content["features"][3])
    bad = tmp_path / "bad.geojson"
    bad.write_text(json.dumps(content))
    message = refused("areas", valley, "--adapter", "crops", "--sample", bad)
    assert f"got {content['features'][3]['id']} twice" in message


@pytest.mark.parametrize("record", [[], {"strata": 3}, {"strata": {"wheat": {"drawn": "x"}}}])
def test_a_damaged_record(valley: Path, filled: Path, record: object, tmp_path: Path) -> None:
    """A record of the plan that somebody changed is refused, not believed."""
    content = json.loads(filled.read_text()) | {"surco_sample": record}
    bad = tmp_path / "bad.geojson"
    bad.write_text(json.dumps(content))
    assert "surco_sample" in refused("areas", valley, "--adapter", "crops", "--sample", bad)


def test_a_stratum_that_was_dropped(valley: Path, filled: Path, tmp_path: Path) -> None:
    """A stratum without a place left is named: what is not sampled is not estimated."""
    content = json.loads(filled.read_text())
    content["features"] = [f for f in content["features"] if f["properties"]["stratum"] != "cherry"]
    bad = tmp_path / "bad.geojson"
    bad.write_text(json.dumps(content))
    assert "got none of 'cherry'" in refused("areas", valley, "--adapter", "crops", "--sample", bad)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "areas.pdf"], ".csv, .json, .html, .png"),
        (["--out", "nowhere/areas.csv"], "Make it first"),
        (["--aoi", "0,0,1,1"], "Choose another area"),
        (["--aoi", "nosuch.geojson"], "nosuch.geojson"),
        (["--sample", "nosuch.geojson"], "nosuch.geojson"),
        (["--season", "1999-00"], "1999-00"),
        (["--by", "galaxy"], "galaxy"),
    ],
)
def test_questions_that_cannot_be_answered(valley: Path, words: list[str], message: str) -> None:
    """Areas, files and seasons that are not there are named."""
    assert message in refused("areas", valley, "--adapter", "crops", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--standard-error", 0], "standard error between 0 and 1"),
        (["--class", "quinoa"], "got 'quinoa'"),
        (["--expect", "wheat"], "CLASS=ACCURACY"),
        (["--expect", "wheat=85"], "got wheat = 85"),
        (["--size", 3], "two places in each of 4 strata"),
        (["--out", "s.csv"], "ending in .geojson"),
    ],
)
def test_plans_that_cannot_be_made(valley: Path, words: list[object], message: str, tmp_path: Path) -> None:
    """Settings that make no plan are named, and no file is left."""
    asked = ["--out", tmp_path / "s.geojson", *words]
    assert message in refused("areas", "plan", valley, "--adapter", "crops", *asked)
    assert not list(tmp_path.iterdir())


def test_ground_that_was_never_observed(tmp_path: Path) -> None:
    """Parcels without an observation are in no figure, and the answer says how many hectares they are."""
    store = area_valley(tmp_path / "store", unseen=100)
    answer = area_answer(question(store.path))
    places = read_places(store, None, "parcels")
    unseen = places.area_ha[[int(name[1:]) >= PARCELS - 100 for name in places.id]].sum()
    assert answer.notes[0] == f"{unseen:,.1f} ha were never observed and are in no figure."
    assert sum(row.mapped_ha for row in answer.rows) == pytest.approx(places.area_ha.sum() - unseen)


def page(valley: Path, filled: Path, out: Path, **more: object) -> tuple[str, AreaAnswer]:
    """The HTML page of an answer."""
    from surco.api.area_files import write_areas

    answer = area_answer(question(valley), sample=filled, **more)
    write_areas(answer, out)
    return out.read_text(encoding="utf-8"), answer


def test_a_page_needs_nothing_else(valley: Path, filled: Path, tmp_path: Path) -> None:
    """The page holds tables, accuracies and the picture, and loads nothing from anywhere."""
    text, answer = page(valley, filled, tmp_path / "a.html", by="comuna")
    for row in answer.of("total"):
        assert f"{row.area_ha:,.1f}" in text
    assert "data:image/png;base64," in text
    assert "Curicó" in text and "Error matrix" in text
    assert "http:" not in text and "https:" not in text and "<script" not in text


def test_class_names_are_text_on_the_page(valley: Path, plan: Path, tmp_path: Path) -> None:
    """Names that people typed are shown as they are, in the page and in the picture, and never run."""
    odd = fill_in(plan, tmp_path / "odd.geojson", **{"class": "<script>$x_{$"})
    text, _ = page(valley, odd, tmp_path / "a.html")
    assert "<script" not in text
    assert "&lt;script&gt;$x_{$" in text


def test_a_picture(valley: Path, filled: Path, tmp_path: Path) -> None:
    """A .png is the picture alone."""
    asked = ("--adapter", "crops", "--sample", filled, "--by", "region", "--out", tmp_path / "a.png")
    assert surco("areas", valley, *asked).exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_domains_follow_the_official_codes(valley: Path) -> None:
    """Domains come in the order of their codes, and every place has one."""
    places = read_places(Store.open(valley), None, "parcels")
    found = divide(places, "comuna")
    assert found.names == ("Talca", "Curicó")
    number = np.array([int(name[1:]) for name in places.id])
    assert ((number >= PARCELS // 2) == (found.code == 1)).all()
