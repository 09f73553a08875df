"""Every printed line, for networks of all options: its figures give its result, within the rounding of the figures.

Each printed number stands for an interval, half a unit of its last place to each side (none where it is exact).  What
the left side can be for any choice within them must meet what the right side can be; where "=" is printed, the printed
figures themselves must give the printed result.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from tests.strategies import problems

from backlit.core.problem import Problem
from backlit.derivation import derive
from backlit.derivation.evaluate import NotNumeric, evaluate, half_unit, has_dots, nodes
from backlit.derivation.expressions import Chain, Mat, Num
from backlit.derivation.numbers import Numbers

TRIES = 24


def moved(expr, rng):
    """The formula with every rounded number moved within its rounding."""
    from dataclasses import fields, replace

    from backlit.derivation.expressions import Expr, Nary

    if isinstance(expr, Num):
        if expr.exact or not np.isfinite(expr.value):
            return expr
        value = float(expr.text) + rng.uniform(-1, 1) * half_unit(expr.text)
        return Num(value, repr(value), True)
    if isinstance(expr, Nary):
        return type(expr)(*(moved(item, rng) for item in expr.items))
    changes = {}
    for field in fields(expr):
        value = getattr(expr, field.name)
        if isinstance(value, Expr):
            changes[field.name] = moved(value, rng)
        elif isinstance(value, tuple) and value and isinstance(value[0], Expr):
            changes[field.name] = tuple(moved(item, rng) for item in value)
        elif isinstance(value, tuple) and value and isinstance(value[0], tuple):
            changes[field.name] = tuple(tuple(moved(cell, rng) for cell in row) for row in value)
    return replace(expr, **changes) if changes else expr


def numeric(expr):
    try:
        return np.asarray(evaluate(expr), float)
    except NotNumeric:
        return None


def judge(chain, rng):
    """How many pairs of neighbors of a chain were compared."""
    judged = 0
    for left, sign, right in zip(chain.parts, chain.relations, chain.parts[1:], strict=False):
        if has_dots(left) or has_dots(right) or sign not in "=≈":
            continue
        with np.errstate(all="ignore"):
            found, printed = numeric(left), numeric(right)
            if found is None or printed is None:
                continue
            samples = np.array([np.broadcast_to(numeric(moved(left, rng)), printed.shape) for _ in range(TRIES)])
        cells = np.array([half_unit(c.text) if isinstance(c, Num) and not c.exact else 0.0 for c in flat(right)])
        half = cells.reshape(printed.shape) if isinstance(right, Mat | Num) else 0.02 * np.abs(printed) + 1e-6
        size = np.maximum(np.abs(printed), np.abs(found))
        if sign == "=":
            assert (np.abs(found - printed) <= half * (1 + 1e-6) + 1e-11 * size + 1e-300).all(), chain
        else:
            spread = np.abs(samples - found).max(axis=0)
            assert (np.abs(found - printed) <= half + 4 * spread + 1e-11 * size).all(), chain
        judged += 1
    return judged


def flat(expr):
    return [cell for row in expr.rows for cell in row] if isinstance(expr, Mat) else [expr]


def as_problem(drawn):
    seed = None if drawn.dropout is None else drawn.dropout.seed
    return Problem(drawn.net, drawn.params, drawn.X, np.asarray(drawn.y), drawn.sample_weight, seed=seed)


@settings(max_examples=25)
@given(problems(running=False, depths=(1, 2, 3), widths=(1, 2, 3), rows=(1, 2, 3)))
def test_every_line_holds(drawn):
    problem, rng = as_problem(drawn), np.random.default_rng(0)
    assume(not problem.passes()[0].first_non_finite())
    judged = 0
    for step in derive(problem).steps():
        for line in (*step.lines, *step.entries):
            assert isinstance(line.chain, Chain)
            judged += judge(line.chain, rng)
    assert judged > 10 * problem.net.L


def test_a_wrong_line_is_seen():
    """Test the tester."""
    num = Numbers(5)
    with pytest.raises(AssertionError, match="Chain"):
        judge(Chain((num(1 / 3), num(0.33334)), ("=",)), np.random.default_rng(0))
    with pytest.raises(AssertionError, match="Chain"):
        judge(Chain((num(1 / 3), num(0.33444)), ("≈",)), np.random.default_rng(0))


def test_the_tree_holds_all_numbers():
    num = Numbers(3)
    mat = Mat(((num(1.5), num(-2)),), (1, 2))
    assert [node.text for node in nodes(mat) if isinstance(node, Num)] == ["1.5", "-2"]
