"""Worked examples that are widely read, as printed: right figures pass, each known slip is found and placed."""

import numpy as np
import pytest

from backlit import check
from backlit.derivation.examples import read_example

MAZUR = {  # "A Step by Step Backpropagation Example": its figures before and after one step
    "z": {"1": [[0.3775, 0.3925]], "2": [[1.105905967, 1.224921404]]},
    "a": {"1": [[0.593269992, 0.596884378]], "2": [[0.75136507, 0.772928465]]},
    "loss": 0.298371109,
    "grad_W": {"2": [[0.082167041, 0.082667628], [-0.02260254, -0.022740242]]},
    "update": {"W": {"1": [[0.149780716, 0.19956143], [0.24975114, 0.29950229]],
                     "2": [[0.35891648, 0.408666186], [0.511301270, 0.561370121]]}},
}  # fmt: skip
STALE = 0.291027924  # its loss after the step, for which the hidden gradient took the weights that were already updated
RASHID = {  # "Make Your Own Neural Network", errata 3: outputs (0.4, 0.5), weights (2, 3), error 1.5
    "inputs": 2, "layers": [{"units": 1, "activation": "sigmoid", "W": [[2.0, 3.0]]}], "x": [[0.4, 0.5]],
    "y": [[0.9088770389851438 + 1.5]],
}  # fmt: skip


def wrong(result):
    return [name for name, one in result.to_dict()["quantities"].items() if not one["ok"]]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def one_step(stale):
    """Mazur's network by plain NumPy: ∂C/∂W and the loss after a step.

    stale : whether the hidden gradient takes the updated output weights.
    """
    x, y = np.array([0.05, 0.10]), np.array([0.01, 0.99])
    W1, W2 = np.array([[0.15, 0.20], [0.25, 0.30]]), np.array([[0.40, 0.45], [0.50, 0.55]])
    h = sigmoid(W1 @ x + 0.35)
    o = sigmoid(W2 @ h + 0.60)
    delta = (o - y) * o * (1 - o)
    after = W2 - 0.5 * np.outer(delta, h)
    below = ((after if stale else W2).T @ delta) * h * (1 - h)
    new = sigmoid(after @ sigmoid((W1 - 0.5 * np.outer(below, x)) @ x + 0.35) + 0.60)
    slopes = {"1": np.outer(below, x).round(12).tolist(), "2": np.outer(delta, h).round(12).tolist()}
    return slopes, float(((new - y) ** 2).sum() / 2)


def test_the_figures_that_are_right_pass_with_the_digits_that_they_show():
    result = check(read_example("mazur"), MAZUR)
    assert (result.verdict, wrong(result)) == ("pass", [])


def test_the_loss_of_stale_weights_is_found():
    """0.291027924 shows nine digits, of which the last three belong to another calculation."""
    assert round(one_step(stale=True)[1], 9) == STALE
    assert round(one_step(stale=False)[1], 9) == 0.291027774
    update = MAZUR["update"]
    result = check(read_example("mazur"), {**MAZUR, "update": {**update, "loss": STALE}})
    assert (result.verdict, wrong(result)) == ("fail", ["update.loss"])
    mended = check(read_example("mazur"), {**MAZUR, "update": {**update, "loss": 0.291027774}})
    assert mended.verdict == "pass"


def test_stale_weights_are_named_where_their_gradient_is_printed():
    assert check(read_example("mazur"), {"grad_W": one_step(stale=False)[0]}).verdict == "pass"
    result = check(read_example("mazur"), {"grad_W": one_step(stale=True)[0]})
    assert wrong(result) == ["grad_W[1]"]
    assert result.diagnoses[0].name == "weights_updated_too_early"


def test_a_sum_that_adds_0_355_for_a_bias_of_0_35_is_found_at_its_place():
    """primelearnpoint.com, "Backpropagation solved Numerical 2x2": 0.0275 + b printed as 0.3825, 0.0425 + b as 0.39."""
    claims = {"z": {"1": [[0.3825, 0.3900]]}, "a": {"1": [[0.5944, 0.5963]]}}
    result = check(read_example("mazur"), claims)
    assert result.verdict == "fail"
    assert result.first_wrong == "z[1]"


@pytest.mark.parametrize(("claims", "bad"), [
    ({"z": {"1": [[2.3]]}, "a": {"1": [[0.909]]}, "grad_W": {"1": [[-0.0497, -0.0621]]}}, []),
    ({"z": {"1": [[2.8]]}, "a": {"1": [[0.943]]}}, ["z[1]", "a[1]"]),  # with the 4.0 that the errata takes back
])  # fmt: skip
def test_an_erratum_and_what_it_corrects(claims, bad):
    result = check(RASHID, claims)
    assert wrong(result) == bad
    assert (result.verdict == "pass") == (not bad)
