"""Squared near the target, straight far from it: outliers pull no harder than any other."""

from typing import Any

import numpy as np

from backlit.core.activations import magnitude
from backlit.core.losses._record import Array, Loss, register_loss
from backlit.errors import ProblemError


@register_loss
def huber(delta: float = 1.0) -> Loss:
    """Squared within `delta` of the target, straight beyond it.  Raises ProblemError unless delta > 0."""
    if delta <= 0:
        raise ProblemError(f"loss huber: delta must be > 0, not {delta!r}")

    def value(a: Array, y: Array) -> Array:
        r = magnitude(a - y)
        return np.where(r.real <= delta, r**2 / 2, delta * (r - delta / 2)).sum(axis=1)

    def formula(a: Any, y: Any, f: Any) -> Any:
        r, d = f.abs(a - y), f(delta)
        return f.where(r, "≤", d, f(1) / 2 * r**2, d * (r - f(1) / 2 * d))

    return Loss(
        "huber",
        value,
        lambda a, y: np.clip(a - y, -delta, delta),
        parameters={"delta": delta},
        creases=(-delta, delta),
        formula=formula,
        gradient_formula=lambda a, y, n, f: f.min(f.max(a - y, f(-delta)), f(delta)),
        source="Huber 1964",
    )
