"""What the overview says of each kind of column."""

from datetime import date

import polars as pl
import pytest

from backlit.tabular.assessment import BARS, overview

ENDS = (1, *[0] * (BARS - 2), 1)


@pytest.mark.parametrize(
    ("values", "summary"),
    [
        (pl.Series([2**63, 2**63 + 5], dtype=pl.UInt64), "9.223e+18"),
        (pl.Series([-(2**63), 2**63 - 1], dtype=pl.Int64), "-9.223e+18"),
        (pl.Series([-128, 127], dtype=pl.Int8), "-128 to 127"),
        (pl.Series([-3.5, 5.0]), "-3.5 to 5"),
        (pl.Series([date(2020, 1, 1), date(2021, 1, 1)]), "2020-01-01 to 2021-01-01, median 2020-01-01"),
    ],
)
def test_the_ends_of_a_column_fall_into_the_first_and_last_interval(values, summary):
    (line,) = overview(pl.DataFrame({"x": values}))
    assert line.bars == ENDS
    assert line.summary.startswith(summary[:9])
    assert (line.missing, line.different) == (0, 2)


def test_words_are_told_by_how_often_they_are():
    words = ["b"] * 5 + ["a"] * 3 + ["d", "c", None, None]
    (line,) = overview(pl.DataFrame({"x": words}))
    assert line.summary == "'b' 50%, 'a' 30%, 'c' 10%, 1 more"
    assert line.bars == (5, 3, 1, 1)
    assert line.missing == pytest.approx(2 / 12)


def test_quartiles():
    (line,) = overview(pl.DataFrame({"x": [*range(101), None]}))
    assert line.summary == "0 to 100, half within 25 and 75, median 50"
    assert sum(line.bars) == 101


def test_a_column_without_values():
    (line,) = overview(pl.DataFrame({"x": [None, None]}))
    assert (line.missing, line.different, line.summary, line.bars) == (1, 0, "", ())
