"""An optimizer's update as the tree's formulas, for symbols and for numbers alike.

`tests/derivation/test_rules.py` computes each formula and compares it with `optim`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from backlit.derivation.expressions import Expr, Sym
from backlit.derivation.functions import TREE
from backlit.optim.optimizers.base import Optimizer


@dataclass(frozen=True)
class Rule:
    """One line of an update: `name` ← `made`.

    equation : its number.  name : a vector of the state, what is on the way to the step, or "step", added to θ.
    """

    equation: str
    name: str
    made: Expr


class Symbols(dict[str, Expr]):
    """The operands as symbols; a vector before the step looks as it does after it."""

    def __init__(self, optimizer: Optimizer):
        super().__init__({key: Sym(symbol) for key, symbol in optimizer.symbols.items()})

    def __missing__(self, key: str) -> Expr:
        return Sym(key.removeprefix("old "))


def rules(optimizer: Optimizer, operands: dict[str, Expr]) -> Iterator[Rule]:
    """The lines of an update, in the order in which they are computed; the last one gives the step.

    Each is made when it is asked for, of the operands that there are by then.
    """
    return (Rule(*made) for made in optimizer.formulas(operands, TREE))
