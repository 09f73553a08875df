"""Softmax by groups is worked out as what it is: each group's own softmax."""

import math
import re

import pytest

from backlit.formats.problems import read_problem
from backlit.render.explanation import explain

PROBLEM = read_problem({
    "inputs": 2, "layers": [{"units": 3, "activation": "tanh"}, {"units": 5, "activation": "softmax[3,2]"}],
    "loss": "cross_entropy", "x": [[0.3, -1.2], [2, 1]], "y": [[0, 1, 0, 0, 1], [1, 0, 0, 1, 0]],
})  # fmt: skip


@pytest.mark.parametrize(("unit", "size"), [(0, 3), (2, 3), (3, 2), (4, 2)])
def test_an_output_is_a_share_of_its_own_group(unit, size):
    last = explain(PROBLEM, entry=f"a[2][1,{unit}]").to_text().strip().splitlines()[-1]
    own, *all_of_group = (math.exp(float(u.replace("−", "-"))) for u in re.findall(r"e\^\((.*?)\)", last))
    assert len(all_of_group) == size
    assert own / sum(all_of_group) == pytest.approx(float(last.split("= ")[-1]), abs=1e-5)


def test_its_slope_and_its_short_form_are_softmaxs():
    text = " ".join(explain(PROBLEM).to_text().split())
    assert "your own" not in text
    assert "softmax[3,2], in layer 2, mixes the units of each group, so its slope is a matrix" in text
    assert "sums running over the outputs of j's own softmax" in text
    assert "softmax mixes its units, so its Jacobian takes the place of φ'" in text
    # y is 0 at the first output and 1 at the second, so one term is left: −1/p₂ · p₂ (0 − p₁) = p₁
    assert re.search(r"\(−1/(0\.\d+)\)·\1·\(0 − (0\.\d+)\) = \2 − 0 = \2", text)
