"""The right numbers of every network that Hypothesis can draw pass, and a clear change in one of them fails."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.strategies import draws, problems

from backlit.core.problem import Problem
from backlit.verification.problem_check import check
from backlit.verification.quantities import key_of, right_values


def problem_of(drawn):
    """The drawn case as a problem; its dropout masks are those of step 0."""
    return Problem(
        drawn.net, drawn.params, drawn.X, drawn.y, drawn.sample_weight, seed=drawn.dropout.seed if drawn.dropout else 0
    )


def nested(values):
    claims = {}
    for name, value in values.items():
        if name == "loss":
            claims[name] = float(value)
        else:
            claims.setdefault(key_of(name), {})[name[len(key_of(name)) + 1 : -1]] = value
    return claims


@draws(10)
@given(problems())
def test_right_numbers_pass(drawn):
    problem = problem_of(drawn)
    result = check(problem, nested(right_values(problem)))
    assert result.ok, (result.notes, result.first_wrong)


@draws(15)
@given(problems(), st.integers(0, 2**32 - 1))
def test_one_changed_number_fails(drawn, seed):
    problem, rng = problem_of(drawn), np.random.default_rng(seed)
    values = {name: value.copy() for name, value in right_values(problem).items()}
    name = str(rng.choice([n for n in values if n != "a[0]"]))
    changed = values[name].reshape(-1)
    i = int(np.argmax(np.abs(changed)))
    assume(abs(changed[i]) > 1e-6)
    changed[i] *= 1.001
    values[name] = changed.reshape(values[name].shape)
    result = check(problem, nested(values), pairs=False)
    assert result.verdict == "fail", result.notes
    assert result.first_wrong == name
