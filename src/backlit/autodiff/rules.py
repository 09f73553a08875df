"""What each primitive does to a gradient on its way back: one line each, the formula beside the code.

A primitive computes v = f(x, y, …).  Backpropagation brings the gradient of the output with respect to v, g = ∂C/∂v, in
v's shape, and asks for x̄ = ∂C/∂x, in x's shape.  By the chain rule x̄ = Jᵀg, J = ∂v/∂x: a vector-Jacobian product
(VJP).  A rule computes Jᵀg without building J.

* Where f acts on each number by itself, J is diagonal, and its row in the table gives the slope ∂v/∂x alone:
  x̄ = g · slope, summed over the axes along which x was broadcast.
* Otherwise the row gives the VJP as a function of (g, v, x, y, …) and f's own options.

The rules are written in NumPy functions that have rules themselves.  Given recorded variables in place of arrays they
record their own work, which is how second derivatives come about (`prod` alone cannot be differentiated twice).

At a kink the rules choose one slope, always between the one-sided ones.
* max(x, c) and min(x, c) with a constant c: the left slope, so that relu(u) = max(u, 0) has relu'(0) = 0, and
  max(u, 0) + α min(u, 0) has slope α at 0.  |x| and clip: 0.
* max(x, y) of two variables that tie: half each; over an axis all that tie share evenly.
A function that is smooth but put together from pieces with kinks gets the sum of the pieces' choices at the joint.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from inspect import Signature, signature
from typing import Any

import numpy as np

from backlit.autodiff.steps import (
    cap,
    cast,
    centered,
    clamp,
    contract,
    count,
    euclidean,
    getitem,
    inverse,
    join,
    larger,
    matmul_vjp,
    others,
    ratio,
    rectify,
    running_sum,
    scatter,
    section,
    shares,
    smaller,
    spread,
    times,
    unbroadcast,
    uncontract,
)
from backlit.errors import BacklitError

VJP = Callable[..., Any]


class AutodiffError(BacklitError):
    """A function, or a way of calling it, that the tape cannot differentiate; the message says what to write."""


@dataclass(frozen=True)
class Rule:
    """How to go back through one primitive.

    symbol : how the drawing writes it.  formula : the derivative, for people.
    vjps : one function (g, v, *args, **options) -> x̄ per positional argument; None if there is no derivative.
    elementwise : whether each number of v depends on the numbers of the same place only.
    """

    symbol: str
    formula: str
    vjps: Sequence[VJP | None]
    elementwise: bool = False

    @cached_property
    def signature(self) -> Signature:
        """The arguments that the rule understands, after g and v."""
        return signature(next(vjp for vjp in self.vjps if vjp))


class PerArgument(Sequence[VJP]):
    """The VJPs of a function of any number of arrays: vjp(i, g, v, *arrays, **options) for the i-th."""

    def __init__(self, vjp: VJP):
        self.vjp = vjp

    def __getitem__(self, i: Any) -> Any:
        return partial(self.vjp, i)

    def __len__(self) -> int:
        return sys.maxsize

    def __iter__(self) -> Iterator[VJP]:
        return (self[i] for i in range(sys.maxsize))


def elementwise(symbol: str, formula: str, *slopes: Callable[..., Any] | None) -> Rule:
    """Make the rule of a function of each number by itself from its slopes ∂v/∂x(v, x, y, …), one per argument."""

    def vjp_of(i: int, slope: Callable[..., Any]) -> VJP:
        def vjp(g: Any, v: Any, *args: Any) -> Any:
            return unbroadcast(times(g, slope(v, *args)), np.shape(args[i]))

        return vjp

    return Rule(symbol, formula, [slope and vjp_of(i, slope) for i, slope in enumerate(slopes)], elementwise=True)


def fold(symbol: str, formula: str, vjp: VJP) -> Rule:
    """Make the rule of a reduction over `axis` from vjp(g, v, x, axis[, ddof]), g and v copied back to x's shape."""

    def back(g: Any, v: Any, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return vjp(spread(g, x, axis), spread(v, x, axis), x, axis)

    def back_ddof(g: Any, v: Any, x: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
        return vjp(spread(g, x, axis), spread(v, x, axis), x, axis, ddof)

    return Rule(symbol, formula, [back_ddof if "ddof" in signature(vjp).parameters else back])


# v = f(x, y) is the primitive's value, g the gradient that arrives at v, x̄ and ȳ what goes on to x and y.
# fmt: off
RULES: dict[Any, Rule] = {
    # Arithmetic
    np.add:         elementwise("+",     "∂v/∂x = 1,  ∂v/∂y = 1",      lambda v, x, y: 1,     lambda v, x, y: 1),
    np.subtract:    elementwise("−",     "∂v/∂x = 1,  ∂v/∂y = −1",     lambda v, x, y: 1,     lambda v, x, y: -1),
    np.multiply:    elementwise("×",     "∂v/∂x = y,  ∂v/∂y = x",      lambda v, x, y: y,     lambda v, x, y: x),
    np.divide:      elementwise("÷",     "∂v/∂x = 1/y,  ∂v/∂y = −v/y", lambda v, x, y: 1 / y, lambda v, x, y: -v / y),
    np.power:       elementwise("^",     "∂v/∂x = y xʸ⁻¹,  ∂v/∂y = v ln x",
                                lambda v, x, y: y * x ** np.where(np.equal(y, 0), 1, y - 1),
                                lambda v, x, y: v * np.log(np.where(np.equal(x, 0), 1, x))),
    np.remainder:   elementwise("mod",   "∂v/∂x = 1,  ∂v/∂y = −⌊x/y⌋",
                                lambda v, x, y: 1,
                                lambda v, x, y: -np.floor(x / y)),
    np.negative:    elementwise("−x",    "∂v/∂x = −1",                 lambda v, x: -1),
    np.positive:    elementwise("id",    "∂v/∂x = 1",                  lambda v, x: 1),
    cast:           elementwise("astype", "∂v/∂x = 1",                 lambda v, x, dtype: 1, None),
    np.reciprocal:  elementwise("1/x",   "∂v/∂x = −1/x²",              lambda v, x: -v * v),
    np.square:      elementwise("x²",    "∂v/∂x = 2x",                 lambda v, x: 2 * x),
    np.sqrt:        elementwise("√",     "∂v/∂x = 1/(2√x)",            lambda v, x: 0.5 / v),
    np.cbrt:        elementwise("∛",     "∂v/∂x = 1/(3v²)",            lambda v, x: 1 / (3 * v * v)),
    # Exponentials and logarithms
    np.exp:         elementwise("exp",   "∂v/∂x = eˣ",                 lambda v, x: v),
    np.exp2:        elementwise("2ˣ",    "∂v/∂x = 2ˣ ln 2",            lambda v, x: v * math.log(2)),
    np.expm1:       elementwise("expm1", "∂v/∂x = eˣ",                 lambda v, x: np.exp(x)),
    np.log:         elementwise("ln",    "∂v/∂x = 1/x",                lambda v, x: 1 / x),
    np.log2:        elementwise("log₂",  "∂v/∂x = 1/(x ln 2)",         lambda v, x: 1 / (x * math.log(2))),
    np.log10:       elementwise("log₁₀", "∂v/∂x = 1/(x ln 10)",        lambda v, x: 1 / (x * math.log(10))),
    np.log1p:       elementwise("log1p", "∂v/∂x = 1/(1 + x)",          lambda v, x: 1 / (1 + x)),
    np.logaddexp:   elementwise("logaddexp", "v = ln(eˣ + eʸ):  ∂v/∂x = eˣ⁻ᵛ,  ∂v/∂y = eʸ⁻ᵛ",
                                lambda v, x, y: np.exp(x - v),
                                lambda v, x, y: np.exp(y - v)),
    # Circles and hyperbolas
    np.sin:         elementwise("sin",   "∂v/∂x = cos x",              lambda v, x: np.cos(x)),
    np.cos:         elementwise("cos",   "∂v/∂x = −sin x",             lambda v, x: -np.sin(x)),
    np.tan:         elementwise("tan",   "∂v/∂x = 1 + tan²x",          lambda v, x: 1 + v * v),
    np.arcsin:      elementwise("asin",  "∂v/∂x = 1/√(1 − x²)",        lambda v, x: 1 / np.sqrt((1 - x) * (1 + x))),
    np.arccos:      elementwise("acos",  "∂v/∂x = −1/√(1 − x²)",       lambda v, x: -1 / np.sqrt((1 - x) * (1 + x))),
    np.arctan:      elementwise("atan",  "∂v/∂x = 1/(1 + x²)",         lambda v, x: 1 / (1 + x * x)),
    np.arctan2:     elementwise("atan2", "∂v/∂x = y/(x² + y²),  ∂v/∂y = −x/(x² + y²)",
                                lambda v, x, y: y / (x * x + y * y),
                                lambda v, x, y: -x / (x * x + y * y)),
    np.hypot:       elementwise("hypot", "v = √(x² + y²):  ∂v/∂x = x/v,  ∂v/∂y = y/v,  and 0 where v = 0",
                                lambda v, x, y: ratio(x, v),
                                lambda v, x, y: ratio(y, v)),
    np.sinh:        elementwise("sinh",  "∂v/∂x = cosh x",             lambda v, x: np.cosh(x)),
    np.cosh:        elementwise("cosh",  "∂v/∂x = sinh x",             lambda v, x: np.sinh(x)),
    np.tanh:        elementwise("tanh",  "∂v/∂x = 1 − tanh²x = 1/cosh²x", lambda v, x: 1 / np.cosh(x) ** 2),
    np.arcsinh:     elementwise("asinh", "∂v/∂x = 1/√(x² + 1)",        lambda v, x: 1 / np.sqrt(x * x + 1)),
    np.arccosh:     elementwise("acosh", "∂v/∂x = 1/√(x² − 1)",        lambda v, x: 1 / np.sqrt((x - 1) * (x + 1))),
    np.arctanh:     elementwise("atanh", "∂v/∂x = 1/(1 − x²)",         lambda v, x: 1 / ((1 - x) * (1 + x))),
    # Kinks and steps
    np.absolute:    elementwise("|x|",   "∂v/∂x = sign x",             lambda v, x: np.sign(x)),
    np.fabs:        elementwise("|x|",   "∂v/∂x = sign x",             lambda v, x: np.sign(x)),
    rectify:        elementwise("max",   "∂v/∂x = [x > c]",            lambda v, x, c: x > c, None),
    cap:            elementwise("min",   "∂v/∂x = [x ≤ c]",            lambda v, x, c: x <= c, None),
    clamp:          elementwise("clip",  "∂v/∂x = [a < x < b]",       lambda v, x, a, b: (a < x) & (x < b), None, None),
    larger:         elementwise("max",   "∂v/∂x = [x > y] + ½[x = y],  ∂v/∂y = [y > x] + ½[y = x]",
                                lambda v, x, y: (x > y) + (x == y) / 2,
                                lambda v, x, y: (y > x) + (y == x) / 2),
    smaller:        elementwise("min",   "∂v/∂x = [x < y] + ½[x = y],  ∂v/∂y = [y < x] + ½[y = x]",
                                lambda v, x, y: (x < y) + (x == y) / 2,
                                lambda v, x, y: (y < x) + (y == x) / 2),
    np.where:       elementwise("where", "v = x if c else y:  ∂v/∂x = [c],  ∂v/∂y = [not c]", None,
                                lambda v, c, x, y: np.not_equal(c, 0),
                                lambda v, c, x, y: np.equal(c, 0)),
    np.sign:        elementwise("sign",  "∂v/∂x = 0",                  lambda v, x: 0),
    np.floor:       elementwise("⌊x⌋",   "∂v/∂x = 0",                  lambda v, x: 0),
    np.ceil:        elementwise("⌈x⌉",   "∂v/∂x = 0",                  lambda v, x: 0),
    np.rint:        elementwise("rint",  "∂v/∂x = 0",                  lambda v, x: 0),
    np.trunc:       elementwise("trunc", "∂v/∂x = 0",                  lambda v, x: 0),
    # Reductions
    np.sum:         fold("Σ",    "x̄ = g",                              lambda g, v, x, axis: g),
    np.mean:        fold("mean", "x̄ = g / n",                          lambda g, v, x, axis: g / count(x, axis)),
    np.max:         fold("max",  "x̄ = g [x = v] / (how many tie)",     lambda g, v, x, axis: g * shares(x == v, axis)),
    np.min:         fold("min",  "x̄ = g [x = v] / (how many tie)",     lambda g, v, x, axis: g * shares(x == v, axis)),
    np.prod:        fold("Π",    "x̄ = g · the product of the others",  lambda g, v, x, axis: g * others(x, axis)),
    np.var:         fold("var",  "x̄ = g · 2(x − mean) / (n − ddof)",
                         lambda g, v, x, axis, ddof: g * 2 * centered(x, axis) / (count(x, axis) - ddof)),
    np.std:         fold("std",  "x̄ = g · (x − mean) / (v (n − ddof)),  and 0 where v = 0",
                         lambda g, v, x, axis, ddof: g * ratio(centered(x, axis), v) / (count(x, axis) - ddof)),
    euclidean:      fold("‖x‖",  "x̄ = g · x / v,  and 0 where v = 0",  lambda g, v, x, axis: g * ratio(x, v)),
    running_sum:    Rule("cumsum", "x̄ₖ = Σ gᵢ over i ≥ k",
                         [lambda g, v, x, axis: np.flip(np.cumsum(np.flip(g, axis), axis), axis)]),
    # Linear algebra
    np.matmul:      Rule("@",      "x̄ = g yᵀ,  ȳ = xᵀ g", [partial(matmul_vjp, 0), partial(matmul_vjp, 1)]),
    contract:       Rule("einsum", "x̄ = einsum of g and the other arrays", PerArgument(uncontract)),
    # Shape: numbers move, and their gradients move back
    np.reshape:     Rule("reshape", "x̄ = g in x's shape",   [lambda g, v, x, shape: np.reshape(g, np.shape(x))]),
    np.transpose:   Rule("ᵀ",      "x̄ = gᵀ",               [lambda g, v, x, axes=None: np.transpose(g, inverse(axes))]),
    np.broadcast_to: Rule("broadcast", "x̄ = g, summed over the copies",
                         [lambda g, v, x, shape: unbroadcast(g, np.shape(x))]),
    join:           Rule("concat", "x̄ = the part of g that x became", PerArgument(section)),
    getitem:        Rule("x[i]",   "x̄[i] += g",            [lambda g, v, x, i: scatter(g, i, np.shape(x)), None]),
    scatter:        Rule("0[i] +=", "x̄ = g[i]",            [lambda g, v, x, i, shape: g[i], None, None]),
}

SQRT_PI, SQRT_2PI = math.sqrt(math.pi), math.sqrt(2 * math.pi)

# scipy.special is slow to import, so its functions go by name: whoever calls one has imported it.
SPECIAL: dict[str, Rule] = {
    "erf":       elementwise("erf",   "∂v/∂x = 2/√π e^(−x²)",       lambda v, x: 2 / SQRT_PI * np.exp(-x * x)),
    "erfc":      elementwise("erfc",  "∂v/∂x = −2/√π e^(−x²)",      lambda v, x: -2 / SQRT_PI * np.exp(-x * x)),
    "erfcx":     elementwise("erfcx", "∂v/∂x = 2x v − 2/√π",        lambda v, x: 2 * x * v - 2 / SQRT_PI),
    "ndtr":      elementwise("Φ",     "∂v/∂x = e^(−x²/2) / √(2π)",  lambda v, x: np.exp(-x * x / 2) / SQRT_2PI),
    "log_ndtr":  elementwise("ln Φ",  "∂v/∂x = e^(−x²/2) / (√(2π) eᵛ)", lambda v, x: np.exp(-x * x / 2 - v) / SQRT_2PI),
    "expit":     elementwise("σ",     "∂v/∂x = v (1 − v) = e^(−|x|) / (1 + e^(−|x|))²",
                             lambda v, x: np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2),
    "log_expit": elementwise("ln σ",  "∂v/∂x = σ(−x) = 1 − eᵛ",     lambda v, x: -np.expm1(v)),
    "logit":     elementwise("logit", "∂v/∂x = 1/(x (1 − x))",      lambda v, x: 1 / (x * (1 - x))),
    "xlogy":     elementwise("x ln y", "∂v/∂x = ln y,  ∂v/∂y = x/y",
                             lambda v, x, y: np.log(y),
                             lambda v, x, y: ratio(x, y)),
    "xlog1py":   elementwise("x log1p y", "∂v/∂x = ln(1 + y),  ∂v/∂y = x/(1 + y)",
                             lambda v, x, y: np.log1p(y),
                             lambda v, x, y: ratio(x, 1 + y)),
    "entr":      elementwise("−x ln x", "∂v/∂x = −ln x − 1",        lambda v, x: -np.log(x) - 1),
    "rel_entr":  elementwise("x ln(x/y)", "∂v/∂x = ln(x/y) + 1,  ∂v/∂y = −x/y",
                             lambda v, x, y: np.log(x / y) + 1,
                             lambda v, x, y: -ratio(x, y)),
    "kl_div":    elementwise("x ln(x/y) − x + y", "∂v/∂x = ln(x/y),  ∂v/∂y = 1 − x/y",
                             lambda v, x, y: np.log(x / y),
                             lambda v, x, y: 1 - ratio(x, y)),
    "huber":     elementwise("huber", "∂v/∂r = r, clipped to ±δ",   None, lambda v, d, r: np.clip(r, -d, d)),
}
# fmt: on


def rule_of(function: Any) -> Rule | None:
    """The rule of a NumPy or scipy.special function, or None."""
    special = sys.modules.get("scipy.special")
    name = getattr(function, "__name__", "")
    if isinstance(function, np.ufunc) and special and getattr(special, name, None) is function:
        return RULES.get(function) or SPECIAL.get(name)
    return RULES.get(function)
