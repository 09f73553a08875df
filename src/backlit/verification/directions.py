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
from backlit.core.targets import as_targets

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
    # rounding limits what a difference of C can see, 2e-12 |C| after division by the step and more behind a norm: a
    # tensor that is too small for it is measured against the whole gradient, or against C
    floor = max(1e-3 * float(np.linalg.norm(grad.theta)), 1e-2 * abs(grad.loss), float(np.finfo(float).tiny))
    kinks = kinks_of(net, y)

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
            error = abs(float(grad.theta @ v) - slope(cost_along, v, kinks, enough=1e-8 * size))
            worst = max(worst, error / size)
        errors[str(slot)] = worst
    return GradientCheck(errors, directions)


def signs(rng: np.random.Generator, net: Network, slot: Slot) -> Array:
    """±1 within the slot, 0 elsewhere, (n_parameters,)."""
    v = np.zeros(net.n_parameters)
    v[slot.start : slot.stop] = rng.choice((-1.0, 1.0), slot.stop - slot.start)
    return v


def slope(cost_along: Any, v: Array, kinks: Any, *, step: float = STEP, enough: float = 0.0) -> float:
    """Differentiate C(theta + t v) at t = 0 by central differences of two steps, extrapolated (error O(h⁴)).

    The step h shrinks, down to 1e-8, while a unit crosses a kink between theta − h v and theta + h v, and then for as
    long as the two differences come closer to each other, or until they agree to `enough` or a millionth.
    """
    h, best, doubt = step, 0.0, np.inf
    while True:
        pairs = [(cost_along(v, t), cost_along(v, -t)) for t in (h, h / 2)]
        sides = [kinks(trace) for pair in pairs for _, trace in pair]
        crossed = not all((s == sides[0]).all() for s in sides)
        coarse, fine = ((up[0] - down[0]) / (2 * t) for (up, down), t in zip(pairs, (h, h / 2), strict=True))
        apart = abs(fine - coarse)
        if not crossed and apart >= doubt:
            return best  # rounding has begun to grow
        best = (4 * fine - coarse) / 3
        doubt = np.inf if crossed else apart
        if doubt <= max(1e-6 * abs(fine), enough) or h <= 1e-8:
            return best
        h /= 10


def kinks_of(net: Network, y: Any = None) -> Any:
    """A function of a trace: on which side of each kink of its activation, or of the loss, each unit lies, flat.

    y : the targets, for a loss that has a kink where an output meets its target; None leaves these out.
    """

    def sides(trace: Trace) -> Array:
        parts = [trace.u[l] > kink for l, layer in net.numbered() for kink in layer.activation.kinks]
        parts += [trace.a[-1] > as_targets(net, y, trace.m)] if net.loss.kinked and y is not None else []
        return np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0, bool)

    return sides
