"""Legends, predictions up their trees, and labels of several levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared

from surco.adapters import CropTypeAdapter, LabelsError, VectorsError
from surco.adapters.errors import LegendError
from surco.adapters.legends import (
    LEGENDS,
    Hierarchy,
    Legend,
    fit_mixed,
    load_legend,
    most_specific,
    near_misses,
    plain_name,
    resolve_mixed,
    roll_up,
    same_spelling,
)
from surco.encoder.simulate.crops import CROPS
from surco.viewer.ine import INE_CLASSES

SAMPLES = ("corsica_2022", "east_africa_2017", "flanders_2018", "france_2023", "world_500")
CROPS_CSV = "code,name,parent\n1,cereals,\n11,wheat,1\n12,barley,1\n2,orchards,\n21,cherry,2\n22,walnut,2\n"


def small() -> Legend:
    """Cereals (wheat, barley) and orchards (cherry, walnut)."""
    rows = [
        dict(zip(("code", "name", "parent"), line.split(","), strict=True)) for line in CROPS_CSV.splitlines()
    ]
    return Legend.from_rows("small", rows[1:])


@pytest.mark.parametrize("name", LEGENDS)
def test_a_shipped_legend_is_a_tree(name: str) -> None:
    """Every class is found by its code and, one of its name, by its name; levels count from the roots."""
    legend = load_legend(name)
    for each in legend.classes:
        assert legend.find(each.code) == each
        named = legend.find(each.name)
        assert (
            named is not None
            and named.level >= each.level
            and plain_name(named.name) == plain_name(each.name)
        )
        assert [one.level for one in legend.ancestors(each.code)] == list(range(each.level, 0, -1))
    for key, (code, relation) in legend.aliases.items():
        assert legend[code] and relation in ("same", "part") and key == plain_name(key)


def test_hcat_codes_say_the_parents() -> None:
    """A class of HCAT lies below the class whose code has its last pair of digits that is not 00 set to 00."""
    legend = load_legend("hcat")
    assert len(legend.classes) == 394
    for each in legend.classes[2:]:
        assert each.parent is not None
        pairs = [each.code[i : i + 2] for i in range(0, 10, 2)]
        last = max(i for i in range(5) if pairs[i] != "00")
        assert each.parent == "".join(pairs[:last] + ["00"] * (5 - last))
    vines = legend.find("vineyards_wine_vine_rebland_grapes")
    assert vines is not None
    assert [one.name for one in legend.ancestors(vines.code)][1] == "permanent_crops_perennial"


def test_worldcereal_codes_say_the_parents() -> None:
    """A class of WorldCereal has its parent's code up to the group of digits where its own begins."""
    legend = load_legend("worldcereal")
    for each in legend.classes:
        assert len(each.code) == 10 and each.code.isdigit()
        above = each.parent or "0000000000"
        kept = above.rstrip("0")
        assert each.code.startswith(kept) and (each.parent is None or each.parent != each.code)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_label_of_the_samples_has_a_place(name: str) -> None:
    """The reference data's own labels, of two editions of the legend, are all found in WorldCereal's table."""
    labels = pq.read_table(shared(f"samples/{name}.parquet"), columns=["label"])["label"].to_pylist()
    assert Hierarchy.of(sorted(set(labels)), load_legend("worldcereal")).unknown == ()


def test_ine_has_the_handbooks_classes_and_the_viewer_agrees() -> None:
    """Third-level classes lie where the handbook's reclassification puts them; the viewer's words mean the same."""
    ine = load_legend("ine")
    for each in INE_CLASSES:
        for word in (each.name, each.es, each.en):
            found = ine.find(word)
            assert found is not None and (found.name, found.level) == (each.name, 3), word
    assert {one.name for one in ine.classes if one.level == 3 and one.parent == "21"} == {
        "Winter_crops",
        "Spring_crops",
        "Successive_crops",
    }
    truth = pq.read_table(shared("samples/chile_maule_2020.parquet"), columns=["label"])["label"].unique()
    assert Hierarchy.of(truth.to_pylist(), ine).unknown == ()


def test_ine_places_the_simulators_crops_as_the_simulator_does() -> None:
    """Each class of the synthetic country has a place; at the second level it is the simulator's own."""
    ine = load_legend("ine")
    for crop in CROPS.values():
        place = ine.find(crop.name) or ine.above(crop.name)
        assert place is not None, crop.name
        if crop.ine is not None:
            own = ine.find(crop.ine)
            assert own is not None
            second = {one.code for one in ine.ancestors(own.code)} & {
                one.code for one in ine.ancestors(place.code)
            }
            assert any(ine[code].level == 2 for code in second), crop.name


def test_every_orchard_species_of_the_survey_is_deciduous_or_evergreen() -> None:
    """The 59 species of ODEPA and CIREN's orchard survey are kinds of one of INE's two classes of fruit trees."""
    lines = (
        shared("chile/catastro_fruticola_consolidado.csv").read_text(encoding="utf-8-sig").splitlines()[1:]
    )
    ine = load_legend("ine")
    for species in {line.split(",")[3] for line in lines}:
        above = ine.find(species) or ine.above(species)
        assert above is not None and above.name.endswith("fruit_tree"), species


@pytest.mark.parametrize(
    ("label", "at"),
    [("Trigo", "Winter_crops"), ("MAÍZ", "Spring_crops"), ("vid_vinifera", "Deciduous_fruit_tree")],
)
def test_names_in_use_are_kinds_of_ines_classes(label: str, at: str) -> None:
    """A crop is a kind of a class of INE, whatever its case, accents and signs, and is not that class itself."""
    ine = load_legend("ine")
    above = ine.above(label)
    assert above is not None and above.name == at and ine.find(label) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nwheat\n", "a column 'code'; got name"),
        ("", "a column 'code'; got an empty file"),
        ("code\n1\n1\n", "a code of its own; got '1' in row 2"),
        ("code,parent\n1,2\n2,1\n", "above itself"),
        ("code,parent\n1,1\n", "above itself"),
        ("code,parent\n1,9\n", "got '9' above '1'"),
        ("code,name\n,\n", "a code of its own; got '' in row 1"),
        ('code,name\n1,"open\n', "got unexpected end of data"),
        ("code\n", "at least one; got 0 classes"),
        ("code,name\n1,a\x1b[31m\n", "text that can be printed"),
    ],
)
def test_a_table_that_is_no_tree_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Codes twice, circles, parents that are not there, no codes at all: one sentence each."""
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(LegendError, match=message):
        load_legend(file)


def test_a_legend_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    """A name that is none lists those that are; bytes that are no UTF-8 are named."""
    with pytest.raises(LegendError, match="hcat, ine, worldcereal"):
        load_legend("corine")
    (tmp_path / "latin.csv").write_bytes("code\nma\xedz\n".encode("latin-1"))
    with pytest.raises(LegendError, match=r"CSV file in UTF-8.*latin\.csv"):
        load_legend(tmp_path / "latin.csv")


def test_a_users_file_may_be_flat_and_in_any_script(tmp_path: Path) -> None:
    """Without parents every class is a root; names in other scripts are found."""
    file = tmp_path / "mine.csv"
    file.write_text("code,name\nA,小麦\nB,ñanco\n", encoding="utf-8")
    legend = load_legend(file)
    found = legend.find("小麦")
    assert found is not None and (found.code, found.level, found.parent) == ("A", 1, None)
    assert legend.parents(["小麦", "B"]) == {}


def test_names_are_compared_without_case_accents_and_signs() -> None:
    """Spellings of one name are grouped; slips of one letter are paired; numbers and short names are not."""
    names = [
        "Trigo",
        "trigo ",
        "tirgo",
        "Maíz",
        "maiz",
        "crop 1",
        "crop 2",
        "pea",
        "tea",
        "小麦",
        "трава",
        "трaва",
    ]
    assert same_spelling(names) == [("Maíz", "maiz"), ("Trigo", "trigo ")]
    assert [{plain_name(a), plain_name(b)} for a, b in near_misses(names)] == [
        {"tirgo", "trigo"},
        {"трaва", "трава"},
    ]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_sums_agree_on_every_level(data: st.DataObject) -> None:
    """Whatever the labels, rows keep their sum, and a level is the sum of the finer one."""
    pool = ["wheat", "barley", "cereals", "cherry", "walnut", "orchards", "quinoa", "trees"]
    classes = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=8, unique=True))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    proba = rng.dirichlet(np.ones(len(classes)), 5).astype(np.float32)
    coarse, coarse_names = roll_up(proba, classes, small(), level=1)
    fine, fine_names = roll_up(proba, classes, small(), level=2)
    again, names = roll_up(fine, fine_names, small(), level=1)
    np.testing.assert_allclose(fine.sum(axis=1), 1, atol=1e-5)
    order = [names.index(name) for name in coarse_names]
    np.testing.assert_allclose(again[:, order], coarse, atol=1e-6)


def test_probabilities_are_summed_to_a_level_or_a_cut() -> None:
    """Children go to their parent; what stands above the cut, or is not in the legend, keeps its column."""
    proba = [[0.1, 0.2, 0.3, 0.4], [np.nan] * 4]
    classes = ["wheat", "barley", "orchards", "quinoa"]
    sums, names = roll_up(proba, classes, small(), level=1)
    assert names == ("cereals", "orchards", "quinoa")
    np.testing.assert_allclose(sums[0], [0.3, 0.3, 0.4], atol=1e-6)
    assert np.isnan(sums[1]).all()
    sums, names = roll_up(proba, classes, small(), cut=["cereals"])
    assert names == ("cereals", "orchards", "quinoa")
    assert Hierarchy.of(classes, small()).unknown == ("quinoa",)


def test_what_cannot_be_summed_is_refused() -> None:
    """A cut that the legend does not have, no cut, level 0 and other shapes are one sentence each."""
    with pytest.raises(LegendError, match="got 'rocks'"):
        roll_up([[1.0]], ["wheat"], small(), cut=["rocks"])
    with pytest.raises(LegendError, match="neither or both"):
        roll_up([[1.0]], ["wheat"], small())
    with pytest.raises(LegendError, match="level from 1"):
        roll_up([[1.0]], ["wheat"], small(), level=0)
    with pytest.raises(VectorsError, match=r"shape \(rows, 1\)"):
        roll_up([[0.5, 0.5]], ["wheat"], small(), level=1)
    with pytest.raises(LegendError, match=r"up to 1; got 1\.5"):
        most_specific([[1.0]], ["wheat"], small(), at_least=1.5)


def test_an_uncertain_place_gets_the_class_above() -> None:
    """Sure of wheat: wheat. Sure of cereals only: cereals. Sure of nothing, or nothing seen: none."""
    classes = ["wheat", "barley", "cherry"]
    proba = [[0.9, 0.05, 0.05], [0.5, 0.4, 0.1], [0.4, 0.2, 0.4], [np.nan] * 3]
    found = most_specific(proba, classes, small(), at_least=0.8)
    assert [found.names[i] if i >= 0 else None for i in found.index] == ["wheat", "cereals", None, None]
    np.testing.assert_allclose(found.probability[:2], [0.9, 0.9], atol=1e-6)
    assert np.isnan(found.probability[2:]).all()


def test_backing_off_is_right_as_often_as_it_says() -> None:
    """On calibrated probabilities the class that is given is right at least as often as was asked for."""
    rng = np.random.default_rng(0)
    classes = ["wheat", "barley", "cherry", "walnut"]
    proba = rng.dirichlet(np.full(4, 0.5), 20_000)
    truth = np.array([rng.choice(4, p=row) for row in proba])
    found = most_specific(proba, classes, small(), at_least=0.8)
    below = {"wheat": [0], "barley": [1], "cherry": [2], "walnut": [3], "cereals": [0, 1], "orchards": [2, 3]}
    right = [t in below[found.names[i]] for t, i in zip(truth, found.index, strict=True) if i >= 0]
    assert np.mean(right) >= 0.8
    assert 0.3 < np.mean(found.index >= 0) < 1


def test_labels_of_several_levels_are_told_apart() -> None:
    """Inexact labels are those above two labelled classes; one name in two spellings is one class."""
    found = resolve_mixed(
        ["Wheat", "wheat", "wheat", "barley", "cereals", "orchards", "cherry", "quinoa"], small()
    )
    assert found.among == {"cereals": ("barley", "wheat")}
    assert (found.open_classes, found.unknown) == (("orchards",), ("quinoa",))
    assert found.merged == {"Wheat": "wheat"}
    assert "Wheat" not in found.y.tolist()


def blobs(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 16) vectors around four centres, two of each kind near each other, and their names."""
    centres = np.random.default_rng(7).normal(size=(2, 16)).repeat(2, axis=0)
    centres += np.random.default_rng(8).normal(size=(4, 16)) * 0.5
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 4
    return centres[codes] + rng.normal(size=(n, 16)), np.array(["wheat", "barley", "cherry", "walnut"])[codes]


def test_inexact_labels_help_and_are_used_as_what_they_are() -> None:
    """A few exact and many inexact labels beat the few exact alone; an inexact label goes to a class below it."""
    test_X, test_y = blobs(1, 2000)
    with_them, without = [], []
    for seed in range(8):
        X, y = blobs(100 + seed, 160)
        mixed = np.where(
            np.arange(160) < 12, y, np.where(np.isin(y, ["wheat", "barley"]), "cereals", "orchards")
        )
        fit = fit_mixed(CropTypeAdapter(), X, mixed, small())
        assert set(fit.y[mixed == "cereals"]) <= {"wheat", "barley"}
        assert (fit.y[:12] == y[:12]).all()
        with_them.append((fit.adapter.predict(test_X) == test_y).mean())
        without.append((CropTypeAdapter().fit(X[:12], y[:12]).predict(test_X) == test_y).mean())
    assert np.mean(with_them) > np.mean(without)


def test_inexact_labels_that_are_something_else_are_told() -> None:
    """Labels of "cereals" that look like no labelled cereal are named; those that do are not."""
    X, y = blobs(3, 160)
    groups = np.arange(160) // 4 % 10
    mixed = np.where((np.arange(160) >= 80) & np.isin(y, ["wheat", "barley"]), "cereals", y)
    assert fit_mixed(CropTypeAdapter(), X, mixed, small(), groups=groups).unlike == ()
    elsewhere = X + np.where(mixed == "cereals", 4.0, 0.0)[:, None]
    assert fit_mixed(CropTypeAdapter(), elsewhere, mixed, small(), groups=groups).unlike == ("cereals",)


def test_a_mixed_fit_without_inexact_labels_is_the_plain_one() -> None:
    """Labels of one level give the adapter that `fit` gives, bit for bit, and twice the same."""
    X, y = blobs(0, 80)
    plain = CropTypeAdapter().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(fit_mixed(CropTypeAdapter(), X, y, small()).adapter.predict_proba(X), plain)
    mixed = np.where(np.arange(80) % 3 == 0, "cereals", y)
    first, second = (fit_mixed(CropTypeAdapter(), X, mixed, small()) for _ in range(2))
    np.testing.assert_array_equal(first.adapter.predict_proba(X), second.adapter.predict_proba(X))


def test_one_class_and_empty_names_are_refused() -> None:
    """What `fit` refuses is refused with labels of several levels too."""
    with pytest.raises(LabelsError, match="two classes"):
        resolve_mixed(["wheat", "wheat"], small())
    with pytest.raises(LabelsError, match="not empty"):
        resolve_mixed(["wheat", " "], small())
