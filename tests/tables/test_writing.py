"""What is written is read back the same, in every format, and nothing is half-written."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tests.helpers import quick_first, raises_naming
from tests.strategies import draws

from backlit.errors import BacklitError, TableError
from backlit.tables import read_table, write_table
from backlit.tables.column_formats import MISSING

ALPHABET = st.sampled_from(" ,;|\t\n'\"éßab中x=-.0")
# a letter at both ends: blanks there are taken off, and 1, true or NA alone are no text
words = st.text(ALPHABET, max_size=8).map(lambda middle: f"w{middle}w").filter(lambda word: word not in MISSING)
floats = st.floats(allow_nan=False, allow_infinity=False)
KINDS = {
    pl.Float64: floats,
    pl.Int64: st.integers(-(2**63), 2**63 - 1),
    pl.Boolean: st.booleans(),
    pl.String: words,
    pl.Date: st.dates(dt.date(1000, 1, 1)),
    pl.Datetime("us"): st.datetimes(dt.datetime(1000, 1, 1)),
}


@st.composite
def tables(draw, least):
    rows = draw(st.integers(1, 6))
    names = draw(st.lists(words, min_size=least, max_size=4, unique=True))
    columns = []
    for name in names:
        dtype = draw(st.sampled_from(list(KINDS)))
        first = draw(KINDS[dtype].filter(lambda value: not isinstance(value, float) or not value.is_integer()))
        rest = draw(st.lists(st.none() | KINDS[dtype], min_size=rows - 1, max_size=rows - 1))
        columns.append(pl.Series(name, [first, *rest], dtype=dtype))
    return pl.DataFrame(columns)


@pytest.mark.parametrize("suffix", quick_first([".csv", ".parquet", ".jsonl", ".tsv", ".ndjson"], 3))
@given(table=tables(least=2))
@draws(30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_a_table_comes_back_the_same(tmp_path, suffix, table):
    path = tmp_path / f"t{suffix}"
    write_table(table, path)
    again = read_table(path)
    assert again.schema == table.schema
    assert again.equals(table)


@pytest.mark.parametrize("separator", quick_first([";", "\t", ",", "|"], 2))
@given(table=tables(least=2))
@draws(30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_delimiter_is_found(tmp_path, separator, table):
    path = tmp_path / "t.txt"
    table.write_csv(path, separator=separator, quote_style="non_numeric")
    assert read_table(path).equals(table)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_a_single_column_with_gaps_keeps_its_rows(tmp_path, suffix):
    table = pl.DataFrame({"word": [None, "a", None, None], "_": 1}).drop("_")
    write_table(table, tmp_path / f"t{suffix}")
    assert read_table(tmp_path / f"t{suffix}").equals(table)


def test_another_suffix_is_refused_before_anything_is_written(tmp_path):
    with raises_naming(TableError, "t.xlsx", "ends", "'.xlsx'", "format", "end", ".csv"):
        write_table(pl.DataFrame({"a": [1]}), tmp_path / "t.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    with raises_naming(TableError, "t.csv", "written", "nested", "write", ".parquet", "instead"):
        write_table(pl.DataFrame({"a": [[1, 2]]}), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    with raises_naming(BacklitError, "folder", "none", "exist"):
        write_table(pl.DataFrame({"a": [1]}), tmp_path / "none" / "t.csv")


def test_a_tsv_has_tabs_though_its_words_hold_another_delimiter(tmp_path):
    table = pl.DataFrame({"day": [dt.date(2000, 1, 1), None], "w;w": ["w;w", "w;w"]})
    write_table(table, tmp_path / "t.tsv")
    assert read_table(tmp_path / "t.tsv").equals(table)
