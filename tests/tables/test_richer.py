"""Richer encodings: what numbers, moments and words become for the networks of an ensemble."""

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.errors import ModelError, TableError
from backlit.tables import TableEncoder
from backlit.tables.encoder import MOST_BINS, enriched
from backlit.tables.fitting import Bins, target_edges


def encoded(values, bins=Bins(), y=None, name="x"):  # noqa: B008  a frozen record
    """The encoder of one column, and its features."""
    table = pl.DataFrame({name: values})
    encoder = enriched(TableEncoder.fit(table), table, bins, np.zeros(len(table)) if y is None else y)
    return encoder, encoder.transform(table)


def test_a_number_is_scaled_by_its_quartiles_and_clipped_smoothly():
    values = [float(v) for v in range(101)]
    _, X = encoded(values)
    t = (np.arange(101) - 50) / 50
    assert_allclose(X[:, 0], t / np.sqrt(1 + (t / 3) ** 2))


@pytest.mark.parametrize("far", [1e3, 1e30, 1.7e308])
def test_no_value_is_too_far_off(far):
    encoder, _ = encoded([float(v) for v in range(101)], Bins(4))
    X = encoder.transform(pl.DataFrame({"x": [far, -far]}), np.float32)
    assert (np.abs(X) <= 3).all()
    assert X[0, 0] > 2.9


def test_a_heavy_tail_is_logged_and_a_light_one_is_not():
    draw = np.random.default_rng(0)
    heavy, light = np.exp(3 * draw.normal(size=400)), draw.normal(size=400)
    assert "log" in encoded(heavy)[0].summary()[0].treatment
    assert "log" not in encoded(light)[0].summary()[0].treatment


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=40, unique=True), st.integers(1, 8))
def test_each_bin_says_which_share_of_it_is_passed(values, bins):
    encoder, X = encoded(values, Bins(bins))
    edges = np.array(encoder.columns[0].edges)
    assert len(edges) <= bins + 1
    assert (np.diff(edges) > 0).all()
    parts = X[:, 1:]
    assert ((parts >= 0) & (parts <= 1)).all()
    assert (np.diff(parts, axis=1) <= 0).all()  # a later bin is begun when the one before is full
    back = edges[0] + parts @ np.diff(edges)
    assert_allclose(back, values, rtol=1e-9, atol=1e-6)  # together they say where the value lies


def test_bins_by_the_target_lie_where_it_changes_and_noise_has_none():
    draw = np.random.default_rng(1)
    x, noise = draw.random(500), draw.random(500)
    y = (x > 0.3).astype(np.int64)
    inner = target_edges(x, y, 8)[1:-1]
    assert len(inner) == 1
    assert abs(inner[0] - 0.3) < 0.01
    assert target_edges(noise, draw.integers(0, 2, 500), 8) == () or len(target_edges(noise, y, 8)) <= 9
    assert target_edges(x, np.zeros(500), 8) == ()


def test_steps_jump_where_the_target_changes_and_between_cuts_the_bins_rise():
    draw = np.random.default_rng(1)
    x = draw.random(500)
    y = (x > 0.3).astype(np.int64)
    encoder, X = encoded(x, Bins(8, by_target=True, steps=True), y)
    below, above = encoder.columns[0].edges[1:-1]
    assert (below, above) == (x[y == 0].max(), x[y == 1].min())  # no row lies between the two
    first, step, last = X[:, 1:].T
    assert_array_equal(step, y)
    assert ((first[y == 0] <= 1) & (last[y == 0] == 0)).all()
    assert ((first[y == 1] == 1) & (last[y == 1] >= 0)).all()
    assert encoder == TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))


@given(st.lists(st.sampled_from([-1e300, 0.0, 1.0, 1.0 + 2**-52, 2.0, 5e-324, 1e300]), min_size=4, max_size=30))
def test_steps_between_values_however_near_are_finite(values):
    y = (np.array(values) > 0).astype(np.int64)
    encoder, X = encoded([*values, 7.0], Bins(8, by_target=True, steps=True), np.append(y, 1))
    edges = getattr(encoder.columns[0], "edges", ())
    assert (np.diff(edges) > 0).all()
    assert np.isfinite(X.astype(np.float32)).all()


def test_bins_by_the_target_keep_the_digits_of_large_numbers():
    x = 1e9 + np.arange(200.0)
    edges = target_edges(x, (np.arange(200) >= 77).astype(np.int64), 2)
    assert_allclose(edges[1] - 1e9, 76.5, atol=0.01)


def test_a_date_is_taken_apart():
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=k) for k in range(14)]
    encoder, X = encoded(days)
    names = encoder.feature_names_out
    assert_array_equal(X[:, names.index("x is Monday")], [1, 0, 0, 0, 0, 0, 0] * 2)
    weekdays = X[:, names.index("x is Monday") : names.index("x is Sunday") + 1]
    assert_array_equal(weekdays.argmax(axis=1), [day.weekday() for day in days])
    assert_allclose(X[0, names.index("x cosine of the year 1")], 1.0)
    assert "hour" not in encoder.summary()[0].treatment


def test_a_day_is_named_by_its_month_and_its_day_of_the_month():
    days = [dt.date(2023, 11, 29) + dt.timedelta(days=k) for k in range(400)]
    encoder, X = encoded(days)
    names = encoder.feature_names_out
    christmas = X[:, names.index("x is in December")] * X[:, names.index("x is day 25 of its month")]
    assert [days[k] for k in np.flatnonzero(christmas)] == [dt.date(2023, 12, 25), dt.date(2024, 12, 25)]
    leap = X[:, names.index("x is in February")] * X[:, names.index("x is day 29 of its month")]
    assert [days[k] for k in np.flatnonzero(leap)] == [dt.date(2024, 2, 29)]


def test_a_month_that_training_has_not_seen_has_zeros_and_one_that_all_rows_share_no_feature():
    encoder, _ = encoded([dt.date(2024, month, 1) for month in (1, 2, 3)])
    names = encoder.feature_names_out
    assert [name for name in names if " is in " in name] == ["x is in January", "x is in February", "x is in March"]
    assert not any("of its month" in name for name in names)
    later = encoder.transform(pl.DataFrame({"x": [dt.date(2024, 4, 1)]}))
    assert not later[:, names.index("x is in January") :].any()
    assert "month" in encoder.summary()[0].treatment


def test_a_file_without_months_is_read_as_it_was_written():
    encoder, _ = encoded([dt.date(2024, 1, 1) + dt.timedelta(days=40 * k) for k in range(9)])
    stored = encoder.to_dict()
    for entry in stored["columns"]:
        del entry["months"], entry["days"]
    before = TableEncoder.from_dict(stored).feature_names_out
    added = [name for name in encoder.feature_names_out if name not in before]
    assert added
    assert all("is in " in name or name.endswith("of its month") for name in added)
    stored["columns"][0]["months"] = [1, 13]
    with raises_naming(ModelError, "months", "13"):
        TableEncoder.from_dict(stored)


def test_an_instant_has_its_hour_and_a_missing_one_has_zeros():
    moments = [dt.datetime(2024, 1, 1, h) for h in (0, 6, 12, 18)] + [None]
    encoder, X = encoded(moments)
    names = encoder.feature_names_out
    assert_allclose(X[:, names.index("x sine of the day")], [0, 1, 0, -1, 0], atol=1e-9)
    assert not X[4, names.index("x is Monday") :].any()
    assert X[4, names.index("x (missing)")] == 1


def test_a_category_of_many_values_is_heard_more_softly():
    encoder, X = encoded([*"abcdabcd", "a"], name="word")
    assert_allclose(X.max(axis=1), 1 / 2)
    assert "times 0.5" in encoder.summary()[0].treatment


def test_missing_numbers_count_as_the_median_and_say_so():
    encoder, X = encoded([1.0, 2.0, None, 3.0, 10.0], Bins(2))
    median = encoder.transform(pl.DataFrame({"x": [2.5]}))[0]
    assert_allclose(X[2, :-1], median[:-1])
    assert_array_equal(X[:, -1], [0, 0, 1, 0, 0])


def test_rows_without_a_value_of_a_column_can_be_learned_from():
    table = pl.DataFrame({"x": [1.0, 2.0, None, None], "z": [1.0, 2.0, 3.0, 4.0]})
    encoder = enriched(TableEncoder.fit(table), table[2:], Bins(8, by_target=True), np.array([0, 1]))
    assert np.isfinite(encoder.transform(table)).all()


def test_many_columns_share_a_bound_on_the_bins():
    draw = np.random.default_rng(0)
    table = pl.DataFrame({f"x{k}": draw.normal(size=60) for k in range(200)})
    encoder = enriched(TableEncoder.fit(table), table, Bins(48), np.zeros(60))
    assert len(encoder.feature_names_out) <= 200 + MOST_BINS


def richest():
    """An encoder with every richer form."""
    table = pl.DataFrame({
        "x": [0.1, None, 0.7, 1 / 3],
        "c": ["a", "b", None, "a"],
        "t": pl.Series([0, 1, 2, 5]).cast(pl.Datetime("us")),
    })  # fmt: skip
    return table, enriched(TableEncoder.fit(table), table, Bins(2), np.zeros(4))


def test_richer_columns_survive_json_to_the_bit():
    table, encoder = richest()
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    assert_array_equal(again.transform(table), encoder.transform(table))


@pytest.mark.parametrize(
    ("column", "field", "value", "words"),
    [
        (0, "edges", [1.0, 0.0], ["edges"]),
        (0, "edges", ["a"], ["edges", "finite numbers"]),
        (0, "scale", 0.0, ["scale"]),
        (0, "kind", "word", ["kind"]),
        (1, "weight", -1.0, ["weight"]),
        (2, "center", "now", ["center"]),
    ],
)
def test_a_stored_column_that_cannot_be_is_named(column, field, value, words):
    stored = richest()[1].to_dict()
    stored["columns"][column][field] = value
    with raises_naming(ModelError, *words):
        TableEncoder.from_dict(stored)


def test_a_column_of_another_type_is_named():
    encoder, _ = encoded([1.0, 2.0, 3.0], Bins(2))
    with raises_naming(TableError, "x", "numbers"):
        encoder.transform(pl.DataFrame({"x": ["one", "two", "three"]}))
