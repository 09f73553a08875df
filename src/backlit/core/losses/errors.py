"""Losses that measure the error a − y: squared, absolute, Huber's and the quantile's."""

from typing import Any

import numpy as np

from backlit.core.activations import magnitude
from backlit.core.losses._record import Array, Loss, ShortForm, register_loss
from backlit.errors import ProblemError

# Half the squared distance, whose gradient is a − y: no factor 2 is left over.
HALF_SQUARED_ERROR = register_loss(
    Loss(
        "half_squared_error",
        lambda a, y: ((a - y) ** 2).sum(axis=1) / 2,
        lambda a, y: a - y,
        formula=lambda a, y, f: (a - y) ** 2,
        total=lambda s, n, f: f(1) / 2 * s,
        gradient_formula=lambda a, y, n, f: a - y,
        short_forms={
            "identity": ShortForm(
                lambda u, y: ((u - y) ** 2).sum(axis=1) / 2,
                r"(p - y) \cdot 1 = p - y",
            )
        },
    )
)


SQUARED_ERROR = register_loss(
    Loss(
        "squared_error",
        lambda a, y: ((a - y) ** 2).sum(axis=1),
        lambda a, y: 2 * (a - y),
        formula=lambda a, y, f: (a - y) ** 2,
        gradient_formula=lambda a, y, n, f: 2 * (a - y),
    )
)


# The mean over the outputs, as libraries define it.
MEAN_SQUARED_ERROR = register_loss(
    Loss(
        "mean_squared_error",
        lambda a, y: ((a - y) ** 2).sum(axis=1) / a.shape[1],
        lambda a, y: 2 * (a - y) / a.shape[1],
        formula=lambda a, y, f: (a - y) ** 2,
        total=lambda s, n, f: f(1) / n * s,
        gradient_formula=lambda a, y, n, f: f(2) / n * (a - y),
    )
)


# Least at the median of y given x.
ABSOLUTE_ERROR = register_loss(
    Loss(
        "absolute_error",
        lambda a, y: magnitude(a - y).sum(axis=1),
        lambda a, y: np.sign(a - y),
        kinked=True,
        formula=lambda a, y, f: f.abs(a - y),
        gradient_formula=lambda a, y, n, f: f.sign(a - y),
    )
)


@register_loss
def huber(delta: float = 1.0) -> Loss:
    """Squared within `delta` of the target, straight beyond it: outliers pull no harder than others.

    Raises ProblemError unless delta > 0.
    """
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


@register_loss
def quantile(quantile: float = 0.5) -> Loss:
    """The loss whose least is at the `quantile` of y given x; its slope at r = 0 is 0.

    Raises ProblemError unless 0 < quantile < 1.
    """
    if not 0 < quantile < 1:
        raise ProblemError(f"loss quantile: quantile must lie between 0 and 1, not {quantile!r}")

    def value(a: Array, y: Array) -> Array:
        r = y - a
        return (np.where(r.real < 0, (quantile - 1) * r, quantile * r)).sum(axis=1)

    def gradient(a: Array, y: Array) -> Array:
        return np.where(a > y, 1 - quantile, np.where(a < y, -quantile, 0)).astype(a.dtype)

    return Loss(
        "quantile",
        value,
        gradient,
        kinked=True,
        parameters={"quantile": quantile},
        formula=lambda a, y, f: f.max(f(quantile) * (y - a), (f(quantile) - 1) * (y - a)),
        gradient_formula=lambda a, y, n, f: f.tie(a, y, f(0), f.holds(a, ">", y) - f(quantile)),
        source="Koenker & Bassett 1978",
    )
