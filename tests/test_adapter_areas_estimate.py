"""Areas from a probability sample: what the estimators are equal to, and how often their intervals hold the truth."""

import numpy as np
import pytest
from area_maps import CLASSES, country, visited

from surco.adapters import (
    LEAST_UNITS,
    AreaMap,
    AreasError,
    ReferenceSample,
    count_areas,
    estimate_areas,
    stratified_area,
)
from surco.adapters.areas_sample import design_deviations

MAPS = 500


def coverage(method: str, *, maps: int = MAPS, comunas: bool = False, size: int = 300, **how) -> float:
    """Share of the nominal 95 % intervals, over simulated maps and their classes, that hold the true hectares."""
    rng = np.random.default_rng(5)
    held = []
    for _ in range(maps):
        land = country(rng, 4000, **how)
        sample = visited(rng, land, size)
        domain, names = (land.comuna, [str(i) for i in range(10)]) if comunas else (None, ["all"])
        for code, found in enumerate(
            estimate_areas(land.area_map, sample, domain=domain, names=names, method=method)
        ):
            truth = land.hectares(land.comuna == code if comunas else None)
            held += [
                c.low <= t <= c.high for c, t in zip(found.classes, truth, strict=True) if c.low is not None
            ]
    return float(np.mean(held))


@pytest.mark.parametrize(
    "how",
    [{}, {"confidence": 3.0}, {"confidence": 0.0}, {"uneven": True}],
    ids=["calibrated", "over-confident", "knows nothing", "uneven places"],
)
def test_assisted_intervals_cover(how: dict[str, float]) -> None:
    """Over 500 simulated maps, good or bad, 93 to 97 of 100 assisted intervals at nominal 95 hold the truth."""
    assert 0.93 <= coverage("assisted", **how) <= 0.97


def test_stratified_intervals_cover() -> None:
    """So do those of the stratified estimator where places differ in hectares."""
    assert 0.93 <= coverage("stratified", uneven=True) <= 0.97


def test_intervals_of_comunas_cover() -> None:
    """In domains of some sixty sampled places each the assisted intervals cover as well, within three points."""
    assert 0.92 <= coverage("assisted", maps=60, comunas=True, size=600) <= 0.98


def test_assisted_is_no_wider_on_a_good_map() -> None:
    """On a calibrated map the assisted estimator is narrower for the sum of classes, and clearly so on average."""
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(40):
        land = country(rng)
        sample = visited(rng, land)
        pair = [
            sum(c.standard_error**2 for c in estimate_areas(land.area_map, sample, method=m)[0].classes)
            for m in ("assisted", "stratified")
        ]
        ratios.append(pair[0] / pair[1])
    assert np.mean(ratios) < 0.9
    assert max(ratios) < 1.02


def test_assisted_ignores_a_map_that_knows_nothing() -> None:
    """Where probabilities are the same everywhere both estimators are one."""
    rng = np.random.default_rng(2)
    land = country(rng, confidence=0.0)
    sample = visited(rng, land)
    pair = [estimate_areas(land.area_map, sample, method=m)[0] for m in ("assisted", "stratified")]
    for a, b in zip(pair[0].classes, pair[1].classes, strict=True):
        assert (a.area, a.standard_error) == pytest.approx((b.area, b.standard_error))


def test_stratified_is_olofssons_where_strata_are_classes() -> None:
    """With equal places and few of them drawn, areas and standard errors are those of the published formulas."""
    rng = np.random.default_rng(3)
    land = country(rng, 200_000)
    sample = visited(rng, land)
    places = np.bincount(land.area_map.mapped)
    counts = np.zeros((5, 5))
    np.add.at(counts, (land.area_map.mapped[sample.row], land.truth[sample.row]), 1)
    published = stratified_area(dict(zip(CLASSES, places.tolist(), strict=True)), counts)
    ours = estimate_areas(land.area_map, sample, method="stratified")[0]
    for a, b in zip(ours.classes, published.classes, strict=True):
        assert a.area == pytest.approx(b.area)
        assert 1.96 * a.standard_error == pytest.approx(b.margin, rel=0.01)


def test_variance_is_the_textbooks() -> None:
    """With equal probabilities the deviations give N² (1 - n/N) s² / n, and nothing for places drawn for certain."""
    values = np.array([[1.0], [4.0], [2.0], [7.0]])
    deviations = design_deviations(values, np.full(4, 0.2), ["a"] * 4)
    assert (deviations**2).sum() == pytest.approx(20**2 * 0.8 * values.var(ddof=1) / 4)
    assert not design_deviations(values, np.ones(4), ["a"] * 4).any()


def test_classes_add_up_to_each_domain() -> None:
    """Estimated areas of a domain's classes add up to its hectares, with either method."""
    rng = np.random.default_rng(4)
    land = country(rng, uneven=True)
    sample = visited(rng, land, 500)
    for method in ("assisted", "stratified"):
        halves = estimate_areas(
            land.area_map, sample, domain=land.comuna // 5, names=["west", "east"], method=method
        )
        for found in halves:
            assert sum(c.area for c in found.classes) == pytest.approx(found.hectares)
        assert sum(f.hectares for f in halves) == pytest.approx(land.area_map.hectares.sum())
        assert sum(f.units for f in halves) == 500


def test_a_count_has_no_estimate() -> None:
    """Without a sample there are mapped and expected hectares by domain, and a word instead of an interval."""
    land = country(np.random.default_rng(9), 2000, uneven=True)
    west, _ = count_areas(land.area_map, domain=land.comuna // 5, names=["west", "east"])
    inside = land.area_map.hectares * (land.comuna < 5)
    assert west.method == "counted"
    assert [c.mapped for c in west.classes] == pytest.approx(np.bincount(land.area_map.mapped, inside, 5))
    assert [c.expected for c in west.classes] == pytest.approx(inside @ land.area_map.probabilities)
    assert all(c.area is None and c.low is None and c.note == "no probability sample" for c in west.classes)


def test_domains_with_few_places_get_a_sentence() -> None:
    """A domain with too few sampled places has mapped hectares and a sentence instead of an estimate."""
    rng = np.random.default_rng(6)
    land = country(rng)
    sample = visited(rng, land, 300)
    domain = np.full(len(land.area_map), -1)
    domain[sample.row[: LEAST_UNITS - 1]] = 0
    found = estimate_areas(land.area_map, sample, domain=domain, names=["Aquí"])[0]
    assert found.units == LEAST_UNITS - 1
    assert all(c.area is None and c.low is None and "19 sampled places" in c.note for c in found.classes)
    assert sum(c.mapped for c in found.classes) == LEAST_UNITS - 1


def test_a_class_that_only_the_sample_has() -> None:
    """A reference class that the map does not have is estimated, after the map's own classes."""
    rng = np.random.default_rng(7)
    land = country(rng)
    sample = visited(rng, land)
    reference = sample.reference.astype("U20")
    reference[::7] = "lentils"
    other = ReferenceSample(sample.row, reference, sample.inclusion_probability, sample.stratum)
    last = estimate_areas(land.area_map, other)[0].classes[-1]
    assert (last.label, last.mapped) == ("lentils", 0.0)
    assert last.low > 0


def test_classes_that_the_sample_says_little_of() -> None:
    """A class that was not met, or met without any error, or hardly met, gets a sentence instead of an interval."""
    proba = np.tile([0.5, 0.3, 0.2], (100, 1))
    mapped = np.repeat([0, 1], 50)
    land = AreaMap(("a", "b", "c"), mapped, proba, np.ones(100))
    row = np.arange(0, 100, 4)
    pure = np.array(["a", "b"])[mapped[row]]
    sample = ReferenceSample(row, pure, np.full(25, 0.25), pure)
    a, _, c = estimate_areas(land, sample, method="stratified")[0].classes
    assert a.low is None and "met no error" in a.note and a.area == pytest.approx(50, rel=0.1)
    assert c.area is None and "no sampled place" in c.note
    reference = pure.copy()
    reference[:4] = "c"
    few = ReferenceSample(row, reference, np.full(25, 0.25), pure)
    c = estimate_areas(land, few, method="stratified")[0].classes[2]
    assert (c.units, c.low, c.note) == (4, None, "sampled places of this class: 4; an interval needs 5")
    reference[4] = "c"
    enough = ReferenceSample(row, reference, np.full(25, 0.25), pure)
    assert estimate_areas(land, enough, method="stratified")[0].classes[2].low is not None


def test_probabilities_do_not_make_up_for_errors_that_were_not_met() -> None:
    """Where the sample met no error in a class, the assisted interval is withheld, not made as narrow as p is sure."""
    proba = np.tile([[0.9, 0.1], [0.2, 0.8]], (50, 1))
    land = AreaMap(("a", "b"), np.tile([0, 1], 50), proba, np.ones(100))
    row = np.arange(0, 60)
    pure = np.array(["a", "b"])[land.mapped[row]]
    a = estimate_areas(land, ReferenceSample(row, pure, np.full(60, 0.6), pure))[0].classes[0]
    assert a.low is None and "met no error" in a.note


def place(**changes: np.ndarray) -> ReferenceSample:
    """A sound sample of four places of two strata, with changes."""
    columns = {
        "row": np.arange(4),
        "reference": np.array(["a", "a", "b", "b"]),
        "inclusion_probability": np.full(4, 0.1),
        "stratum": np.array(["x", "x", "y", "y"]),
    }
    return ReferenceSample(**(columns | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row": np.array([0, 1, 2, 2])}, "each place once"),
        ({"reference": np.array(["a", "", "b", "b"])}, "got an empty one"),
        ({"inclusion_probability": np.array([0.1, 0.0, 0.1, 0.1])}, "above 0 and at most 1; got 0.0"),
        ({"inclusion_probability": np.array([0.1, 1.5, 0.1, 0.1])}, "above 0 and at most 1; got 1.5"),
        ({"inclusion_probability": np.array([0.1, np.nan, 0.1, 0.1])}, "above 0 and at most 1; got nan"),
        ({"stratum": np.array(["x", "x", "x", "y"])}, "two sampled places in each stratum; got one in y"),
        ({"row": np.arange(3)}, "one length"),
    ],
)
def test_samples_that_no_estimate_can_be_made_from(changes: dict[str, np.ndarray], message: str) -> None:
    """A sample that is unsound is refused with the reason."""
    with pytest.raises(AreasError, match=message):
        place(**changes)


def test_a_single_certain_place_is_a_stratum() -> None:
    """A stratum whose only place was drawn for certain adds no variance and is taken."""
    chances = np.array([0.1, 0.1, 0.1, 1.0])
    assert len(place(stratum=np.array(["x", "x", "x", "y"]), inclusion_probability=chances)) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hectares": np.array([1.0, -1.0])}, "not negative"),
        ({"hectares": np.zeros(2)}, "some above 0"),
        ({"probabilities": np.array([[0.5, 0.4], [0.5, 0.5]])}, "sum to one"),
        ({"probabilities": np.array([[np.nan, np.nan], [0.5, 0.5]])}, "never observed"),
        ({"mapped": np.array([0, 2])}, "classes 0 to 1"),
        ({"mapped": np.array([0])}, "same rows"),
    ],
)
def test_maps_that_are_none(changes: dict[str, np.ndarray], message: str) -> None:
    """A map whose columns do not belong together is refused."""
    columns = {
        "mapped": np.array([0, 1]),
        "probabilities": np.full((2, 2), 0.5),
        "hectares": np.ones(2),
    }
    with pytest.raises(AreasError, match=message):
        AreaMap(("a", "b"), **(columns | changes))


def test_questions_that_make_no_sense() -> None:
    """Another method, a confidence of 95, domains of another length and a sample of another map are refused."""
    rng = np.random.default_rng(8)
    land = country(rng, 500)
    sample = visited(rng, land, 100)
    for asked, message in (
        ({"method": "guess"}, "assisted or stratified"),
        ({"confidence": 95}, "0.95 for 95 %"),
        ({"domain": np.zeros(3)}, "got shape"),
    ):
        with pytest.raises(AreasError, match=message):
            estimate_areas(land.area_map, sample, **asked)
    far = ReferenceSample(sample.row + 500, sample.reference, sample.inclusion_probability, sample.stratum)
    with pytest.raises(AreasError, match="a row outside"):
        estimate_areas(land.area_map, far)
