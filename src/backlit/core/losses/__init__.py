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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.core.activations import log1p, log_softmax, magnitude, positive_part
from backlit.core.activations._record import UnitGroups
from backlit.core.targets import literal
from backlit.errors import ProblemError
from backlit.registry import Registry

Array = np.ndarray
Formula = Callable[..., Any]  # see `core.formulas`
INF = float("inf")


@dataclass(frozen=True)
class ShortForm:
    """An output pair whose δ at the scores u is p − y, and whose ℓ is computed from u without a log of a rounded p."""

    value: Callable[[Array, Array], Array]
    proof: str

    def by_groups(self, groups: UnitGroups) -> "ShortForm":
        """Softmax's short form for softmax by groups: the sum over the groups."""

        def value(u: Array, y: Array) -> Array:
            each = [self.value(own, target) for own, target in zip(groups.split(u), groups.split(y), strict=True)]
            return np.sum(each, axis=0)

        return ShortForm(value, self.proof)


@dataclass(frozen=True)
class Loss:
    """A loss ℓ(a, y) of one example.  Name, value and gradient are enough; what else is left out falls back.

    value, gradient : (a (m, n), y (m, n)) ↦ ℓ (m,), and ↦ ∂ℓ_i/∂a_i (m, n), with no 1/m in it.
    latex, gradient_latex : for one that has no formula.
    outputs, targets : the closed intervals in which a and y must lie.  classes : whether y may be class indices too.
    kinked : whether ℓ has a kink where a = y, at which its gradient is 0.  creases : where else, as r = a − y, its
    second derivative jumps.
    formula : one output's part of ℓ, of (a, y, f), see `core.formulas`; ℓ is `total`, of (s, n, f), of the sum s of the
    n parts.  gradient_formula : ∂ℓ/∂a_k, of (a, y, n, f).  Without them `explain` prints numbers alone, and nothing is
    exact.
    short_forms : by name, the output activations with which δ is p − y; a test proves each equal to the general rule.
    They count where the loss is registered.
    source : who it is by.
    """

    name: str
    value: Callable[[Array, Array], Array] = field(compare=False)
    gradient: Callable[[Array, Array], Array] = field(compare=False)
    latex: str = ""
    gradient_latex: str = ""
    outputs: tuple[float, float] = (-INF, INF)
    targets: tuple[float, float] = (-INF, INF)
    kinked: bool = False
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    classes: bool = field(default=False, compare=False, kw_only=True)
    creases: tuple[float, ...] = field(default=(), compare=False, kw_only=True)
    formula: Formula | None = field(default=None, compare=False, kw_only=True)
    total: Formula | None = field(default=None, compare=False, kw_only=True)
    gradient_formula: Formula | None = field(default=None, compare=False, kw_only=True)
    short_forms: Mapping[str, ShortForm] | None = field(default=None, compare=False, kw_only=True)
    source: str = field(default="", compare=False, kw_only=True)

    @property
    def spec(self) -> str | dict[str, Any]:
        """The name, or the name with its parameters, as problem and model files write it."""
        return {"name": self.name, **self.parameters} if self.parameters else self.name

    def __repr__(self) -> str:
        return f"Loss({self.spec!r})"

    def __reduce__(self):
        if LOSSES.has(self):
            return get_loss, (self.spec,)
        return super().__reduce__()  # a user's own: pickled field by field


LOSSES: Registry[Loss] = Registry("loss", computed=("value", "gradient", "outputs"))
register_loss = LOSSES.register


def get_loss(spec: str | Mapping[str, Any] | Loss | Callable[[Array, Array], Array]) -> Loss:
    """Look a loss up by name or `{"name": "huber", "delta": ...}`, or take one as it is, or a plain NumPy function.

    Raises ProblemError for an unknown name or parameter, with the nearest names.
    """
    if isinstance(spec, Loss):
        return spec
    return LOSSES.find(spec)


def tiny(a: Array) -> Any:
    """The least normal number of a's dtype, of float64 for exact numbers."""
    return literal(np.finfo(float if a.dtype == object else a.dtype).tiny, a.dtype)


def clipped(a: Array) -> Array:
    """max(a, tiny), so that log a and 1/a are finite."""
    return np.where(a.real < tiny(a), tiny(a), a)


def log_slope(a: Array) -> Array:
    """d log(clipped(a))/da: 1/a, and 0 where a is clipped."""
    return np.where(a < tiny(a), 0, 1 / clipped(a))


# --- errors: squared, absolute, Huber's and the quantile's ------------------------------------------------------------

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


# --- likelihoods: of classes, of yes or no, and of counts -------------------------------------------------------------

# Of classes, given their probabilities.
CROSS_ENTROPY = register_loss(
    Loss(
        "cross_entropy",
        lambda a, y: -(y * np.log(clipped(a))).sum(axis=1),
        lambda a, y: -y * log_slope(a),
        outputs=(0, INF),
        targets=(0, 1),
        classes=True,
        formula=lambda a, y, f: y * f.log(a),
        total=lambda s, n, f: -s,
        gradient_formula=lambda a, y, n, f: -f.ratio(y, a),
        short_forms={
            "softmax": ShortForm(
                lambda u, y: -(y * log_softmax(u)).sum(axis=1),
                r"\sum_k -\frac{y_k}{p_k}\, p_k ([k = j] - p_j) = p_j \sum_k y_k - y_j = p_j - y_j",
            )
        },
    )
)


# Of a yes or no for each output, given the probability of yes.
BINARY_CROSS_ENTROPY = register_loss(
    Loss(
        "binary_cross_entropy",
        lambda a, y: -(y * np.log(clipped(a)) + (1 - y) * np.log(clipped(1 - a))).sum(axis=1),
        lambda a, y: -y * log_slope(a) + (1 - y) * log_slope(1 - a),
        outputs=(0, 1),
        targets=(0, 1),
        formula=lambda a, y, f: y * f.log(a) + (1 - y) * f.log(1 - a),
        total=lambda s, n, f: -s,
        gradient_formula=lambda a, y, n, f: -f.ratio(y, a) + f.ratio(1 - y, 1 - a),
        short_forms={
            "sigmoid": ShortForm(
                lambda u, y: (positive_part(u) - y * u + log1p(np.exp(-magnitude(u)))).sum(axis=1),  # ln(1 + e^u) − y u
                r"\Bigl(-\frac{y}{p} + \frac{1 - y}{1 - p}\Bigr)\, p (1 - p) = p - y",
            )
        },
    )
)


# Of a count y with mean a, less its constant ln y!.
POISSON = register_loss(
    Loss(
        "poisson",
        lambda a, y: (a - y * np.log(clipped(a))).sum(axis=1),
        lambda a, y: 1 - y * log_slope(a),
        outputs=(0, INF),
        targets=(0, INF),
        formula=lambda a, y, f: a - y * f.log(a),
        gradient_formula=lambda a, y, n, f: 1 - f.ratio(y, a),
        short_forms={
            "exp": ShortForm(
                lambda u, y: (np.exp(u) - y * u).sum(axis=1),
                r"\Bigl(1 - \frac{y}{p}\Bigr)\, p = p - y",
            )
        },
    )
)


LOSSES.load(__package__, shipped=(
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
