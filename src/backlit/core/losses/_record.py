"""What a loss is: one record of all that Backlit knows of it, the table of them, and what several are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.core.activations._record import UnitGroups
from backlit.core.targets import literal
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
