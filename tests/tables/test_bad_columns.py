"""Columns that cannot be used: one line names the column, what was found and the remedy."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from tests.helpers import raises_naming

from backlit import bounded_reading
from backlit.errors import DomainError, TableError
from backlit.tables import TableEncoder

INF = float("inf")
NUMBERS = [str(i) for i in range(30)]

UNFIT = {  # a column that cannot be learned from: its values, what the line says
    "infinite": ([1.0, INF, 2.0, -INF], ("column", "'x'", "infinite", "2", "rows", "row", "training", "write")),
    "only infinite": ([INF, INF, INF], ("column", "'x'", "infinite", "3", "rows", "row 1", "training", "write")),
    "infinite or none": ([INF, None, INF], ("column", "'x'", "infinite", "2", "rows", "row 1", "training")),
    "unclear dates": (["01/02/2024", "03/02/2024"], ("column", "'x'", "text", "differs", "2", "rows", "'01/02/2024'")),
    "unclear dates, gaps": (["1.2.2024", None, "3.2.2024"], ("column", "'x'", "differs", "2", "year-month-day")),
    "lists": ([[1], [2, 3]], ("column", "'x'", "list", "feature", "one number", "word", "date", "truth")),
    "structs": ([{"a": 1}, {"a": 2}], ("column", "'x'", "struct", "feature", "one number", "word", "date")),
    "bytes": ([b"a", b"b"], ("column", "'x'", "binary", "feature", "one number", "word", "date", "truth")),
    "spoiled": ([*NUMBERS, "unknown", "17"], ("column", "'x'", "30", "different", "numbers", "1", "read")),
    "too wide": (
        [-1.7e308, 1.7e308],
        ("column", "'x'", "spans", "float64", "(-1.7e+308 to 1.7e+308)", "write"),
    ),
}


@pytest.mark.parametrize(("values", "says"), UNFIT.values(), ids=UNFIT)
def test_a_column_that_cannot_be_learned_from(values, says):
    table = pl.DataFrame({"x": values, "n": range(len(values))})
    with raises_naming(TableError, *says, "--drop x"):
        TableEncoder.fit(table)
    TableEncoder.fit(table, drop=["x"])  # the remedy works


@pytest.mark.parametrize("values", [["p1", "p2", "p3"], ["p1", "p2", None], ["a.b-c/d", "e"]])
def test_an_identifier_is_left_out_and_said(values):
    table = pl.DataFrame({"x": values, "n": range(len(values))})
    left_out, kept = TableEncoder.fit(table).columns
    assert left_out.treatment == "left out"
    assert repr(min(filter(None, values))) in left_out.note
    assert "identifier" in left_out.note
    assert kept.treatment.startswith("standardized")


TRAINING = {
    "number": [1.0, 2.0, 3.0],
    "boolean": [True, False, True],
    "category": ["a", "b", "a"],
    "date": [dt.date(2024, 1, 1), dt.date(2024, 1, 2), dt.date(2024, 1, 4)],
    "datetime": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 4)],
    "duration": [dt.timedelta(1), dt.timedelta(2), dt.timedelta(4)],
    "time": [dt.time(1), dt.time(2), dt.time(4)],
}
CHANGED = {  # kind in training: values later, what the line says
    "words for numbers": ("number", ["1", "two"], ("held", "numbers", "training", "'two'", "row 2")),
    "flags for numbers": (
        "number",
        [True],
        ("held", "numbers", "training", "true", "false", "'True'", "row 1"),
    ),
    "dates for numbers": (
        "number",
        [None, dt.date(2024, 1, 1)],
        ("held", "numbers", "training", "dates", "'2024"),
    ),
    "infinite": ("number", [1.0, INF], ("infinite", "1", "row 2", "write", "numbers", "empty")),
    "far": ("number", [1.0, 1.7e308], None),
    "words for flags": (
        "boolean",
        [None, "yes"],
        ("held", "true", "false", "training", "'yes'", "row 2"),
    ),
    "numbers for flags": (
        "boolean",
        [0, 1, 2],
        ("held", "true", "false", "training", "numbers", "'2'", "row 3"),
    ),
    "flags for words": (
        "category",
        [True],
        ("held", "training", "true", "false", "'True'", "row 1", "read"),
    ),
    "floats for words": (
        "category",
        [0.5],
        ("held", "training", "numbers", "'0.5'", "row 1", "read"),
    ),
    "dates for words": (
        "category",
        [dt.date(2024, 1, 1)],
        ("held", "training", "dates", "'2024-01-01'"),
    ),
    "words for dates": (
        "date",
        ["Monday"],
        ("held", "dates", "training", "'Monday'", "row 1", "give"),
    ),
    "numbers for moments": (
        "datetime",
        [5],
        ("held", "dates", "times", "training", "numbers", "'5'", "row 1"),
    ),
    "words for durations": (
        "duration",
        ["1 h"],
        ("held", "durations", "training", "'1 h'", "row"),
    ),
    "moments for times": (
        "time",
        [dt.datetime(2024, 1, 1)],
        ("held", "times", "day", "training", "dates"),
    ),
    "lists": ("number", [[1]], ("list", "feature", "one number", "word", "date", "truth", "spread")),
}


@pytest.mark.parametrize(("kind", "values", "says"), CHANGED.values(), ids=CHANGED)
def test_a_column_of_another_type_later(kind, values, says):
    encoder = TableEncoder.fit(pl.DataFrame({"x": TRAINING[kind]}))
    dtype = np.float64 if says else np.float32
    with raises_naming(TableError, "column 'x'", *(says or ("1.7e+308", "row 2", "far")), ": "):
        encoder.transform(pl.DataFrame({"x": values}), dtype=dtype)


@pytest.mark.parametrize("kind", TRAINING)
@pytest.mark.parametrize("dtype", [pl.Null, pl.String, pl.Float64, pl.Int64, pl.Date])
def test_a_column_without_any_value_may_be_of_any_type(kind, dtype):
    encoder = TableEncoder.fit(pl.DataFrame({"x": TRAINING[kind]}))
    X = encoder.transform(pl.DataFrame({"x": pl.Series([None, None], dtype=dtype)}))
    assert np.isfinite(X).all()


def test_a_missing_column_is_looked_for():
    encoder = TableEncoder.fit(pl.DataFrame({"income": [1, 2, 3], "age": [1, 2, 3]}))
    with raises_naming(TableError, "column", "'age'", "table", "model", "'Age'"):
        encoder.transform(pl.DataFrame({"income": [1], "Age": [2]}))


def test_an_unknown_column_to_leave_out_is_looked_for():
    with raises_naming(TableError, "column", "'nme'", "'name'"):
        TableEncoder.fit(pl.DataFrame({"name": ["x"], "age": [1]}), drop=["nme"])


@pytest.mark.parametrize(
    "table", [pl.DataFrame({"x": [1, 1]}), pl.DataFrame({"x": [None, None]}), pl.DataFrame({"y": [1]})]
)
def test_nothing_to_learn_from(table):
    with raises_naming(TableError, "column", "learn", "give", "columns", "differ"):
        TableEncoder.fit(table, drop=[name for name in table.columns if name == "y"])


def test_no_rows():
    with raises_naming(TableError, "table", "rows", "learn"):
        TableEncoder.fit(pl.DataFrame({"x": []}))


def test_no_slots():
    with raises_naming(DomainError, "max_categories", "0", "give", "1"):
        TableEncoder.fit(pl.DataFrame({"x": [1, 2]}), max_categories=0)


def test_more_than_memory_holds(monkeypatch):
    encoder = TableEncoder.fit(pl.DataFrame({"x": [1, 2]}))
    monkeypatch.setattr(bounded_reading, "machine_memory", lambda: 1000.0)
    assert encoder.transform(pl.DataFrame({"x": range(100)})).nbytes == 800
    with raises_naming(TableError, "101", "rows", "1", "features", "GiB", "machine", "room", "give", "fewer"):
        encoder.transform(pl.DataFrame({"x": range(101)}))
