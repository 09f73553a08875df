"""Activations and losses of one's own: nothing of ours is said about them, and all numbers hold."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from backlit.core import Dense, Network
from backlit.core.activations import ACTIVATIONS, Activation
from backlit.core.losses import Loss
from backlit.core.problem import Problem
from backlit.optim import Sgd
from backlit.optim.optimizers.base import Optimizer
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


def raised(slope=0.0):
    """(u + √(u² + 4))/2, whose formulas are false where `slope` is not 0, as is that of its loss."""
    return Activation(
        "raised",
        lambda u: (u + np.sqrt(u**2 + 4)) / 2,
        lambda u: (1 + u / np.sqrt(u**2 + 4)) / 2,
        range=(0, np.inf),
        formula=lambda u, f: (u + f.sqrt(u**2 + 4)) / 2,
        derivative_formula=lambda u, f: (1 + u / f.sqrt(u**2 + 4)) / 2 + slope,
    )


def quartic(factor):
    return Loss(
        "quartic", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3,
        formula=lambda a, y, f: factor * (a - y) ** 4, gradient_formula=lambda a, y, n, f: 4 * (a - y) ** 3,
    )  # fmt: skip


OTHER = "The formula that it was given is left out"


@pytest.mark.parametrize(("made", "false"), [
    (problem(Dense(2, raised()), Dense(1), loss=quartic(1)), 0),
    (problem(Dense(2, raised(0.1)), Dense(1), loss=quartic(1)), 1),
    (problem(Dense(2, raised()), Dense(1), loss=quartic(2)), 1),
    (problem(Dense(2, replace(ACTIVATIONS["tanh"], formula=lambda u, f: u)), Dense(1)), 1),
    (problem(Dense(2, "tanh"), Dense(1)), 0),
], ids=["true", "slope", "loss", "of a built-in name", "built-in"])  # fmt: skip
def test_a_formula_that_gives_other_numbers_is_left_out(made, false):
    assert " ".join(explain(made).to_text().split()).count(OTHER) == false


@pytest.mark.parametrize(("wrong_by", "parts"), [(0.0, 3), (0.1, 2)])  # the symbol, the formula if true, the number
def test_a_line_has_the_formula_where_it_comes_to_the_number(wrong_by, parts):
    step = explain(problem(Dense(2, raised(wrong_by)), Dense(1))).derivation.step("slope[1]")
    assert {len(entry.chain.parts) for entry in step.entries} == {parts}


def test_one_entry_alone_prints_no_false_formula_either():
    explained = explain(problem(Dense(2, raised(0.1)), Dense(1)), entry="a[1][0,0]")
    assert "√" not in explained.to_text()


@dataclass(frozen=True, kw_only=True)
class Signs(Optimizer):
    """−η sign(g), without a state and not written out."""

    name: ClassVar[str] = "signs"
    learning_rate: float = 0.1
    slots: ClassVar[tuple[str, ...]] = ()

    def rule(self, g, state, t, lr, theta):
        return -lr * np.sign(g), ()


class WrittenSigns(Signs):
    def formulas(self, o, f):
        yield "", "step", -(o["learning_rate"] * f.sign(o["g"]))


class FalseSigns(Signs):
    def formulas(self, o, f):
        yield "", "step", -(o["learning_rate"] * o["g"])


class FalseMomentum(Sgd):
    """The factor of the old velocity shows from the second step on."""

    def formulas(self, o, f):
        yield "", "v", o["old v"] - o["learning_rate"] * o["g"]
        yield "", "step", o["v"]


def of_update(made, **options):
    """The chains of a derivation's steps of the optimizer."""
    steps = [step for step in explain(made, **options).derivation.steps() if step.way == "update"]
    return [line.chain for step in steps for line in (*step.lines, *step.entries) if "≈" in line.chain.relations]


@pytest.mark.parametrize("fractions", [False, True])
@pytest.mark.parametrize(("optimizer", "false"), [
    (Signs(), 0), (WrittenSigns(), 0), (FalseSigns(), 1), (FalseMomentum(momentum=0.9), 1), (Sgd(learning_rate=0.1), 0)
], ids=["no formula", "true", "false", "false of a state", "built-in"])  # fmt: skip
def test_an_optimizer_s_step_is_the_sum_that_is_printed(optimizer, false, fractions):
    made = replace(problem(Dense(2, "relu"), Dense(1)), optimizer=optimizer)
    options = {"fractions": fractions, "steps": 2}
    assert " ".join(explain(made, **options).to_text().split()).count(OTHER) == false
    assert of_update(made, **options) == []  # each figure that is printed comes to the one after it
    text = explain(made, entry="update_W[1][0,0]").to_text()
    assert ("sign(" in text) == isinstance(optimizer, WrittenSigns)
