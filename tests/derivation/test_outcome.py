"""What is said of the cost after the optimizer's steps, against costs computed here in plain NumPy."""

import numpy as np
import pytest

from backlit.derivation import update
from backlit.formats.problems import read_problem
from backlit.render.explanation import explain

DROPPED = {
    "inputs": 2,
    "layers": [
        {"units": 3, "activation": "relu", "dropout": 0.3, "W": [[0.5, 0.4], [0.3, 0.8], [0.7, -0.4]]},
        {"units": 1, "activation": "sigmoid", "W": [[0.4, 0.9, -0.6]], "b": [0.1]},
    ],
    "loss": "binary_cross_entropy",
    "x": [[1, 0.5], [0.4, 1.2]],
    "y": [1, 0],
    "optimizer": {"name": "adam", "learning_rate": 0.05},
    "seed": 3,
}
DEAD = {
    "inputs": 1,
    "layers": [{"units": 2, "activation": "relu", "W": [[-1], [-2]], "b": [-1, 0]}, {"units": 1, "W": [[1, 1]]}],
    "x": [[1]],
    "y": [[0]],
}


def said(problem, steps=1):
    """The sentence under the costs, and the notes."""
    step = explain(problem, steps=steps).derivation.step("update_loss")
    return step.sentence, " ".join(text for note in step.notes for text in note)


def parabola(**options):
    """C(w) = ½(w − 1)², from w = 3."""
    layer = {"units": 1, "W": [[3]], "train_bias": False}
    return {"inputs": 1, "layers": [layer], "x": [[1]], "y": [[1]], **options}


def dropped_cost(params, mask, x, y):
    """The mean binary cross-entropy of DROPPED, of its own formula."""
    h = np.maximum(x @ params.W[1].T + params.b[1], 0) * mask
    p = 1 / (1 + np.exp(-(h @ params.W[2].T + params.b[2])))
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())


def test_steps_are_judged_by_their_own_masks():
    problem = read_problem(DROPPED)
    x, y = problem.data()
    falls, before = [], []
    for u in update.run(problem, 3):
        mask = problem.passes(step=u.t - 1)[0].mask[1]
        before.append(dropped_cost(u.before, mask, x, y.reshape(-1, 1)))
        falls.append(dropped_cost(u.after, mask, x, y.reshape(-1, 1)) < before[-1])
    assert all(falls)
    assert before[2] > before[0]  # which is no fault of the steps: the masks differ
    sentence, notes = said(DROPPED, 3)
    assert sentence == "The cost fell at each of the 3 steps."
    assert "the costs of different steps can't" in notes


def test_a_gradient_of_0_is_said_to_be_0():
    assert said(DEAD, 2)[0] == "The cost stayed the same: the gradient is 0."


def test_a_gradient_of_what_may_not_move():
    problem = parabola(x=[[0]])
    assert said(problem)[0] == "The cost stayed the same: the gradient of all that may move is 0."


@pytest.mark.parametrize("rate", [0.5, 1.5, 2.5, 5, 100])
def test_a_step_that_is_too_long(rate):
    """A step multiplies w − 1 by 1 − η, one that is c times shorter by 1 − η/c."""
    optimizer = {"name": "sgd", "learning_rate": rate}
    shorter = next((2**k for k in range(9) if abs(1 - rate / 2**k) < 1), None)
    expected = (
        "The cost fell."
        if shorter == 1
        else f"The cost rose: the step was too long; one {shorter} times shorter would have lowered it."
    )
    assert said(parabola(optimizer=optimizer))[0] == expected


def test_a_step_that_is_too_long_by_far_is_none_in_a_wrong_direction():
    optimizer = {"name": "sgd", "learning_rate": 1e20}
    assert 1e20 / 2**66 < 2 < 1e20 / 2**65  # as above, |1 − η/c| < 1
    expected = "The cost rose: the step was too long; one 2⁶⁶ times shorter would have lowered it."
    assert said(parabola(optimizer=optimizer))[0] == expected


def test_a_step_uphill():
    """Momentum carries w past 1: it moves on with the old velocity, where the slope already points back."""
    optimizer = {"name": "sgd", "learning_rate": 0.5, "momentum": 0.95}
    w, v, costs = 3.0, 0.0, []
    for _ in range(4):
        v = 0.95 * v + (w - 1)
        costs.append([(x - 1) ** 2 for x in (w, w - 0.5 * v, w - 1e-6 * v)])
        w -= 0.5 * v
    assert [after > before for before, after, _ in costs] == [False, False, True, True]
    assert costs[2][2] > costs[2][0]  # not even a short step in that direction helps
    leads = "its direction is wrong, for the slope of the cost along it is not below 0."
    expected = f"The cost rose at step 3 and at 1 more of 4: {leads}"
    assert said(parabola(optimizer=optimizer), 4)[0] == expected
