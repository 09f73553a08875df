"""The replay without a knob turned is the textbook, number by number; the student without a mistake is too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.verification.drawn import draw_problem
from tests.verification.planted import planted_claims

from backlit.verification.mutations import ReplayContext
from backlit.verification.quantities import right_values, shapes
from backlit.verification.replay import replay, replay_whole

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_replay_without_a_mistake_is_the_textbook(seed):
    problem = draw_problem(np.random.default_rng(seed))
    right, again = right_values(problem), dict(replay(ReplayContext.of(problem), ()))
    assert list(again) == list(right)
    for name, value in right.items():
        assert_allclose(again[name], value, rtol=1e-11, atol=1e-13, err_msg=name)


@given(seeds)
def test_the_student_without_a_mistake_is_right(seed):
    problem = draw_problem(np.random.default_rng(seed))
    right, claims = right_values(problem), planted_claims(problem)
    for key in ("delta", "grad_W", "grad_b"):
        for l, value in claims[key].items():
            name = f"{key}[{l}]"
            assert_allclose(value, right[name], rtol=1e-6, atol=1e-9 * (1 + np.abs(right[name]).max()), err_msg=name)


@pytest.mark.parametrize("steps", [1, 3])
def test_replayed_updates_are_the_optimizers(rng, steps):
    problem = draw_problem(rng)
    right, again = right_values(problem, steps=steps), replay_whole(problem, (), steps)
    for name in right:
        assert_allclose(again[name], right[name], rtol=1e-12, atol=1e-14, err_msg=name)


def test_shapes_are_those_of_the_values(rng):
    for _ in range(20):
        problem = draw_problem(rng)
        expected = shapes(problem.net, len(problem.X))
        values = right_values(problem, steps=1)
        assert list(values) == list(expected)
        assert {name: value.shape for name, value in values.items()} == expected
