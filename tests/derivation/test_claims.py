"""Sentences about numbers are claims: each is printed if the numbers bear it out, and only then."""

import json
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from tests.derivation.claim_facts import PHRASES, array, drawn_problem, facts, false_sentences, kind_of, words_of
from tests.scripts import load_script

from backlit.core import Dense, Network
from backlit.core.parameters import Statistics
from backlit.core.problem import Problem
from backlit.derivation import checks, context
from backlit.derivation.document import Check
from backlit.derivation.examples import read_example
from backlit.formats.problems import read_problem
from backlit.optim import get_optimizer
from backlit.render.explanation import explain

SEEDS = [26, 5, 8, 23, 33, 6, 20]  # which state and withhold each claim
MORE = [*range(9, 18)]  # the long form is scripts/explain_claims.py
ELSEWHERE = {"checks_agree", "checks_differ", "kept_a", "kept_x_hat", "kept_mask"}  # withheld below, by planting


def told(problem, steps=1):
    """The document, its JSON read back, and its text."""
    made = explain(problem, steps=steps)
    return made.derivation, json.loads(made.to_json()), words_of(made.derivation)


def orthogonal():
    """Two turns, which keep every length."""
    net = Network(2, [Dense(2), Dense(2)])
    params = net.init({"scheme": "orthogonal"}, seed=1)
    return Problem(net, params, np.ones((1, 2)), np.zeros((1, 2)), optimizer=get_optimizer("sgd"))


def lost_digits():
    """exp of −750 is 0 in float64, so that Poisson's slope 1 − y/a has no digits left."""
    net = Network(1, [Dense(1, "exp")], loss="poisson")
    params = net.init(seed=0)
    params.W[1][:] = -750.0
    return Problem(net, params, np.ones((1, 1)), np.ones((1, 1)), optimizer=get_optimizer("sgd"))


def uphill():
    """w = 1, −0.1, then on by momentum: away from 0, where no step is short enough."""
    net = Network(1, [Dense(1, train_bias=False)])
    params = net.init(seed=0)
    params.W[1][:] = 1.0
    momentum = get_optimizer({"name": "sgd", "learning_rate": 1.1, "momentum": 0.9})
    return Problem(net, params, np.ones((1, 1)), np.zeros((1, 1)), optimizer=momentum)


def unmoved(train_bias):
    """x = 0, so that a bias alone has a slope."""
    net = Network(1, [Dense(1, train_bias=train_bias)])
    return Problem(net, net.init(seed=0), np.zeros((1, 1)), np.ones((1, 1)))


def rounded_away():
    """A step of 1e-18 beside a bias of 1."""
    net = Network(1, [Dense(1)])
    params = net.init(seed=0)
    params.b[1][:] = 1.0
    tiny = get_optimizer({"name": "sgd", "learning_rate": 1e-18})
    return Problem(net, params, np.zeros((1, 1)), np.full((1, 1), 2.0), optimizer=tiny)


def saturated():
    """A sigmoid that is 1 to all digits, and wrong."""
    net = Network(1, [Dense(1, "sigmoid")], loss="binary_cross_entropy")
    params = net.init(seed=0)
    params.W[1][:] = 60.0
    return Problem(net, params, np.ones((1, 1)), np.zeros((1, 1)), optimizer=get_optimizer("sgd"))


def sure():
    """A softmax whose first probability is 1 to all digits: g − Σ p g is 0 there, and is not."""
    net = Network(1, [Dense(2, "tanh"), Dense(2, "softmax")], loss="squared_error")
    params = net.init(seed=0)
    params.W[2][:] = 0.0
    params.b[2][:] = [25.0, -25.0]
    return Problem(net, params, np.ones((1, 1)), np.array([[0.2, 0.8]]), optimizer=get_optimizer("sgd"))


def too_long():
    """½w² from w = 1 with a step of three times its slope."""
    problem = uphill()
    return replace(problem, optimizer=get_optimizer({"name": "sgd", "learning_rate": 3.0}))


def braked():
    """ReLU: the first step falls to a place where nothing moves any more."""
    net = Network(1, [Dense(1, "relu", train_bias=False)])
    params = net.init(seed=0)
    params.W[1][:] = 0.5
    step = get_optimizer({"name": "sgd", "learning_rate": 2.0})
    return Problem(net, params, np.ones((1, 1)), np.zeros((1, 1)), optimizer=step)


def running_moments():
    """Batch norm as in prediction."""
    problem = read_problem(read_example("batch-norm"))
    return replace(problem, statistics=Statistics(problem.net))


MADE = [
    (orthogonal(), 1), (lost_digits(), 1), (uphill(), 3), (unmoved(True), 1), (unmoved(False), 1), (rounded_away(), 1),
    (braked(), 3), (saturated(), 1), (too_long(), 1), (sure(), 1),
    (running_moments(), 1),
]  # fmt: skip


def seen_in(documents):
    """By kind of claim, which of stated and withheld was seen; and every false sentence."""
    found, wrong = defaultdict(set), []
    for problem, steps in documents:
        derivation, printed, text = told(problem, steps)
        if derivation.stopped:
            continue
        wrong += false_sentences(derivation, printed, text, problem, steps)
        for name, holds in derivation.claims.items():
            found[kind_of(name)].add(holds)
    return found, wrong


@pytest.fixture(scope="module")
def seen():
    return seen_in([*((drawn_problem(seed), 1) for seed in SEEDS), *MADE])


def test_no_sentence_is_false(seen):
    assert seen[1] == []


@pytest.mark.slow
def test_no_sentence_of_more_documents_is_false():
    assert seen_in((drawn_problem(seed), 1) for seed in MORE)[1] == []


def test_each_claim_was_seen_both_stated_and_withheld(seen):
    found = {kind: values for kind, values in seen[0].items() if kind not in ELSEWHERE}
    assert set(found) == PHRASES.keys() - ELSEWHERE
    assert {kind for kind, values in found.items() if values != {True, False}} == set()


@pytest.mark.parametrize("seed", [3, 8])
def test_what_is_printed_holds_the_words_of_the_document(seed):
    problem = drawn_problem(seed)
    made = explain(problem)
    assert false_sentences(made.derivation, json.loads(made.to_json()), made.to_text(), problem, 1) == []


def test_the_json_has_the_claims():
    derivation, printed, _ = told(orthogonal())
    assert printed["claims"] == derivation.claims
    assert printed["claims"]["delta_keeps_its_length"] is True
    assert printed["claims"]["delta_grows"] is False


@pytest.mark.parametrize(("found", "agree", "differ"), [
    ({}, False, False), ({"grad_W[1]": (Check("complex step", 1e-16, True),)}, True, False),
    ({"grad_W[1]": (Check("complex step", 0.5, False),), "b": (Check("central difference", 0.0, True),)}, False, True),
])  # fmt: skip
def test_checks_are_said_to_agree_only_if_there_were_any_and_all_do(monkeypatch, found, agree, differ):
    monkeypatch.setattr(checks, "check", lambda *args: found)
    derivation, _, text = told(orthogonal())
    assert (derivation.claims["checks_agree"], derivation.claims["checks_differ"]) == (agree, differ)
    words = " ".join(text.split())
    assert ("s agree with these gradients" in words) == agree
    assert ("do NOT all agree" in words) == differ


def test_what_the_way_back_leaves_unread_is_not_said_to_be_kept(monkeypatch):
    """A backward pass that forgot everything: no row is left, and each is withheld."""
    monkeypatch.setattr(context, "read_on_the_way_back", lambda problem: set())
    problem = next(p for p in map(drawn_problem, range(100)) if p.seed is not None and p.net.couples_examples)
    derivation, _, text = told(problem)
    kept = {kind_of(name): holds for name, holds in derivation.claims.items() if name.startswith("kept")}
    assert kept == dict.fromkeys(("kept_a", "kept_u", "kept_x_hat", "kept_mask"), False)
    assert not any(PHRASES[kind] in text for kind in kept)


def test_a_false_claim_and_words_without_one_are_found():
    """The test of the test: each claim turned around, and each phrase put in or taken out, is reported."""
    problem = drawn_problem(3)
    derivation, printed, text = told(problem)
    known = {name for name, fact in facts(printed, problem, 1).items() if fact is not None}
    assert len(known) > 10
    for name in known & set(derivation.claims):
        turned = type(derivation)(
            **vars(derivation) | {"claims": derivation.claims | {name: not derivation.claims[name]}}
        )
        assert any(name in one for one in false_sentences(turned, printed, text, problem, 1)), name
    for kind, phrase in PHRASES.items():
        other = text.replace(phrase.split()[0], "") if phrase in " ".join(text.split()) else f"{text} {phrase}"
        assert any(one.startswith(f"{kind} is") for one in false_sentences(derivation, printed, other, problem, 1)), (
            kind
        )


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_theorems_hold_of_any_numbers(seed):
    """Σ δ = 0 at a softmax and behind a norm; ⟨W, ∂C/∂W⟩ is the same in each layer of a homogeneous network."""
    rng = np.random.default_rng(seed)

    def delta(layers, loss="half_squared_error", **more):
        net = Network(3, layers, loss=loss)
        params = net.init({"scheme": "gaussian", "sigma_w": 1.5, "sigma_b": more.get("sigma_b", 0.3)}, seed=seed)
        problem = Problem(net, params, rng.standard_normal((4, 3)), np.eye(3)[rng.integers(0, 3, 4)])
        _, printed, text = told(problem)
        return printed, text, params

    for loss in ("cross_entropy", "squared_error"):
        told_here, words, _ = delta([Dense(4, "tanh"), Dense(3, "softmax")], loss)
        np.testing.assert_allclose(array(told_here, "delta", 2).sum(axis=1), 0, atol=1e-14)
        assert "sums to 0 over the outputs" in words
    for norm, axis, over in (("batch", 0, "the batch"), ("layer", 1, "the units")):
        told_here, words, _ = delta([Dense(4, "tanh", norm=norm), Dense(3)])
        np.testing.assert_allclose(array(told_here, "delta", 1).sum(axis=axis), 0, atol=1e-13)
        assert f"sums to 0 over {over}" in words
    told_here, words, params = delta([Dense(4, "relu"), Dense(5, "leaky_relu"), Dense(3)], sigma_b=0.0)
    products = [(params.W[l] * array(told_here, "grad_W", l)).sum() for l in (1, 2, 3)]
    np.testing.assert_allclose(products, products[0], rtol=1e-12)
    assert "is the same in each layer" in words
    for other in ([Dense(4, "tanh"), Dense(3)], [Dense(4, "relu"), Dense(4, "relu", skip_from=1), Dense(3)]):
        assert "is the same in each layer" not in delta(other, sigma_b=0.0)[1]
    assert "is the same in each layer" not in delta([Dense(4, "relu"), Dense(3)], sigma_b=0.3)[1]


@pytest.mark.slow
def test_the_script_counts_what_is_false(monkeypatch, capsys):
    script = load_script("explain_claims")
    monkeypatch.setattr("sys.argv", ["", "3", "5"])
    assert script.main() == 0
    assert capsys.readouterr().out.startswith("3 documents")
    monkeypatch.setattr(script, "words_of", lambda derivation: "The cost fell. The cost rose")
    assert script.main() == 1
    assert "seed 5: " in capsys.readouterr().out
