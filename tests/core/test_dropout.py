"""Dropout masks against a Philox written out by hand, and what a mask has to be: pure, even, of mean 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.core import Dense, DropoutKey, Network, forward
from backlit.core.dropout import dropout_mask
from backlit.errors import ProblemError

WORD = 2**64


def philox4x64(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Ten rounds of Philox4x64 in whole numbers (Salmon et al. 2011)."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c0, WORD)
        high1, low1 = divmod(0xCA5A826395121157 * c2, WORD)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORD, (k1 + 0xBB67AE8584CAA73B) % WORD
    return c0, c1, c2, c3


@pytest.mark.parametrize(("counter", "key", "expected"), [
    ("0 0 0 0", "0 0", "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
    (" ".join(["ffffffffffffffff"] * 4), " ".join(["ffffffffffffffff"] * 2),
     "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0"),
    ("243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89", "452821e638d01377 be5466cf34e90c6c",
     "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6"),
])  # fmt: skip
def test_the_hand_written_philox_gives_the_published_answers(counter, key, expected):
    """Random123's known-answer vectors for philox4x64-10."""

    def words(text):
        return tuple(int(word, 16) for word in text.split())

    assert philox4x64(words(counter), words(key)) == words(expected)


def kept(key: DropoutKey, l: int, e: int, p: float) -> bool:
    """Whether element e = row · n_l + unit survives: word e % 8 of block e // 8, blocks counted from 1."""
    block = philox4x64((e // 8 + 1, l, 0, 0), (key.seed, key.step))
    word = block[e % 8 // 2] >> (32 * (e % 2)) & 0xFFFFFFFF  # the low half comes first
    return word >= round(p * 2**32)


uint64 = st.integers(0, WORD - 1)


@given(
    seed=uint64, step=uint64, l=st.integers(1, 9), m=st.integers(1, 9), n=st.integers(1, 7), p=st.floats(0, 0.999999)
)
def test_masks_are_the_hand_written_philoxs(seed, step, l, m, n, p):
    key = DropoutKey(seed, step)
    expected = [[kept(key, l, row * n + unit, p) / (1 - p) for unit in range(n)] for row in range(m)]
    assert_allclose(dropout_mask(key, l, (m, n), p), expected, rtol=1e-15)


def test_a_mask_depends_on_each_of_its_arguments_and_on_nothing_else():
    mask = dropout_mask(DropoutKey(7, 3), 2, (50, 8), 0.5)
    np.random.default_rng(0).random(1000)
    assert_array_equal(dropout_mask(DropoutKey(7, 3), 2, (50, 8), 0.5), mask)
    for key, l in ((DropoutKey(8, 3), 2), (DropoutKey(7, 4), 2), (DropoutKey(3, 7), 2), (DropoutKey(7, 3), 1)):
        assert 0.3 < (dropout_mask(key, l, (50, 8), 0.5) != mask).mean() < 0.7


@pytest.mark.parametrize("rows", [1, 2, 7, 49])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_the_first_rows_do_not_depend_on_how_many_follow(rows, n):
    key = DropoutKey(5)
    assert_array_equal(dropout_mask(key, 1, (rows, n), 0.4), dropout_mask(key, 1, (50, n), 0.4)[:rows])


@pytest.mark.parametrize("p", [0.0, 1e-3, 0.1, 0.5, 0.9])
def test_the_rate_is_p_and_the_mean_is_1(p):
    """Within 5 standard deviations of the binomial; the seed is fixed, so this either holds or does not."""
    N = 400 * 500
    mask = dropout_mask(DropoutKey(1), 1, (400, 500), p)
    deviation = np.sqrt(p * (1 - p) / N)
    assert abs((mask == 0).mean() - p) <= 5 * deviation
    assert abs(mask.mean() - 1) <= 5 * deviation / (1 - p)
    assert set(np.unique(mask)) <= {0, 1 / (1 - p)}


def test_units_and_rows_are_independent():
    dropped = dropout_mask(DropoutKey(2), 1, (4000, 6), 0.5) == 0
    correlation = np.corrcoef(dropped.T) - np.eye(6)
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)
    assert abs(np.corrcoef(dropped[1:, 0], dropped[:-1, 0])[0, 1]) < 5 / np.sqrt(4000)


def test_p_0_keeps_all():
    assert_array_equal(dropout_mask(DropoutKey(3), 1, (20, 20), 0.0), 1)


def test_p_next_to_1_keeps_next_to_nothing_and_stays_finite():
    mask = dropout_mask(DropoutKey(3), 1, (20, 20), 1 - 2**-40)
    assert_array_equal(mask, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype(dtype):
    mask = dropout_mask(DropoutKey(3), 1, (20, 20), 0.3, dtype)
    assert mask.dtype == dtype
    assert_array_equal(mask, dropout_mask(DropoutKey(3), 1, (20, 20), 0.3).astype(dtype))


@pytest.mark.parametrize(("seed", "step", "message"), [
    (-1, 0, ("seed", "[0, 2^64)", "-1")),
    (0, 2**64, ("step", "[0, 2^64)", "18446744073709551616")),
    (0.5, 0, ("seed", "whole number", "0.5")),
    (True, 0, ("seed", "whole number", "True")),
])  # fmt: skip
def test_bad_keys(seed, step, message):
    with raises_naming(ProblemError, *message):
        DropoutKey(seed, step)


# --- in the forward pass ----------------------------------------------------------------------------------------------


@pytest.fixture
def net():
    return Network(3, [Dense(4, "tanh", dropout=0.5), Dense(4, "tanh", dropout=0.25), Dense(2, "sigmoid")])


def test_forward_masks_each_layer_by_its_own_draw(net, rng):
    params, key = net.init(seed=1), DropoutKey(9, 4)
    trace = forward(net, params, rng.standard_normal((6, 3)), dropout=key)
    for l, p in ((1, 0.5), (2, 0.25)):
        assert_array_equal(trace.mask[l], dropout_mask(key, l, (6, 4), p))
        assert_array_equal(trace.a[l], trace.h[l] * trace.mask[l])
    assert trace.mask[3] is None


def test_prediction_draws_none(net, rng):
    trace = forward(net, net.init(seed=1), rng.standard_normal((6, 3)))
    assert trace.mask == [None] * 4
    assert_array_equal(trace.a[1], trace.h[1])
