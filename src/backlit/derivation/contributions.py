"""What each example adds to one entry of a gradient: a table whose rows sum to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlit.derivation.document import Block, Table, Text
from backlit.derivation.expressions import Expr, Partial, Sym
from backlit.derivation.scene import Scene, as_float, at

MOST = 40  # examples that get a row of their own, the largest contributions first


def contributions(s: Scene, quantity: str, l: int | None, index: tuple[int, ...]) -> list[Block]:
    """The table, for a parameter's gradient over more than one example."""
    name = quantity.removeprefix("grad_")
    if s.m == 1 or l is None or name not in ("W", "b", "gamma", "beta") or name == quantity:
        return []
    slopes, factor, symbols = parts(s, name, l, index)
    made = s.delta_shares * slopes * (1 if factor is None else factor)
    order = np.argsort(-np.abs(as_float(made)), kind="stable")
    rows: list[tuple[Text, ...]] = [row(s, i, slopes, factor, made) for i in order[:MOST]]
    blank: Text = ("",)
    empty = [blank] * (len(symbols) + 1)
    if s.m > MOST:
        others = as_float(made[order[MOST:]]).sum()
        rows.append(((f"the other {s.m - MOST:,}",), *empty, (s.num(others),)))
    if name == "W" and s.net.l2:
        rows.append((("L2: λ times the weight",), *empty, (s.num(s.net.l2 * float(s.params.W[l][index])),)))
    rows.append((("sum",), *empty, (s.num(getattr(s.grad, name)[l][index]),)))
    header: tuple[Text, ...] = (("Example",), ("Share",), *((symbol,) for symbol in symbols), ("Adds",))
    return [Table("What each example adds, the largest first", header, tuple(rows))]


def parts(s: Scene, name: str, l: int, index: tuple[int, ...]) -> tuple[Any, Any, Sequence[Expr]]:
    """The slope of every example, the factor on it where there is one, and their symbols."""
    j = index[0]
    if name in ("W", "b"):
        delta: Expr = at(Sym("delta", str(l)), j)
        if name == "b":
            return s.grad.delta[l][:, j], None, [delta]
        return s.grad.delta[l][:, j], s.trace.a[l - 1][:, index[1]], [delta, at(Sym("a", str(l - 1)), index[1])]
    slope: Expr = Partial(Sym("ell"), at(Sym("u", str(l)), j))
    if name == "beta":
        return s.grad.u[l][:, j], None, [slope]
    return s.grad.u[l][:, j], s.trace.norm[l].x_hat[:, j], [slope, at(Sym("x_hat", str(l)), j)]


def row(s: Scene, i: int, slopes: Any, factor: Any, made: Any) -> tuple[Text, ...]:
    """One example."""
    cells: list[Text] = [(str(i + 1),), (s.num(s.delta_shares[i]),), (s.num(slopes[i]),)]
    cells += [] if factor is None else [(s.num(factor[i]),)]
    return (*cells, (s.num(made[i]),))
