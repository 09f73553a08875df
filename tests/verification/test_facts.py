"""Facts that need no right answer: they hold for right code, and a planted violation of each is noticed."""

from functools import partial

import numpy as np
import pytest
from tests.verification.drawn import draw_problem

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.verification import check, check_network, network_check
from backlit.verification.invariants import OF_CLAIMS, OF_CODE, reversed_units

pytestmark = pytest.mark.usefixtures("trusted", "unpaired")


@pytest.fixture
def unpaired(monkeypatch):
    """No two mistakes at once are looked for in the code, which takes most of the time."""
    monkeypatch.setattr(network_check, "check", partial(check, pairs=False))


def relu(z):
    return np.maximum(z, 0)


def step(W, b, X, y, *, m=None, order=None, swap=False, shift=0.0, uneven=0.0):
    """One hidden ReLU layer, softmax and cross-entropy; each option plants one violation."""
    m = len(X) if m is None else m
    z = X @ W[0].T + b[0]
    a = relu(z)
    scores = a @ W[1].T + b[1]
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.sum(y * np.log(p)) / m
    delta = (p - y) / m + shift
    if order:
        delta[0] *= order
    below = delta @ W[1] * (z > 0)
    if swap:
        below[:, 0] *= 2
    grad_W = [below.T @ X * (1 + uneven), delta.T @ a]
    return {"loss": loss, "grad_W": grad_W, "grad_b": [below.sum(axis=0), delta.sum(axis=0)]}


SETTINGS = {"activations": ("relu", "softmax"), "loss": "cross_entropy"}
PLANTED = {
    "doubled_batch": {"m": 7},
    "examples_reversed": {"order": 3.0},
    "units_reversed": {"swap": True},
    "biases_balance": {"shift": 0.1},
    "layers_balance": {"uneven": 0.01},
}


def test_right_code_obeys_every_fact():
    found = check_network(step, (3, 4, 3), **SETTINGS)
    assert found.verdict == "pass"
    assert {fact.name for fact in found.facts} == set(OF_CODE) == set(PLANTED)
    assert all(fact.ok and fact.error < 1e-12 for fact in found.facts)


@pytest.mark.parametrize("name", OF_CODE)
def test_a_planted_violation_is_noticed(name):
    found = check_network(lambda W, b, X, y: step(W, b, X, y, **PLANTED[name]), (3, 4, 3), **SETTINGS)
    broken = {fact.name: fact for fact in found.facts if not fact.ok}
    assert name in broken
    assert found.verdict == "fail"
    assert "does NOT hold" in str(broken[name])


def test_a_hard_coded_batch_size_is_noticed_by_a_fact_alone():
    """The numbers of the batch that was asked for are right; twice as many examples are not."""
    found = check_network(lambda W, b, X, y: step(W, b, X, y, m=7), (3, 4, 3), **SETTINGS)
    assert found.against.ok
    assert found.own.ok
    assert found.verdict == "fail"
    assert "every example twice" in str(found)


def test_code_that_raises_on_other_batches_is_a_fact_that_does_not_hold():
    def rigid(W, b, X, y):
        assert len(X) == 7, "only seven"
        return step(W, b, X, y)

    broken = [fact for fact in check_network(rigid, (3, 4, 3), **SETTINGS).facts if not fact.ok]
    assert [fact.name for fact in broken] == ["doubled_batch"]
    assert "only seven" in str(broken[0])


def claimed_problem(rng):
    net = Network(3, [Dense(4, "relu"), Dense(3, "softmax")], loss="cross_entropy", l2=0.1)
    problem = Problem(net, net.init(seed=1), rng.standard_normal((5, 3)), np.eye(3)[[0, 1, 2, 1, 0]])
    grad = problem.passes()[1]
    claims = {key: {l: getattr(grad, key.removeprefix("grad_"))[l].copy() for l in (1, 2)} for key in KEYS}
    return problem, claims


KEYS = ("delta", "grad_b", "grad_W")
SPOILED = {"scores_balance": "delta", "biases_balance": "grad_b", "layers_balance": "grad_W"}


@pytest.mark.parametrize("name", OF_CLAIMS)
def test_facts_of_claims_hold_and_a_planted_violation_is_noticed(name, rng):
    problem, claims = claimed_problem(rng)
    facts = {fact.name: fact for fact in check(problem, claims).facts}
    assert facts.keys() == OF_CLAIMS.keys()
    assert all(fact.ok for fact in facts.values())
    claims[SPOILED[name]][2][0] += 0.01
    result = check(problem, claims, pairs=False)
    assert [fact.name for fact in result.facts if not fact.ok] == [name]
    assert result.to_dict()["facts"][list(OF_CLAIMS).index(name)]["ok"] is False


def test_facts_hold_for_right_claims_of_random_networks(rng):
    for _ in range(10):
        problem = draw_problem(rng)
        grad = problem.passes()[1]
        claims = {"delta": grad.delta, "grad_W": grad.W, "grad_b": grad.b}
        assert all(fact.ok for fact in check(problem, claims, pairs=False).facts)


def test_reversing_twice_changes_nothing(rng):
    params = draw_problem(rng).params
    np.testing.assert_array_equal(reversed_units(reversed_units(params)).theta, params.theta)
    assert not np.array_equal(reversed_units(params).theta, params.theta)
