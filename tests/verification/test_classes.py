"""Mistakes that predict the same numbers are one class, and those that predict the right ones are none."""

from types import SimpleNamespace

import numpy as np

from backlit.verification.hypotheses import classes

RIGHT = (1.0, -2.0)


def grouped(*predicted):
    """The classes of hypotheses that predict these numbers, each hypothesis by its place."""
    singles = [SimpleNamespace(mutations=numbers, place=k) for k, numbers in enumerate(predicted)]
    predictor = SimpleNamespace(claims={"loss": np.zeros(2)}, fingerprint=lambda numbers, _: np.array(numbers or RIGHT))
    return [[one.place for one in group] for group in classes(predictor, singles)]


def test_each_group_has_what_predicts_the_same_in_order():
    assert grouped((3.0, 1.0), (1.0, 3.0), (3.0, 1.0 + 1e-12), (1.0, 3.0)) == [[0, 2], [1, 3]]
    assert grouped((3.0, 1.0), (3.0, 1.0 + 1e-6)) == [[0], [1]]


def test_what_predicts_the_right_values_is_no_class():
    assert grouped(RIGHT, (3.0, 1.0), (1.0, -2.0 - 1e-12)) == [[1]]
    assert grouped(RIGHT, RIGHT) == grouped() == []


def test_what_is_not_finite_is_in_none():
    assert grouped((np.nan, 1.0), (np.inf, 1.0), (3.0, 1.0)) == [[2]]
