"""Check a whole gradient in a few evaluations of the cost: its slope along random signed directions.

For each named tensor of theta, v has entries ±1 there and 0 elsewhere, and ⟨∂C/∂theta, v⟩ must be the derivative of
C(theta + t v) at t = 0.  Since E⟨e, v⟩² = ‖e‖² for an error e of the gradient, |difference| / ‖gradient‖ estimates the
relative error of the tensor.  Source: the fast mode of PyTorch's gradcheck; Ridders 1982 for the steps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.network import Network
from backlit.core.parameters import Parameters, Slot, layout
from backlit.core.passes import Trace, backward, forward, total_loss

Array = np.ndarray
STEP = 1e-4


@dataclass(frozen=True)
class GradientCheck:
    """The largest relative error of each tensor over the directions tried, and of all of them."""

    errors: dict[str, float]
    directions: int

    @property
    def max_relative_error(self) -> float:
        """The worst tensor's."""
        return max(self.errors.values())

    @property
    def worst(self) -> str:
        """The name of the worst tensor."""
        return max(self.errors, key=self.errors.__getitem__)


def check_directions(
    net: Network,
    params: Parameters,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    dropout: DropoutKey | None = None,
    directions: int = 4,
    seed: int = 0,
) -> GradientCheck:
    """Compare the closed-form gradient with central differences of the cost, in float64.

    >>> from backlit.core.network import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1)])
    >>> check_directions(net, net.init(seed=1), [[1.0, 2.0]], [[1.0]]).max_relative_error < 1e-8
    True
    """
    params, rng = params.astype(np.float64), np.random.default_rng(seed)
    trace = forward(net, params, X, dropout=dropout)
    grad = backward(net, params, trace, y, sample_weight)
    # rounding of C limits what a difference can see: a tensor below this part of the whole is measured against it
    floor = 1e-3 * float(np.linalg.norm(grad.theta)) + float(np.finfo(float).tiny)

    def cost_along(v: Array, t: float) -> tuple[float, Trace]:
        moved = Parameters(net, params.theta + t * v)
        at = forward(net, moved, X, dropout=dropout)
        return float(total_loss(net, moved, at, y, sample_weight)), at

    errors = {}
    for slot in layout(net):
        claimed = grad.flat[slot]
        size = max(float(np.linalg.norm(claimed)), floor)
        worst = 0.0
        for _ in range(directions):
            v = signs(rng, net, slot)
            error = abs(float(grad.theta @ v) - slope(cost_along, v, kinks_of(net)))
            worst = max(worst, error / size)
        errors[str(slot)] = worst
    return GradientCheck(errors, directions)


def signs(rng: np.random.Generator, net: Network, slot: Slot) -> Array:
    """±1 within the slot, 0 elsewhere, (n_parameters,)."""
    v = np.zeros(net.n_parameters)
    v[slot.start : slot.stop] = rng.choice((-1.0, 1.0), slot.stop - slot.start)
    return v


def slope(cost_along: Any, v: Array, kinks: Any, *, step: float = STEP) -> float:
    """Differentiate C(theta + t v) at t = 0 by central differences of two steps, extrapolated (error O(h⁴)).

    Where a unit crosses a kink between theta − h v and theta + h v the step is shrunk, down to h = 1e-8.
    """
    h = step
    while True:
        pairs = [(cost_along(v, t), cost_along(v, -t)) for t in (h, h / 2)]
        sides = [kinks(trace) for pair in pairs for _, trace in pair]
        if h <= 1e-8 or all((s == sides[0]).all() for s in sides):
            break
        h /= 10
    coarse, fine = ((up[0] - down[0]) / (2 * t) for (up, down), t in zip(pairs, (h, h / 2), strict=True))
    return (4 * fine - coarse) / 3


def kinks_of(net: Network) -> Any:
    """A function of a trace: on which side of each kink of its activation each unit lies, flat."""

    def sides(trace: Trace) -> Array:
        parts = [trace.u[l] > kink for l, layer in net.numbered() for kink in layer.activation.kinks]
        return np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0, bool)

    return sides
