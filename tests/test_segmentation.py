"""Classes of pixels: the contract, what neighbours add, and the votes of a parcel's pixels."""

from __future__ import annotations

import numpy as np
import pytest
from adapter_contract import CLASSIFIER_CHECKS, labelled_vectors
from affine import Affine
from field_scenes import field_numbers
from sklearn.metrics import f1_score

from surco.adapters import AdapterError, CropTypeAdapter, UnfittedError, load_adapter, save_adapter
from surco.adapters.boundaries import PixelVectors
from surco.adapters.boundaries.windows import overlapping_windows
from surco.adapters.pixel_votes import Votes
from surco.adapters.segmentation_adapter import SegmentationAdapter
from surco.adapters.spatial_context import Context, edge_scale, smoothed

GRID = Affine(10, 0, 300_000, 0, -10, 6_080_000)
CROPS = 12


def pixel_area(vectors: np.ndarray, valid: np.ndarray | None = None) -> PixelVectors:
    """An area near Talca; all of it seen if not said otherwise."""
    seen = np.ones(vectors.shape[:2], bool) if valid is None else valid
    return PixelVectors(vectors.astype(np.float32), seen, GRID, "EPSG:32719", "m-1")


def valley(seed: int = 0, pixels: int = 72, fields: int = 40) -> tuple[PixelVectors, np.ndarray, np.ndarray]:
    """Unit vectors of fields of 12 crops, each field and pixel a bit its own; crop and field of each pixel."""
    rng = np.random.default_rng(seed)
    number = field_numbers(pixels, fields, seed)
    crop = np.arange(fields + 1) % CROPS
    centre = np.random.default_rng(5).normal(size=(CROPS, 16))
    own = centre[crop] + 0.2 * rng.normal(size=(fields + 1, 16))
    vectors = own[number] + 0.75 * rng.normal(size=(pixels, pixels, 16))
    return pixel_area(vectors / np.linalg.norm(vectors, axis=2, keepdims=True)), crop[number], number


def labels_of(area: PixelVectors, crop: np.ndarray, number: np.ndarray, seed: int = 3):
    """One pixel of one field in two, and whether a pixel is in another field than those."""
    rng = np.random.default_rng(seed)
    known = rng.permutation(np.unique(number))[: number.max() // 2 + 4]
    rows = [rng.permutation(np.flatnonzero(number == n))[0] for n in known]
    X = area.vectors.reshape(-1, area.dimension)[rows]
    return X, crop.ravel()[rows], ~np.isin(number, known)


@pytest.fixture(scope="module")
def fitted():
    """A valley, an adapter of some of its pixels, and where it is asked."""
    area, crop, number = valley()
    X, y, asked = labels_of(area, crop, number)
    return SegmentationAdapter().fit(X, y), area, crop, number, asked


@pytest.mark.parametrize("check", CLASSIFIER_CHECKS, ids=lambda c: c.__name__)
def test_contract(check) -> None:
    """Every promise of the battery, on rows of vectors."""
    check(SegmentationAdapter)


def test_rows_are_the_crop_type_adapters() -> None:
    """Asked about rows it says what a crop-type adapter of the same labels says, and takes all its settings."""
    X, y, groups = labelled_vectors(classes=CROPS)
    other = SegmentationAdapter().fit(X, y, groups=groups)
    settings = {
        name: value for name, value in other.get_params().items() if name in CropTypeAdapter().get_params()
    }
    one = CropTypeAdapter(**settings).fit(X, y, groups=groups)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert one.get_params().items() <= other.get_params().items()
    lifted = SegmentationAdapter.of(one)
    np.testing.assert_array_equal(lifted.predict_proba(X), one.predict_proba(X))
    assert lifted.get_params() == other.get_params()
    with pytest.raises(UnfittedError):
        SegmentationAdapter.of(CropTypeAdapter())


def test_neighbours_help(fitted) -> None:
    """On fields that were not labelled, macro-F1 of pixels rises by much, and without context nothing changes."""
    adapter, area, crop, _, asked = fitted
    heard = adapter.predict_area(area)
    alone = SegmentationAdapter(context=0.0).fit(*labels_of(area, crop, fitted[3])[:2]).predict_area(area)
    np.testing.assert_allclose(
        alone.probabilities[asked], adapter.predict_proba(area.vectors[asked]), atol=2e-5
    )
    score = [f1_score(crop[asked], found.codes[asked], average="macro") for found in (alone, heard)]
    assert score[1] > score[0] + 0.03 and score[1] > 0.8
    np.testing.assert_allclose(heard.probabilities.sum(axis=2), 1, atol=1e-5)
    assert heard.codes.dtype == np.int32 and heard.classes.tolist() == list(range(CROPS))


def test_nothing_is_heard_across_an_edge() -> None:
    """Two halves whose vectors differ stay as they were at the edge; without it they grow together."""
    log = np.log(np.where(np.arange(40)[None, :, None] < 20, [0.9, 0.1], [0.1, 0.9])).astype(np.float32)
    log = np.repeat(log, 30, axis=0)
    halves = np.zeros((30, 40, 2), np.float32)
    halves[:, :20, 0], halves[:, 20:, 1] = 1, 1
    rng = np.random.default_rng(0)
    apart = pixel_area(halves + 0.01 * rng.normal(size=halves.shape))
    alike = pixel_area(1 + 0.01 * rng.normal(size=halves.shape))
    kept, mixed = (smoothed(log, area, Context(), edge_scale(area)) for area in (apart, alike))
    np.testing.assert_allclose(kept, log, atol=1e-4)
    assert abs(mixed[15, 19, 0] - mixed[15, 20, 0]) < 0.6 * abs(log[15, 19, 0] - log[15, 20, 0])


def test_it_is_the_field_that_the_formula_says() -> None:
    """With rounds enough the result solves (I + s L) f = l, as a dense solver does."""
    rng = np.random.default_rng(2)
    area = pixel_area(rng.normal(size=(5, 6, 3)), rng.random((5, 6)) > 0.2)
    log = rng.normal(size=(5, 6, 2)).astype(np.float32)
    found = smoothed(log, area, Context(3.0, 2.0, 400), edge_scale(area))
    vectors, valid = area.vectors.reshape(-1, 3), area.valid.ravel()
    row, column = np.divmod(np.arange(30), 6)
    far = np.hypot(row[:, None] - row, column[:, None] - column)
    distance = ((vectors[:, None] - vectors) ** 2).sum(axis=2)
    weight = np.exp(-distance / (2 * 2.0 * edge_scale(area))) / np.maximum(far, 1)
    weight *= (far > 0) & (far < 1.5) & valid[:, None] & valid
    system = np.eye(30) + 3.0 * (np.diag(weight.sum(axis=1)) - weight)
    np.testing.assert_allclose(found.reshape(-1, 2), np.linalg.solve(system, log.reshape(-1, 2)), atol=1e-4)


def test_pixels_nobody_saw_have_no_class_and_no_say(fitted) -> None:
    """They are -1 and NaN, and what lies in them changes no other pixel."""
    adapter, area, *_ = fitted
    valid = area.valid.copy()
    valid[10:20, 10:20] = False
    zero, noise = area.vectors.copy(), area.vectors.copy()
    zero[~valid], noise[~valid] = 0, np.random.default_rng(1).normal(size=(100, 16))
    one, other = (adapter.predict_area(pixel_area(v, valid)) for v in (zero, noise))
    assert (one.codes[~valid] == -1).all() and np.isnan(one.probabilities[~valid]).all()
    np.testing.assert_array_equal(one.codes, other.codes)
    nothing = adapter.predict_area(pixel_area(np.zeros((3, 4, 16)), np.zeros((3, 4), bool)))
    assert (nothing.codes == -1).all()


def test_windows_give_what_the_whole_gives(fitted) -> None:
    """Windows that overlap by the reach, asked with one scale, give the whole's probabilities."""
    area = fitted[1]
    adapter = SegmentationAdapter.of(fitted[0]).set_params(rounds=8)
    scale = edge_scale(area)
    whole = adapter.predict_area(area).probabilities
    for window in overlapping_windows(*area.shape, 24, adapter.around.reach):
        top, left, bottom, right = window.outer
        part = pixel_area(area.vectors[top:bottom, left:right], area.valid[top:bottom, left:right])
        found = adapter.predict_area(part, scale).probabilities
        a, b, c, d = window.inner
        np.testing.assert_allclose(found[a - top : c - top, b - left : d - left], whole[a:c, b:d], atol=1e-5)


def test_parcels_by_their_pixels_votes(fitted) -> None:
    """Fields by vote are right more often than pixels; adding up window by window gives the same as in one go."""
    adapter, area, crop, number, asked = fitted
    found = adapter.predict_area(area)
    flat = found.probabilities.reshape(-1, CROPS)
    votes, halves = Votes(number.max(), CROPS), Votes(number.max(), CROPS)
    votes.add(flat, number.ravel() - 1)
    halves.add(flat[:2000], number.ravel()[:2000] - 1)
    halves.add(flat[2000:], number.ravel()[2000:] - 1)
    parcels = votes.result()
    np.testing.assert_allclose(parcels.probabilities, halves.result().probabilities, atol=1e-6)
    new = np.unique(number[asked]) - 1
    right = (parcels.codes[new] == (new + 1) % CROPS).mean()
    assert right >= (found.codes[asked] == crop[asked]).mean() and right > 0.9
    np.testing.assert_array_equal(parcels.pixels, np.bincount(number.ravel())[1:])


def test_votes_count_by_area() -> None:
    """Shares weigh, pixels nobody saw and pixels of no parcel do not; a parcel without votes has no class."""
    votes = Votes(3, 2)
    votes.add(
        np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan], [0.1, 0.9]], np.float32),
        np.array([0, 0, 0, -1]), np.array([0.25, 1.0, 1.0, 1.0]),
    )  # fmt: skip
    found = votes.result()
    assert found.codes.tolist() == [1, -1, -1] and found.pixels.tolist() == [1.25, 0, 0]
    log = (0.25 * np.log([0.9, 0.1]) + np.log([0.2, 0.8])) / 1.25
    np.testing.assert_allclose(found.probabilities[0], np.exp(log) / np.exp(log).sum(), rtol=1e-5)
    assert np.isnan(found.probabilities[1:]).all()
    with pytest.raises(AdapterError, match="a parcel below 3"):
        votes.add(np.ones((1, 2), np.float32), np.array([3]))


def test_saved_and_loaded_it_draws_the_same_map(fitted) -> None:
    """Context included; another task is refused where it is asked for."""
    adapter, area, *_ = fitted
    files = save_adapter(adapter, name="valle", model_id="m-1", task="segmentation", training={})
    loaded = load_adapter(files, model_id="m-1", task="segmentation")
    np.testing.assert_array_equal(
        loaded.predict_area(area).probabilities, adapter.predict_area(area).probabilities
    )
    with pytest.raises(AdapterError, match="expected an adapter for the task 'crop-type'"):
        load_adapter(files, task="crop-type")


@pytest.mark.parametrize(
    "settings", [{"context": -1.0}, {"sharpness": 0.0}, {"rounds": 1.5}, {"context": np.nan}]
)
def test_settings_out_of_range_are_refused(fitted, settings: dict[str, float]) -> None:
    """In words."""
    adapter = SegmentationAdapter.of(fitted[0]).set_params(**settings)
    with pytest.raises(AdapterError, match="expected context of 0 or more"):
        adapter.predict_area(fitted[1])


def test_vectors_of_another_dimension_are_refused(fitted) -> None:
    """An area of another model is not guessed at."""
    with pytest.raises(AdapterError, match="the dimension the adapter learned, 16; got 8"):
        fitted[0].predict_area(pixel_area(np.ones((4, 4, 8))))
    with pytest.raises(UnfittedError, match="call fit"):
        SegmentationAdapter().predict_area(fitted[1])
