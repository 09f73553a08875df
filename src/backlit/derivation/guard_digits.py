"""How many digits a worked line needs, so that its printed factors give its printed result.

The result keeps the digits that were asked for.  The factors get as many more (guard digits) as it takes, none where it
works without; where a few more do not help, the line says "≈".

>>> from backlit.derivation.expressions import Mul
>>> from backlit.derivation.numbers import Numbers
>>> num = Numbers(digits=5)
>>> settled([Mul(num(-1.29001855616), num(0.425557483188)), num(-0.548977050026)])
([-1.29002 · 0.425557, -0.54898], ['='])
>>> settled([Mul(num(2 / 3), num(3)), num(2.1)])
([0.66667 · 3, 2.1], ['≈'])
"""

from collections.abc import Callable, Sequence
from typing import Any

from backlit.derivation.evaluate import has_dots, relation
from backlit.derivation.expressions import Expr, Nary, Num
from backlit.derivation.numbers import finer

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
    return mapped(expr, lambda num: finer(num, more)) if more else expr


def mapped(expr: Expr, change: Callable[[Num], Expr]) -> Expr:
    """The formula with every number changed."""
    if isinstance(expr, Num):
        return change(expr)
    make: Any = type(expr)
    if isinstance(expr, Nary):
        made: Expr = make(*(mapped(item, change) for item in expr.items))
    else:
        fields: tuple[str, ...] = tuple(getattr(expr, "__dataclass_fields__", ()))
        made = make(**{name: mapped_item(getattr(expr, name), change) for name in fields})
    return made


def mapped_item(item: object, change: Callable[[Num], Expr]) -> object:
    """An operand, a row of a matrix, or an index."""
    if isinstance(item, tuple):
        return tuple(mapped_item(inner, change) for inner in item)
    return mapped(item, change) if isinstance(item, Expr) else item
