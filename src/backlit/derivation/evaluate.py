"""Compute what a formula of numbers says, from the numbers that are printed: the proof-reader of every line.

A line's result keeps the digits that were asked for.  Its factors get as many more (guard digits) as they need to give
that result, none where it works without; where a few more do not help, the line says "≈".

>>> from backlit.derivation.numbers import Numbers
>>> from backlit.derivation.expressions import Add, Mul
>>> num = Numbers(digits=3)
>>> round(float(evaluate(Add(Mul(num(2 / 3), num(3)), num(-1)))), 6)
1.001
>>> num = Numbers(digits=5)
>>> settled([Mul(num(-1.29001855616), num(0.425557483188)), num(-0.548977050026)])
([-1.29002 · 0.425557, -0.54898], ['='])
>>> settled([Mul(num(2 / 3), num(3)), num(2.1)])
([0.66667 · 3, 2.1], ['≈'])
"""

import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial, reduce
from typing import Any

import numpy as np

from backlit.core.activations import ACTIVATIONS, Activation, get_activation, softmax
from backlit.core.exact import root
from backlit.core.formulas import COMPARED, FUNCTIONS, Unsupported
from backlit.derivation.exact import FRACTIONS
from backlit.derivation.expressions import (
    Add,
    Expr,
    Fn,
    Frac,
    Hadamard,
    Iverson,
    Mat,
    MatMul,
    Mul,
    Neg,
    Num,
    Pow,
    Root,
    Transpose,
    fold,
    has_dots,
    mapped,
    nodes,
)
from backlit.derivation.numbers import ROUNDING, finer

PLAIN: dict[str, Any] = {
    **FUNCTIONS,
    "exp-of": np.exp,
    "diag": lambda u: np.diag(np.ravel(u)),
    "norm": lambda u: np.sqrt(np.sum(np.square(u))),
}
RATIONAL: dict[str, Any] = {name: PLAIN[name] for name in ("abs", "sign", "max", "min", "diag")}


class NotNumeric(Unsupported):
    """The formula holds a symbol, or something left out."""


def function(name: str, args: Sequence[Any]) -> Any:
    """A named function of numbers or of columns."""
    if name in PLAIN:
        return PLAIN[name](*args)
    base, slope = name.removesuffix("'"), name.endswith("'")
    if base == "softmax":
        return softmax(np.asarray(args[0], float).T).T
    phi = activation(base, args[1:])
    return (phi.derivative if slope else phi.function)(np.asarray(args[0], float))


def activation(name: str, parameters: Sequence[Any]) -> Activation:
    """The activation of a name at these parameters.  Raises NotNumeric for one that is not in the table."""
    if name not in ACTIVATIONS:
        raise NotNumeric
    named = dict(zip(ACTIVATIONS[name].parameters, map(float, parameters), strict=True))
    return get_activation({"name": name, **named} if named else name)


def rational_function(name: str, args: Sequence[Any]) -> Any:
    """A named function of fractions.  Raises Unsupported for one whose values are none."""
    if name in RATIONAL:
        return RATIONAL[name](*args)
    phi = activation(name.removesuffix("'"), args[1:])
    one = phi.derivative_formula if name.endswith("'") else phi.formula
    if one is None:
        raise NotNumeric
    if np.ndim(args[0]):
        return np.vectorize(lambda u: one(u, FRACTIONS), otypes=[object])(args[0])
    return one(args[0], FRACTIONS)


def evaluate(expr: Expr, *, rational: bool = False, number: Callable[[Num], Any] | None = None) -> Any:
    """The value, a float or an array (n, m), of the printed numbers.

    rational : as a `Fraction` or an array of them.  number : what to take for a number in place of what is printed.
    Raises NotNumeric where the formula holds a symbol, something left out, or, if rational, a number that is not;
    Unsupported where it holds a function that is not.
    """
    return fold(expr, partial(computed, rational=rational, number=number or (as_fraction if rational else as_float)))


def computed(expr: Expr, below: Sequence[Any], *, rational: bool, number: Callable[[Num], Any]) -> Any:
    """The value of a node whose operands have these."""
    match expr:
        case Num():
            return number(expr)
        case Mat():
            return np.array(below, object if rational else float).reshape(len(expr.rows), -1)
        case Add():
            return reduce(operator.add, below)
        case Mul() | Hadamard():
            return reduce(operator.mul, below)
        case MatMul():
            return reduce(product, below)
        case Neg():
            return -below[0]
        case Frac():
            return below[0] / below[1]
        case Pow():
            return power(below[0], int(below[1]) if rational else below[1])
        case Root():
            return square_root(below[0]) if rational else np.sqrt(below[0])
        case Transpose():
            return np.asarray(below[0]).T
        case Fn():
            return (rational_function if rational else function)(expr.name, below)
        case Iverson():
            holds = COMPARED[expr.relation](*below)
            return Fraction(int(holds)) if rational else float(holds)
    raise NotNumeric


def as_float(num: Num) -> Any:
    """The printed number; one that NumPy divides by 0 without a raise."""
    return np.float64(num.text if np.isfinite(num.value) and not num.over else num.value)


def as_fraction(num: Num) -> Fraction:
    """The number, where what is printed is all of it."""
    if not num.exact:
        raise NotNumeric
    return Fraction(num.text) if num.fraction is None else num.fraction


def power(base: Any, exponent: Any) -> Any:
    """base to the exponent; infinite where a float's leaves the range, as everywhere in NumPy.

    >>> power(3.0, 2), power(1e200, 2), power(-1e200, 3)
    (9.0, inf, -inf)
    """
    try:
        return base**exponent
    except OverflowError:
        return np.inf if base > 0 or exponent % 2 == 0 else -np.inf


def square_root(value: Any) -> Any:
    """√ of a fraction of two squares; NotNumeric for another."""
    found = root(value) if isinstance(value, Fraction) else None
    if found is None:
        raise NotNumeric
    return found


def product(a: Any, b: Any) -> Any:
    """A matrix product, or a scaling where one of the two is a number."""
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else a @ b


def relation(left: Expr, right: Expr) -> str:
    """'=' where the printed left side, computed and rounded as the right side is, gives the printed right side."""
    known = exact_relation(left, right)
    if known:
        return known
    try:
        with np.errstate(all="ignore"):
            found = np.broadcast_to(evaluate(left), np.shape(evaluate(right)))
    except NotNumeric:
        return "=" if all(node.exact for node in nodes(right) if isinstance(node, Num)) else "≈"
    cells = [cell for row in right.rows for cell in row] if isinstance(right, Mat) else [right]
    same = all(agrees(float(v), cell) for v, cell in zip(found.ravel(), cells, strict=True))
    return "=" if same else "≈"


def exact_relation(left: Expr, right: Expr) -> str:
    """'=' or '≈' for a result in fractions, from the fractions on the left; nothing where there are none."""
    if not any(isinstance(node, Num) and node.fraction is not None for node in nodes(right)):
        return ""
    try:
        same = np.array_equal(evaluate(left, rational=True), evaluate(right, rational=True))
    except (Unsupported, ZeroDivisionError):
        return ""
    return "=" if same else "≈"


def agrees(found: float, cell: Expr) -> bool:
    """Whether a computed value is the printed one, within half a unit in its last place where it is rounded."""
    if not isinstance(cell, Num):
        return bool(abs(found - evaluate(cell)) <= ROUNDING * abs(found))
    if not np.isfinite(cell.value):
        return bool(found == cell.value or (np.isnan(found) and np.isnan(cell.value)))
    printed = float(as_float(cell))
    slack = ROUNDING * max(abs(found), abs(printed), 1e-300)
    if cell.exact:
        return abs(found - printed) <= slack
    return abs(found - printed) <= half_unit(cell.text) * (1 + 1e-9) + slack


def half_unit(text: str) -> float:
    """Half a unit in the last printed place.

    >>> half_unit("1.25e-3")
    5e-06
    """
    mantissa, _, exponent = text.partition("e")
    places = len(mantissa.partition(".")[2])
    return 0.5 * 10.0 ** (int(exponent or 0) - places)


# --- digits ----------------------------------------------------------------------------------------------------------

GUARD = 3  # digits that factors may have above the setting


def settled(numbers: Sequence[Expr]) -> tuple[list[Expr], list[str]]:
    """The numeric parts of a chain with their digits, and "=" or "≈" between each and the next.

    Each part is held against the last one, the result: "=" where its printed figures give the printed result.
    """
    if len(numbers) < 2:
        return list(numbers), []
    *made, result = numbers
    for more in range(GUARD + 1 if not any(map(has_dots, numbers)) else 1):
        tried = [with_digits(part, more) for part in made]
        relations = [relation(part, result) for part in tried]
        if "≈" not in relations:
            return [*tried, result], relations
        if more == 0:
            first = [*tried, result], relations
    return first


def with_digits(expr: Expr, more: int) -> Expr:
    """The formula with `more` digits in every number that is rounded."""
    return mapped(expr, partial(finer, more=more)) if more else expr
