"""How a number is printed, decided once for every format; and what a formula of printed numbers comes to.

The second is the proof-reader of every line.  A line's result keeps the digits that were asked for.  Its factors get as
many more (guard digits) as they need to give that result, none where it works without; where a few more do not help,
the line says "≈".

>>> num = Numbers(digits=4)
>>> num(0.5), num(-1 / 3), num(2e-7 / 3), num(0.1 + 0.2), num(1234567.0)
(0.5, -0.3333, 6.667e-8, 0.3, 1.235e6)
>>> num(Fraction(-1, 3)), num(Fraction(6, 3)), num(Fraction(1, 3) ** 20)
(-1/3, 2, 2.868e-10)
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
from dataclasses import dataclass
from fractions import Fraction
from functools import partial, reduce
from math import inf, isfinite
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

ROUNDING = 1e-13  # what float64 leaves of 0.1 + 0.2 - 0.3, relative: less than this is no difference
SMALL, LARGE = 1e-4, 1e6
FINEST = 15  # digits that a float64 can be trusted to
LONGEST = 7  # digits of a numerator or a denominator that can still be read


@dataclass(frozen=True)
class Numbers:
    """Prints with `digits` significant digits; fewer where a number has fewer, as 0.5 has.

    A `Fraction` is printed as one, `3/4`, while it is short enough to be read.
    """

    digits: int = 5

    def __call__(self, value: float | Fraction, source: str | None = None) -> Num:
        """The number as a node of the tree; a rounding keeps its last zeros, a whole value has none."""
        if isinstance(value, Fraction):
            return self.rational(value, source)
        value = float(value) + 0.0  # -0.0 is printed as 0
        if not isfinite(value):
            return Num(value, {inf: "∞", -inf: "-∞"}.get(value, "NaN"), False, source)
        rounded = float(f"{value:.{self.digits - 1}e}")
        exact = abs(rounded - value) <= ROUNDING * abs(value)
        return Num(value, plain(rounded, None if exact else self.digits), exact, source)

    def rational(self, value: Fraction, source: str | None) -> Num:
        """A fraction, or its decimals where it is long."""
        if max(abs(value.numerator), value.denominator) < 10**LONGEST:
            return Num(float(value), str(value), True, source, value)
        rounded = f"{float(value):.{self.digits - 1}e}"
        whole = Fraction(rounded) == value
        return Num(float(value), plain(float(rounded), None if whole else self.digits), whole, source, value)


def finer(num: Num, more: int) -> Num:
    """The same number with more digits; as it is where all of it is printed.

    >>> finer(Numbers(4)(2 / 3), 2)
    0.666667
    """
    if num.exact or not isfinite(num.value):
        return num
    mantissa = num.text.lstrip("-").partition("e")[0].replace(".", "").lstrip("0")
    return Numbers(min(len(mantissa) + more, FINEST))(num.value if num.fraction is None else num.fraction, num.source)


def plain(value: float, digits: int | None) -> str:
    """Positional between 1e-4 and 1e6, else with an exponent; `digits` significant ones, None for as few as needed.

    A rounding to tens or hundreds has an exponent too, since 1230 does not tell which of its digits count.
    """
    if value == 0:
        return "0"
    whole = digits is None
    if digits is None:  # of FINEST; the sixteenth of 0.56 is a 1
        digits = max(1, len(f"{abs(value):.{FINEST - 1}e}".split("e")[0].replace(".", "").rstrip("0")))
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if SMALL <= abs(value) < LARGE and (power < digits or whole):
        return f"{value:.{max(0, digits - 1 - power)}f}"
    return f"{mantissa}e{power}"


# --- what a formula comes to ------------------------------------------------------------------------------------------

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


# --- guard digits and relations ---------------------------------------------------------------------------------------

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
