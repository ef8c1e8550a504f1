"""Agreement and consensus: published examples, scikit-learn, simulated crowds, and which labels are one place."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from surco.api.label_sets.agreement import (
    alpha,
    class_agreement,
    fleiss,
    pair_agreement,
    percent,
    value_alpha,
)
from surco.api.label_sets.consensus import class_consensus, modelled, value_consensus
from surco.api.label_sets.contents import checked_properties
from surco.api.label_sets.judgements import judgements_of
from surco.api.label_sets.labels import Label
from surco.api.refusals import TooLargeError

NONE = np.nan
# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", example C: four observers, twelve units.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
)
# Fleiss (1971), fourteen raters of ten subjects, five categories.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ],
    float,
)
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)


def label(
    number: int, word: str, who: str, shape: shapely.Geometry, *, minutes: int = 0, **more: object
) -> Label:
    """A label as it comes from the database."""
    said = checked_properties({"class": word, "who": who} | more)
    at = BEGAN + timedelta(minutes=minutes)
    return Label(f"l{number}", number, 1, shapely.to_wkb(shape), said, "k", at, "k", at)


def near(metres: float, lat: float = -35.4) -> shapely.Point:
    """A point some metres east of a place near Talca."""
    return shapely.Point(-71.5 + metres / (111_320 * np.cos(np.radians(lat))), lat)


def grouped(*labels: Label, near_m: float = 15.0) -> list[set[str]]:
    """Ids of labels by place."""
    judged = judgements_of(labels, near_m)
    return [
        {labels[at].id for at in judged.label[judged.place == place]} for place in range(len(judged.first))
    ]


def test_alpha_of_krippendorffs_example() -> None:
    """0.743 for classes and 0.849 for values, as published, with intervals round them."""
    units = OBSERVERS.T
    counts = np.array([[np.sum(unit == word) for word in range(1, 6)] for unit in units], float)
    nominal = alpha(counts)
    assert nominal.value == pytest.approx(0.743, abs=5e-4)
    assert nominal.low is not None and nominal.high is not None and nominal.low < 0.743 < nominal.high
    there = ~np.isnan(units)
    place = np.nonzero(there)[0]
    interval = value_alpha(place, units[there])
    assert interval.value == pytest.approx(0.849, abs=5e-4)
    assert interval.low is not None and interval.high is not None and interval.low < 0.849 < interval.high


def test_kappa_of_fleiss_example() -> None:
    """0.210 as published; percent agreement is its observed part."""
    assert fleiss(FLEISS) == pytest.approx(0.210, abs=5e-4)
    assert percent(FLEISS) == pytest.approx(0.378, abs=5e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=5, max_size=40))
def test_cohens_kappa_is_scikit_learns(words: list[tuple[int, int]]) -> None:
    """Of two people over the places that both judged."""
    said = np.array(words)
    place = np.repeat(np.arange(len(words)), 2)
    (pair,) = pair_agreement(place, np.tile([0, 1], len(words)), said.ravel(), ["a", "b"])
    assert pair.agreement == pytest.approx((said[:, 0] == said[:, 1]).mean())
    if len(set(said.ravel())) > 1:
        assert pair.kappa == pytest.approx(cohen_kappa_score(said[:, 0], said[:, 1]))


def test_agreement_where_nothing_can_be_said() -> None:
    """One judgement a place, or one class only, is no figure rather than a wrong one."""
    assert alpha(np.eye(4)).as_dict() == {"value": None, "low": None, "high": None}
    assert alpha(np.array([[3.0, 0.0], [2.0, 0.0]])).value is None
    assert fleiss(np.eye(4)) is None and percent(np.eye(4)) is None
    assert value_alpha(np.arange(5), np.ones(5)).value is None


def test_the_interval_of_alpha_holds_the_truth() -> None:
    """Of 60 samples of a large crowd at least 51 intervals of 95 % hold the crowd's alpha."""
    random = np.random.default_rng(4)

    def sample(places: int) -> np.ndarray:
        truth = random.integers(0, 3, places)
        said = np.where(random.random((places, 3)) < 0.8, truth[:, None], random.integers(0, 3, (places, 3)))
        return np.stack([(said == word).sum(axis=1) for word in range(3)], axis=1).astype(float)

    whole = alpha(sample(200_000)).value
    found = [alpha(sample(150), seed=n) for n in range(60)]
    assert sum(one.low <= whole <= one.high for one in found) >= 51  # type: ignore[operator]


def test_agreement_by_class() -> None:
    """A class that people confuse agrees less than one that they do not."""
    counts = np.array([[3, 0, 0]] * 10 + [[0, 2, 1], [0, 1, 2]] * 5, float)
    one, two, three = class_agreement(counts, ["trigo", "maíz", "papa"])
    assert one.agreement == 1.0 and one.alpha.value == pytest.approx(1.0)
    assert two.agreement == three.agreement == pytest.approx(1 / 3)
    assert two.alpha.value is not None and two.alpha.value < 0.5


def crowd(
    accuracy: list[float], places: int = 400, classes: int = 4, seed: int = 1
) -> tuple[np.ndarray, ...]:
    """Simulated judgements: true class of each place, and place, person and word of each judgement."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, places)
    right = random.random((places, len(accuracy))) < np.array(accuracy)
    wrong = (truth[:, None] + random.integers(1, classes, right.shape)) % classes
    said = np.where(right, truth[:, None], wrong)
    place, who = np.indices(said.shape)
    return truth, place.ravel(), who.ravel(), said.ravel()


def test_dawid_and_skene_weigh_people() -> None:
    """With one good and four bad annotators the model finds whom to trust and beats the majority by far."""
    truth, place, who, said = crowd([0.95, 0.4, 0.4, 0.4, 0.4], places=1_500)
    majority = class_consensus(place, who, said, 4, "majority")
    model = class_consensus(place, who, said, 4, "dawid-skene")
    assert (model.chosen == truth).mean() > (majority.chosen == truth).mean() + 0.1
    assert (model.chosen == truth).mean() > 0.9
    assert int(model.trust.argmax()) == 0 and model.trust[0] > 0.75 and model.trust[1:].max() < 0.6
    assert np.allclose(model.probability.sum(axis=1), 1) and np.allclose(majority.probability.sum(axis=1), 1)


def test_the_probability_of_the_model_is_honest() -> None:
    """Where the model says 0.9 it is right nine times of ten, within a tenth."""
    truth, place, who, said = crowd([0.8, 0.7, 0.6, 0.55], places=3_000)
    model = class_consensus(place, who, said, 4, "dawid-skene")
    sure = model.probability.max(axis=1)
    right = model.chosen == truth
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        there = (sure >= low) & (sure < high)
        assert abs(sure[there].mean() - right[there].mean()) < 0.1


def test_someone_who_always_confuses_two_classes_is_understood() -> None:
    """A systematic error is information: who says 1 for 0 and 0 for 1 helps as much as who is right."""
    truth, place, who, said = crowd([0.9, 0.9, 0.9, 1.0], classes=2)
    said = np.where(who == 3, 1 - said, said)
    model = class_consensus(place, who, said, 2, "dawid-skene")
    assert model.trust[3] < 0.1 and (model.chosen == truth).mean() > 0.99


def test_a_tie_is_no_consensus() -> None:
    """Two against two is -1, whatever the order of classes; three against one is not."""
    place, who = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.tile(np.arange(4), 2)
    found = class_consensus(place, who, np.array([0, 0, 1, 1, 2, 2, 2, 0]), 3, "majority")
    assert found.chosen.tolist() == [-1, 2]
    assert found.entropy[0] > found.entropy[1] > 0


def test_values_are_weighed_by_precision() -> None:
    """Of measured values the model trusts who scatters least, and says how far off it may be."""
    random = np.random.default_rng(2)
    truth = random.uniform(2, 9, 500)
    place, who = np.indices((500, 4))
    noise = random.normal(size=(500, 4)) * np.array([0.1, 1.0, 1.0, 1.0])
    said = (truth[:, None] + noise).ravel()
    median = value_consensus(place.ravel(), who.ravel(), said, "majority")
    model = value_consensus(place.ravel(), who.ravel(), said, "dawid-skene")
    off = np.sqrt(((model.value - truth) ** 2).mean())
    assert off < 0.5 * np.sqrt(((median.value - truth) ** 2).mean())
    assert int(model.spread.argmin()) == 0
    assert 0.5 < off / model.standard_error.mean() < 2.0


def test_too_many_people_are_refused_before_memory_is() -> None:
    """A crowd whose confusion matrices do not fit is a sentence."""
    assert modelled(1_000, 100) and not modelled(1_000_000, 10)
    with pytest.raises(TooLargeError, match="Ask for the majority"):
        class_consensus(np.zeros(2, int), np.array([0, 300_000]), np.array([0, 9]), 10, "dawid-skene")


def test_points_near_each_other_are_one_place() -> None:
    """Within 15 m of the place's first label; places do not grow from neighbour to neighbour."""
    row = [label(n, "a", f"p{n}", near(10.0 * n)) for n in range(5)]
    assert grouped(*row) == [{"l0", "l1"}, {"l2", "l3"}, {"l4"}]
    assert grouped(*row, near_m=100) == [{f"l{n}" for n in range(5)}]
    assert len(grouped(*row, near_m=1)) == 5


def test_outlines_that_overlap_are_one_place() -> None:
    """By half of what they cover together; points lie in the smallest outline round them."""
    field = shapely.box(-71.5, -35.4, -71.49, -35.39)
    shifted, half = (
        shapely.box(-71.4985, -35.4, -71.4885, -35.39),
        shapely.box(-71.5, -35.4, -71.495, -35.3951),
    )
    labels = [
        label(0, "a", "ana", near(120)),
        label(1, "a", "ana", field),
        label(2, "b", "eva", shifted),
        label(3, "a", "eva", half),
        label(4, "c", "luis", near(700)),
    ]
    assert sorted(map(sorted, grouped(*labels))) == [["l0", "l3"], ["l1", "l2", "l4"]]
    judged = judgements_of(labels)
    assert all(labels[at].id in ("l1", "l3") for at in judged.first)


def test_named_places_and_seasons_keep_labels_apart() -> None:
    """A `place` that is named counts whatever the distance; another season is another place."""
    far = [label(0, "a", "ana", near(0), place="p1"), label(1, "b", "eva", near(5_000), place="p1")]
    assert grouped(*far) == [{"l0", "l1"}]
    seasons = [label(n, "a", f"p{n}", near(0), season=f"202{n}") for n in range(3)]
    assert len(grouped(*seasons)) == 3


def test_the_last_word_of_a_person_counts() -> None:
    """Whoever labels a place twice, or changes a label, has said the later thing."""
    labels = [
        label(0, "a", "ana", near(0), minutes=9),
        label(1, "b", "ana", near(1), minutes=3),
        label(2, "c", "eva", near(2)),
    ]
    judged = judgements_of(labels)
    assert [labels[at].id for at in judged.label] == ["l0", "l2"] and judged.repeated == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-60, 60), st.sampled_from("abc")), min_size=1, max_size=25),
    st.floats(1, 50),
    st.sampled_from([-89.99, -55.0, 0.0, 70.0]),
)
def test_every_point_is_near_the_first_of_its_place(
    points: list[tuple[float, str]], near_m: float, lat: float
) -> None:
    """Whatever the latitude: within the radius of the place's first label, and every label is in one place."""
    labels = [label(n, "x", f"{who}{n}", near(metres, lat)) for n, (metres, who) in enumerate(points)]
    judged = judgements_of(labels, near_m)
    assert sorted(judged.label.tolist()) == list(range(len(points)))
    for at, place in zip(judged.label, judged.place, strict=True):
        assert abs(points[at][0] - points[judged.first[place]][0]) <= near_m * 1.01 + 1e-6


def test_a_crowd_at_one_spot_takes_no_time_of_pairs() -> None:
    """Twenty thousand labels of one spot are grouped without comparing each with each."""
    random = np.random.default_rng(0)
    spots = shapely.points(-71.5 + random.random(20_000) * 1e-4, -35.4 + random.random(20_000) * 1e-4)
    labels = [label(n, "a", "p", spot) for n, spot in enumerate(spots)]
    began = time.perf_counter()
    judgements_of(labels)
    assert time.perf_counter() - began < 8
