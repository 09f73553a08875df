"""Where a number overflows the document ends at the first step that is not finite, and names it, in every format."""

import json

import pytest
from tests.derivation.worked import explained

from backlit.render.explanation import FORMATS, explain

ONE = {"units": 1, "W": [[1]], "b": [0]}
FORWARD = {
    "inputs": 1,
    "layers": [{"units": 1, "activation": "exp", "W": [[800]], "b": [0]}, ONE],
    "x": [[1]],
    "y": [[1]],
}
LOSS = {"inputs": 1, "layers": [{"units": 1, "W": [[1e200]], "b": [0]}], "x": [[1]], "y": [[1]]}
BACKWARD = {
    "inputs": 1,
    "layers": [{"units": 1, "W": [[1e-200]], "b": [0]}, {"units": 1, "W": [[1e300]], "b": [0]}],
    "x": [[1e-200]],
    "y": [[1e10]],
    "loss": "squared_error",
}
UPDATE = {"inputs": 1, "layers": [ONE], "x": [[2]], "y": [[1]], "optimizer": {"name": "sgd", "learning_rate": 1e300}}
CASES = [(FORWARD, "a[1]"), (LOSS, "ell"), (BACKWARD, "grad_a[1]"), (UPDATE, "update_loss")]


@pytest.mark.parametrize(("problem", "stop"), CASES, ids=[stop for _, stop in CASES])
@pytest.mark.parametrize("fractions", [False, True])
def test_the_first_step_that_is_not_finite_is_the_last(problem, stop, fractions):
    made = explain(problem, fractions=fractions).derivation
    assert made.stopped == stop
    assert [step.id for step in made.steps()][-1] == stop


@pytest.mark.parametrize(("problem", "stop"), CASES, ids=[stop for _, stop in CASES])
@pytest.mark.parametrize("format", [name for name in FORMATS if name != "pdf"])
def test_every_format_names_it(problem, stop, format):
    content = explain(problem).render(format)
    if format == "json":
        assert json.loads(content)["stopped"] == stop
        return
    plain = content.replace("\\", "")
    assert f"{stop} is the first quantity that is not finite" in plain


def test_a_later_step_may_be_the_one():
    problem = {**UPDATE, "optimizer": {"name": "sgd", "learning_rate": 1e80}}
    made = explain(problem, steps=5).derivation
    assert made.stopped == "update_loss"
    first, second = made.step("update_loss").lines[:2]
    assert first.chain.parts[-1].text != "∞"
    assert second.chain.parts[-1].text == "∞"


def test_a_finite_problem_is_whole():
    assert explained(example="worked").derivation.stopped is None


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "adagrad"])
def test_a_gradient_whose_square_leaves_float64_is_shown_up_to_there(optimizer):
    layers = [{"units": 1, "activation": "identity", "W": [[1.0]], "b": [0.0]}]
    problem = {"inputs": 1, "layers": layers, "loss": "half_squared_error", "x": [[1e90]], "y": [[0.0]]}
    text = str(explain({**problem, "optimizer": {"name": optimizer}}))
    assert "(1×10¹⁸⁰)²" in text
    assert "= ∞" in text
