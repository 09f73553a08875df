"""ℓ is printed as it is computed, from the scores, so that its line holds where an output is rounded to 0 or to 1."""

from decimal import Decimal, localcontext

import pytest
from tests.scripts import load_script

from backlit.derivation import derive
from backlit.derivation.document import Formula
from backlit.formats.problems import read_problem

fuzz = load_script("explain_fuzz")


def softmax(scores, label):
    """One example whose scores are these."""
    layer = {"units": len(scores), "activation": "softmax", "W": [[z] for z in scores]}
    return {"inputs": 1, "layers": [layer], "loss": "cross_entropy", "x": [[1]], "y": [label]}


def sigmoid(scores, targets):
    layer = {"units": len(scores), "activation": "sigmoid", "W": [[z] for z in scores]}
    return {"inputs": 1, "layers": [layer], "loss": "binary_cross_entropy", "x": [[1]], "y": [targets]}


def exactly(spec):
    """ℓ in decimals of 900 places, from the definition: −Σ (y ln p + …) with p from e^z."""
    scores = [Decimal(row[0]) for row in spec["layers"][0]["W"]]
    with localcontext(prec=900):
        if spec["loss"] == "cross_entropy":
            return float(-(scores[spec["y"][0]].exp() / sum(z.exp() for z in scores)).ln())
        p = [1 / (1 + (-z).exp()) for z in scores]
        return float(-sum((q if y else 1 - q).ln() for q, y in zip(p, spec["y"][0], strict=True)))


CASES = [
    softmax([-400, 400], 0),
    softmax([1000, 0, -1000], 2),
    softmax([-1000, 0, -1000], 1),
    softmax([0.5, -1, 2], 1),
    softmax([0.5, -1, 2, 1, 0, 3, -2, 0.1, 0.7, 1.1, 5, 2.5], 3),
    sigmoid([60], [0]),
    sigmoid([-60], [0]),
    sigmoid([800, -800, 0.3], [0, 1, 1]),
    sigmoid([0.5, -1, 2, 1, 0.2], [1, 0, 1, 0, 1]),
]


@pytest.mark.parametrize("spec", CASES, ids=str)
def test_the_loss_and_its_line_hold(spec):
    made = derive(read_problem(spec))
    assert made.step("ell").entries[0].chain.parts[-1].value == pytest.approx(exactly(spec), rel=1e-12, abs=1e-300)
    tally = fuzz.Tally()
    fuzz.check_line(made.step("ell").entries[0].chain, made.digits, tally)  # read back and computed
    assert tally.proved + tally.about == 1


@pytest.mark.parametrize(("spec", "lost"), [
    (softmax([-400, 400], 0), True), (sigmoid([60], [0]), True),
    (softmax([-4, 4], 0), False), (sigmoid([6], [0]), False)
])  # fmt: skip
def test_a_lost_slope_is_not_said_to_agree(spec, lost):
    """∂ℓ/∂a · ∂a/∂z is p − y by the definition: with p = 0 or 1 in float64 it comes out as 0."""
    z = spec["layers"][0]["W"][0][0]
    with localcontext(prec=900):
        p = float(1 / (1 + (Decimal(z) * (-2 if spec["loss"] == "cross_entropy" else -1)).exp()))
    lost_in_floats = p == 1.0 or p < 1e-308
    assert lost_in_floats == lost
    made = derive(read_problem(spec))
    notes = " ".join(part for note in made.step("grad_a[1]").notes for part in note if isinstance(part, str))
    assert ("it gives the same δ" in notes) != lost
    assert ("short form alone is right" in notes) == lost
    section = next(section for section in made.sections if section.id == "short-form")
    both_ways = [block for block in section.blocks if isinstance(block, Formula)][-1].chain
    assert len(both_ways.parts) == (2 if lost else 3)
