"""What the sections share: lines and entries worked, symbols, sums over the examples, and numbers in words."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.derivation.context import Cols, Context, as_float, at, entry_indices, line
from backlit.derivation.document import Line
from backlit.derivation.expressions import (
    Add,
    At,
    BigSum,
    Chain,
    Expr,
    Fn,
    Frac,
    Mat,
    MatMul,
    Mul,
    Num,
    Partial,
    Pow,
    Sym,
    constant,
)
from backlit.derivation.functions import ONE, TWO
from backlit.optim.optimizers.base import norm

LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
RAISED = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
OTHER_NUMBERS = " The formula that it was given is left out, for it gives other numbers."


def lines(s: Context, build: Callable[[Cols], tuple[list[Expr], list[Expr]]]) -> tuple[Line, ...]:
    """A worked line for each choice of examples."""
    return tuple(line(s.label(cols), *build(cols)) for cols in s.choices)


def entries(s: Context, id: str, shape: tuple[int, ...], entry: Callable[..., Line]) -> tuple[Line, ...]:
    """The first entries of a quantity, worked; what belongs to an input of a table has the input's name."""
    row = s.problem.row if id in ("grad_W[1]", "grad_a[0]") else None
    made = ((index, entry(s, *index)) for index in entry_indices(s, shape))
    return tuple(replace(one, label=row.features[index[-1]]) if row else one for index, one in made)


def below(l: int) -> str:
    """The id of the step that made a[l]."""
    return f"a[{l}]" if l else "given-x"


def after_activation(s: Context, l: int) -> str:
    """What φ's result is called: h where dropout or a skip follows, a where it is the layer's output."""
    return "h" if s.trace.mask[l] is not None or s.layer(l).skip_from is not None else "a"


def before_activation(s: Context, l: int) -> str:
    """What φ is applied to: u after a norm, z without one."""
    return "u" if s.layer(l).norm else "z"


def index_k(of: Expr, *first: int) -> Expr:
    """An entry whose last index is the k that is summed over."""
    return At(of, (*(str(i + 1) for i in first), "k"))


def times(scale: Num, of: Expr) -> Expr:
    """scale · of, where the scale is not 1."""
    return of if scale.value == 1 else MatMul(scale, of)


def delta_id(s: Context, l: int) -> str:
    """What ∂ℓ/∂u is called: δ where there is no norm between u and z."""
    return f"grad_u[{l}]" if s.layer(l).norm else f"delta[{l}]"


def delta_symbol(s: Context, l: int, cols: Cols | None = None) -> Expr:
    """Its symbol."""
    return s.slope("u", l, cols) if s.layer(l).norm else s.sym("delta", l, cols)


def hidden_slope(s: Context, l: int) -> tuple[str, str, Any]:
    """∂ℓ/∂h_l: its step, its symbol's name and its values."""
    if s.trace.mask[l] is not None:
        return f"grad_h[{l}]", "h", s.grad.a[l] * s.trace.mask[l]
    return f"grad_a[{l}]", "a", s.grad.a[l]


def made_entries(s: Context, id: str, shape: tuple[int, ...], entry: Any) -> tuple[Line, ...]:
    """The first entries, worked."""
    return entries(s, id, shape, entry)


def entry_symbol(s: Context, l: int, i: int, j: int) -> Expr:
    """One entry of δ or of ∂ℓ/∂u."""
    if s.layer(l).norm:
        return Partial(s.slope("u", l, [i]).of, at(s.sym("u", l, [i]), j))
    return at(s.sym("delta", l, [i]), j)


def total(terms: tuple[Expr, ...]) -> Expr:
    """A sum, where there is more than one term."""
    return Add(*terms) if len(terms) > 1 else terms[0]


def even(s: Context) -> bool:
    """Whether every example has the same share in the gradients."""
    return bool(np.all(s.delta_shares == s.delta_shares[0]))


def averaged(s: Context) -> bool:
    """Whether that share is 1/m."""
    return even(s) and bool(abs(s.delta_shares[0] * s.m - 1) < 1e-12)


def share_symbol(s: Context, body: Expr) -> Expr:
    """Σ over the examples, each with its share, in symbols."""
    if s.m == 1 and s.delta_shares[0] == 1:
        return body
    if even(s) and s.delta_shares[0] == 1:
        return BigSum("i", body)
    if averaged(s):
        return MatMul(Frac(ONE, Sym("m")), BigSum("i", body))
    return BigSum("i", MatMul(Sym("omega", "i"), body))


def shared_sum(s: Context, factors: list[list[Expr]]) -> Expr:
    """Σ_i share_i · Π factors_i, in numbers; factors has a list for each example."""
    share = s.delta_shares
    if even(s):
        summed = total(s.terms([Mul(*f) if len(f) > 1 else f[0] for f in factors]))
        if share[0] == 1:
            return summed
        if averaged(s):
            return Frac(summed, constant(s.m))
        return Mul(s.num(share[0], "given-weight"), summed)
    weighted = [Mul(s.num(w, "given-weight"), *f) for w, f in zip(share, factors, strict=True)]
    return total(s.terms(weighted))


def share_factor(s: Context) -> tuple[list[Expr], list[Expr]]:
    """1/m in front of a batch product, as symbols and as numbers; nothing where each share is 1."""
    if not even(s) or s.delta_shares[0] == 1:
        return [], []
    if averaged(s):
        return [Frac(ONE, Sym("m"))], [Frac(ONE, constant(s.m))]
    return [Sym("omega")], [s.num(s.delta_shares[0], "given-weight")]


def weighted_columns(s: Context, l: int, cols: Cols) -> tuple[Expr, Mat]:
    """Δ, or Δ with each column times its example's share where the shares differ."""
    delta = s.grad.delta[l]
    if even(s) or len(cols) == 1:
        return s.sym("delta", l, cols), s.columns(delta, cols, f"delta[{l}]")
    scaled = delta * s.delta_shares[:, None]
    return MatMul(s.sym("delta", l, cols), Sym("diag-omega")), s.columns(scaled, cols, f"delta[{l}]")


def cost_of(s: Context) -> Expr:
    """[C1] and [L2] in symbols: the examples' losses, each with its share, and the squared lengths of the weights."""
    ell = Sym("ell", "", example="i")
    if s.weights is not None:
        cost: Expr = BigSum("i", MatMul(Sym("omega", "i"), ell))
    elif s.net.reduction == "mean":
        cost = MatMul(Frac(ONE, Sym("m")), BigSum("i", ell))
    else:
        cost = BigSum("i", ell)
    if not s.net.l2:
        return cost
    return Add(cost, MatMul(Frac(Sym("lambda"), TWO), BigSum("l", Pow(Fn("norm", (Sym("W", "l"),)), TWO))))


def index_row(of: Expr, column: int) -> Expr:
    """An entry whose row index is the j that is summed over."""
    return At(of, ("j", str(column + 1)))


def entry(name: str, layer: str, *index: str) -> At:
    """[z_l]_j."""
    return At(Sym(name, layer), index)


def equal(*parts: Expr) -> Chain:
    """a = b = c."""
    return Chain(parts, ("=",) * (len(parts) - 1))


def shown(s: Context, value: float) -> str:
    """A number in words."""
    return s.num(value).text.replace("-", "−")


def length(rows: np.ndarray) -> float:
    """√ of the mean squared length of rows."""
    return norm(as_float(rows)) / len(rows) ** 0.5


def said(num: Num) -> str:
    """A number in a drawing or between words, −1.5×10⁻⁷.

    >>> said(Num(-1.5e-7, "-1.5e-7", True))
    '−1.5×10⁻⁷'
    """
    mantissa, _, exponent = num.text.replace("-", "−").partition("e")
    return mantissa + (f"×10{exponent.translate(RAISED)}" if exponent else "")
