"""Per-example gradient norms and Gram matrix against one backward pass for each example."""

import numpy as np
from hypothesis import given
from numpy.testing import assert_allclose
from tests.core.test_metamorphic import rebuilt
from tests.helpers import raises_naming
from tests.strategies import Problem, numbers, problems

from backlit.core import Dense, Network
from backlit.core.passes import gradient_norms
from backlit.errors import ProblemError


def one_by_one(problem: Problem) -> np.ndarray:
    """∂ℓ_i/∂θ, (m, n_parameters): a weight of 1 on example i and 0 on all others, summed, without L2."""
    alone = rebuilt(problem, reduction="sum", l2=0.0)
    return np.array([alone.but(sample_weight=row).passes()[1].theta for row in np.eye(problem.m)])


@given(problems(norms=[None, "layer"]))
def test_norms(problem):
    trace, grad = problem.passes()
    rows = one_by_one(problem)
    assert_allclose(gradient_norms(problem.net, trace, grad), np.linalg.norm(rows, axis=1), rtol=1e-11)


@given(problems(norms=[None, "layer"]))
def test_the_shares_of_the_rows_make_up_the_gradient(problem):
    plain = rebuilt(problem, l2=0.0)
    w = np.ones(problem.m) if problem.sample_weight is None else problem.sample_weight
    share = w / w.sum() if problem.net.reduction == "mean" else w
    theta = plain.passes()[1].theta
    assert_allclose(share @ one_by_one(problem), theta, rtol=1e-11, atol=1e-12 * np.abs(theta).max() + 1e-15)


def test_batch_norm_has_no_per_example_gradient(rng):
    problem = numbers(Network(2, [Dense(2, norm="batch"), Dense(1)]), rng, 4)
    trace, grad = problem.passes()
    with raises_naming(ProblemError, "batch norm", "couples", "examples"):
        gradient_norms(problem.net, trace, grad)
