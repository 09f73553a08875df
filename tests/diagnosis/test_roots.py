"""The root finder gives SciPy's roots."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from backlit.diagnosis.theory.criticality import ROUNDS, root

SHAPES = {
    "power": lambda x, r: x**3 - r**3,
    "saturated": lambda x, r: math.tanh(5 * (x - r) / r),
    "logarithm": lambda x, r: math.log(x / r),
    "nearly flat": lambda x, r: ((x - r) / r) ** 3 + 1e-6 * (x - r) / r,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sign", [1, -1])
def test_roots_are_scipys(shape, sign):
    rng = np.random.default_rng(0)
    for r in np.exp(rng.uniform(-12, 12, 50)):
        calls = []

        def f(x, r=r, calls=calls):
            calls.append(x)
            return sign * SHAPES[shape](x, r)

        low, high = r / rng.uniform(1.01, 50), r * rng.uniform(1.01, 50)
        found = root(f, low, high, rtol=1e-14)
        assert len(calls) < 60 < ROUNDS
        assert all(low <= x <= high for x in calls)
        assert found == pytest.approx(brentq(f, low, high, xtol=1e-300, rtol=1e-14), rel=3e-14)


def test_a_root_at_an_end_is_found():
    assert root(lambda x: x, 0.0, 1.0) == 0
    assert root(lambda x: x - 1, 0.0, 1.0) == 1
