"""The pinball loss, least at a quantile of y given x."""

import numpy as np

from backlit.core.losses._record import Array, Loss, register_loss
from backlit.errors import ProblemError


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
