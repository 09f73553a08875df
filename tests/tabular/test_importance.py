"""Columns that a model reads matter, others do not; the worst rows are the worst."""

import numpy as np
import polars as pl
import pytest

from backlit.tables import TargetCodec
from backlit.tabular.importance import importances, worst_rows

draw = np.random.default_rng(0)
TABLE = pl.DataFrame({"idle": draw.normal(size=300), "a": draw.normal(size=300), "b": draw.normal(size=300)})


def predict(rows):
    return 3 * rows["a"].to_numpy() + rows["b"].to_numpy()


def test_the_loss_grows_by_what_a_column_carries():
    y = predict(TABLE) + draw.normal(size=300)
    found = importances(TABLE, y, predict, classes=False)
    assert list(found) == ["a", "b", "idle"]
    assert found["idle"] == 0
    assert found["a"] == pytest.approx((1 + 2 * 9) ** 0.5 - 1, rel=0.15)  # an error of variance 2 · 3² more
    assert found["b"] == pytest.approx((1 + 2) ** 0.5 - 1, rel=0.3)
    assert importances(TABLE, y, predict, classes=False) == found


def test_classes_are_measured_by_log_loss():
    def probabilities(rows):
        p = 1 / (1 + np.exp(-4 * rows["a"].to_numpy()))
        return np.column_stack([1 - p, p])

    y = (TABLE["a"].to_numpy() > 0).astype(int)
    found = importances(TABLE, y, probabilities, classes=True)
    assert next(iter(found)) == "a"
    assert found["a"] > 0.5
    assert found["b"] == found["idle"] == 0


def test_very_many_columns_have_none():
    wide = pl.DataFrame({f"x{k}": [0.0, 1.0] for k in range(201)})
    assert importances(wide, np.zeros(2), lambda rows: np.zeros(len(rows)), classes=False) == {}


def test_the_worst_rows_are_named_by_their_place_in_the_table():
    codec = TargetCodec("who", "classification", ("a", "b"))
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.99, 0.01]])
    worst = worst_rows(pl.DataFrame({"x": [1, 2, 3, 4]}), np.array([3, 5, 8, 9]), np.array([1, 1, 1, 0]), p, codec)
    assert worst == [
        {"row": 4, "true": "b", "predicted": "a", "probability": 0.1, "values": {"x": 1}},
        {"row": 6, "true": "b", "predicted": "a", "probability": 0.4, "values": {"x": 2}},
    ]  # the two others were answered rightly
    numbers = worst_rows(
        pl.DataFrame({"x": [1, 2]}), np.array([0, 1]), np.array([1.0, 5.0]), np.array([1.5, 9.0]),
        TargetCodec("y", "regression"), most=1,
    )  # fmt: skip
    assert numbers == [{"row": 2, "true": 5.0, "predicted": 9.0, "values": {"x": 2}}]
