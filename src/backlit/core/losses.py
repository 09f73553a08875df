"""Losses: each function beside its gradient, its formula, what it drops and what it takes.

A loss gives one number ℓ_i an example; how examples are averaged is the network's `reduction`.  Terms that depend on y
alone are dropped where a docstring says so.  log a means log max(a, tiny), so ℓ stays finite where a rounds to 0.

>>> loss = get_loss("half_squared_error")
>>> loss.value(np.array([[3.0]]), np.array([[1.0]])), loss.gradient(np.array([[3.0]]), np.array([[1.0]]))
(array([2.]), array([[2.]]))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from backlit.core.activations import Activation, log1p, log_softmax, magnitude, positive_part
from backlit.core.groups import Groups, groups_of
from backlit.core.specs import read_spec
from backlit.errors import ProblemError

Array = np.ndarray
INF = float("inf")


@dataclass(frozen=True)
class Loss:
    """A loss ℓ(a, y) of one example.

    `value`: (a (m, n), y (m, n)) ↦ ℓ (m,).  `gradient`: ↦ ∂ℓ_i/∂a_i (m, n), with no 1/m in it.
    `outputs` and `targets` are the closed intervals in which a and y must lie.  With r = a − y, ∂ℓ/∂a jumps at r = 0
    where the loss is `kinked`, and its own slope does at the `creases` of r.
    """

    name: str
    value: Callable[[Array, Array], Array] = field(compare=False)
    gradient: Callable[[Array, Array], Array] = field(compare=False)
    latex: str
    gradient_latex: str
    outputs: tuple[float, float] = (-INF, INF)
    targets: tuple[float, float] = (-INF, INF)
    kinked: bool = False
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    creases: tuple[float, ...] = ()

    @property
    def spec(self) -> str | dict[str, Any]:
        """The name, or the name with its parameters, as problem and model files write it."""
        return {"name": self.name, **self.parameters} if self.parameters else self.name

    def __reduce__(self):
        if LOSSES.get(self.name) is None:  # a user's own: pickled field by field
            return super().__reduce__()
        return get_loss, (self.spec,)


def total(terms: Array) -> Array:
    """Sum an example's outputs: (m, n) ↦ (m,)."""
    return terms.sum(axis=1)


def clipped(a: Array) -> Array:
    """max(a, tiny), so that log a and 1/a are finite."""
    tiny = np.finfo(a.dtype).tiny
    return np.where(a.real < tiny, tiny, a)


def log_slope(a: Array) -> Array:
    """d log(clipped(a))/da: 1/a, and 0 where a is clipped."""
    return np.where(a < np.finfo(a.dtype).tiny, 0, 1 / clipped(a))


HALF_SQUARED_ERROR = Loss(
    "half_squared_error",
    lambda a, y: total((a - y) ** 2) / 2,
    lambda a, y: a - y,
    latex=r"\tfrac12 \sum_k (a_k - y_k)^2",
    gradient_latex=r"a - y",
)
SQUARED_ERROR = Loss(
    "squared_error",
    lambda a, y: total((a - y) ** 2),
    lambda a, y: 2 * (a - y),
    latex=r"\sum_k (a_k - y_k)^2",
    gradient_latex=r"2\,(a - y)",
)
MEAN_SQUARED_ERROR = Loss(
    "mean_squared_error",
    lambda a, y: total((a - y) ** 2) / a.shape[1],
    lambda a, y: 2 * (a - y) / a.shape[1],
    latex=r"\frac{1}{n_L} \sum_k (a_k - y_k)^2",
    gradient_latex=r"\frac{2}{n_L}\,(a - y)",
)
ABSOLUTE_ERROR = Loss(
    "absolute_error",
    lambda a, y: total(magnitude(a - y)),
    lambda a, y: np.sign(a - y),
    latex=r"\sum_k |a_k - y_k|",
    gradient_latex=r"\operatorname{sign}(a - y)",
    kinked=True,
)


@lru_cache
def huber(delta: float = 1.0) -> Loss:
    """Squared within `delta` of the target, straight beyond it (Huber 1964)."""
    if delta <= 0:
        raise ProblemError(f"loss huber: delta must be > 0, not {delta!r}")

    def value(a: Array, y: Array) -> Array:
        r = magnitude(a - y)
        return total(np.where(r.real <= delta, r**2 / 2, delta * (r - delta / 2)))

    return Loss(
        "huber",
        value,
        lambda a, y: np.clip(a - y, -delta, delta),
        latex=r"\sum_k \begin{cases} \frac12 r_k^2 & |r_k| \le \delta \\"
        r" \delta\,(|r_k| - \frac12 \delta) & \text{else} \end{cases},\; r = a - y",
        gradient_latex=r"\min(\max(a - y, -\delta), \delta)",
        creases=(-delta, delta),
        parameters={"delta": delta},
    )


@lru_cache
def quantile(quantile: float = 0.5) -> Loss:
    """The pinball loss, least at the `quantile` of y given x (Koenker & Bassett 1978); its slope at r = 0 is 0."""
    if not 0 < quantile < 1:
        raise ProblemError(f"loss quantile: quantile must lie between 0 and 1, not {quantile!r}")

    def value(a: Array, y: Array) -> Array:
        r = y - a
        return total(np.where(r.real < 0, (quantile - 1) * r, quantile * r))

    def gradient(a: Array, y: Array) -> Array:
        return np.where(a > y, 1 - quantile, np.where(a < y, -quantile, 0)).astype(a.dtype)

    return Loss(
        "quantile",
        value,
        gradient,
        latex=r"\sum_k \max(q\,r_k, (q - 1)\,r_k),\; r = y - a",
        gradient_latex=r"[a > y] - q",
        kinked=True,
        parameters={"quantile": quantile},
    )


CROSS_ENTROPY = Loss(
    "cross_entropy",
    lambda a, y: -total(y * np.log(clipped(a))),
    lambda a, y: -y * log_slope(a),
    latex=r"-\sum_k y_k \ln a_k",
    gradient_latex=r"-\frac{y}{a}",
    outputs=(0, INF),
    targets=(0, 1),
)
BINARY_CROSS_ENTROPY = Loss(
    "binary_cross_entropy",
    lambda a, y: -total(y * np.log(clipped(a)) + (1 - y) * np.log(clipped(1 - a))),
    lambda a, y: -y * log_slope(a) + (1 - y) * log_slope(1 - a),
    latex=r"-\sum_k \bigl(y_k \ln a_k + (1 - y_k) \ln(1 - a_k)\bigr)",
    gradient_latex=r"-\frac{y}{a} + \frac{1 - y}{1 - a}",
    outputs=(0, 1),
    targets=(0, 1),
)
POISSON = Loss(  # the negative log-likelihood of a count y with mean a, less its constant ln y!
    "poisson",
    lambda a, y: total(a - y * np.log(clipped(a))),
    lambda a, y: 1 - y * log_slope(a),
    latex=r"\sum_k (a_k - y_k \ln a_k)",
    gradient_latex=r"1 - \frac{y}{a}",
    outputs=(0, INF),
    targets=(0, INF),
)

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        *(HALF_SQUARED_ERROR, SQUARED_ERROR, MEAN_SQUARED_ERROR, ABSOLUTE_ERROR, huber(), quantile()),
        *(CROSS_ENTROPY, BINARY_CROSS_ENTROPY, POISSON),
    )
}
FAMILIES = {"huber": huber, "quantile": quantile}


def get_loss(spec: str | Mapping[str, Any] | Loss | Callable[[Array, Array], Array]) -> Loss:
    """Look a loss up by name or `{"name": "huber", "delta": ...}`, or take one as it is, or a plain NumPy function.

    Raises ProblemError for an unknown name or parameter, with the nearest names.
    """
    if isinstance(spec, Loss):
        return spec
    if callable(spec):
        from backlit.core.custom import loss_of

        return loss_of(spec)
    name, parameters = read_spec(spec, "loss", LOSSES, {"huber": ("delta",), "quantile": ("quantile",)})
    return FAMILIES[name](**parameters) if parameters else LOSSES[name]


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
    ("identity", "half_squared_error"): ShortForm(HALF_SQUARED_ERROR.value, r"(p - y) \cdot 1 = p - y"),
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
    >>> pair = short_form(get_activation("softmax[2,3]"), get_loss("cross_entropy"))
    >>> pair.value(np.zeros((1, 5)), np.array([[0.0, 1.0, 1.0, 0.0, 0.0]])).round(4)  # ln 2 + ln 3
    array([1.7918])
    """
    if (found := groups_of(phi)) is not None and loss.name == "cross_entropy":
        one = SHORT_FORMS["softmax", "cross_entropy"]
        return ShortForm(lambda u, y: total_over(found, one.value, u, y), one.proof)
    return SHORT_FORMS.get((phi.name, loss.name))
