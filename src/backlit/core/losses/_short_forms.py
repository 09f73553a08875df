"""Output pairs whose δ has a short form, p − y: rows of a table, each proved equal to the general rule by a test."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backlit.core.activations import Activation
from backlit.core.activations._pieces import log1p, log_softmax, magnitude, positive_part
from backlit.core.groups import Groups, groups_of
from backlit.core.losses._pieces import Array, total
from backlit.core.losses._record import Loss


@dataclass(frozen=True)
class ShortForm:
    """An output pair whose δ at the scores u is p − y, and whose ℓ is computed from u without a log of a rounded p."""

    value: Callable[[Array, Array], Array]
    proof: str


SHORT_FORMS: dict[tuple[str, str], ShortForm] = {
    ("softmax", "cross_entropy"): ShortForm(
        lambda u, y: -total(y * log_softmax(u)),
        r"\sum_k -\frac{y_k}{p_k}\, p_k ([k = j] - p_j) = p_j \sum_k y_k - y_j = p_j - y_j",
    ),
    ("sigmoid", "binary_cross_entropy"): ShortForm(
        lambda u, y: total(positive_part(u) - y * u + log1p(np.exp(-magnitude(u)))),  # ln(1 + e^u) − y u
        r"\Bigl(-\frac{y}{p} + \frac{1 - y}{1 - p}\Bigr)\, p (1 - p) = p - y",
    ),
    ("identity", "half_squared_error"): ShortForm(lambda u, y: total((u - y) ** 2) / 2, r"(p - y) \cdot 1 = p - y"),
    ("exp", "poisson"): ShortForm(
        lambda u, y: total(np.exp(u) - y * u),
        r"\Bigl(1 - \frac{y}{p}\Bigr)\, p = p - y",
    ),
}


def total_over(groups: Groups, value: Callable[[Array, Array], Array], u: Array, y: Array) -> Array:
    """The sum of each group's ℓ, (m,)."""
    each = [value(own, target) for own, target in zip(groups.split(u), groups.split(y), strict=True)]
    return np.sum(each, axis=0)


def short_form(phi: Activation, loss: Loss) -> ShortForm | None:
    """The pair's short form, None where it has none; softmax by groups has softmax's, summed over its groups.

    >>> from backlit.core.activations import get_activation
    >>> from backlit.core.losses import get_loss
    >>> pair = short_form(get_activation("softmax[2,3]"), get_loss("cross_entropy"))
    >>> pair.value(np.zeros((1, 5)), np.array([[0.0, 1.0, 1.0, 0.0, 0.0]])).round(4)  # ln 2 + ln 3
    array([1.7918])
    """
    if (found := groups_of(phi)) is not None and loss.name == "cross_entropy":
        one = SHORT_FORMS["softmax", "cross_entropy"]
        return ShortForm(lambda u, y: total_over(found, one.value, u, y), one.proof)
    return SHORT_FORMS.get((phi.name, loss.name))
