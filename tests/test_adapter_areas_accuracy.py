"""Accuracy tables corrected for area, against two published examples."""

import numpy as np
import pytest

from surco.adapters import AreasError, ReferenceSample, area_accuracy, stratified_area

# Stehman 2014, International Journal of Remote Sensing 35, table 2: ten pixels of each of four strata.
STRATUM = np.repeat(["1", "2", "3", "4"], 10)
REFERENCE = np.array(list("AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB"))
MAPPED = np.array(list("AAAAAAABBB" + "ABBBBBBBBB" + "BBCCCCCCBB" + "DDDDDDDDDD"))
CHANCE = np.repeat(10 / np.array([40_000, 30_000, 20_000, 10_000]), 10)


def stehman() -> ReferenceSample:
    """The sample of the published example."""
    return ReferenceSample(np.arange(40), REFERENCE, CHANCE, STRATUM)


def test_published_example_where_strata_are_no_classes() -> None:
    """User's and producer's accuracies, areas and their standard errors are those of Stehman 2014, to the digit."""
    table = area_accuracy(stehman(), MAPPED, 1.0, "ABCD")
    assert (round(table.overall.value, 2), round(table.overall.standard_error, 3)) == (0.63, 0.085)
    a, b, c, _ = table.classes
    assert (round(a.share.value, 2), round(a.share.standard_error, 3)) == (0.35, 0.082)
    assert (round(c.share.value, 2), round(c.share.standard_error, 3)) == (0.20, 0.064)
    assert (round(b.users.value, 3), round(b.users.standard_error, 3)) == (0.574, 0.125)
    assert (round(b.producers.value, 3), round(b.producers.standard_error, 3)) == (0.794, 0.117)
    assert np.round(table.matrix, 2).tolist() == [
        [0.23, 0.04, 0.04, 0.0],
        [0.12, 0.27, 0.08, 0.0],
        [0.0, 0.02, 0.06, 0.04],
        [0.0, 0.01, 0.02, 0.07],
    ]


def test_published_example_where_strata_are_classes() -> None:
    """From the places of Olofsson et al. 2014 one by one come the figures that the paper computes from counts."""
    counts = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
    pixels = np.array([200_000, 150_000, 3_200_000, 6_450_000])
    names = np.array(["deforestation", "forest gain", "stable forest", "stable non-forest"])
    row, column = np.repeat(np.indices((4, 4)).reshape(2, 16), counts.ravel(), axis=1)
    chance = (counts.sum(axis=1) / pixels)[row]
    sample = ReferenceSample(np.arange(len(row)), names[column], chance, names[row])
    table = area_accuracy(sample, names[row], 0.09, names.tolist())
    published = stratified_area(dict(zip(names.tolist(), pixels.tolist(), strict=True)), counts)
    assert table.counts == tuple(map(tuple, counts.tolist()))
    assert table.overall.value == pytest.approx(published.overall)
    for ours, theirs in zip(table.classes, published.classes, strict=True):
        assert ours.users.value == pytest.approx(theirs.users)
        assert 1.96 * ours.users.standard_error == pytest.approx(theirs.users_margin, rel=1e-3)
        assert ours.producers.value == pytest.approx(theirs.producers)
        assert 1.96 * ours.producers.standard_error == pytest.approx(theirs.producers_margin, rel=1e-3)
        assert ours.share.value == pytest.approx(theirs.area / pixels.sum())


def test_places_count_by_their_hectares() -> None:
    """A wrong place of three hectares weighs as much as three right ones of one hectare."""
    sample = ReferenceSample(np.arange(4), np.array(["a", "a", "a", "b"]), np.full(4, 0.1), np.full(4, ""))
    table = area_accuracy(sample, np.full(4, "a"), [1.0, 1.0, 1.0, 3.0], ["a", "b"])
    assert table.overall.value == pytest.approx(0.5)


def test_shares_are_those_of_the_map() -> None:
    """With the map's hectares, shares of mapped classes are the map's, however large the drawn places are."""
    found = np.array(["a", "a", "b", "b"])
    sample = ReferenceSample(np.arange(4), found, np.full(4, 0.1), found)
    table = area_accuracy(
        sample,
        ["a", "a", "b", "a"],
        [1.0, 2.0, 4.0, 3.0],
        ["a", "b"],
        mapped_hectares={"a": 75.0, "b": 25.0},
    )
    assert np.sum(table.matrix, axis=1) == pytest.approx([0.75, 0.25])
    assert table.classes[0].users.value == pytest.approx(0.5)


def test_hectares_of_a_class_that_are_missing() -> None:
    """Hectares of some classes only are refused with the name of one that is missing."""
    with pytest.raises(AreasError, match="got none of 'B'"):
        area_accuracy(stehman(), MAPPED, 1.0, "ABCD", mapped_hectares={"A": 1.0})


def test_classes_without_a_place_have_no_accuracy() -> None:
    """A class that no place is mapped as has no user's accuracy; one that no place is, no producer's."""
    sample = ReferenceSample(np.arange(3), np.array(["a", "a", "c"]), np.full(3, 0.1), np.full(3, ""))
    a, b, c = area_accuracy(sample, np.array(["a", "b", "a"]), 1.0, ["a", "b"]).classes
    assert (b.producers, c.users) == (None, None)
    assert c.label == "c" and c.producers.value == 0 and a.producers.value == 0.5


def test_no_error_is_no_proof_of_perfection() -> None:
    """An accuracy of one, where no sampled place was wrong, has no interval rather than one without width."""
    found = np.array(["a", "a", "a", "b", "a"])
    sample = ReferenceSample(np.arange(5), found, np.full(5, 0.1), np.array(["x", "x", "y", "y", "y"]))
    a, b = area_accuracy(sample, ["a", "a", "b", "b", "a"], 1.0, ["a", "b"]).classes
    assert (a.users.value, a.users.low, a.users.high) == (1.0, None, None)
    assert b.users.low is not None


@pytest.mark.parametrize(
    ("mapped", "hectares", "confidence", "message"),
    [
        (["a"], 1.0, 0.95, "mapped class of 40"),
        (["x"] * 40, 1.0, 0.95, "got 'x'"),
        (MAPPED, np.zeros(40), 0.95, "some above 0"),
        (MAPPED, 1.0, 2.0, "0.95 for 95 %"),
    ],
)
def test_tables_that_cannot_be_made(mapped, hectares, confidence, message) -> None:
    """What no table can be made from is refused with the reason."""
    with pytest.raises(AreasError, match=message):
        area_accuracy(stehman(), mapped, hectares, "ABCD", confidence=confidence)
