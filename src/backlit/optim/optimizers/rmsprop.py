"""Adagrad and RMSprop: the gradient over the root of its squares, of all so far or of the recent ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backlit.optim.optimizers.base import (
    DECAY,
    POSITIVE_EPS,
    Array,
    Line,
    Operands,
    Optimizer,
    Slots,
    register_optimizer,
)
from backlit.registry import Check, number


@register_optimizer
@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """Adagrad:  s ← s + g²,  θ ← θ − η g/(√s + ε).

    Parameters
    ----------
    eps : float, default 1e-10
        ε ≥ 1e-37.

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


@register_optimizer
@dataclass(frozen=True, kw_only=True)
class RmsProp(Optimizer):
    """RMSprop:  s ← ρ s + (1 − ρ) g²,  d = g/(√s + ε),  θ ← θ − η d;  with momentum μ  v ← μ v + d,  θ ← θ − η v.

    Parameters
    ----------
    rho : float, default 0.99
        ρ in [0, 1): how much of s a step keeps.  PyTorch calls it alpha.
    eps : float, default 1e-08
        ε ≥ 1e-37.
    momentum : float, default 0.0
        μ in [0, 1].

    Notes
    -----
    The state is s, and v if there is momentum.  s starts at 0 and is not corrected for it, so the first step is η/√(1 −
    ρ), ten times η at ρ = 0.99.  This is PyTorch's `RMSprop` with centered = False: ε is outside the root, and η scales
    all of v.

    References
    ----------
    Tieleman & Hinton 2012, lecture 6.5.

    Examples
    --------
    >>> rmsprop, theta = RmsProp(learning_rate=0.01), np.zeros(2)
    >>> step, state = rmsprop.update(np.array([3.0, -0.01]), rmsprop.init(theta), 1, lr=0.01, theta=theta)
    >>> step.round(6)
    array([-0.1     ,  0.099999])
    """

    name: ClassVar[str] = "rmsprop"
    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "rho": DECAY,
        "eps": POSITIVE_EPS,
        "momentum": number(0, 1),
    }
    symbols: ClassVar[dict[str, str]] = {**Optimizer.symbols, "rho": "rho2", "eps": "tau", "momentum": "rho1"}
    learning_rate: float = 0.01
    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0

    @property
    def slots(self) -> tuple[str, ...]:
        """The running mean of squares, and the sum of directions if there is momentum."""
        return ("s", "v") if self.momentum else ("s",)

    def rule(self, g: Array, state: Slots, t: int, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        s = self.rho * state[0] + (1 - self.rho) * g * g  # [OPT-RMSPROP1]
        direction = g / (np.sqrt(s) + self.eps)  # [OPT-RMSPROP2]
        if not self.momentum:
            return -lr * direction, (s,)
        v = self.momentum * state[1] + direction  # [OPT-RMSPROP3]
        return -lr * v, (s, v)

    def formulas(self, o: Operands, f: Any) -> Iterator[Line]:
        """See `Optimizer.formulas`."""
        yield "OPT-RMSPROP1", "s", o["rho"] * o["old s"] + (1 - o["rho"]) * o["g"] ** 2
        yield "OPT-RMSPROP2", "d", o["g"] / (f.sqrt(o["s"]) + o["eps"])
        if self.momentum:
            yield "OPT-RMSPROP3", "v", o["momentum"] * o["old v"] + o["d"]
        yield "OPT-RMSPROP3", "step", -(o["learning_rate"] * o["v" if self.momentum else "d"])
