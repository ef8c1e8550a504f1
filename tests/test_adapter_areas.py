"""Hectares: what a map counts, and the stratified estimator against the published worked example."""

import math

import numpy as np
import pytest

from surco.adapters import AreasError, mapped_area, stratified_area

# Olofsson et al. 2014, Remote Sensing of Environment 148, table 8 and page 54; pixels of 30 m.
PIXELS = {
    "deforestation": 200_000,
    "forest gain": 150_000,
    "stable forest": 3_200_000,
    "stable non-forest": 6_450_000,
}
COUNTS = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
PIXEL_HECTARES = 0.09


def test_published_example_areas():
    """Areas and margins in hectares are those of the paper, to the digit."""
    estimate = stratified_area({k: v * PIXEL_HECTARES for k, v in PIXELS.items()}, COUNTS)
    got = {c.label: (round(c.area), round(c.margin)) for c in estimate.classes}
    assert got == {
        "deforestation": (21_158, 6_158),
        "forest gain": (11_686, 3_756),
        "stable forest": (285_770, 15_510),
        "stable non-forest": (581_386, 16_282),
    }


def test_published_example_pixels():
    """Deforestation in pixels is the paper's 235,086."""
    assert round(stratified_area(PIXELS, COUNTS).classes[0].area) == 235_086


def test_published_example_accuracies():
    """User's, producer's and overall accuracies are those of the paper, to the digit, as are their margins."""
    estimate = stratified_area(PIXELS, COUNTS)
    users = [(round(c.users, 2), round(c.users_margin, 2)) for c in estimate.classes]
    assert users == [(0.88, 0.07), (0.73, 0.10), (0.93, 0.04), (0.96, 0.02)]
    assert [round(c.producers, 2) for c in estimate.classes] == [0.75, 0.85, 0.93, 0.96]
    assert (round(estimate.overall, 2), round(estimate.overall_margin, 2)) == (0.95, 0.02)


def test_producers_margin_is_equation_7():
    """The margin of producer's accuracy is the paper's equation 7, written out sample by sample."""
    estimate = stratified_area(PIXELS, COUNTS)
    pixels, counts = list(PIXELS.values()), COUNTS
    sizes = [sum(row) for row in counts]
    for j, got in enumerate(estimate.classes):
        total = sum(pixels[i] * counts[i][j] / sizes[i] for i in range(4))
        users = counts[j][j] / sizes[j]
        producers = pixels[j] * users / total
        own = pixels[j] ** 2 * (1 - producers) ** 2 * users * (1 - users) / (sizes[j] - 1)
        other = sum(
            pixels[i] ** 2 * counts[i][j] / sizes[i] * (1 - counts[i][j] / sizes[i]) / (sizes[i] - 1)
            for i in range(4)
            if i != j
        )
        assert got.producers_margin == pytest.approx(1.96 * math.sqrt(own + producers**2 * other) / total)


def test_margins_of_producers_accuracy_cover():
    """Over simulated campaigns the margin of producer's accuracy holds the truth in about 95 of 100."""
    rng = np.random.default_rng(1)
    truth_given_map = np.array([[0.8, 0.2], [0.1, 0.9]])
    truth = 3000 * 0.8 / (3000 * 0.8 + 7000 * 0.1)
    hits = 0
    for _ in range(2000):
        counts = np.stack([rng.multinomial(200, p) for p in truth_given_map])
        first = stratified_area({"a": 3000, "b": 7000}, counts).classes[0]
        hits += abs(first.producers - truth) <= first.producers_margin
    assert 0.93 <= hits / 2000 <= 0.97


def test_intervals_cover():
    """Over simulated campaigns the 95 % interval holds the true area in about 95 of 100."""
    rng = np.random.default_rng(0)
    truth_given_map = np.array([[0.8, 0.2], [0.1, 0.9]])
    areas = np.array([3000.0, 7000.0])
    true_area = float(areas @ truth_given_map[:, 0])
    hits = 0
    for _ in range(2000):
        counts = np.stack([rng.multinomial(100, p) for p in truth_given_map])
        first = stratified_area({"a": 3000, "b": 7000}, counts).classes[0]
        hits += abs(first.area - true_area) <= first.margin
    assert 0.93 <= hits / 2000 <= 0.97


def test_areas_sum_to_the_map():
    """Whatever the sample, estimated areas add up to the mapped area."""
    estimate = stratified_area(PIXELS, COUNTS)
    assert sum(c.area for c in estimate.classes) == pytest.approx(sum(PIXELS.values()))


def test_a_class_the_sample_never_saw():
    """A class without a reference sample has area zero and no producer's accuracy, not an error."""
    estimate = stratified_area({"a": 10, "b": 10}, [[5, 0], [5, 0]])
    assert estimate.classes[1].area == 0
    assert math.isnan(estimate.classes[1].producers)


@pytest.mark.parametrize(
    ("mapped", "counts", "message"),
    [
        ({"a": 1, "b": 1}, [[5, 0]], r"shape \(2, 2\)"),
        ({"a": 1, "b": 1}, [[5, 0], [1, 0]], "at least two samples .* fewer in b"),
        ({"a": 0, "b": 0}, [[5, 0], [0, 5]], "some above 0"),
        ({"a": 1, "b": 1}, [[5, -1], [0, 5]], "0 or more"),
    ],
)
def test_samples_that_allow_no_estimate(mapped, counts, message):
    """What no estimate can be made from is refused with the reason."""
    with pytest.raises(AreasError, match=message):
        stratified_area(mapped, counts)


def test_mapped_area_counts_and_says_so():
    """A map's hectares are sums of areas by class, named pixel counting, without any interval."""
    rows = mapped_area(["maíz", "trigo", "maíz"], [5_000, 20_000, 15_000])
    assert [(r.label, r.hectares, r.units, r.method) for r in rows] == [
        ("maíz", 2.0, 2, "pixel counting"),
        ("trigo", 2.0, 1, "pixel counting"),
    ]
    assert not hasattr(rows[0], "margin")


def test_mapped_area_of_equal_cells():
    """One area may stand for all cells of a resolution."""
    assert mapped_area([3, 3, 1], 10_000)[1].hectares == 2.0


def test_mapped_area_refuses_other_lengths():
    """Areas of other rows are no areas of these."""
    with pytest.raises(AreasError, match="same rows"):
        mapped_area(["a", "b"], [1.0])
    with pytest.raises(AreasError, match="not negative"):
        mapped_area(["a", "b"], [1.0, -1.0])
