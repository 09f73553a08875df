"""The encoder: what each kind of column becomes, against NumPy and by hand; and that rows may come in any order."""

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from backlit.tables import TableEncoder


def encode(table, new=None, **options):
    encoder = TableEncoder.fit(table, **options)
    return encoder, encoder.transform(table if new is None else new)


def test_numbers_are_standardized_over_the_rows_that_have_them():
    ages = np.array([20.0, np.nan, 50.0, 35.0])
    encoder, X = encode(pl.DataFrame({"age": ages}), pl.DataFrame({"age": [50, None]}))
    assert encoder.feature_names_out == ("age", "age (missing)")
    assert_allclose(X, [[(50 - np.nanmean(ages)) / np.nanstd(ages), 0], [0, 1]], rtol=1e-15)


def test_a_value_missing_only_later_becomes_the_mean_without_an_indicator():
    encoder, X = encode(pl.DataFrame({"age": [1, 2, 3]}), pl.DataFrame({"age": [None, 2]}))
    assert encoder.feature_names_out == ("age",)
    assert_array_equal(X, [[0], [0]])


def test_whole_numbers_with_few_values_stay_numbers():
    encoder, X = encode(pl.DataFrame({"rooms": [1, 2, 2, 3]}))
    assert encoder.summary()[0].kind == "number"
    assert X.shape == (4, 1)


def test_words_are_one_hot_with_missing_and_unseen():
    table = pl.DataFrame({"c": ["b", "a", None, "b"]})
    encoder, X = encode(table, pl.DataFrame({"c": ["a", "b", None, "z"]}))
    assert encoder.feature_names_out == ("c=a", "c=b", "c (missing)", "c (unseen)")
    assert_array_equal(X, np.eye(4))
    assert_array_equal(encoder.silent_features, [3])


def test_a_word_missing_only_later_is_unseen():
    encoder, X = encode(pl.DataFrame({"c": ["b", "a", "b"]}), pl.DataFrame({"c": [None, "a"]}))
    assert encoder.feature_names_out == ("c=a", "c=b", "c (unseen)")
    assert_array_equal(X, [[0, 0, 1], [1, 0, 0]])


def test_rare_words_share_the_unseen_slot_and_teach_it():
    table = pl.DataFrame({"c": list("aaabbcd"), "n": range(7)})
    encoder, X = encode(table, max_categories=2)
    assert encoder.feature_names_out == ("c=a", "c=b", "c (unseen)", "n")
    assert_array_equal(X[:, 2], [0, 0, 0, 0, 0, 1, 1])
    assert encoder.silent_features.size == 0
    assert encoder.summary()[0].note == "2 rarer values (2 rows) share the unseen slot"


def test_silent_features_are_those_that_no_training_row_lights():
    table = pl.DataFrame({"n": [1, 2, 3, 4], "c": list("aabb"), "x": [1, 1, 1, 1], "d": ["u", "v", None, "u"]})
    encoder, X = encode(table)
    assert_array_equal(encoder.silent_features, np.flatnonzero((X == 0).all(axis=0)))


def test_booleans_are_0_and_1_and_their_share_where_missing():
    encoder, X = encode(pl.DataFrame({"b": [True, False, True, None]}), pl.DataFrame({"b": [1, 0, None]}))
    assert encoder.feature_names_out == ("b", "b (missing)")
    assert_allclose(X, [[1, 0], [0, 0], [2 / 3, 1]], rtol=1e-15)


MOMENTS = {
    "date": ([dt.date(1970, 1, 1), dt.date(1970, 1, 11)], (5, 5), "days since 1970-01-01"),
    "datetime": (
        [dt.datetime(1970, 1, 1), dt.datetime(1970, 1, 1, 0, 1)],
        (30, 30),
        "seconds since 1970-01-01 00:00 UTC",
    ),
    "duration": ([dt.timedelta(hours=1), dt.timedelta(hours=3)], (7200, 3600), "seconds"),
    "time": ([dt.time(0, 0, 10), dt.time(0, 0, 30)], (20, 10), "seconds since midnight"),
}


@pytest.mark.parametrize(("values", "moments", "unit"), MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("unit_of_file", ["ms", "us", "ns"])
def test_moments_become_days_or_seconds(values, moments, unit, unit_of_file):
    series = pl.Series("t", values)
    if series.dtype in (pl.Datetime, pl.Duration):
        series = series.cast(series.dtype.base_type()(unit_of_file))
    encoder, X = encode(pl.DataFrame([series]))
    assert (encoder.columns[0].mean, encoder.columns[0].scale) == moments
    assert encoder.columns[0].treatment.endswith(f" in {unit}")
    assert_array_equal(X, [[-1], [1]])


def test_dates_and_dates_with_times_stand_for_each_other():
    days, noons = [dt.date(2024, 1, 1), dt.date(2024, 1, 3)], [dt.datetime(2024, 1, 1, 12), dt.datetime(2024, 1, 2)]
    of_days = TableEncoder.fit(pl.DataFrame({"t": days}))
    assert_array_equal(of_days.transform(pl.DataFrame({"t": noons})), [[-0.5], [0]])
    of_moments = TableEncoder.fit(pl.DataFrame({"t": noons}))
    assert_array_equal(of_moments.transform(pl.DataFrame({"t": days})), [[-3], [5]])


def test_an_instant_is_the_same_in_every_zone():
    here = pl.Series("t", [dt.datetime(2024, 1, 1, 12), dt.datetime(2024, 6, 1, 12)]).dt.replace_time_zone(
        "Europe/Berlin"
    )
    encoder = TableEncoder.fit(pl.DataFrame([here]))
    there = here.dt.convert_time_zone("Asia/Tokyo")
    assert_array_equal(encoder.transform(pl.DataFrame([here])), encoder.transform(pl.DataFrame([there])))


def test_columns_that_say_nothing_are_left_out_with_a_note():
    table = pl.DataFrame(
        {
            "n": [1, 2, 3],
            "same": [7.0, 7.0, 7.0],
            "word": ["x", "x", "x"],
            "none": pl.Series([None, None, None], dtype=pl.Float64),
            "nan": [float("nan")] * 3,
            "untyped": [None, None, None],
        }
    )
    encoder, X = encode(table)
    assert X.shape == (3, 1)
    assert {row.name: (row.treatment, row.note, row.missing) for row in encoder.summary()[1:]} == {
        "same": ("left out", "every row has '7.0'", 0),
        "word": ("left out", "every row has 'x'", 0),
        "none": ("left out", "no row has a value", 3),
        "nan": ("left out", "no row has a value", 3),
        "untyped": ("left out", "no row has a value", 3),
    }
    assert_array_equal(encoder.transform(table.select("n")), X)  # what was left out need not be there


def test_one_value_or_none_says_whether_it_is_there():
    encoder, X = encode(pl.DataFrame({"fee": [5, None, 5], "code": ["x", None, None]}))
    assert encoder.feature_names_out == ("fee (missing)", "code (missing)")
    assert_array_equal(X, [[0, 0], [1, 1], [0, 1]])


def test_other_types_are_brought_to_these():
    table = pl.DataFrame(
        {
            "cat": pl.Series(["a", "b", "a"], dtype=pl.Categorical),
            "enum": pl.Series(["a", "b", "a"], dtype=pl.Enum(["b", "a"])),
            "money": pl.Series(["1.25", "2.25", "1.25"]).cast(pl.Decimal(10, 2)),
            "small": pl.Series([1, 2, 3], dtype=pl.UInt8),
            "single": pl.Series([1, 2, 3], dtype=pl.Float32),
        }
    )
    encoder = TableEncoder.fit(table)
    assert [row.kind for row in encoder.summary()] == ["category", "category", "number", "number", "number"]


def test_the_order_of_columns_and_others_beside_them_do_not_matter():
    table = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"]})
    encoder, X = encode(table)
    assert_array_equal(encoder.transform(table.select(pl.lit(9).alias("new"), "b", "a")), X)


def test_the_order_of_rows_does_not_matter_to_the_bit():
    rng = np.random.default_rng(5)
    table = pl.DataFrame(
        {
            "x": rng.lognormal(sigma=4, size=999),
            "c": rng.choice(list("abcdefgh"), size=999),
            "t": pl.Series(rng.integers(0, 10**15, 999)).cast(pl.Datetime("us")),
            "b": rng.random(999) < 0.3,
        }
    ).with_columns(pl.when(pl.col("x") > 1).then("x").alias("x"))
    stored = [json.dumps(TableEncoder.fit(table[rng.permutation(999)], max_categories=5).to_dict()) for _ in range(3)]
    assert stored[0] == stored[1] == stored[2]


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e9, 1e300])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
def test_any_unit_gives_the_same_features(scale, offset):
    values = np.array([0.0, 1.0, 2.0, 5.0])
    _, X = encode(pl.DataFrame({"x": (values + offset) * scale}))
    assert_allclose(X[:, 0], (values - 2) / np.std(values), rtol=1e-9)


def test_float32_is_float64_rounded():
    table = pl.DataFrame({"x": [0.1, 0.2, 0.7], "c": ["a", "b", "a"]})
    encoder, X = encode(table)
    assert encoder.transform(table, dtype=np.float32).dtype == np.float32
    assert_array_equal(encoder.transform(table, dtype=np.float32), X.astype(np.float32))


def test_no_rows_give_no_rows():
    table = pl.DataFrame({"x": [0.1, 0.2, 0.7], "c": ["a", "b", "a"], "b": [True, False, True], "p": [1, None, 1]})
    encoder = TableEncoder.fit(table)
    assert encoder.transform(table.head(0)).shape == (0, len(encoder.feature_names_out))


def test_features_have_names_of_their_own():
    table = pl.DataFrame({"a": ["b=c", "d", "d"], "a=b": ["c", "x", "x"]})
    names = TableEncoder.fit(table).feature_names_out
    assert names == ("a=b=c", "a=d", "a (unseen)", "a=b=c #2", "a=b=x", "a=b (unseen)")


def test_the_summary_has_a_line_for_each_column():
    table = pl.DataFrame({"id": [5, 6, 9], "c": ["a", None, "a"], "d": ["x", "y", "x"]})
    rows = TableEncoder.fit(table).summary()
    assert [(row.name, row.kind, row.missing, row.features) for row in rows] == [
        ("id", "number", 0, 1),
        ("c", "category", 1, 1),
        ("d", "category", 0, 3),
    ]
    assert rows[0].note.startswith("every row has another whole number: if it is an identifier, leave")
    assert rows[2].treatment == "one-hot: 2 values, unseen"


def test_text_columns_are_read_as_they_were(table_file):
    """A predict table in which a code column happens to hold numbers, or true and false, alone."""
    from backlit.tables import read_table

    encoder = TableEncoder.fit(read_table(table_file("code,flag\n1.50,True\nA,maybe\n1.50,True\n")))
    new = read_table(table_file("code,flag\n1.50,True\n"), text=encoder.text_columns)
    names = np.array(encoder.feature_names_out)
    assert names[encoder.transform(new)[0] == 1].tolist() == ["code=1.50", "flag=True"]
