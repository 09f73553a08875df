"""Every activation and loss as a formula of its argument, for symbols and for numbers alike.

`tests/derivation/test_functions.py` computes each formula and compares it with `core`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from backlit.core.activations import SELU_ALPHA, SELU_SCALE, Activation
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
    Pow,
)
from backlit.derivation.scene import constant

TINY = float(np.finfo(np.float64).tiny)
ZERO, ONE, TWO = constant(0), constant(1), constant(2)
SELU_NUMBERS = (constant(round(SELU_SCALE, 10)), constant(round(SELU_ALPHA, 10)))


def fn(name: str, *args: Expr) -> Fn:
    """A function of its arguments."""
    return Fn(name, args)


def minus(a: Expr, b: Expr) -> Add:
    """a − b."""
    return Add(a, Neg(b))


def positive(u: Expr) -> Fn:
    """max(u, 0)."""
    return fn("max", u, ZERO)


def negative(u: Expr) -> Fn:
    """min(u, 0)."""
    return fn("min", u, ZERO)


def above(u: Expr) -> Iverson:
    """[u > 0]."""
    return Iverson(u, ">", ZERO)


def below(u: Expr) -> Iverson:
    """[u ≤ 0]."""
    return Iverson(u, "≤", ZERO)


def expm1(u: Expr) -> Add:
    """e^min(u, 0) − 1."""
    return minus(fn("exp", negative(u)), ONE)


def softplus(u: Expr) -> Fn:
    """ln(1 + e^u)."""
    return fn("ln", Add(ONE, fn("exp", u)))


VALUES: dict[str, Callable[..., Expr]] = {
    "identity": lambda u: u,
    "sigmoid": lambda u: Frac(ONE, Add(ONE, fn("exp", Neg(u)))),
    "tanh": lambda u: fn("tanh", u),
    "relu": positive,
    "leaky_relu": lambda u, alpha: Add(positive(u), Mul(alpha, negative(u))),
    "elu": lambda u, alpha: Add(positive(u), Mul(alpha, expm1(u))),
    "selu": lambda u: Mul(SELU_NUMBERS[0], Add(positive(u), Mul(SELU_NUMBERS[1], expm1(u)))),
    "gelu": lambda u: Mul(u, fn("Phi", u)),
    "silu": lambda u: Mul(u, fn("sigmoid", u)),
    "softplus": softplus,
    "mish": lambda u: Mul(u, fn("tanh", softplus(u))),
    "hard_tanh": lambda u: fn("min", fn("max", u, constant(-1)), ONE),
    "softsign": lambda u: Frac(u, Add(ONE, fn("abs", u))),
    "exp": lambda u: fn("exp", u),
}

# what the names in VALUES stand for
MEANINGS: dict[str, Callable[[Expr], Expr]] = {
    "tanh": lambda u: Frac(minus(fn("exp", u), fn("exp", Neg(u))), Add(fn("exp", u), fn("exp", Neg(u)))),
}

SLOPES: dict[str, Callable[..., Expr]] = {
    "identity": lambda u: ONE,
    "sigmoid": lambda u: Mul(fn("sigmoid", u), minus(ONE, fn("sigmoid", u))),
    "tanh": lambda u: minus(ONE, Pow(fn("tanh", u), TWO)),
    "relu": above,
    "leaky_relu": lambda u, alpha: Add(above(u), Mul(alpha, below(u))),
    "elu": lambda u, alpha: Add(above(u), Mul(alpha, fn("exp", negative(u)), below(u))),
    "selu": lambda u: Mul(SELU_NUMBERS[0], Add(above(u), Mul(SELU_NUMBERS[1], fn("exp", negative(u)), below(u)))),
    "gelu": lambda u: Add(fn("Phi", u), Mul(u, fn("phi", u))),
    "silu": lambda u: Mul(fn("sigmoid", u), Add(ONE, Mul(u, minus(ONE, fn("sigmoid", u))))),
    "softplus": lambda u: fn("sigmoid", u),
    "mish": lambda u: Add(
        fn("tanh", softplus(u)), Mul(u, minus(ONE, Pow(fn("tanh", softplus(u)), TWO)), fn("sigmoid", u))
    ),
    "hard_tanh": lambda u: Iverson(fn("abs", u), "<", ONE),
    "softsign": lambda u: Frac(ONE, Pow(Add(ONE, fn("abs", u)), TWO)),
    "exp": lambda u: fn("exp", u),
}


def parameters(phi: Activation) -> list[Num]:
    """An activation's α, where it has one."""
    return [constant(value) for value in phi.parameters.values()]


def applied(phi: Activation, u: Expr, *, slope: bool = False) -> Fn:
    """φ(u), or φ'(u), by name."""
    return Fn(phi.name + ("'" if slope else ""), (u, *parameters(phi)))


def value_of(phi: Activation, u: Expr) -> Expr:
    """φ(u) written out."""
    return VALUES[phi.name](u, *parameters(phi))


def slope_of(phi: Activation, u: Expr) -> Expr:
    """φ'(u) written out."""
    return SLOPES[phi.name](u, *parameters(phi))


def known(phi: Activation) -> bool:
    """Whether the activation is one of ours and acts on each unit by itself."""
    return phi.name in VALUES


def half() -> Expr:
    """One half."""
    return Frac(ONE, TWO)


def loss_of(loss: Loss, a: Sequence[Expr], y: Sequence[Expr]) -> Expr:
    """ℓ of the outputs and the targets, written out; terms whose target is 0 are left out where they vanish."""
    terms = [term for k in range(len(a)) for term in loss_terms(loss, a[k], y[k])]
    total: Expr = Add(*terms) if len(terms) > 1 else (terms[0] if terms else ZERO)
    match loss.name:
        case "half_squared_error":
            return Mul(half(), total)
        case "mean_squared_error":
            return Mul(Frac(ONE, constant(len(a))), total)
        case "cross_entropy" | "binary_cross_entropy":
            return Neg(total)
    return total


def loss_over(loss: Loss, a: Sequence[Expr], y: Sequence[Expr], n: int) -> Expr:
    """ℓ as a sum over k = 1…n, of the k-th output and target."""
    terms = loss_terms(loss, a[0], y[0])
    body = BigSum("k", Add(*terms) if len(terms) > 1 else terms[0])
    match loss.name:
        case "half_squared_error":
            return Mul(half(), body)
        case "mean_squared_error":
            return Mul(Frac(ONE, constant(n)), body)
        case "cross_entropy" | "binary_cross_entropy":
            return Neg(body)
    return body


def vanishes(factor: Expr) -> bool:
    """Whether a factor is the number 0."""
    return isinstance(factor, Num) and factor.value == 0


def clipped(a: Expr) -> bool:
    """Whether a printed output, or 1 minus it, is so near to 0 that core takes log(tiny) and the slope 0 there."""
    if isinstance(a, Add) and isinstance(a.items[1], Neg) and isinstance(a.items[1].of, Num):
        return 1 - a.items[1].of.value < TINY
    return isinstance(a, Num) and a.value < TINY


def log(a: Expr) -> Fn:
    """ln a, of tiny where a is smaller."""
    return fn("ln", fn("max", a, constant(TINY)) if clipped(a) else a)


def quotient(y: Expr, a: Expr) -> Expr:
    """y/a, and 0 if a is clipped."""
    return ZERO if clipped(a) else Frac(y, a)


def loss_terms(loss: Loss, a: Expr, y: Expr) -> list[Expr]:
    """What one output adds to ℓ."""
    match loss.name:
        case "half_squared_error" | "squared_error" | "mean_squared_error":
            return [Pow(minus(a, y), TWO)]
        case "absolute_error":
            return [fn("abs", minus(a, y))]
        case "huber":
            delta = constant(loss.parameters["delta"])
            r = fn("abs", minus(a, y))
            if not (isinstance(a, Num) and isinstance(y, Num)):
                return [Fn("huber", (minus(a, y),))]
            if abs(a.value - y.value) <= delta.value:
                return [Mul(half(), Pow(r, TWO))]
            return [Mul(delta, minus(r, Mul(half(), delta)))]
        case "quantile":
            q = constant(loss.parameters["quantile"])
            return [fn("max", Mul(q, minus(y, a)), Mul(minus(q, ONE), minus(y, a)))]
        case "cross_entropy":
            return [] if vanishes(y) else [Mul(y, log(a))]
        case "binary_cross_entropy":
            second = minus(ONE, y)
            last = isinstance(y, Num) and y.value == 1
            terms: list[Expr] = [] if vanishes(y) else [Mul(y, log(a))]
            return terms if last else [*terms, Mul(second, log(minus(ONE, a)))]
        case "poisson":
            return [a] if vanishes(y) else [a, Neg(Mul(y, log(a)))]
    return [Fn("loss", (a, y))]


def loss_slope_of(loss: Loss, a: Expr, y: Expr, n: int) -> Expr:
    """∂ℓ/∂a_k written out, n outputs."""
    match loss.name:
        case "half_squared_error":
            return minus(a, y)
        case "squared_error":
            return Mul(TWO, minus(a, y))
        case "mean_squared_error":
            return Mul(Frac(TWO, constant(n)), minus(a, y))
        case "absolute_error":
            return fn("sign", minus(a, y))
        case "huber":
            delta = constant(loss.parameters["delta"])
            return fn("min", fn("max", minus(a, y), constant(-delta.value)), delta)
        case "quantile":
            if isinstance(a, Num) and isinstance(y, Num) and a.value == y.value:
                return ZERO
            return minus(Iverson(a, ">", y), constant(loss.parameters["quantile"]))
        case "cross_entropy":
            return Neg(quotient(y, a))
        case "binary_cross_entropy":
            return Add(Neg(quotient(y, a)), quotient(minus(ONE, y), minus(ONE, a)))
        case "poisson":
            return minus(ONE, quotient(y, a))
    return Fn("loss'", (a, y))
