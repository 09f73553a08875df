"""The tree that formulas are made of: small frozen nodes, which renderers write and `evaluate` computes.

A matrix is a tuple of rows, a vector a matrix of one column (books put examples in columns).  Numbers carry the text
that is printed, decided once in `numbers`, so that every format prints the same.  Python's operators make nodes, so
that a formula of `core` (see `core.formulas`) is a tree where its argument is one.

>>> from backlit.derivation.numbers import Numbers
>>> num = Numbers(digits=4)
>>> Add(Mul(num(0.1), num(1)), Mul(num(-0.2), num(2)))
Add(0.1 · 1, -0.2 · 2)
>>> Sym("x") * 2 - 1
Add(Sym(name='x', layer='', example='', batch=False) · 2, Neg(of=1))
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from backlit.core.formulas import Operand

T = TypeVar("T")


@dataclass(frozen=True, repr=False)
class Expr(Operand):
    """A node; subclasses say what is in it."""

    def combined(self, sign: str, *operands: Any) -> "Expr":
        """The node of a sign; a sum to which a term is added, and a product, grow by it."""
        a, *others = (lifted(operand) for operand in operands)
        match sign:
            case "+":
                return Add(*grown(a, Add), *others)
            case "-":
                return Add(*grown(a, Add), Neg(others[0]))
            case "*":
                return Mul(*grown(a, Mul), *others)
            case "/":
                return Frac(a, others[0])
            case "**":
                return Pow(a, others[0])
        return Neg(a)


@dataclass(frozen=True, repr=False)
class Num(Expr):
    """A number: its value, the text that is printed, and the id of the step that made it (None: it was given).

    exact : whether the text is the whole value and not a rounding of it.
    fraction : the value as a fraction, where it is known to be one; the text is then `3/4` unless that is too long.
    """

    value: float
    text: str
    exact: bool
    source: str | None = None
    fraction: Fraction | None = None

    @property
    def negative(self) -> bool:
        """Whether it is printed with a minus."""
        return self.text.startswith("-")

    @property
    def over(self) -> tuple[str, str] | None:
        """Numerator and denominator without a sign, where it is printed as a fraction."""
        top, slash, bottom = self.text.lstrip("-").partition("/")
        return (top, bottom) if slash else None

    def __repr__(self):
        return self.text


@dataclass(frozen=True)
class Sym(Expr):
    """A named quantity: `name` is a key of the renderers' glyphs, `layer` its subscript, `example` its superscript.

    bold : a batch of it, with one column an example.
    """

    name: str
    layer: str = ""
    example: str = ""
    batch: bool = False


@dataclass(frozen=True)
class At(Expr):
    """One entry of a vector or matrix, [W]_{j,k}, counted from 1 as books do."""

    of: Expr
    index: tuple[str, ...]


@dataclass(frozen=True)
class Partial(Expr):
    """∂of/∂by."""

    of: Expr
    by: Expr


@dataclass(frozen=True)
class Dots(Expr):
    """What was left out of a long sum or a large matrix; `count` says how much."""

    count: int = 0


@dataclass(frozen=True)
class Mat(Expr):
    """A matrix by rows; elided ones hold `Dots`.  name : what it is, for screen readers and shapes."""

    rows: tuple[tuple[Expr, ...], ...]
    shape: tuple[int, int]


@dataclass(frozen=True, init=False, repr=False)
class Nary(Expr):
    """A node with any number of operands."""

    items: tuple[Expr, ...]

    def __init__(self, *items: Expr):
        object.__setattr__(self, "items", items)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(map(repr, self.items))})"


class Add(Nary):
    """A sum; a term that is a `Neg` or a negative number is taken off."""


class Mul(Nary):
    """A product of numbers, written with a dot."""

    def __repr__(self):
        return " · ".join(map(repr, self.items))


class MatMul(Nary):
    """A product of matrices or symbols, written side by side."""


class Hadamard(Nary):
    """An entry-by-entry product, ⊙."""


@dataclass(frozen=True)
class Neg(Expr):
    """A minus in front."""

    of: Expr


@dataclass(frozen=True)
class Frac(Expr):
    """A fraction; of matrices it divides entry by entry."""

    top: Expr
    bottom: Expr


@dataclass(frozen=True)
class Pow(Expr):
    """A power; of a matrix it is taken of each entry."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True)
class Root(Expr):
    """A square root."""

    of: Expr


@dataclass(frozen=True)
class Transpose(Expr):
    """A matrix with rows and columns swapped."""

    of: Expr


@dataclass(frozen=True)
class Fn(Expr):
    """A function by name: an activation (`sigmoid`), its slope (`sigmoid'`), `exp`, `ln`, `abs`, `max`, `diag`, …."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True)
class BigSum(Expr):
    """Σ over an index."""

    index: str
    body: Expr
    upper: str = ""


@dataclass(frozen=True)
class BigProd(Expr):
    """∏ over an index, from `lower` to `upper`."""

    index: str
    body: Expr
    upper: str = ""


@dataclass(frozen=True)
class Mean(Expr):
    """A bar: the mean over the batch or over the units."""

    of: Expr


@dataclass(frozen=True)
class Iverson(Expr):
    """[k = j]: 1 if the statement holds, else 0."""

    left: Expr
    relation: str
    right: Expr


@dataclass(frozen=True)
class Chain(Expr):
    """An equation chain, parts[0] rel[0] parts[1] rel[1] …, with "=" or "≈" (or "←") between its parts."""

    parts: tuple[Expr, ...]
    relations: tuple[str, ...]


def constant(value: Any) -> Num:
    """A whole number or a setting, printed in full."""
    value = float(value)
    text = repr(int(value)) if value == int(value) and abs(value) < 1e6 else repr(value)
    mantissa, mark, exponent = text.partition("e")
    return Num(value, mantissa + (f"e{int(exponent)}" if mark else ""), True)


def lifted(value: Any) -> Expr:
    """A node as it is, a Python number as a constant."""
    return value if isinstance(value, Expr) else constant(value)


def grown(node: Expr, kind: type[Nary]) -> tuple[Expr, ...]:
    """The operands of a node that is already a sum or product of its kind, else the node."""
    return node.items if isinstance(node, kind) else (node,)


# --- walking a formula -----------------------------------------------------------------------------------------------


def children(expr: Expr) -> tuple[Expr, ...]:
    """The operands of a node, in the order of printing."""
    if isinstance(expr, Num | Sym):  # most nodes by far
        return ()
    if isinstance(expr, Nary):
        return expr.items
    if isinstance(expr, Mat):
        return tuple(cell for row in expr.rows for cell in row)
    found: list[Expr] = []
    for value in vars(expr).values():
        found += [item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, Expr)]
    return tuple(found)


def fold(expr: Expr, make: Callable[[Any, Sequence[T]], T], operands: Callable[[Any], Iterable[Expr]] = children) -> T:
    """What `make` gives for the formula, from each node and what it gave for the node's operands, leaves first.

    A loop, so that a formula may be as deep as it likes.

    >>> fold(Mul(constant(2), Add(constant(3), constant(4))), lambda node, below: 1 + sum(below))
    5
    """
    todo, order = [expr], []
    while todo:
        node = todo.pop()
        below = tuple(operands(node))
        order.append((node, len(below)))
        todo += below
    made: list[T] = []
    for node, n in reversed(order):
        first = len(made) - n
        made[first:] = [make(node, made[first:])]
    return made[0]


def nodes(expr: Expr) -> list[Expr]:
    """The node and all below it, each before its operands."""
    todo, found = [expr], []
    while todo:
        found.append(todo.pop())
        todo += reversed(children(found[-1]))
    return found


def has_dots(expr: Expr) -> bool:
    """Whether something was left out of the formula."""
    return any(isinstance(node, Dots) for node in nodes(expr))


def mapped(expr: Expr, change: Callable[[Num], Expr]) -> Expr:
    """The formula with every number changed."""
    return fold(expr, lambda node, below: change(node) if isinstance(node, Num) else with_operands(node, below))


def with_operands(expr: Expr, operands: Sequence[Expr]) -> Expr:
    """The node with other operands."""
    if isinstance(expr, Nary):
        return type(expr)(*operands)
    left = iter(operands)

    def renewed(value: Any) -> Any:
        """An operand, a row of them, or something else."""
        if isinstance(value, tuple):
            return tuple(map(renewed, value))
        return next(left) if isinstance(value, Expr) else value

    return replace(expr, **{name: renewed(value) for name, value in vars(expr).items()})
