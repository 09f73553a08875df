"""Each activation and loss written out as a formula is the function of core, by value."""

import numpy as np
import pytest

from backlit.core import ACTIVATIONS, LOSSES, get_activation
from backlit.derivation.functions import known, loss_of, loss_slope_of, slope_of, value_of
from backlit.derivation.numbers import Numbers, evaluate

NUM = Numbers(15)
POINTS = (-2.5, -0.75, -0.1, 0.3, 1.1, 2.25)


WRITTEN = [name for name, phi in ACTIVATIONS.items() if known(phi)]


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("u", POINTS)
def test_value_and_slope(name, u):
    for phi in {
        ACTIVATIONS[name],
        get_activation({"name": name, "alpha": 0.3} if name in ("leaky_relu", "elu") else name),
    }:
        at = np.array([u])
        assert evaluate(value_of(phi, NUM(u))) == pytest.approx(phi.function(at)[0], rel=1e-9, abs=1e-12)
        assert evaluate(slope_of(phi, NUM(u))) == pytest.approx(phi.derivative(at)[0], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.formula and loss.gradient_formula])
@pytest.mark.parametrize("y", [[1.0, 0.0], [0.25, 0.75]])
def test_losses(name, y):
    loss, a = LOSSES[name], np.array([[0.6, 0.35]])
    shown = [NUM(v) for v in a[0]], [NUM(v) for v in y]
    targets = np.array([y])
    assert evaluate(loss_of(loss, *shown)) == pytest.approx(loss.value(a, targets)[0], rel=1e-12)
    for k in range(2):
        slope = loss_slope_of(loss, shown[0][k], shown[1][k], 2)
        assert evaluate(slope) == pytest.approx(loss.gradient(a, targets)[0, k], rel=1e-12)
