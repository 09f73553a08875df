"""Clipping: the bound holds, the direction stays, nothing overflows, and what is short enough is left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.errors import ProblemError
from backlit.optim import clip_by_norm, clip_by_value, norm

DTYPES = [np.float32, np.float64]


@st.composite
def vectors(draw):
    """1 to 20 numbers of one magnitude, from the smallest squares to the largest of their dtype."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    top = 37 if dtype == np.float32 else 306
    exponent = draw(st.integers(-top + 6, top))
    unit = draw(hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1, 1).map(lambda x: round(x, 6))))
    return (unit * 10.0**exponent).astype(dtype)


def exact_norm(g):
    """‖g‖ in extended precision, from entries scaled by a power of two."""
    wide = g.astype(np.longdouble)
    top = np.abs(wide).max()
    return top * np.sqrt(((wide / top) ** 2).sum()) if top > 0 else top


def tolerance(g):
    return 16 * np.finfo(g.dtype).eps


@given(vectors())
def test_norm(g):
    assert_allclose(norm(g), float(exact_norm(g)), rtol=tolerance(g))


@given(vectors(), st.floats(1e-6, 1e6))
def test_clip_by_norm_bounds_the_norm(g, share):
    limit = float(np.clip(share * norm(g), 1e-30, 1e30))
    before = g.copy()
    clipped = clip_by_norm(g, limit)
    assert_array_equal(g, before)
    assert clipped.dtype == g.dtype
    if norm(g) <= limit:
        assert clipped is g
        return
    assert_allclose(float(exact_norm(clipped)), limit, rtol=tolerance(g), atol=len(g) * float(np.finfo(g.dtype).tiny))
    assert not np.shares_memory(clipped, g)


@given(vectors())
def test_clip_by_norm_keeps_the_direction(g):
    if norm(g) <= 1.0:
        return
    unit = g.astype(np.longdouble) / exact_norm(g)
    assert_allclose(clip_by_norm(g, 1.0), unit.astype(np.float64), rtol=tolerance(g), atol=tolerance(g) * 1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_squares_that_overflow(dtype):
    g = np.array([3, -4], dtype=dtype) * dtype(np.finfo(dtype).max / 8)
    assert_allclose(clip_by_norm(g, 5.0), [3, -4], rtol=4 * np.finfo(dtype).eps)


def test_a_norm_that_overflows():
    """‖g‖ itself is beyond float64; the direction is kept all the same."""
    g = np.full(4, 1e308)
    assert norm(g) == np.inf
    assert_allclose(clip_by_norm(g, 2.0), np.ones(4), rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_squares_that_vanish(dtype):
    g = np.array([3, 4], dtype=dtype) * dtype(2.0**-120)
    assert_allclose(norm(g), 5 * 2.0**-120, rtol=1e-6)
    assert_allclose(clip_by_norm(g, 2.0**-120), g / 5, rtol=1e-6)


def test_norm_of_nothing_and_of_zeros():
    assert norm(np.empty(0)) == norm(np.zeros(3)) == 0.0
    assert isinstance(norm(np.ones(3, np.float32)), float)


@given(vectors(), st.floats(1e-3, 1e3))
def test_clip_by_value(g, share):
    limit = float(np.clip(share * float(np.abs(g).max()), 1e-30, 1e30))
    before = g.copy()
    clipped = clip_by_value(g, limit)
    assert_array_equal(g, before)
    bound = g.dtype.type(limit)
    inside = np.abs(g) <= bound
    if inside.all():
        assert clipped is g
        return
    assert clipped.dtype == g.dtype
    assert_array_equal(clipped[inside], g[inside])
    assert_array_equal(clipped[~inside], np.sign(g[~inside]) * bound)


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
@pytest.mark.parametrize("bad", [0, -1.0, np.nan, np.inf, True, "1", 10**400])
def test_a_limit_that_cannot_be(clip, bad):
    with raises_naming(ProblemError, "max_norm" if clip is clip_by_norm else "limit", "finite number", "(0, inf)"):
        clip(np.ones(2), bad)


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
def test_a_limit_beyond_the_dtype_clips_nothing(clip):
    g = np.array([1e38, -1.0], dtype=np.float32)
    assert clip(g, 1e39) is g


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
def test_none_clips_nothing(clip):
    g = np.array([1e30, np.nan])
    assert clip(g, None) is g


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_to_be_found(bad):
    g = np.array([1.0, bad, -100.0])
    assert clip_by_norm(g, 1.0) is g
    assert not np.isfinite(norm(g))
    assert_array_equal(clip_by_value(g, 1.0), [1.0, np.clip(bad, -1, 1), -1.0])
