"""Held-out rows: at random, the same by seed, with each class in both parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from tests.helpers import raises_naming

from backlit.errors import DomainError, TableError
from backlit.tables import split

classes = st.lists(st.integers(0, 5), min_size=2, max_size=80).map(np.array)
shares = st.floats(0.01, 0.99)


@given(classes, shares, st.integers(0, 2**32))
def test_each_class_has_its_share_in_both_parts(y, share, seed):
    sizes = np.bincount(y)
    if sizes.max() == 1:
        with raises_naming(TableError, "class", "join", "classes"):
            split(y, test_size=share, seed=seed)
        return
    train, test = split(y, test_size=share, seed=seed)
    assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(y.size))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    held = np.bincount(y[test], minlength=sizes.size)
    for n, k in zip(sizes, held, strict=True):
        assert k == 0 if n < 2 else 1 <= k <= n - 1
        assert abs(k - n * share) < 1 or k == 1 or k == n - 1 or n < 2


@given(st.integers(2, 200), shares)
def test_a_plain_split_has_its_size(n, share):
    train, test = split(n, test_size=share)
    assert len(test) == min(max(round(n * share), 1), n - 1)
    assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))


def test_the_size_is_the_share_where_every_class_is_large():
    y = np.repeat([0, 1, 2], [101, 53, 33])
    _, test = split(y, test_size=0.2)
    assert len(test) == round(0.2 * y.size)


def test_the_seed_decides_and_nothing_else():
    assert_array_equal(split(20, seed=3)[1], split(20, seed=3)[1])
    assert not np.array_equal(split(20, seed=3)[1], split(20, seed=4)[1])
    assert_array_equal(split(12, seed=0)[1], [2, 3, 11])  # as it was when this was written: a model names its seed


def test_the_draw_is_fair():
    counts = np.bincount(np.concatenate([split(10, test_size=0.3, seed=seed)[1] for seed in range(2000)]), minlength=10)
    assert_array_equal(np.abs(counts - 600) < 5 * np.sqrt(2000 * 0.3 * 0.7), True)


def test_labels_of_any_type_are_classes():
    y = np.array(["a", "b"] * 10)
    _, test = split(y, test_size=0.2)
    assert sorted(y[test]) == ["a", "a", "b", "b"]


@pytest.mark.parametrize("test_size", [0, 1, -0.1, 5, float("nan")])
def test_an_impossible_share_is_named(test_size):
    with raises_naming(DomainError, "test_size", str(test_size), "give", "0", "1"):
        split(10, test_size=test_size)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows(n):
    with raises_naming(TableError, f"{n} rows", "give", "two or more"):
        split(n)
