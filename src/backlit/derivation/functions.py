"""The formulas of activations and losses in the tree's arithmetic, for symbols and for numbers alike.

`tests/derivation/test_functions.py` computes each formula and compares it with `core`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlit.core.activations import Activation
from backlit.core.formulas import COMPARED, Arithmetic, Unsupported
from backlit.core.losses import Loss
from backlit.derivation.expressions import (
    Add,
    BigSum,
    Expr,
    Fn,
    Frac,
    Iverson,
    Mul,
    Neg,
    Num,
    Root,
    constant,
    lifted,
)
from backlit.derivation.numbers import NotNumeric, evaluate

TINY = float(np.finfo(np.float64).tiny)
SETTING_DIGITS = 11  # of a number that a formula holds, such as SELU's
ZERO, ONE, TWO = constant(0), constant(1), constant(2)


def fn(name: str, *args: Expr) -> Fn:
    """A function of its arguments."""
    return Fn(name, args)


def minus(a: Expr, b: Expr) -> Add:
    """a − b."""
    return Add(a, Neg(b))


# --- the tree's arithmetic --------------------------------------------------------------------------------------------


def known_value(expr: Expr) -> float:
    """The value at full precision, not as printed.  Raises NotNumeric where a symbol is in it."""
    return float(evaluate(expr, number=lambda num: num.value))


def is_below(expr: Expr, limit: float) -> bool:
    """Whether it is a number less than a limit."""
    try:
        return known_value(expr) < limit
    except NotNumeric:
        return False


def holds(a: Expr, relation: str, b: Expr) -> Iverson:
    """[a > b]."""
    return Iverson(a, relation, b)


def where(a: Expr, relation: str, b: Expr, then: Expr, otherwise: Expr) -> Expr:
    """The one that applies.  Raises NotNumeric for symbols."""
    return then if COMPARED[relation](known_value(a), known_value(b)) else otherwise


def tie(a: Expr, b: Expr, then: Expr, otherwise: Expr) -> Expr:
    """`otherwise` for symbols, and for numbers that differ."""
    return then if isinstance(a, Num) and isinstance(b, Num) and a.value == b.value else otherwise


def log(a: Expr) -> Fn:
    """ln a, of tiny where a printed output, or 1 minus it, is so near to 0 that core takes that."""
    return fn("ln", fn("max", a, constant(TINY)) if is_below(a, TINY) else a)


def ratio(y: Expr, a: Expr) -> Expr:
    """y/a, and 0 where core takes the slope 0."""
    return ZERO if is_below(a, TINY) else Frac(y, a)


def softplus(u: Expr) -> Fn:
    """ln(1 + e^u)."""
    return fn("ln", Add(ONE, fn("exp", u)))


MADE: dict[str, Callable[..., Expr]] = {
    "sqrt": Root,
    "holds": holds,
    "where": where,
    "tie": tie,
    "log": log,
    "ratio": ratio,
    "softplus": softplus,
}


def written(name: str, *args: Any) -> Expr:
    """A function by name; those that are not in MADE are printed by it."""
    nodes: list[Any] = [arg if isinstance(arg, str) else lifted(arg) for arg in args]
    return MADE[name](*nodes) if name in MADE else Fn(name, tuple(nodes))


TREE = Arithmetic(lambda value: constant(f"{value:.{SETTING_DIGITS}g}"), written)


# --- activations ------------------------------------------------------------------------------------------------------


def applied(phi: Activation, u: Expr, *, slope: bool = False) -> Fn:
    """φ(u), or φ'(u), by name."""
    return Fn(phi.name + ("'" if slope else ""), (u, *map(constant, phi.parameters.values())))


def known(phi: Activation) -> bool:
    """Whether the activation says how it is written out."""
    return phi.formula is not None and phi.derivative_formula is not None


def value_of(phi: Activation, u: Expr) -> Expr:
    """φ(u) written out."""
    assert phi.formula is not None
    return lifted(phi.formula(u, TREE))


def meaning_of(phi: Activation, u: Expr) -> Expr:
    """φ(u) written out, in other words where its formula is a name alone."""
    return value_of(phi, u) if phi.meaning is None else lifted(phi.meaning(u, TREE))


def slope_of(phi: Activation, u: Expr) -> Expr:
    """φ'(u) written out."""
    assert phi.derivative_formula is not None
    return lifted(phi.derivative_formula(u, TREE))


def slope_at_output(phi: Activation, h: Expr) -> Expr:
    """φ' in terms of h = φ(u); where it has no such form it has no u in it either."""
    return slope_of(phi, h) if phi.derivative_of_output is None else lifted(phi.derivative_of_output(h, TREE))


# --- losses -----------------------------------------------------------------------------------------------------------


def loss_of(loss: Loss, a: Sequence[Expr], y: Sequence[Expr]) -> Expr:
    """ℓ of the outputs and the targets, written out; terms whose target is 0 are left out where they vanish."""
    terms = [term for k in range(len(a)) for term in loss_terms(loss, a[k], y[k])]
    return of_sum(loss, summed(terms) if terms else ZERO, len(a))


def loss_over(loss: Loss, a: Sequence[Expr], y: Sequence[Expr], n: int) -> Expr:
    """ℓ as a sum over k = 1…n, of the k-th output and target."""
    return of_sum(loss, BigSum("k", summed(loss_terms(loss, a[0], y[0]))), n)


def of_sum(loss: Loss, total: Expr, n: int) -> Expr:
    """ℓ from the sum over n outputs."""
    return total if loss.total is None else lifted(loss.total(total, n, TREE))


def summed(terms: Sequence[Expr]) -> Expr:
    """The sum of some terms, at least one."""
    return Add(*terms) if len(terms) > 1 else terms[0]


def vanishes(term: Expr) -> bool:
    """Whether a term is a product whose first factor is the number 0."""
    product = term.of if isinstance(term, Neg) else term
    try:
        return isinstance(product, Mul) and known_value(product.items[0]) == 0
    except NotNumeric:
        return False


def loss_terms(loss: Loss, a: Expr, y: Expr) -> list[Expr]:
    """What one output adds to ℓ."""
    if loss.formula is None:
        return [Fn("loss", (a, y))]
    try:
        made = lifted(loss.formula(a, y, TREE))
    except Unsupported:  # it chooses by its numbers, and these are symbols
        return [Fn(loss.name, (minus(a, y),))]
    return [term for term in (made.items if isinstance(made, Add) else (made,)) if not vanishes(term)]


def loss_slope_of(loss: Loss, a: Expr, y: Expr, n: int) -> Expr:
    """∂ℓ/∂a_k written out, n outputs."""
    if loss.gradient_formula is None:
        return Fn("loss'", (a, y))
    return lifted(loss.gradient_formula(a, y, n, TREE))
