"""Adagrad: a learning rate for each parameter that falls with the squares of its gradients."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backlit.optim.optimizers.base import POSITIVE_EPS, Array, Line, Operands, Optimizer, Slots, register_optimizer
from backlit.registry import Check


@register_optimizer
@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """Adagrad:  s ← s + g²,  θ ← θ − η g/(√s + ε).

    Parameters
    ----------
    learning_rate : float, default 0.01
        η ≥ 0.
    eps : float, default 1e-10
        ε ≥ 1e-37.

    Raises
    ------
    ProblemError
        If a value is outside these.

    Notes
    -----
    The state is one vector, s.  It starts at 0, so the first step is η in each parameter that has a gradient.  This is
    PyTorch's `Adagrad` with lr_decay = 0 and initial_accumulator_value = 0 (Keras starts s at 0.1).

    References
    ----------
    Duchi, Hazan & Singer 2011.

    Examples
    --------
    >>> adagrad, theta = Adagrad(learning_rate=0.1), np.zeros(2)
    >>> step, state = adagrad.update(np.array([3.0, -0.01]), adagrad.init(theta), 1, lr=0.1, theta=theta)
    >>> step.round(6)
    array([-0.1,  0.1])
    """

    name: ClassVar[str] = "adagrad"
    checks: ClassVar[dict[str, Check]] = {**Optimizer.checks, "eps": POSITIVE_EPS}
    symbols: ClassVar[dict[str, str]] = {**Optimizer.symbols, "eps": "tau"}
    learning_rate: float = 0.01
    eps: float = 1e-10

    @property
    def slots(self) -> tuple[str, ...]:
        """The sum of squared gradients."""
        return ("s",)

    def rule(self, g: Array, state: Slots, t: int, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        s = state[0] + g * g  # [OPT-ADAGRAD1]
        return -lr * g / (np.sqrt(s) + self.eps), (s,)  # [OPT-ADAGRAD2]

    def formulas(self, o: Operands, f: Any) -> Iterator[Line]:
        """See `Optimizer.formulas`."""
        yield "OPT-ADAGRAD1", "s", o["old s"] + o["g"] ** 2
        yield "OPT-ADAGRAD2", "step", -(o["learning_rate"] * o["g"] / (f.sqrt(o["s"]) + o["eps"]))
