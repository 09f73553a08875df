"""What the cells of a column mean is decided once and kept: each cell is then read by itself, in every later file."""

import datetime as dt
import json
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import quick_first, raises_naming

from backlit.errors import ModelError, ProblemError, TableError
from backlit.tables import TableEncoder
from backlit.tables.column_formats import TYPES, ColumnFormat
from backlit.tables.table_files import read_cells
from backlit.tables.table_formats import TableFormat

UTC = dt.UTC
DAY = dt.date(2023, 1, 13)


def learned(cells, **options):
    """The format of a column and its values."""
    table = pl.DataFrame({"x": pl.Series(cells, dtype=pl.String)})
    format = TableFormat.learn(table, **options)
    return format, format.read(table)["x"].to_list()


@cache
def learned_once(name):
    """What two tests ask of a form."""
    return learned((NUMBERS | MOMENTS)[name][0])


NUMBERS = {  # as they are written: what they are
    "dollars": (["$1,234.50", "$7", "-$1.5", "($2,000)"], [1234.5, 7, -1.5, -2000]),
    "euros behind": (["1.234,50 €", "7 €", "0,5 €"], [1234.5, 7, 0.5]),
    "Swiss": (["CHF 1'234.50", "CHF 7.–", "CHF 12’000.00"], [1234.5, 7, 12000]),
    "codes behind": (["1 234,50 EUR", "7 EUR"], [1234.5, 7]),
    "rupees": (["₹12,34,567", "₹1,000"], [1234567, 1000]),
    "Rs.": (["Rs. 500", "Rs 1,500"], [500, 1500]),
    "percent": (["12%", "0.5 %", "-3%"], [12, 0.5, -3]),
    "units": (["5 kg", "12.5kg"], [5, 12.5]),
    "plural": (["1 year", "10 years"], [1, 10]),
    "two words": (["150 sq ft", "80 sq ft"], [150, 80]),
    "degrees": (["21°C", "-3 °C"], [21, -3]),
    "speed": (["100 km/h", "80 km/h"], [100, 80]),
    "plus": (["10,000+", "500+"], [10000, 500]),
    "multiples": (["1.5M", "200k", "3"], [1.5e6, 2e5, 3]),
    "blanks": (["1 200", "12 345 678", "7"], [1200, 12345678, 7]),
    "no-break blanks": (["1\u00a0200,5", "2\u202f000"], [1200.5, 2000]),
    "apostrophes": (["1'200.5", "2'000"], [1200.5, 2000]),
    "minus": (["−5", "3"], [-5, 3]),
    "minus behind": (["5-", "3"], [-5, 3]),
    "price without cents": (["1.200,-", "7,50"], [1200, 7.5]),
    "exponents": (["1e3", "2.5E-1"], [1000, 0.25]),
    "padded": (["  7", "8  "], [7, 8]),
}
MOMENTS = {
    "Postgres": (["2023-01-13 10:15:32+00"], [dt.datetime(2023, 1, 13, 10, 15, 32, tzinfo=UTC)]),
    "BigQuery": (["2023-01-13 10:15:32 UTC"], [dt.datetime(2023, 1, 13, 10, 15, 32, tzinfo=UTC)]),
    "JavaScript": (["2023-01-13T10:15:32.123Z"], [dt.datetime(2023, 1, 13, 10, 15, 32, 123000, tzinfo=UTC)]),
    "offset": (["2023-01-13T10:15:32+05:30"], [dt.datetime(2023, 1, 13, 4, 45, 32, tzinfo=UTC)]),
    "Apache": (["13/Jan/2023:10:15:32 +0200"], [dt.datetime(2023, 1, 13, 8, 15, 32, tzinfo=UTC)]),
    "Python's logging": (["2023-01-13 10:15:32,123"], [dt.datetime(2023, 1, 13, 10, 15, 32, 123000)]),
    "ctime": (["Fri Jan 13 10:15:32 2023"], [dt.datetime(2023, 1, 13, 10, 15, 32)]),
    "date(1)": (["Fri Jan 13 10:15:32 UTC 2023"], [dt.datetime(2023, 1, 13, 10, 15, 32, tzinfo=UTC)]),
    "mail": (["Fri, 13 Jan 2023 10:15:32 GMT"], [dt.datetime(2023, 1, 13, 10, 15, 32, tzinfo=UTC)]),
    "King County": (["20230113T000000"], [dt.datetime(2023, 1, 13)]),
    "American": (["1/13/23", "1/2/2023"], [DAY, dt.date(2023, 1, 2)]),
    "American, afternoon": (["1/13/2023 10:15 PM"], [dt.datetime(2023, 1, 13, 22, 15)]),
    "noon and midnight": (
        ["1/13/2023 12:00 PM", "1/13/2023 12:00 AM"],
        [dt.datetime(2023, 1, 13, 12), dt.datetime(2023, 1, 13)],
    ),
    "German": (["13.01.23", "1.2.2023"], [DAY, dt.date(2023, 2, 1)]),
    "German, open": (["01.02.2023", "03.04.2023"], [dt.date(2023, 2, 1), dt.date(2023, 4, 3)]),
    "Czech": (["13. 1. 2023"], [DAY]),
    "Oracle": (["13-JAN-23"], [DAY]),
    "SAS": (["13JAN2023"], [DAY]),
    "words": (["Jan 13, 2023", "January 2nd, 2023"], [DAY, dt.date(2023, 1, 2)]),
    "British words": (["13th January 2023"], [DAY]),
    "Spanish": (["13 de enero de 2023"], [DAY]),
    "German words": (["13. Januar 2023", "1. März 2023"], [DAY, dt.date(2023, 3, 1)]),
    "French": (["13 août 2023", "1 févr. 2023"], [dt.date(2023, 8, 13), dt.date(2023, 2, 1)]),
    "Japanese": (["2023年1月13日"], [DAY]),
    "months": (["2023-01", "2023-12"], [dt.date(2023, 1, 1), dt.date(2023, 12, 1)]),
    "months in words": (["Jan-23", "Dec-23"], [dt.date(2023, 1, 1), dt.date(2023, 12, 1)]),
    "quarters": (["2023Q1", "2023-Q4"], [dt.date(2023, 1, 1), dt.date(2023, 10, 1)]),
    "whole numbers": (["20230113"] * 5, [DAY] * 5),
    "last century": (["13/01/69", "13/01/68"], [dt.date(1969, 1, 13), dt.date(2068, 1, 13)]),
    "times": (["9:05", "10:20 PM"], [dt.time(9, 5), dt.time(22, 20)]),
    "durations": (["36:15:00", "0:00:30"], [dt.timedelta(hours=36, minutes=15), dt.timedelta(seconds=30)]),
    "durations of pandas": (["1 days 02:00:00"], [dt.timedelta(days=1, hours=2)]),
}
TEXTS = {  # what only looks like numbers or dates
    "codes": ["007", "123"],
    "letters": ["A12", "A13"],
    "ranges": ["18-24", "25-34"],
    "ids": ["12 AB", "13 CD"],
    "addresses": ["10.0.0.1", "10.0.0.2"],
    "two units": ["5 kg", "500 g"],
    "too large a month": ["13/13/2024", "14/14/2024"],
    "impossible": ["2024-02-30", "2024-02-31"],
    "phones": ["555-12-1234", "555-34-1234"],
    "no year": ["May 12", "June 3"],
    "two points": ["1.2.3", "1.2.4"],
}


@pytest.mark.parametrize("name", NUMBERS | MOMENTS)
def test_a_cell_is_read_as_a_person_reads_it(name):
    assert learned_once(name)[1] == (NUMBERS | MOMENTS)[name][1]


@pytest.mark.parametrize("cells", TEXTS.values(), ids=TEXTS)
def test_what_only_looks_like_it_stays_text(cells):
    assert learned(cells)[1] == cells


THIRD = [*(NUMBERS | MOMENTS)][::3]


@pytest.mark.parametrize(
    "name", quick_first([*THIRD, *(name for name in NUMBERS | MOMENTS if name not in THIRD)], len(THIRD))
)
def test_a_format_is_kept_in_the_model_file(name):
    cells = (NUMBERS | MOMENTS)[name][0]
    format, values = learned_once(name)
    stored = TableFormat.from_dict(json.loads(json.dumps(format.to_dict())), "written")
    assert stored == format
    rows = [stored.read(pl.DataFrame({"x": [cell]}))["x"].to_list()[0] for cell in cells]
    as_one = [dt.datetime.combine(v, dt.time()) if type(v) is dt.date else v for v in rows]
    assert [v.replace(tzinfo=None) if isinstance(v, dt.datetime) else v for v in as_one] == [
        dt.datetime.combine(v, dt.time()) if type(v) is dt.date else v.replace(tzinfo=None) if hasattr(v, "hour") else v
        for v in values
    ]


LATER = {  # training; a later cell; its value, or what the refusal names
    "thousands": (["1.234,5", "7"], "1.234", 1234),
    "thousands by the other column": (["1.234", "800"], "1.234", 1.234),
    "day first": (["13/01/2023"], "05/12/2024", dt.date(2024, 12, 5)),
    "month first": (["01/13/2023"], "05/12/2024", dt.date(2024, 5, 12)),
    "another form of date": (["13/01/2023"], "2024-12-05", dt.date(2024, 12, 5)),
    "dates in words": (["2023-01-13"], "Dec 5, 2024", dt.date(2024, 12, 5)),
    "missing": (["1", "2"], "n.a.", None),
    "another sign": (["1.234,5", "7"], "1,234.5", ("'x'", "'1,234.5'", "row 1", "a point between thousands")),
    "another order": (["13/01/2023"], "12/31/2024", ("'x'", "'12/31/2024'", "row 1", "day/month/year")),
    "an order that is not known": (["2023-01-13"], "05/12/2024", ("'x'", "'05/12/2024'", "row 1", "dates")),
    "another unit": (["5 kg", "7 kg"], "5 lb", ("'x'", "'5 lb'", "row 1", "numbers in kg")),
    "no unit": (["5 %", "7 %"], "0.05", ("'x'", "'0.05'", "row 1", "numbers in %")),
    "a word": (["5", "7"], "five", ("'x'", "'five'", "row 1", "numbers")),
    "an impossible date": (["2023-01-13"], "2023-02-30", ("'x'", "'2023-02-30'", "row 1", "dates")),
    "a truth value": (["true", "false"], "maybe", ("'x'", "'maybe'", "row 1", "true and false")),
}


@pytest.mark.parametrize(("cells", "later", "right"), LATER.values(), ids=LATER)
def test_a_later_file_is_read_as_in_training_or_refused(cells, later, right):
    format = learned(cells)[0]
    table = pl.DataFrame({"x": [later]})
    if isinstance(right, tuple):
        with raises_naming(TableError, "column", *right, "training", "write"):
            format.read(table)
    else:
        assert format.read(table)["x"].to_list() == [right]


def test_a_decimal_comma_anywhere_in_the_table_holds_for_all_of_it():
    format = TableFormat.learn(pl.DataFrame({"a": ["1,5", "0,25"], "b": ["1.234", "800"], "c": ["3", "4"]}), ";")
    assert format.read(pl.DataFrame({"a": ["2"], "b": ["1.000"], "c": ["2,5"]})).rows() == [(2, 1000, 2.5)]


def test_a_day_first_column_tells_its_neighbor():
    table = pl.DataFrame({"start": ["13/01/2023", "01/02/2023"], "end": ["02/03/2023", "04/05/2023"]})
    assert TableFormat.learn(table).read(table)["end"].to_list() == [dt.date(2023, 3, 2), dt.date(2023, 5, 4)]


def test_dates_whose_order_nothing_shows_are_refused_in_training_alone():
    format, values = learned(["01/02/2024", "03/04/2024"])
    assert values == ["01/02/2024", "03/04/2024"]
    with raises_naming(TableError, "'x'", "'01/02/2024'", "day", "month", "--column x=dmy", "x=mdy"):
        format.refuse_problems([])
    format.refuse_problems(["x"])
    assert learned(["01/02/2024"], types={"x": "mdy"})[1] == [dt.date(2024, 1, 2)]


DATES = [f"2023-{k % 12 + 1:02}-{k % 28 + 1:02}" for k in range(100)]
WHOLE = [str(k) for k in range(100)]


@pytest.mark.parametrize(
    ("cells", "strays", "share"),
    [
        ([*DATES, "0000-00-00"], ["0000-00-00"], 1 / 101),
        ([*DATES, "2023-02-30", ""], ["2023-02-30"], 1 / 101),
        ([*WHOLE, "-", "n.a.", "?"], ["-", "n.a."], 2 / 102),
        ([*WHOLE, *["broken"] * 50], ["broken"], 50 / 150),  # a word that stands for no value
        ([*WHOLE, "1;5"], ["1;5"], 1 / 101),
    ],
)
def test_a_few_cells_that_are_none_of_it_are_missing_and_it_is_said(cells, strays, share):
    format, values = learned(cells)
    column = format.columns["x"]
    assert [value is None for value in values] == [cell in (*strays, "", "?") for cell in cells]
    assert column.share == pytest.approx(share)
    assert repr(strays[0]) in column.note
    assert "count as missing" in column.note


@pytest.mark.parametrize("mark", ["-", "unknown", "none", "n.a."])
def test_among_words_a_mark_for_no_number_is_a_word_of_which_nothing_is_said(mark):
    format, values = learned(["brick", "stone", "wood", mark] * 10)
    assert values == ["brick", "stone", "wood", mark] * 10
    assert (format.columns["x"].note, format.columns["x"].share) == ("", 0)


@pytest.mark.parametrize(
    "cells",
    [[*WHOLE, *[f"w{k}" for k in range(30)]], [*DATES, *[f"w{k}" for k in range(20)]]],
    ids=["numbers", "dates"],
)
def test_many_cells_that_are_none_of_it_are_refused(cells):
    format, _ = learned(cells)
    with raises_naming(TableError, "'x'", "but for", "%", "'w0'", "mend", "--column", "category"):
        format.refuse_problems([])
    kind = "number" if cells[0] == "0" else "date"
    asked, values = learned(cells, types={"x": kind})
    asked.refuse_problems([])
    assert [value is None for value in values] == [cell.startswith("w") for cell in cells]


def test_unknown_is_a_word_among_words_and_nothing_is_said_of_it():
    cells = ["red", "blue", "Unknown", "n.a.", "-"] * 5
    format, values = learned(cells)
    assert values == cells
    assert (format.columns["x"].note, format.columns["x"].strays) == ("", 0)
    encoder = TableEncoder.fit(format.read(pl.DataFrame({"x": cells})), format=format)
    assert encoder.remarks() == ()


def test_codes_with_a_letter_among_them_stay_codes():
    assert learned(["1", "2", "3", "X"] * 30)[1] == ["1", "2", "3", "X"] * 30


@pytest.mark.parametrize(
    ("cells", "type", "values"),
    [
        (["1", "2", "x"], "number", [1, 2, None]),
        (["1", "2"], "category", ["1", "2"]),
        (["1,234", "2,5"], "decimal-comma", [1.234, 2.5]),
        (["1,234"], "decimal-comma", [1.234]),
        (["1,234"], "decimal-point", [1234]),
        (["1.234"], "decimal-comma", [1234]),
        (["01/02/2024"], "dmy", [dt.date(2024, 2, 1)]),
        (["01/02/03"], "ymd", [dt.date(2001, 2, 3)]),
        (["20240201"], "date", [dt.date(2024, 2, 1)]),
        (["007", "8"], "number", [7, 8]),
    ],
)
def test_a_type_overrules(cells, type, values):
    assert learned(cells, types={"x": type})[1] == values


def test_a_type_overrules_the_files():
    table = pl.DataFrame({"zip": [10115, 80331], "day": [20240201, 20240202], "share": [1.0, 2.5]})
    format = TableFormat.learn(table, types={"zip": "category", "day": "date", "share": "category"})
    assert format.read(table).rows() == [
        ("10115", dt.date(2024, 2, 1), "1"),
        ("80331", dt.date(2024, 2, 2), "2.5"),
    ]


def test_a_type_or_column_that_is_not_there_is_looked_for():
    with raises_naming(ProblemError, "'x'", "'numbr'", "number"):
        learned(["1"], types={"x": "numbr"})
    with raises_naming(TableError, "'y'", "number", "'x'"):
        learned(["1"], types={"y": "number"})


def test_numbers_and_dates_of_parquet_and_json_are_read_as_in_csv(table_file):
    rows = [("1.5", "13/01/2023", "$7"), ("2", "14/01/2023", "$1,200")]
    names = ["a", "day", "price"]
    csv = table_file(",".join(names) + "\n" + "".join(",".join(f'"{c}"' for c in row) + "\n" for row in rows))
    parquet = table_file("", "t.parquet")
    pl.DataFrame(rows, names, orient="row").write_parquet(parquet)
    lines = "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    tables = [read_cells(path) for path in (csv, parquet, table_file(lines, "t.jsonl"))]
    values = [raw.typed({}, [])[1].rows() for raw in tables]
    assert values[0] == values[1] == values[2] == [(1.5, DAY, 7), (2, dt.date(2023, 1, 14), 1200)]


FAULTS = [
    (None, "formats"),
    ({"x": {"kind": "no"}}, "kind"),
    ({"x": {"kind": "number", "decimal": 5}}, "text"),
    ({"x": {"kind": "number", "decimal": "x"}}, "known way"),
    ({"x": {"kind": "date", "order": "dym"}}, "known way"),
    ({"x": {"kind": "date", "colour": "red"}}, "kind"),
]


@pytest.mark.parametrize(("stored", "word"), FAULTS[1:])
def test_a_changed_model_file_is_refused(stored, word):
    encoder = TableEncoder.fit(pl.DataFrame({"x": [1, 2]})).to_dict() | {"version": 2, "written": stored}
    with raises_naming(ModelError, word, "altered"):
        TableEncoder.from_dict(encoder)


def test_every_type_is_told():
    assert set(TYPES) == {
        *("number", "decimal-comma", "decimal-point", "category", "date", "dmy", "mdy", "ymd", "ignore")
    }


# The rule: a row's features depend on that row alone.
COLUMNS = st.sampled_from([*NUMBERS.values(), *MOMENTS.values(), (["red", "green"], None), (["true", "false"], None)])


@given(
    columns=st.lists(COLUMNS, min_size=1, max_size=4),
    picks=st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=2, max_size=4),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    shuffle=st.randoms(use_true_random=False),
)
def test_a_row_is_read_by_itself(tmp_path_factory, columns, picks, delimiter, shuffle):
    """A file, its rows one by one, and a shuffle of it have the same features, to the bit."""
    folder = tmp_path_factory.mktemp("rows")
    rows = [[cells[pick % len(cells)] for (cells, _), pick in zip(columns, row, strict=False)] for row in picks]
    names = [f"c{k}" for k in range(len(columns))]

    def read(some):
        lines = [delimiter.join(f'"{cell}"' for cell in row) for row in [names, *some]]
        path = folder / "t.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    raw = read_cells(read(rows))
    format = raw.learn({})
    numbers = pl.DataFrame({"constant": range(len(rows))})
    encoder = TableEncoder.fit(pl.concat([format.read(raw.frame), numbers], how="horizontal"), format=format)
    encoder = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    kept = [column for column in encoder.columns if column.features and column.name != "constant"]
    encoder = TableEncoder(tuple(kept), encoder.rows, encoder.format)
    if not kept:
        return
    whole = encoder.transform(encoder.read(read(rows)))
    for k, row in enumerate(rows):
        np.testing.assert_array_equal(encoder.transform(encoder.read(read([row])))[0], whole[k])
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    np.testing.assert_array_equal(encoder.transform(encoder.read(read([rows[k] for k in order]))), whole[order])


def test_the_rule_is_broken_where_formats_are_not_kept():
    """The test of the test above: `1.234` alone is another number than beside `1,5`."""
    both = pl.DataFrame({"x": ["1.234", "1,5"]})
    alone = both[:1]
    assert TableFormat.learn(both).read(both)["x"][0] != TableFormat.learn(alone).read(alone)["x"][0]
    assert ColumnFormat("number").read(alone["x"])[0].to_list() == [1.234]
