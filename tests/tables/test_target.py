"""The target: the task that its type decides, its labels, the rows that have one, and what is refused."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from tests.helpers import raises_naming

from backlit import bounded_reading
from backlit.errors import ProblemError, TableError
from backlit.tables import read_target


def target(values, task=None):
    return read_target(pl.DataFrame({"y": values, "n": range(len(values))}), "y", task)


C, R = "classification", "regression"
RULE = {
    "text": (["a", "b", "a", "b"], C),
    "categories": (pl.Series(["a", "b", "a", "b"], dtype=pl.Categorical), C),
    "booleans": ([True, False, True, True], C),
    "two classes": ([0, 1, 1, 0], C),
    "20 whole numbers twice": (list(range(20)) * 2, C),
    "21 whole numbers often": (list(range(21)) * 9, R),
    "whole numbers once": ([1, 2, 3], R),
    "fewer than two each": ([1, 1, 2, 2, 3], R),
    "floats": ([0.5, 1.5, 0.5, 1.5], R),
    "floats that are whole": ([0.0, 1.0, 0.0, 1.0], R),
    "decimals": (pl.Series(["1.5", "2.5"]).cast(pl.Decimal(5, 1)), R),
}


@pytest.mark.parametrize(("values", "task"), RULE.values(), ids=RULE)
def test_the_type_decides_the_task(values, task):
    assert target(values).task == task


def test_told_the_task_it_is_that():
    assert target([0, 1, 0, 1], R).y.dtype == np.float64
    assert target([0.0, 1.0, 0.0, 1.0], C).classes == (0.0, 1.0)


LABELS = {
    "text": (["no", "yes", "no", "yes"], pl.String),
    "booleans": ([True, False, True, False], pl.Boolean),
    "whole numbers": ([7, 3, 3, 7], pl.Int64),
    "whole numbers from 2**63 on": ([2**64 - 1, 2**64 - 2, 2**64 - 2, 2**64 - 1], pl.UInt64),
    "small and large": ([0, 2**63, 2**63, 0], pl.UInt64),
    "floats": ([0.5, 2.0, 0.5, 2.0], pl.Float64),
}


@pytest.mark.parametrize(("values", "dtype"), LABELS.values(), ids=LABELS)
def test_labels_come_back_as_they_were(values, dtype):
    read = target(pl.Series(values, dtype=dtype), C)
    assert read.classes == tuple(sorted(set(values)))
    assert all(type(label) is type(values[0]) for label in read.classes)
    decoded = read.codec.decode(read.y)
    assert (decoded.name, decoded.dtype, decoded.to_list()) == ("y", dtype, values)


def test_numbers_come_back_as_floats():
    read = target([1.5, 2.5, 3.0])
    assert read.codec.decode(np.array([0.1, 0.2], np.float32)).dtype == pl.Float64
    assert read.codec.decode(read.y).to_list() == [1.5, 2.5, 3.0]


def test_rows_without_a_target_are_left_out_and_told():
    read = target([None, 1.5, float("nan"), 2.5])
    assert_array_equal(read.rows, [1, 3])
    assert_array_equal(read.y, [1.5, 2.5])
    assert read.notes == ("2 rows without a target left out",)


def test_doubts_are_told():
    assert target(["a", "a", "a", "b", "b", "c"]).notes == ("'c' has a single row: kept for training, never tested",)
    assert target([1, 0, 1, 0]).notes == (
        "2 whole numbers taken as classes; use the task regression where they are amounts",
    )
    assert "use the task classification for classes" in target([1.0, 0.0, 1.0, 0.0]).notes[0]
    assert target([1, 0, 1, 0], C).notes == target(["a", "b", "a", "b"]).notes == ()


INF = float("inf")
BAD = {
    "one class": (
        ["a", "a", None],
        None,
        ("'a'", "2", "rows", "nothing", "tell", "apart", "add"),
    ),
    "one number": ([2.5, 2.5], None, ("2.5", "rows", "nothing", "tell", "apart", "add")),
    "one row": ([None, "a"], None, ("'a'", "1", "row")),
    "all missing": ([None, None], None, ("2", "rows", "column")),
    "all NaN": ([float("nan")] * 2, None, ("2", "rows", "column")),
    "infinite": (
        [None, 1.0, INF, -INF],
        None,
        ("infinite", "2", "rows", "row 3", "write", "number", "empty"),
    ),
    "infinite classes": ([0.0, 0.0, INF, INF], C, ("infinite", "2", "rows", "row 3", "write", "number")),
    "too many": (
        ["a", "b", "c"],
        None,
        ("3", "different", "rows", "many", "classes", "need"),
    ),
    "numbers as classes": (
        [1.5, 2.5, 3.5],
        C,
        ("3", "different", "rows", "many", "classes", "need"),
    ),
    "spoiled": (["1.5", "2.5", "3.5", "x"], None, ("4", "different", "rows", "many", "classes", "need")),
    "text as numbers": ([None, "1.5", "x"], R, ("'x'", "row 3", "regression", "numbers", "mend", "empty")),
    "flags as numbers": ([True, False], R, ("'True'", "row 1", "regression", "numbers", "mend", "empty")),
    "dates": (
        [dt.date(2024, 1, 1), dt.date(2024, 1, 2)],
        None,
        ("dates", "times", "'2024-01-01'", "write"),
    ),
}


@pytest.mark.parametrize(("values", "task", "says"), BAD.values(), ids=BAD)
def test_one_line_names_the_target_and_the_remedy(values, task, says):
    with raises_naming(TableError, "target 'y'", *says):
        target(values, task)


REMEDIES = {
    "numbers as classes": ("use", "task", "regression"),
    "spoiled": ("numbers", "'x'", "like"),
    "too many": ("join", "rare"),
}


@pytest.mark.parametrize("case", REMEDIES)
def test_the_remedy_fits_the_type(case):
    values, task, _ = BAD[case]
    with raises_naming(TableError, *REMEDIES[case]):
        target(values, task)


def test_a_target_that_is_not_there_is_looked_for():
    with raises_naming(TableError, "target", "'Y'", "column", "table", "'y'"):
        read_target(pl.DataFrame({"y": [1, 2], "x": [1, 2]}), "Y")
    with raises_naming(TableError, "target", "'price'", "column", "table", "'y'", "'x'"):
        read_target(pl.DataFrame({"y": [1, 2], "x": [1, 2]}), "price")


def test_an_unknown_task_is_named():
    with raises_naming(ProblemError, "task", "'ranking'", "give", "'classification'", "'regression'"):
        target([1, 2], "ranking")


def test_more_classes_than_memory_holds(monkeypatch):
    monkeypatch.setattr(bounded_reading, "machine_memory", lambda: 1000.0)
    assert len(target(["a", "b"] * 25).classes) == 2
    with raises_naming(TableError, "target", "'y'", "scores", "3", "classes", "60", "rows", "GiB", "join", "rare"):
        target(["a", "b", "c"] * 20)
