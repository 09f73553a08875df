"""Folds and hold-outs: every row once, classes in each, groups whole, the past before the future."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import raises_naming

from backlit.errors import TableError
from backlit.tables import read_target
from backlit.tabular.table_rows import Roles, group_folds, plain_folds, time_folds


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), st.integers(2, 10), st.integers(0, 5))
def test_each_row_is_in_one_fold_and_classes_are_spread(classes, K, seed):
    y = np.array(classes)
    folds = plain_folds(y, K, seed)
    sizes = np.bincount(folds.of, minlength=folds.K)
    assert 2 <= folds.K <= K
    assert sizes.max() - sizes.min() <= 1
    for k in np.unique(y):
        counts = np.bincount(folds.of[y == k], minlength=folds.K)
        assert counts.max() - counts.min() <= 1
    learned, left_out = folds.parts(0)
    assert sorted([*learned, *left_out]) == list(range(len(y)))


@given(st.integers(4, 80), st.integers(2, 8))
def test_folds_of_a_number_have_about_its_whole_range(n, K):
    y = np.random.default_rng(n).normal(size=n)
    folds = plain_folds(y, K, 0)
    blocks = np.argsort(y)[: n // folds.K * folds.K].reshape(-1, folds.K)
    assert all(sorted(folds.of[block]) == list(range(folds.K)) for block in blocks)


def test_folds_hang_on_the_seed_alone():
    y = np.random.default_rng(0).normal(size=50)
    assert (plain_folds(y, 5, 1).of == plain_folds(y, 5, 1).of).all()
    assert (plain_folds(y, 5, 1).of != plain_folds(y, 5, 2).of).any()


def test_groups_stay_whole_and_folds_alike_in_size():
    groups = np.repeat(np.arange(12), np.arange(1, 13))
    folds = group_folds(groups, 4, 0)
    assert all(len(set(folds.of[groups == g])) == 1 for g in range(12))
    sizes = np.bincount(folds.of)
    assert sizes.max() - sizes.min() <= 6


def test_members_learn_only_from_what_was_before():
    moments = np.random.default_rng(3).permutation(np.repeat(np.arange(20.0), 2))
    folds = time_folds(moments, 5)
    assert folds.K == 5
    for k in range(folds.K):
        learned, left_out = folds.parts(k)
        assert len(left_out)
        assert moments[learned].max() < moments[left_out].min()


TABLE = pl.DataFrame({"y": [0.0, 1.0] * 20, "who": [k // 4 for k in range(40)], "day": range(40), "w": [1.0, 3.0] * 20})


def test_a_hold_out_by_group_takes_whole_groups():
    roles = Roles.read(TABLE, "who", None, None)
    kept, held = roles.hold_out(read_target(TABLE, "y"), 0.2, seed=0)
    who = TABLE["who"].to_numpy()
    assert not set(who[kept]) & set(who[held])
    assert len(held) == 8


def test_a_hold_out_by_time_takes_the_last_rows():
    kept, held = Roles.read(TABLE, None, "day", None).hold_out(read_target(TABLE, "y"), 0.2, seed=0)
    assert (kept.max(), held.min(), len(held)) == (31, 32, 8)


def test_weights_have_mean_1():
    weight = Roles.read(TABLE, None, None, "w").weight_of(np.arange(40))
    assert weight[:2].tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (("hwo", None, None), ["group", "'hwo'", "'who'"]),
        (("y", None, None), ["2 groups", "3 or more"]),
        ((None, "word", None), ["time", "'word'", "dates"]),
        ((None, None, "word"), ["weight", "'word'", "numbers"]),
        ((None, None, "minus"), ["weight", "'minus'", "-1"]),
        (("gap", None, None), ["'gap'", "row 3"]),
        (("who", "day", None), ["--group", "--time"]),
    ],
)
def test_a_column_that_cannot_say_it_is_named(roles, words):
    gap = [1, 2, None, *range(37)]
    table = TABLE.with_columns(pl.lit("a").alias("word"), pl.lit(-1.0).alias("minus"), pl.Series("gap", gap))
    with raises_naming(TableError, *words):
        Roles.read(table, *roles)


def test_a_time_with_one_moment_is_refused():
    with raises_naming(TableError, "later", "--time"):
        Roles.read(TABLE.with_columns(day=pl.lit(1)), None, "day", None).hold_out(read_target(TABLE, "y"), 0.2, 0)
