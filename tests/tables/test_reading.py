"""Text tables as people write them: delimiters, quotes, decimal signs, dates, labels, blank lines."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import quick_first

from backlit.tables import read_table
from backlit.tables.table_formats import TableFormat

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


@pytest.mark.parametrize("delimiter", DELIMITERS.values(), ids=DELIMITERS)
def test_the_delimiter_is_found_past_the_others_in_text(table_file, delimiter):
    others = "".join(DELIMITERS.values()).replace(delimiter, "")
    rows = [["size", "note"], ["1", f"a{others}b"], ["2", f"{others}{others}c"], ["3", "plain"]]
    table = read_table(table_file("\n".join(delimiter.join(row) for row in rows)))
    assert table.columns == ["size", "note"]
    assert table["note"].to_list() == [f"a{others}b", f"{others}{others}c".strip(), "plain"]


def test_a_quoted_field_holds_delimiters_quotes_and_line_ends(table_file):
    table = read_table(table_file('a,"b, c"\r\n1,"x,\ny"\r\n2,"he said ""so"""\r\n'))
    assert table.rows() == [(1, "x,\ny"), (2, 'he said "so"')]
    assert table.columns == ["a", "b, c"]


def test_quotes_that_open_no_field_are_letters(table_file):
    assert read_table(table_file('size\tn\n5" pipe\t1\n6"\t2\n7"\t3\n'))["size"].to_list() == ['5" pipe', '6"', '7"']


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a;b\n1,5;1.234\n-0,25;12.345.678\n", [(1.5, 1234), (-0.25, 12345678)]),  # dots group where commas are decimal
        ("a;b\n1,5;1.234\n-0,25;12.345\n", [(1.5, 1234), (-0.25, 12345)]),  # though they could be decimal here
        ("a;b\n1,5;0.234\n-0,25;2.345\n", [(1.5, 0.234), (-0.25, 2.345)]),  # no group begins with 0
        ("a;b\n1.5;2\n2.25;3\n", [(1.5, 2), (2.25, 3)]),  # a semicolon alone does not make commas decimal
        ("a;b\n1,234;x\n2,345;y\n", [(1.234, "x"), (2.345, "y")]),
        ('a,b\n"1,234",x\n"2,345,678",y\n', [(1234, "x"), (2345678, "y")]),
        ('a,b\n"1,234.5",x\n"2",y\n', [(1234.5, "x"), (2.0, "y")]),
        ('a,b,c\n"1,5","1,234","0,1"\n"2,5","5,678",1\n', [(1.5, 1.234, 0.1), (2.5, 5.678, 1.0)]),
        ("a,x;b,y\n1,5;2,5\n3,5;4,5\n", [(1.5, 2.5), (3.5, 4.5)]),  # the comma splits evenly too
        ("a\tb\n1,5e3\t-,5\n2\t+3\n", [(1500.0, -0.5), (2.0, 3.0)]),
        ("a;b\n1,2,3;x\n4,5,6;y\n", [("1,2,3", "x"), ("4,5,6", "y")]),
        ("a;b\n1,5;x\n1.5;y\n", [("1,5", "x"), ("1.5", "y")]),  # both signs in one column: not guessed
    ],
)
def test_decimal_signs(table_file, text, rows):
    assert read_table(table_file(text)).rows() == rows


ZEROS = {"Arabic": "٠", "Adlam": "\U0001e950", "Persian": "۰", "Devanagari": "०", "Thai": "๐", "full width": "\uff10"}


def in_digits(text, zero):
    return text.translate({ord("0") + k: chr(ord(zero) + k) for k in range(10)})


@pytest.mark.parametrize("script", quick_first(ZEROS, 2))
def test_digits_of_every_script_are_numbers_and_dates(table_file, script):
    zero = ZEROS[script]
    text = "whole;decimal;grouped;day;mixed;word\n1066;-1,5;1.234,5;2024-12-31;7;nr 5\n9;20;6.000;2023-01-01;12;x\n"
    digits = in_digits(text, zero).replace(in_digits("12;x", zero), "12;x")  # one cell keeps its ASCII digits
    rows = read_table(table_file(digits)).rows()
    assert rows == [
        (1066, -1.5, 1234.5, dt.date(2024, 12, 31), 7, in_digits("nr 5", zero)),
        (9, 20.0, 6000.0, dt.date(2023, 1, 1), 12, "x"),
    ]
    assert [type(value) for value in rows[0]] == [int, float, float, dt.date, int, str]


def test_arabics_own_signs_leave_nothing_open(table_file):
    table = read_table(table_file("a;b\n١٬٢٣٤٫٥;1,5\n٠٫٢٥٠;2\n"))
    assert table.rows() == [(1234.5, 1.5), (0.25, 2.0)]


@pytest.mark.parametrize("cell", ["²", "Ⅳ", "٣²", "½", "一"])
def test_what_is_no_decimal_digit_is_text(table_file, cell):
    assert read_table(table_file(f"a,b\n{cell},1\n5,2\n")).rows() == [(cell, 1), ("5", 2)]


@given(st.lists(st.text("0123456789.,+-eE٣٫٬７²\U0001e4f5", min_size=1, max_size=7), min_size=1, max_size=4))
def test_no_cell_ends_in_an_error(cells):
    for delimiter in ",;":
        column = pl.Series("a", cells, dtype=pl.String)
        table = pl.DataFrame([column])
        assert TableFormat.learn(table, delimiter).read(table).height == len(cells)


def test_the_type_is_found_in_the_last_row(table_file):
    body = "1,1,2024-01-01,true\n" * 3000
    table = read_table(table_file("a,b,c,d\n" + body + "2.5,word,not a date,maybe\n"))
    assert table.dtypes == [pl.Float64, pl.String, pl.Date, pl.String]
    assert table["c"].null_count() == 1  # one cell in thousands that is no date is a missing one


def test_missing_values_of_pandas_r_and_uci(table_file):
    table = read_table(table_file("a,b,c\n1,x,true\nNA,?,NaN\n, ,null\n4,None,false\n"))
    assert table.to_dict(as_series=False) == {
        "a": [1, None, None, 4],
        "b": ["x", None, None, None],
        "c": [True, None, None, False],
    }


def test_codes_keep_their_zeros_and_big_numbers_their_size(table_file):
    table = read_table(table_file("zip,big,minus\n01234,1,-0.5\n98765,99999999999999999999,-0\n"))
    assert table["zip"].to_list() == ["01234", "98765"]
    assert table["big"].to_list() == [1.0, 1e20]
    assert table["minus"].to_list() == [-0.5, 0.0]


UTC = dt.UTC


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (["2024-02-01", "2023-12-31"], [dt.date(2024, 2, 1), dt.date(2023, 12, 31)]),
        (["1.2.2024", "31.12.2023"], [dt.date(2024, 2, 1), dt.date(2023, 12, 31)]),
        (["01/02/2024", "12/31/2023"], [dt.date(2024, 1, 2), dt.date(2023, 12, 31)]),
        (["01/02/2024", "31/12/2023"], [dt.date(2024, 2, 1), dt.date(2023, 12, 31)]),
        (["01/02/2024", "03/04/2024"], ["01/02/2024", "03/04/2024"]),  # the order of day and month is not guessed
        (["01/02/2024", "13/13/2024"], ["01/02/2024", "13/13/2024"]),
        (["2024-02-30", "2024-01-01"], ["2024-02-30", "2024-01-01"]),
        (["2024-02-01 10:20", "2024-02-01 23:59"], [dt.datetime(2024, 2, 1, 10, 20), dt.datetime(2024, 2, 1, 23, 59)]),
        (["2024-02-01T10:20:30Z"], [dt.datetime(2024, 2, 1, 10, 20, 30, tzinfo=UTC)]),
        (["2024-02-01 10:20:30.5+02:00"], [dt.datetime(2024, 2, 1, 8, 20, 30, 500000, tzinfo=UTC)]),
        (["10:20:30", "9:05:00"], [dt.time(10, 20, 30), dt.time(9, 5)]),
        (["10:20", "23:59"], [dt.time(10, 20), dt.time(23, 59)]),
        (["True", "FALSE"], [True, False]),
        (["true", "yes"], ["true", "yes"]),
    ],
)
def test_dates_times_and_flags(table_file, values, read):
    body = "".join(f"{i},{value}\n" for i, value in enumerate([*values, ""]))
    assert read_table(table_file("i,x\n" + body))["x"].to_list() == [*read, None]


def test_text_is_left_as_written_where_told(table_file):
    table = read_table(table_file("code,n\n10,10\n1.50,2\n"), text=["code"])
    assert table.rows() == [("10", 10), ("1.50", 2)]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_line_ends_mark_of_order_and_blank_lines(table_file, ending, last):
    lines = ["", "a,b", "", "1,2", "   ", "3,4", ""]
    text = "\ufeff" + ending.join(lines) + (ending if last else "")
    assert read_table(table_file(text)).rows() == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (",a\n0,5\n1,5\n", ["a"]),  # pandas' index
        ('"","a"\n"Mazda",5\n"Fiat",5\n', ["a"]),  # R's row names
        (",a\n0,5\n0,5\n", ["column_1", "a"]),  # no labels: they repeat
        (",a\n0.5,5\n1.5,5\n", ["column_1", "a"]),  # no labels: measured
        ("a,,\n1,,\n2,,\n", ["a"]),  # delimiters at the ends of lines
        ("a,\n1,2\n2,3\n", ["a", "column_2"]),
        ("column_1,a\n0,5\n1,5\n", ["column_1", "a"]),  # named so by its author
        ("sep=;\na;b\n1;2\n", ["a", "b"]),
        (" a , b\n1,2\n", ["a", "b"]),
        ("0,1,2\n5,6,7\n", ["0", "1", "2"]),  # pandas' default names
        ("word\nx\n\ny\n", ["word"]),
    ],
)
def test_headers_and_labels(table_file, text, columns):
    assert read_table(table_file(text)).columns == columns


def test_json_lines(table_file):
    text = '{"a": 1, "d": "2024-01-02", "w": "7"}\n\n{"a": 2.5, "d": null, "w": "x"}\n{"w": "true"}\n'
    table = read_table(table_file(text, "t.ndjson"))
    assert table.rows() == [(1.0, dt.date(2024, 1, 2), "7"), (2.5, None, "x"), (None, None, "true")]


def test_parquet_keeps_types_and_leaves_out_pandas_index(tmp_path):
    stored = pl.DataFrame({"a": [1, 2], "code": ["01", None], "__index_level_0__": [5, 7], "column_1": [1, 2]})
    stored.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").equals(stored.drop("__index_level_0__"))
