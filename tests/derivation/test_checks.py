"""The independent checks: they find a planted error, and excuse nothing but rounding and kinks."""

import numpy as np
import pytest
from tests.derivation.claim_facts import drawn_problem

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.derivation import checks
from backlit.derivation.examples import EXAMPLES, read_example
from backlit.formats.problems import read_problem
from backlit.gradcheck.check import Comparison


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("factor", [1 + 1e-6, 1 - 1e-9])
def test_a_small_error_in_one_entry_is_found(example, factor):
    problem = read_problem(read_example(example))
    trace, grad = problem.passes()
    last = problem.net.L
    place = np.unravel_index(np.abs(grad.W[last]).argmax(), grad.W[last].shape)
    grad.W[last][place] *= factor
    found = {check.kind: check for check in checks.check(problem, trace, grad)[f"grad_W[{last}]"]}
    assert not found["complex step"].ok
    if abs(factor - 1) > 1e-7 and "central difference" in found:
        assert not found["central difference"].ok


def test_a_gradient_that_cancels_is_told_from_one_that_is_wrong():
    """Batch norm makes ∂C/∂b 0 but for rounding; 1e-12 in its place is an error."""
    problem = read_problem(read_example("batch-norm"))
    trace, grad = problem.passes()
    assert np.abs(grad.b[1]).max() < 1e-15
    assert all(check.ok for check in checks.check(problem, trace, grad)["grad_b[1]"])
    grad.b[1][0] = 1e-12
    assert not checks.check(problem, trace, grad)["grad_b[1]"][0].ok


def test_a_check_that_rounding_alone_lets_agree_is_not_shown(monkeypatch):
    """A softmax so sure of itself that δ is what rounding leaves: "agrees, relative error 12" tells nobody anything."""
    problem = drawn_problem(20008)
    trace, grad = problem.passes()
    assert 0 < np.abs(grad.delta[4]).max() < 1e-60
    shown = checks.check(problem, trace, grad)
    assert all(check.ok and check.error < 1e-3 for found in shown.values() for check in found)
    monkeypatch.setattr(Comparison, "tells", True)
    silenced = checks.check(problem, trace, grad)
    assert max(check.error for found in silenced.values() for check in found) > 1
    monkeypatch.undo()
    grad.delta[4][0, 0] = 1e-3
    assert [check.ok for check in checks.check(problem, trace, grad)["delta[4]"]] == [False]


def test_a_wrong_delta_is_found_where_there_is_more_than_one_example():
    problem = read_problem(read_example("softmax"))
    trace, grad = problem.passes()
    assert checks.check(problem, trace, grad)["delta[1]"][0].ok
    grad.delta[1][1, 1] *= 1 + 1e-9
    assert not checks.check(problem, trace, grad)["delta[1]"][0].ok


@pytest.mark.parametrize(("slope", "ok"), [(0.0, True), (0.5, True), (1.0, True), (-0.1, False), (1.1, False)])
def test_on_a_kink_any_slope_between_the_one_sided_ones_is_right(slope, ok):
    net = Network(1, [Dense(1, "relu")], loss="half_squared_error")
    params = net.init(seed=0)
    params.theta[:] = (1.0, -1.0)  # z = 1·1 − 1 = 0
    problem = Problem(net, params, X=np.array([[1.0]]), y=np.array([[-1.0]]))  # ∂ℓ/∂a = 1
    trace, grad = problem.passes()
    grad.b[1][0] = slope
    found = {check.kind: check.ok for check in checks.check(problem, trace, grad)["grad_b[1]"]}
    if slope:  # a difference has nothing to say about 0: there its own rounding is larger, and it is left out
        assert found["central difference"] is ok


def test_a_kink_near_by_is_not_crossed():
    net = Network(1, [Dense(1, "relu")], loss="half_squared_error")
    params = net.init(seed=0)
    params.theta[:] = (1.0, -1.0 + 1e-6)  # z = 1e-6, less than the first step of a difference
    problem = Problem(net, params, X=np.array([[1.0]]), y=np.array([[-1.0]]))
    trace, grad = problem.passes()
    assert all(check.ok for found in checks.check(problem, trace, grad).values() for check in found)
