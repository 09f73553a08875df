"""What an optimizer is: a frozen description, and two pure functions on flat vectors.

`init` makes the state and `update` gives the step to add to theta, with the new state.  Neither writes to its inputs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from backlit.errors import DomainError, ShapeError
from backlit.registry import Check, number

Array = np.ndarray
Slots = tuple[Array, ...]
Operands = Mapping[str, Any]
Line = tuple[str, str, Any]  # an equation's number, the name of what it makes, and the formula

SMALLEST_EPS = 1e-37  # below float32's smallest normal number, 1.2e-38, eps would be 0 there and 0/0 the step
POSITIVE_EPS = number(SMALLEST_EPS)
NOT_NEGATIVE = number(0)
DECAY = number(0, 1, high_open=True)  # a running mean that forgets nothing never leaves 0


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What every optimizer is: a name, hyperparameters with their checks, and the names of the state vectors.

    A subclass gives `checks` (one for each field), `slots` and `rule`, and may give `formulas`, in which a
    hyperparameter is printed as the symbol that `symbols` names.

    Parameters
    ----------
    learning_rate : float
        η ≥ 0, which a schedule multiplies.

    Raises
    ------
    ProblemError
        If a hyperparameter is not a number, not finite or out of range.

    Examples
    --------
    >>> from backlit.optim import get_optimizer
    >>> sgd, theta = get_optimizer("sgd"), np.array([1.0])
    >>> step, state = sgd.update(np.array([2.0]), sgd.init(theta), 1, lr=0.5, theta=theta)
    >>> step
    array([-1.])
    """

    name: ClassVar[str]
    checks: ClassVar[dict[str, Check]] = {"learning_rate": NOT_NEGATIVE}
    symbols: ClassVar[dict[str, str]] = {"learning_rate": "eta"}
    learning_rate: float

    def __post_init__(self):
        for field in fields(self):
            what = f"optimizer {self.name}: {field.name}"
            object.__setattr__(self, field.name, self.checks[field.name](getattr(self, field.name), what))

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the state vectors, each as long as theta."""
        raise TypeError(f"{type(self).__name__} names no slots")

    def rule(self, g: Array, state: Slots, t: int, lr: float, theta: Array) -> tuple[Array, Slots]:
        """The equations of `update`, on arguments that have been checked."""
        raise TypeError(f"{type(self).__name__} has no rule")

    def formulas(self, o: Operands, f: Any) -> Iterator[Line]:
        """The update written out, line by line; the last line's name is "step", which is added to theta.

        o : g, theta, t, each hyperparameter, and a vector v of the state before and after the step as "old v" and "v";
        what a line names is there for the lines after it.  f : the arithmetic, whose numbers o holds.
        Without lines `explain` shows the numbers alone.
        """
        return iter(())

    def init(self, theta: Array) -> Slots:
        """The state before the first step: for each slot zeros in theta's shape and dtype."""
        return tuple(np.zeros_like(theta) for _ in self.slots)

    def update(self, g: Array, state: Slots, t: int, *, lr: float, theta: Array) -> tuple[Array, Slots]:
        """Work out a step from the gradient; the caller adds it to theta.  Nothing is written to.

        Parameters
        ----------
        g : (n_parameters,) array
            ∂C/∂theta.
        state : tuple of (n_parameters,) arrays
            What `init` or the last `update` gave.
        t : int
            Number of this step, counted from 1.
        lr : float
            Learning rate η of this step, which a schedule may have scaled.
        theta : (n_parameters,) array
            The parameters before the step.

        Returns
        -------
        (n_parameters,) array, tuple of (n_parameters,) arrays
            The step and the new state, in the dtype of g and theta.

        Raises
        ------
        ShapeError
            If g, theta and the state do not fit together.
        DomainError
            If t is less than 1.
        """
        if g.shape != theta.shape or [s.shape for s in state] != [theta.shape] * len(self.slots):
            raise ShapeError(
                f"optimizer {self.name}: g, theta and {len(self.slots)} state vectors must have one shape, but g has "
                f"{g.shape}, theta {theta.shape}, the state {[s.shape for s in state]}: make the state with init(theta)"
            )
        if t < 1:
            raise DomainError(f"optimizer {self.name}: t counts steps from 1, not {t}")
        # Python numbers: a NumPy scalar would turn float32 vectors into float64
        return self.rule(g, state, int(t), float(lr), theta)

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers; `get_optimizer` reads them back."""
        return {"name": self.name} | {field.name: getattr(self, field.name) for field in fields(self)}


OPTIMIZERS: dict[str, type[Optimizer]] = {}


def register_optimizer(rule: type[Optimizer]) -> type[Optimizer]:
    """Let `get_optimizer` know a class by its name.

    Parameters
    ----------
    rule : type
        A subclass of `Optimizer` with a `name`.

    Returns
    -------
    type
        The class itself, so that this decorates it.

    Examples
    --------
    >>> from backlit.optim import OPTIMIZERS, Sgd, get_optimizer
    >>> @register_optimizer
    ... class Creep(Sgd):
    ...     name = "creep"
    >>> get_optimizer("creep").name, OPTIMIZERS.pop("creep") is Creep
    ('creep', True)
    """
    OPTIMIZERS[rule.name] = rule
    return rule
