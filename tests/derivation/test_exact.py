"""Fractions: the same numbers as core's, exact in every line, and decimals from the first irrational function on."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from numpy.testing import assert_allclose
from tests.strategies import draws, problems

from backlit.core.problem import Problem
from backlit.derivation import derive
from backlit.derivation.exact import exact_passes
from backlit.derivation.expressions import Num, nodes
from backlit.render.explanation import FORMATS, explain

RATIONAL = {
    "inputs": 2,
    "layers": [
        {"units": 2, "activation": {"name": "leaky_relu", "alpha": 0.25}, "W": [[0.5, -0.25], [0.4, 0.3]]},
        {"units": 2, "activation": "softsign", "W": [[0.5, 1], [-1, 2]], "skip_from": 1, "skip_scale": 0.5},
        {"units": 1, "W": [[0.2, -0.5]], "b": [0.1]},
    ],
    "loss": "half_squared_error",
    "l2": 0.5,
    "x": [[1, 2], [3, -1]],
    "y": [[1], [0.5]],
    "sample_weight": [1, 2],
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
}


@draws(40)
@given(problems(running=False, depths=(1, 2, 3), widths=(1, 2, 3), rows=(1, 2, 3)))
def test_every_fraction_is_cores_number(drawn):
    seed = None if drawn.dropout is None else drawn.dropout.seed
    problem = Problem(drawn.net, drawn.params, drawn.X, np.asarray(drawn.y), drawn.sample_weight, seed=seed)
    trace, grad = problem.passes()
    assume(not trace.first_non_finite())
    _, exact, exact_grad = exact_passes(problem, trace, grad)
    for name in ("z", "u", "h", "a"):
        compare(getattr(exact, name), getattr(trace, name))
    for name in ("a", "u", "delta", "W", "b", "gamma", "beta"):
        compare(getattr(exact_grad, name), getattr(grad, name))
    compare([exact_grad.loss], [grad.loss])


def compare(exact, core):
    for ours, theirs in zip(exact, core, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            scale = max(1.0, float(np.abs(theirs).max()))
            assert_allclose(np.asarray(ours, float), theirs, rtol=1e-9, atol=1e-11 * scale)


def test_a_rational_network_is_exact_throughout():
    problem = explain(RATIONAL, fractions=True).derivation
    numbers, signs = [], set()
    for step in problem.steps():
        if step.way != "update":
            for line in (*step.lines, *step.entries):
                numbers += [node for node in nodes(line.chain) if isinstance(node, Num)]
                signs |= set(line.chain.relations)
    assert all(num.exact or num.fraction is not None for num in numbers)
    assert sum("/" in num.text for num in numbers) > 200
    assert {num.text for num in numbers if num.fraction == Fraction(1, 4)} == {"1/4"}


def test_short_fractions_are_never_about_right():
    """Where all figures of a line are fractions its sign is "="."""
    simple = {**RATIONAL, "layers": [RATIONAL["layers"][0], {"units": 1, "W": [[0.2, -0.5]]}], "l2": 0.0}
    for step in explain(simple, fractions=True).derivation.steps():
        for line in (*step.lines, *step.entries):
            if all(num.exact for num in nodes(line.chain) if isinstance(num, Num)):
                assert "≈" not in line.chain.relations, line


def test_decimals_from_the_sigmoid_on():
    layers = [RATIONAL["layers"][0], {"units": 2, "activation": "sigmoid", "W": [[1, 0.5], [0.25, -1]]}]
    made = explain({**RATIONAL, "layers": layers, "y": [[1, 0], [0, 1]]}, fractions=True).derivation
    first, last = made.step("z[2]").entries[0].chain, made.step("a[2]").entries[0].chain
    assert "/" in first.parts[-1].text
    assert "/" not in last.parts[-1].text
    assert not last.parts[-1].exact


@pytest.mark.parametrize("format", [name for name in FORMATS if name not in ("pdf", "json")])
def test_fractions_in_every_format(format):
    wanted = {
        "latex": r"-\frac{31}{20}",
        "markdown": r"-\frac{31}{20}",
        "beamer": r"-\frac{31}{20}",
        "typst": "-frac(31, 20)",
        "html": '<mo form="prefix">−</mo><mfrac><mn>31</mn><mn>20</mn></mfrac>',
        "text": "−31/20",
    }
    layers = [{"units": 2, "activation": "relu", "W": [[0.5, -0.25], [0.4, 0.3]], "b": [0, 0.1]}]
    problem = {**RATIONAL, "layers": [*layers, {"units": 1, "W": [[0.2, -0.5]]}], "sample_weight": None, "l2": 0.0}
    problem.pop("sample_weight")
    assert wanted[format] in explain(problem, fractions=True).render(format)


def test_json_keeps_floats_and_shows_fractions():
    made = explain(RATIONAL, fractions=True).to_dict()
    plain = explain(RATIONAL).to_dict()
    assert_allclose(made["grad_W"]["1"], plain["grad_W"]["1"], rtol=1e-12)
    (step,) = (s for s in made["steps"] if s["id"] == "z[1][1,0]")
    assert step["value"] == 1.75
    assert step["text"].endswith("= 7/4")


def test_gradient_descent_stays_exact_over_steps():
    layers = [{"units": 1, "W": [[0.5]], "b": [0]}]
    problem = {"inputs": 1, "layers": layers, "x": [[1]], "y": [[1]], "loss": "half_squared_error"}
    problem["optimizer"] = {"name": "sgd", "learning_rate": 0.25}
    made = derive_of(problem, 2)
    assert made.step("update_W[1]@2").lines[-1].chain.parts[-1].rows[0][0].text == "11/16"
    assert [line.chain.parts[-1].text for line in made.step("update_loss").lines] == ["1/32", "1/128"]


def derive_of(problem, steps):
    return explain(problem, fractions=True, steps=steps).derivation


def test_derive_takes_fractions():
    from backlit.formats.problems import read_problem

    made = derive(read_problem(RATIONAL), fractions=True)
    assert made.step("z[1]").entries[2].chain.parts[-1].text == "7/4"
