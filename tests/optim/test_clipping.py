"""Clipping: for every gradient that Hypothesis draws the bound holds and, by norm, the direction stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from backlit.optim import clip_by_norm, clip_by_value, norm

TYPES = st.sampled_from([np.float32, np.float64])


@st.composite
def gradients(draw) -> np.ndarray:
    """Vectors of one size, anywhere from where squares vanish to where they overflow."""
    dtype, n = draw(TYPES), draw(st.integers(1, 30))
    top = 37 if dtype == np.float32 else 306
    size = 10.0 ** draw(st.integers(-top, top))
    entries = draw(hnp.arrays(np.float64, n, elements=st.floats(-1, 1)))
    return (entries * size).astype(dtype)


bounds = st.floats(1e-6, 1e6)


def pointing(g: np.ndarray) -> np.ndarray:
    """The direction of g, with 1 as its largest entry."""
    return g.astype(np.float64) / float(np.abs(g).max())


@given(gradients())
def test_norm_is_the_root_of_the_sum_of_squares(g):
    exact = np.sqrt((g.astype(np.longdouble) ** 2).sum())
    assert_allclose(norm(g), float(exact), rtol=1e-5 if g.dtype == np.float32 else 1e-13, atol=0)


@given(gradients(), bounds)
def test_clipping_by_norm_bounds_the_length_and_keeps_the_direction(g, bound):
    clipped = clip_by_norm(g, bound)
    eps = np.finfo(g.dtype).eps
    assert clipped.dtype == g.dtype
    assert norm(clipped) <= bound * (1 + 8 * eps)
    if norm(g) <= bound:
        assert_array_equal(clipped, g)
    else:
        assert norm(clipped) >= bound * (1 - 8 * eps)
        tiny = float(np.finfo(g.dtype).tiny) / bound  # entries below tiny lose digits, whoever divides
        assert_allclose(pointing(clipped), pointing(g), rtol=8 * eps, atol=2 * tiny)


@given(gradients(), bounds)
def test_clipping_by_value_bounds_each_entry_and_leaves_those_within(g, bound):
    clipped = clip_by_value(g, bound)
    assert clipped.dtype == g.dtype
    limit = g.dtype.type(bound)
    assert (np.abs(clipped) <= limit).all()
    within = np.abs(g) <= limit
    assert_array_equal(clipped[within], g[within])
    assert_array_equal(clipped[~within], np.sign(g[~within]) * limit)


@given(gradients())
def test_none_clips_nothing_and_nothing_is_written_to(g):
    assert clip_by_norm(g, None) is g
    assert clip_by_value(g, None) is g
    before = g.copy()
    clip_by_norm(g, 1e-3)
    clip_by_value(g, 1e-3)
    assert_array_equal(g, before)


@pytest.mark.parametrize("size", [3e38, 1e-40])
def test_float32_whose_squares_overflow_or_vanish(size):
    g = np.full(4, size, np.float32)
    with np.errstate(over="ignore"):
        assert np.linalg.norm(g) in (np.inf, 0)  # why the entries are scaled first
    assert_allclose(norm(g), 2 * float(g[0]), rtol=1e-6)
    assert_allclose(clip_by_norm(np.full(4, 3e38, np.float32), 1.0), 0.5, rtol=1e-6)


def test_float64_whose_norm_overflows():
    assert_allclose(clip_by_norm(np.array([1.5e308, -1.5e308]), 1.0), [np.sqrt(0.5), -np.sqrt(0.5)], rtol=1e-15)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_is_not_finite_stays_so(bad):
    """Whoever clips before looking must still find it; and there is no warning on the way."""
    g = np.array([1.0, bad])
    assert_array_equal(clip_by_norm(g, 1.0), g)
    assert not np.isfinite(norm(g))


def test_zero_and_no_parameters():
    assert norm(np.zeros(3)) == 0
    assert norm(np.zeros(0)) == 0
    assert_array_equal(clip_by_norm(np.zeros(3), 1.0), np.zeros(3))
    assert clip_by_norm(np.zeros(0), 1.0).shape == (0,)


def test_norm_takes_matrices():
    assert norm(np.array([[3.0, 0.0], [0.0, 4.0]])) == 5
