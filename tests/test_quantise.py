"""Vectors as int8."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from surco.embedstore import VectorError, dequantize, quantize

vectors = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 20), st.integers(1, 70)),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)
tiny = arrays.arrays(np.float32, (3, 5), elements=st.integers(-300, 300).map(lambda steps: steps * 2.0**-149))


@given(st.one_of(vectors, tiny))
def test_error_is_at_most_half_a_step(rows: np.ndarray) -> None:
    """|v - v'| <= scale / 2 for every value, down to subnormal numbers."""
    stored, scale = quantize(rows)
    restored = stored.astype(np.float64) * scale[:, None].astype(np.float64)
    assert stored.dtype == np.int8
    assert (
        np.abs(rows.astype(np.float64) - restored) <= scale[:, None].astype(np.float64) * (0.5 + 1e-5)
    ).all()


def test_a_scale_that_is_rounded_never_wraps() -> None:
    """A largest value at 127.5 scales, as 255 of the smallest steps has, stays at 127 and does not become -128."""
    for steps in (255, 510, 1275):
        row = np.array([[steps * 2.0**-149, -steps * 2.0**-149]], np.float32)
        assert quantize(row)[0].tolist() == [[127, -127]]


@given(vectors)
def test_the_largest_value_takes_the_whole_range(rows: np.ndarray) -> None:
    """Int8 is used to 127 in every row that is not zero, and -128 never occurs."""
    stored, scale = quantize(rows)
    largest = np.abs(stored.astype(int)).max(axis=1, initial=0)
    normal = np.abs(rows).max(axis=1, initial=0) > 1e-30
    assert (largest[normal] == 127).all()
    assert ((largest == 0) == (scale == 0)).all()


@given(vectors)
def test_quantised_vectors_stay(rows: np.ndarray) -> None:
    """Quantising what was dequantised changes no int8."""
    rows = np.where(np.abs(rows) < 1e-30, 0, rows).astype(np.float32)
    stored, scale = quantize(rows)
    again, _ = quantize(dequantize(stored, scale))
    np.testing.assert_array_equal(again, stored)


def test_cosine_survives() -> None:
    """64-d unit vectors keep their cosines to a thousandth or two."""
    rows = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    restored = dequantize(*quantize(rows))
    restored /= np.linalg.norm(restored, axis=1, keepdims=True)
    assert np.abs(rows @ rows.T - restored @ restored.T).max() < 5e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    """NaN and infinity are an error that names the row."""
    rows = np.ones((4, 3), np.float32)
    rows[2, 1] = bad
    with pytest.raises(VectorError, match="the first in row 2"):
        quantize(rows)


def test_values_beyond_float32_are_refused() -> None:
    """A float64 that float32 cannot hold is not turned into infinity."""
    with pytest.raises(VectorError, match="finite vectors"):
        quantize(np.full((1, 2), 1e39))


@pytest.mark.parametrize(
    "rows", [np.ones(3), np.ones((1, 2, 3)), np.array([["a"]]), np.ones((1, 1), complex)]
)
def test_other_shapes_and_types_are_refused(rows: np.ndarray) -> None:
    """Only an (N, D) array of numbers is quantised."""
    with pytest.raises(VectorError, match="one vector a row"):
        quantize(rows)


def test_scales_must_fit_their_rows() -> None:
    """Dequantising with another number of scales is an error."""
    with pytest.raises(VectorError, match="same rows"):
        dequantize(np.ones((2, 3), np.int8), np.ones(3))
