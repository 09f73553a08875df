"""An encoder and a target survive JSON to the bit, and nothing else is taken for one."""

import copy
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from tests.helpers import raises_naming

from backlit.errors import ModelError
from backlit.tables import TableEncoder, TargetCodec

TABLE = pl.DataFrame(
    {
        "x": [0.1, None, 0.7, 1 / 3],
        "c": ["a", "b", None, "a"],
        "b": [True, False, None, True],
        "p": [1, None, 1, 1],
        "same": [1, 1, 1, 1],
        "t": pl.Series([0, 1, 2, 5]).cast(pl.Datetime("us")),
    }
)
ENCODER = TableEncoder.fit(TABLE)
CODEC = TargetCodec("won", "classification", (False, True))


def test_every_form_is_here():
    forms = {column["form"] for column in ENCODER.to_dict()["columns"]}
    assert forms == {"scaled", "flag", "category", "presence", "dropped"}


numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
columns = st.one_of(
    st.lists(st.none() | numbers, min_size=6, max_size=6),
    st.lists(st.none() | st.booleans(), min_size=6, max_size=6),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=6, max_size=6),
    st.lists(st.none() | st.text(max_size=3), min_size=3, max_size=3).map(lambda values: values * 2),
    st.lists(st.none() | st.datetimes(), min_size=6, max_size=6),
    st.lists(st.none() | st.dates(), min_size=6, max_size=6),
)


@given(st.dictionaries(st.text(max_size=3), columns, max_size=3))
def test_an_encoder_is_the_same_after_json(data):
    table = pl.DataFrame({**data, "__n": range(6)}, strict=False)
    encoder = TableEncoder.fit(table)
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    X = encoder.transform(table)
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert_array_equal(again.transform(table), X)
    assert len(set(encoder.feature_names_out)) == X.shape[1] == sum(row.features for row in encoder.summary())
    assert_array_equal(encoder.silent_features, [i for i in encoder.silent_features if not X[:, i].any()])


labels = st.one_of(*(st.lists(kind, min_size=2, unique=True) for kind in (st.text(), st.integers(), numbers)))


@given(st.text(), labels | st.just([False, True]))
def test_labels_keep_their_type_through_json(name, classes):
    codec = TargetCodec(name, "classification", tuple(classes))
    again = TargetCodec.from_dict(json.loads(json.dumps(codec.to_dict())))
    assert again == codec
    assert [type(label) for label in again.classes] == [type(label) for label in classes]


WRONG = {  # where to write what, and what the line says
    "no dict": ([], 5, "'5' was found in its place"),
    "another format": (["format"], "onnx", "'onnx' was found in its place"),
    "from the future": (["version"], 3, "its version is 3 and this program knows up to 2: update Backlit"),
    "no version": (["version"], None, "its version is None and this program knows"),
    "negative rows": (["rows"], -1, "rows has to be a whole number, 0 or more and is '-1'"),
    "no list": (["columns"], "x", "columns has to be a list and is 'x'"),
    "no column": (["columns", 0], 7, "columns[0] has to be a column of form"),
    "unknown form": (["columns", 0, "form"], "pickle", "columns[0] has to be a column of form"),
    "unknown field": (["columns", 0, "code"], "x", "columns[0] has fields that are not known ('code')"),
    "no name": (["columns", 0, "name"], None, "columns[0].name has to be text and is 'None'"),
    "name twice": (["columns", 0, "name"], "c", "columns share a name"),
    "truth for a number": (["columns", 0, "mean"], True, "columns[0].mean has to be a finite number and is 'True'"),
    "not finite": (["columns", 0, "mean"], float("nan"), "columns[0].mean has to be a finite number and is 'nan'"),
    "zero scale": (["columns", 0, "scale"], 0.0, "columns[0].scale is 0.0, which cannot be"),
    "negative scale": (["columns", 0, "scale"], -1.0, "columns[0].scale is -1.0, which cannot be"),
    "unknown kind": (["columns", 0, "kind"], "money", "columns[0].kind is 'money', which cannot be"),
    "number for truth": (["columns", 0, "indicator"], 1, "columns[0].indicator has to be true or false and is '1'"),
    "values twice": (
        ["columns", 1, "values"],
        ["a", "a"],
        "columns[1].values are 2, of which 1 differ, which cannot be",
    ),
    "no values": (["columns", 1, "values"], [], "columns[1].values are 0, of which 0 differ, which cannot be"),
    "numbers as values": (["columns", 1, "values"], [1, 2], "columns[1].values has to be a list of texts"),
    "share above 1": (["columns", 2, "mean"], 1.5, "columns[2].mean is 1.5, which cannot be"),
}


@pytest.mark.parametrize(("where", "value", "says"), WRONG.values(), ids=WRONG)
def test_a_changed_file_is_refused(where, value, says):
    stored = copy.deepcopy(ENCODER.to_dict())
    if not where:
        stored = value
    else:
        part = stored
        for key in where[:-1]:
            part = part[key]
        part[where[-1]] = value
    with raises_naming(ModelError, "table", "encoder") as caught:
        TableEncoder.from_dict(stored)
    assert str(caught.value).startswith(f"backlit table encoder: {says}")


WRONG_TARGETS = {
    "no dict": None,
    "another format": {"format": "backlit table encoder"},
    "unknown task": {"task": "ranking"},
    "mixed types": {"classes": [1, True]},
    "mixed numbers": {"classes": [1, 2.0]},
    "lists": {"classes": [[1], [2]]},
    "one class": {"classes": [True]},
    "no classes": {"classes": []},
    "twice": {"classes": ["a", "a"]},
    "not finite": {"classes": [1.0, float("inf")]},
    "classes of numbers": {"task": "regression"},
    "no name": {"name": 5},
}


@pytest.mark.parametrize("change", WRONG_TARGETS.values(), ids=WRONG_TARGETS)
def test_a_changed_target_is_refused(change):
    assert TargetCodec.from_dict(CODEC.to_dict()) == CODEC
    with raises_naming(ModelError, "backlit target"):
        TargetCodec.from_dict(None if change is None else CODEC.to_dict() | change)
