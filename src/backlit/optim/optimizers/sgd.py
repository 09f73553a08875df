"""Stochastic gradient descent, with classical or Nesterov's momentum."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from backlit.optim.optimizers.base import Array, Line, Operands, Optimizer, Slots, register_optimizer
from backlit.registry import Check, flag, number


@register_optimizer
@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer):
    """Gradient descent with momentum μ:  v ← μ v − η g,  θ ← θ + v;  with Nesterov θ ← θ + μ v − η g.

    Parameters
    ----------
    momentum : float, default 0.0
        μ in [0, 1].  With it there is one state vector, v.
    nesterov : bool, default False
        Whether the step looks ahead; without momentum this changes nothing.

    Notes
    -----
    The velocity holds each gradient with the learning rate of its own step, as in Sutskever's paper and scikit-learn.
    PyTorch keeps b ← μ b + g and steps by −η b (Nesterov: −η (g + μ b)), so that a new η scales old gradients too.  At
    a constant η the two are equal, v = −η b.  If η falls by a factor, ours coasts on for about 1/(1 − μ) steps and
    PyTorch's brakes at once.  There is no weight decay here: the cost's L2 term is the network's `l2`.

    References
    ----------
    Sutskever, Martens, Dahl & Hinton 2013, equations 1-4 and appendix A.1.

    Examples
    --------
    >>> import numpy as np
    >>> sgd, theta = Sgd(learning_rate=0.5, momentum=0.9), np.array([1.0, -2.0])
    >>> state = sgd.init(theta)
    >>> for t in (1, 2):
    ...     step, state = sgd.update(2 * theta, state, t, lr=sgd.learning_rate, theta=theta)
    ...     theta = theta + step
    >>> theta
    array([-0.9,  1.8])
    """

    name: ClassVar[str] = "sgd"
    checks: ClassVar[dict[str, Check]] = {**Optimizer.checks, "momentum": number(0, 1), "nesterov": flag}
    growth: ClassVar[float] = 1.0
    symbols: ClassVar[dict[str, str]] = {**Optimizer.symbols, "momentum": "rho1"}
    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("v",) if self.momentum else ()

    def rule(self, g: Array, state: Slots, t: int, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        if not self.momentum:
            return -lr * g, ()  # [OPT-SGD1]
        v = self.momentum * state[0] - lr * g  # [OPT-SGD2]
        if self.nesterov:
            return self.momentum * v - lr * g, (v,)  # [OPT-SGD3]
        return v.copy(), (v,)  # two arrays, so that a caller may write into one of them

    def formulas(self, o: Operands, f: Any) -> Iterator[Line]:
        """See `Optimizer.formulas`."""
        move = o["learning_rate"] * o["g"]
        if not self.momentum:
            yield "OPT-SGD1", "step", -move
            return
        yield "OPT-SGD2", "v", o["momentum"] * o["old v"] - move
        if self.nesterov:
            yield "OPT-SGD3", "step", o["momentum"] * o["v"] - move
        else:
            yield "OPT-SGD2", "step", o["v"]
