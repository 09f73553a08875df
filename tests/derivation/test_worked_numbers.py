"""The worked example and Mazur's first step, to the digits of their sources."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.derivation.worked import explained

from backlit.core.parameters import NAMES
from backlit.derivation.examples import EXAMPLES


@pytest.fixture(scope="module")
def worked():
    return explained(example="worked").to_dict()


@pytest.mark.parametrize(("key", "layer", "expected"), [
    ("z", "1", [[-0.3, 1.1]]),
    ("a", "1", [[0.425557483188, 0.750260105595]]),
    ("a", "2", [[-0.29001855616]]),
    ("delta", "2", [[-1.29001855616]]),
    ("grad_W", "2", [[-0.548977050026, -0.967849458164]]),
    ("grad_b", "2", [-1.29001855616]),
    ("grad_a", "1", [[-0.258003711232, 0.64500927808]]),
    ("delta", "1", [[-0.063071151658, 0.120855310741]]),
    ("grad_W", "1", [[-0.063071151658, -0.126142303315], [0.120855310741, 0.241710621482]]),
    ("grad_a", "0", [[0.042035009131, 0.048870823554]]),
])  # fmt: skip
def test_worked_example(worked, key, layer, expected):
    assert_allclose(worked[key][layer], expected, rtol=1e-10)


def test_worked_loss(worked):
    assert worked["loss"] == pytest.approx(0.832073937618, rel=1e-11)


def test_json_has_the_keys_that_other_programs_rely_on(worked):
    keys = {"loss", "z", "u", "a", "delta", "grad_W", "grad_b", "grad_a", "grad_gamma", "grad_beta", "update", "steps"}
    assert keys <= set(worked)
    assert {"W", "b", "loss"} <= set(worked["update"])
    assert all({"id", "equation", "latex", "text", "value"} <= set(step) for step in worked["steps"])
    ids = [step["id"] for step in worked["steps"]]
    assert len(ids) == len(set(ids))
    assert {"z[1]", "grad_W[2]", "grad_W[2][0,1]", "delta[1]", "loss"} <= set(ids)


def test_mazur():
    found = explained(example="mazur").to_dict()
    assert found["loss"] == pytest.approx(0.298371108760, rel=1e-10)
    assert_allclose(found["a"]["2"], [[0.751365069552, 0.772928465321]], rtol=1e-11)
    assert_allclose(found["grad_W"]["2"], [[0.0821670406, 0.0826676278], [-0.0226025405, -0.0227402422]], rtol=1e-8)
    assert_allclose(
        found["grad_W"]["1"], [[0.000438567734, 0.000877135469], [0.000497712735, 0.000995425471]], rtol=1e-8
    )
    assert found["update"]["b"] == {"1": [0.35, 0.35], "2": [0.6, 0.6]}
    assert found["update"]["loss"] == pytest.approx(0.291027773694, rel=1e-10)


@pytest.mark.parametrize("example", EXAMPLES)
def test_checks_agree_and_quantities_are_those_of_core(example):
    made = explained(example=example)
    assert all(check.ok for step in made.derivation.steps() for check in step.checks)
    assert any(step.checks for step in made.derivation.steps())
    from backlit.derivation.examples import read_example
    from backlit.formats.problems import read_problem

    _, grad = read_problem(read_example(example)).passes()
    found = made.derivation.quantities
    for name in NAMES:
        for l, array in enumerate(getattr(grad, name)):
            if array is not None:
                assert_allclose(found[f"grad_{name}"][str(l)], array, rtol=0, atol=0)
    assert found["loss"] == grad.loss


def test_a_wrong_gradient_is_seen_by_the_checks():
    """Test the tester: the checks must not agree with a gradient that is off by a part in a thousand."""
    from backlit.derivation import checks
    from backlit.derivation.examples import read_example
    from backlit.formats.problems import read_problem

    problem = read_problem(read_example("worked"))
    trace, grad = problem.passes()
    grad.W[1][0, 1] *= 1.001
    found = checks.check(problem, trace, grad)
    assert not any(check.ok for check in found["grad_W[1]"])
    assert all(check.ok for check in found["grad_W[2]"])


def test_steps_repeat_the_update():
    one, two = (explained(example="mazur", steps=n).derivation.quantities["update"]["loss"] for n in (1, 2))
    assert two < one
    assert np.isfinite(two)
