"""Columns that cannot be used: one line names the column, what was found and the remedy."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

import backlit.io.tables.memory as memory
from backlit.errors import DomainError, TableError
from backlit.io.tables import TableEncoder

INF = float("inf")
NUMBERS = [str(i) for i in range(30)]

UNFIT = {  # a column that cannot be learned from: its values, what the line says
    "infinite": ([1.0, INF, 2.0, -INF], "column 'x' is infinite in 2 rows, first in row 2 of the training rows: write"),
    "only infinite": ([INF, INF, INF], "column 'x' is infinite in 3 rows, first in row 1 of the training rows: write"),
    "infinite or none": ([INF, None, INF], "column 'x' is infinite in 2 rows, first in row 1 of the training rows: "),
    "identifier": (["p1", "p2", "p3"], "column 'x' is text that differs in each of its 3 rows, such as 'p1': nothing"),
    "identifier, gaps": (["p1", "p2", None], "column 'x' is text that differs in each of its 2 rows, such as 'p1': "),
    "unclear dates": (["01/02/2024", "03/02/2024"], "column 'x' is text that differs in each of its 2 rows"),
    "lists": ([[1], [2, 3]], "column 'x' holds list values, and a feature is one number, word, date or truth value: "),
    "structs": ([{"a": 1}, {"a": 2}], "column 'x' holds struct values, and a feature is one number, word, date"),
    "bytes": ([b"a", b"b"], "column 'x' holds binary values, and a feature is one number, word, date or truth value: "),
    "spoiled": ([*NUMBERS, "unknown", "17"], "column 'x' has 30 different numbers, and 1 value that cannot be read as"),
    "too wide": (
        [-1.7e308, 1.7e308],
        "column 'x' spans more than float64 holds (-1.7e+308 to 1.7e+308): write it in a",
    ),
}


def one_line(caught: pytest.ExceptionInfo[TableError], says: str) -> bool:
    message = str(caught.value)
    return message.startswith(says) and "\n" not in message and "--drop x" in message


@pytest.mark.parametrize(("values", "says"), UNFIT.values(), ids=UNFIT)
def test_a_column_that_cannot_be_learned_from(values, says):
    table = pl.DataFrame({"x": values, "n": range(len(values))})
    with pytest.raises(TableError, match=r"column 'x'") as caught:
        TableEncoder.fit(table)
    assert one_line(caught, says), str(caught.value)
    TableEncoder.fit(table, drop=["x"])  # the remedy works


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
    "words for numbers": ("number", ["1", "two"], "held numbers in training and has words now, such as 'two' in row 2"),
    "flags for numbers": (
        "number",
        [True],
        "held numbers in training and has true and false now, such as 'True' in row 1",
    ),
    "dates for numbers": (
        "number",
        [None, dt.date(2024, 1, 1)],
        "held numbers in training and has dates now, such as '2024",
    ),
    "infinite": ("number", [1.0, INF], "is infinite in 1 row, first in row 2: write numbers there, empty"),
    "far": ("number", [1.0, 1.7e308], None),
    "words for flags": (
        "boolean",
        [None, "yes"],
        "held true and false in training and has words now, such as 'yes' in row 2",
    ),
    "numbers for flags": (
        "boolean",
        [0, 1, 2],
        "held true and false in training and has numbers now, such as '2' in row 3",
    ),
    "flags for words": (
        "category",
        [True],
        "held words in training and has true and false now, such as 'True' in row 1: read",
    ),
    "floats for words": (
        "category",
        [0.5],
        "held words in training and has numbers now, such as '0.5' in row 1: read the",
    ),
    "dates for words": (
        "category",
        [dt.date(2024, 1, 1)],
        "held words in training and has dates now, such as '2024-01-01'",
    ),
    "words for dates": (
        "date",
        ["Monday"],
        "held dates in training and has words now, such as 'Monday' in row 1: give it",
    ),
    "numbers for moments": (
        "datetime",
        [5],
        "held dates with times in training and has numbers now, such as '5' in row 1",
    ),
    "words for durations": (
        "duration",
        ["1 h"],
        "held durations in training and has words now, such as '1 h' in row 1: ",
    ),
    "moments for times": (
        "time",
        [dt.datetime(2024, 1, 1)],
        "held times of day in training and has dates with times now",
    ),
    "lists": ("number", [[1]], "holds list values, and a feature is one number, word, date or truth value: spread"),
}


@pytest.mark.parametrize(("kind", "values", "says"), CHANGED.values(), ids=CHANGED)
def test_a_column_of_another_type_later(kind, values, says):
    encoder = TableEncoder.fit(pl.DataFrame({"x": TRAINING[kind]}))
    dtype = np.float64 if says else np.float32
    with pytest.raises(TableError, match=r"column 'x'") as caught:
        encoder.transform(pl.DataFrame({"x": values}), dtype=dtype)
    message = str(caught.value)
    assert message.startswith(f"column 'x' {says or 'has 1.7e+308 in row 2, which is too far from the training'}")
    assert "\n" not in message
    assert ": " in message


@pytest.mark.parametrize("kind", TRAINING)
@pytest.mark.parametrize("dtype", [pl.Null, pl.String, pl.Float64, pl.Int64, pl.Date])
def test_a_column_without_any_value_may_be_of_any_type(kind, dtype):
    encoder = TableEncoder.fit(pl.DataFrame({"x": TRAINING[kind]}))
    X = encoder.transform(pl.DataFrame({"x": pl.Series([None, None], dtype=dtype)}))
    assert np.isfinite(X).all()


def test_a_missing_column_is_looked_for():
    encoder = TableEncoder.fit(pl.DataFrame({"income": [1, 2, 3], "age": [1, 2, 3]}))
    with pytest.raises(TableError, match=r"^column 'age' is not in the table, and the model.*: did you mean 'Age'\?$"):
        encoder.transform(pl.DataFrame({"income": [1], "Age": [2]}))


def test_an_unknown_column_to_leave_out_is_looked_for():
    with pytest.raises(
        TableError, match=r"^column 'nme' cannot be left out, as it is not there: did you mean 'name'\?$"
    ):
        TableEncoder.fit(pl.DataFrame({"name": ["x"], "age": [1]}), drop=["nme"])


@pytest.mark.parametrize(
    "table", [pl.DataFrame({"x": [1, 1]}), pl.DataFrame({"x": [None, None]}), pl.DataFrame({"y": [1]})]
)
def test_nothing_to_learn_from(table):
    with pytest.raises(TableError, match=r"^no column is left to learn from .*: give columns whose values differ$"):
        TableEncoder.fit(table, drop=[name for name in table.columns if name == "y"])


def test_no_rows():
    with pytest.raises(TableError, match=r"^the table has no rows to learn from"):
        TableEncoder.fit(pl.DataFrame({"x": []}))


def test_no_slots():
    with pytest.raises(DomainError, match=r"^max_categories is 0: give 1 or more"):
        TableEncoder.fit(pl.DataFrame({"x": [1, 2]}), max_categories=0)


def test_more_than_memory_holds(monkeypatch):
    encoder = TableEncoder.fit(pl.DataFrame({"x": [1, 2]}))
    monkeypatch.setattr(memory, "machine_memory", lambda: 1000.0)
    assert encoder.transform(pl.DataFrame({"x": range(100)})).nbytes == 800
    with pytest.raises(
        TableError, match=r"^101 rows of 1 features take .* GiB, and this machine has room for .*: give fewer"
    ):
        encoder.transform(pl.DataFrame({"x": range(101)}))
