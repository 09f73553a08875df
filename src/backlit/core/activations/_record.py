"""What an activation is: one record of all that Backlit knows of it, the table of them, and what several are made of.

The functions at the end take u of any shape, float32, float64 or complex128, so that a complex step can pass through,
never overflow where their value is finite, and let NaN through.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.errors import ProblemError
from backlit.registry import Registry

Array = np.ndarray
Formula = Callable[..., Any]  # see `core.formulas`
INF = float("inf")


@dataclass(frozen=True)
class UnitGroups:
    """Units side by side, `sizes` in each group, which an activation mixes whose functions are methods of this."""

    sizes: tuple[int, ...]

    def split(self, u: Array) -> list[Array]:
        """The columns of each group.  Raises ProblemError where their number is not the groups' sum."""
        if u.shape[-1] != sum(self.sizes):
            raise ProblemError(f"softmax by groups of {self.sizes} takes {sum(self.sizes)} scores, not {u.shape[-1]}")
        return np.split(u, np.cumsum(self.sizes)[:-1], axis=-1)


@dataclass(frozen=True)
class Activation:
    """An activation h = φ(u).  Name, function and derivative are enough; what else is left out falls back.

    function, derivative : φ(u) and φ'(u), elementwise.  An activation that mixes the units of an example (softmax) has
    `pull_back` instead: (u, ∂ℓ/∂h) ↦ ∂ℓ/∂u = Jᵀ ∂ℓ/∂h, and `derivative` is the diagonal of its Jacobian J.
    latex, derivative_latex : for one that has no formula; the site's reference page shows them (`docs/_ext`).
    range : the closed interval that holds every h.  kinks : where φ' jumps.  creases : where φ'' does, and φ' does not.
    formula, derivative_formula : φ and φ' of (u, f), see `core.formulas`; without them `explain` prints their numbers
    alone, and nothing is exact.  meaning : what the formula stands for, where it is no more than a name.
    derivative_of_output : φ' of (h, f), where it has such a form.
    symbol : the name in text, LaTeX and Typst; else it is printed upright as it is.
    onnx : the operator and its attributes; else the graph is made of the formula.
    homogeneous : whether φ(c u) = c φ(u) for c > 0.  rectifier : whether it is a kind of ReLU, with slope 0 or little
    below 0.  exponential : whether it grows as e^u does.
    source : who it is by.

    Two activations are equal if their names and parameters are.
    """

    name: str
    function: Callable[[Array], Array] = field(compare=False)
    derivative: Callable[[Array], Array] = field(compare=False)
    latex: str = ""
    derivative_latex: str = ""
    range: tuple[float, float] = (-INF, INF)
    kinks: tuple[float, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    pull_back: Callable[[Array, Array], Array] | None = field(default=None, compare=False)
    creases: tuple[float, ...] = field(default=(), compare=False, kw_only=True)
    formula: Formula | None = field(default=None, compare=False, kw_only=True)
    derivative_formula: Formula | None = field(default=None, compare=False, kw_only=True)
    meaning: Formula | None = field(default=None, compare=False, kw_only=True)
    derivative_of_output: Formula | None = field(default=None, compare=False, kw_only=True)
    symbol: tuple[str, str, str] | None = field(default=None, compare=False, kw_only=True)
    onnx: tuple[str, Mapping[str, Any]] | None = field(default=None, compare=False, kw_only=True)
    homogeneous: bool = field(default=False, compare=False, kw_only=True)
    rectifier: bool = field(default=False, compare=False, kw_only=True)
    exponential: bool = field(default=False, compare=False, kw_only=True)
    source: str = field(default="", compare=False, kw_only=True)

    @property
    def elementwise(self) -> bool:
        """Whether unit j of h depends on unit j of u alone."""
        return self.pull_back is None

    @property
    def groups(self) -> UnitGroups | None:
        """How it groups the units where it is several softmaxes side by side; None for another activation."""
        owner = getattr(self.function, "__self__", None)
        return owner if isinstance(owner, UnitGroups) else None

    @property
    def is_softmax(self) -> bool:
        """Whether it is softmax, whole or by groups."""
        return self.name == "softmax" or self.groups is not None

    @property
    def spec(self) -> str | dict[str, Any]:
        """The name, or the name with its parameters, as problem and model files write it."""
        return {"name": self.name, **self.parameters} if self.parameters else self.name

    def __repr__(self) -> str:
        return f"Activation({self.spec!r})"

    def __reduce__(self):
        if ACTIVATIONS.has(self):
            return get_activation, (self.spec,)
        return super().__reduce__()  # a user's own: pickled field by field


ACTIVATIONS: Registry[Activation] = Registry("activation", computed=("function", "derivative", "pull_back"))
register_activation = ACTIVATIONS.register


def get_activation(spec: str | Mapping[str, Any] | Activation | Callable[[Array], Array]) -> Activation:
    """Look an activation up by name or `{"name": ..., "alpha": ...}`, or take one as it is, or a plain NumPy function.

    "softmax[3,2]" is softmax by groups, see `softmax_by_groups`.

    Raises ProblemError for an unknown name or parameter, with the nearest names.

    >>> get_activation({"name": "leaky_relu", "alpha": 0.2}).derivative(np.array([-1.0]))
    array([0.2])
    """
    if isinstance(spec, Activation):
        return spec
    return ACTIVATIONS.find(spec)


def magnitude(u: Array) -> Array:
    """|u| by the sign of the real part, so that a complex step passes through; from the left at 0, as all of these."""
    return np.where(u.real <= 0, -u, u)


def positive_part(u: Array) -> Array:
    """max(u, 0); NaN stays NaN."""
    return np.where(u.real <= 0, 0, u)


def negative_part(u: Array) -> Array:
    """min(u, 0)."""
    return np.where(u.real <= 0, u, 0)


def step(u: Array, below: float = 0.0) -> Array:
    """1 where u > 0, `below` elsewhere, in u's dtype."""
    return np.where(u > 0, u.dtype.type(1), u.dtype.type(below))


def log1p(x: Array) -> Array:
    """ln(1 + x) = 2 artanh(x / (2 + x)); np.log1p has no digits of a small complex x."""
    return 2 * np.arctanh(x / (2 + x))
