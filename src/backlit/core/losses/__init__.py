"""Losses, one record each: the function beside its gradient, its formula, what it drops and what it takes.

A loss gives one number ℓ_i an example; how examples are averaged is the network's `reduction`.  Terms that depend on y
alone are dropped where a docstring says so.  log a means log max(a, tiny), so ℓ stays finite where a rounds to 0.

The table loads every file of this folder, so one that is put here adds its loss; `register_loss` adds one from
anywhere else.

>>> import numpy as np
>>> loss = get_loss("half_squared_error")
>>> loss.value(np.array([[3.0]]), np.array([[1.0]])), loss.gradient(np.array([[3.0]]), np.array([[1.0]]))
(array([2.]), array([[2.]]))
"""

from backlit.core.losses._record import LOSSES, Loss, ShortForm, get_loss, register_loss
from backlit.core.losses.errors import huber, quantile

LOSSES.load(__package__, first=(
    *("half_squared_error", "squared_error", "mean_squared_error", "absolute_error", "huber", "quantile"),
    *("cross_entropy", "binary_cross_entropy", "poisson"),
))  # fmt: skip
SHORT_FORMS = {(phi, name): form for name, loss in LOSSES.items() for phi, form in (loss.short_forms or {}).items()}

__all__ = [
    "LOSSES",
    "SHORT_FORMS",
    "Loss",
    "ShortForm",
    "get_loss",
    "huber",
    "quantile",
    "register_loss",
]
