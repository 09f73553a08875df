"""Activations and losses of one's own: nothing of ours is said about them, and all numbers hold."""

import numpy as np
import pytest

from backlit.core import Dense, Network
from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.core.problem import Problem
from backlit.render.explanation import FORMATS, explain

SQUARE = Activation("square", lambda u: u**2, lambda u: 2 * u, "u^2", "2 u", (0, np.inf))
MIXED = Activation(
    "center",
    lambda u: u - u.mean(axis=1, keepdims=True),
    lambda u: np.full_like(u, 1 - 1 / u.shape[1]),
    "u - \\bar u",
    "1 - 1/n",
    (-np.inf, np.inf),
    pull_back=lambda u, g: g - g.mean(axis=1, keepdims=True),
)
CUBED = Loss("cubed", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3, "(a-y)^4", "4 (a-y)^3")


def problem(*layers, loss="half_squared_error"):
    net = Network(2, list(layers), loss=loss)
    return Problem(net, net.init(seed=1), X=np.array([[0.5, 1.0], [-1.0, 2.0]]), y=np.array([[1.0], [0.0]]))


@pytest.mark.parametrize("made", [
    problem(Dense(2, SQUARE), Dense(1)),
    problem(Dense(3, MIXED), Dense(1, "tanh")),
    problem(Dense(2, "relu"), Dense(1, SQUARE), loss=CUBED),
], ids=["elementwise", "mixing", "loss"])  # fmt: skip
def test_a_function_of_ones_own(made):
    explained = explain(made)
    assert all(check.ok for step in explained.derivation.steps() for check in step.checks)
    for format in FORMATS:
        if format != "pdf":
            assert explained.render(format)
    text = explained.to_text()
    assert "softmax" not in text
    assert "Softmax" not in text
    if made.net.layer(1).activation is SQUARE:
        assert "square, in layer 1, is an activation of your own" in text
        step = explained.derivation.step("slope[1]")
        assert step.value == pytest.approx(2 * made.passes()[0].z[1])
