"""AdamW: Adam with weight decay beside the gradient, not in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from backlit.optim.optimizers.adam import Adam
from backlit.optim.optimizers.base import NOT_NEGATIVE, Array, Line, Operands, Slots, register_optimizer
from backlit.registry import Check


@register_optimizer
@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """AdamW:  Adam's step, and  θ ← θ − η λ θ,  λ = weight_decay.

    Parameters
    ----------
    learning_rate : float, default 0.001
        η ≥ 0.
    beta1 : float, default 0.9
        β₁ in [0, 1): how much of m a step keeps.
    beta2 : float, default 0.999
        β₂ in [0, 1): how much of v a step keeps.
    eps : float, default 1e-08
        ε ≥ 1e-37.
    amsgrad : bool, default False
        As in `Adam`.
    weight_decay : float, default 0.01
        λ ≥ 0.

    Raises
    ------
    ProblemError
        If a value is outside these.

    Notes
    -----
    The state is Adam's.  An L2 term in the cost would be divided by √v̂ like the rest of the gradient, so large
    gradients would be decayed less; here every parameter shrinks alike.  All of theta decays, biases and norm
    parameters too, and the learning rate's schedule scales the decay, as in PyTorch's `AdamW`.

    References
    ----------
    Loshchilov & Hutter 2019.

    Examples
    --------
    >>> import numpy as np
    >>> adamw, theta = AdamW(weight_decay=0.1), np.array([1.0, -1.0])
    >>> step, state = adamw.update(np.zeros(2), adamw.init(theta), 1, lr=0.5, theta=theta)
    >>> theta + step
    array([ 0.95, -0.95])
    """

    name: ClassVar[str] = "adamw"
    checks: ClassVar[dict[str, Check]] = {**Adam.checks, "weight_decay": NOT_NEGATIVE}
    symbols: ClassVar[dict[str, str]] = {**Adam.symbols, "weight_decay": "kappa"}
    weight_decay: float = 0.01

    def rule(self, g: Array, state: Slots, t: int, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        step, slots = super().rule(g, state, t, lr, theta)
        return step - lr * self.weight_decay * theta, slots  # [OPT-ADAMW]

    def formulas(self, o: Operands, f: Any) -> Iterator[Line]:
        """See `Optimizer.formulas`."""
        *lines, last = super().formulas(o, f)
        yield from lines
        if self.weight_decay:
            last = "OPT-ADAMW", "step", last[2] - o["learning_rate"] * o["weight_decay"] * o["theta"]
        yield last
