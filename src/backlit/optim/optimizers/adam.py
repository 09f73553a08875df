"""Adam, AMSGrad and AdamW: a running mean of the gradient over its running root mean square."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backlit.optim.optimizers.base import (
    DECAY,
    NOT_NEGATIVE,
    POSITIVE_EPS,
    Array,
    Line,
    Operands,
    Optimizer,
    Slots,
    register_optimizer,
)
from backlit.registry import Check, flag


@register_optimizer
@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    r"""Adam:  m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  θ ← θ − η m̂/(√v̂ + ε).

    .. math:: \hat m = m/(1 - \beta_1^t), \qquad \hat v = v/(1 - \beta_2^t)

    correct both means for their start at 0.

    Parameters
    ----------
    beta1 : float, default 0.9
        β₁ in [0, 1): how much of m a step keeps.
    beta2 : float, default 0.999
        β₂ in [0, 1): how much of v a step keeps.
    eps : float, default 1e-08
        ε ≥ 1e-37.
    amsgrad : bool, default False
        Make v̂ from the largest v so far, v_max ← max(v_max, v).  The name "amsgrad" stands for that.

    Notes
    -----
    The state is m, v, and with amsgrad v_max (of v before it is corrected).  This is PyTorch's `Adam`: ε is added to
    √v̂.  scikit-learn adds it to √v instead (the form at the end of the paper's section 2), which is ours with ε/√(1 −
    β₂ᵗ): it matters only for gradients not far above ε.

    References
    ----------
    Kingma & Ba 2015, algorithm 1; Reddi, Kale & Kumar 2018.

    Examples
    --------
    >>> adam, theta = Adam(), np.zeros(2)
    >>> step, state = adam.update(np.array([3.0, -0.1]), adam.init(theta), 1, lr=0.001, theta=theta)
    >>> step.round(6)
    array([-0.001,  0.001])
    """

    name: ClassVar[str] = "adam"
    also: ClassVar[dict[str, dict[str, Any]]] = {"amsgrad": {"amsgrad": True}}
    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "beta1": DECAY,
        "beta2": DECAY,
        "eps": POSITIVE_EPS,
        "amsgrad": flag,
    }
    symbols: ClassVar[dict[str, str]] = {**Optimizer.symbols, "beta1": "rho1", "beta2": "rho2", "eps": "tau"}
    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """The running mean, the running mean square, and with amsgrad the largest of it."""
        return ("m", "v", "v_max") if self.amsgrad else ("m", "v")

    def rule(self, g: Array, state: Slots, t: int, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        m = self.beta1 * state[0] + (1 - self.beta1) * g  # [OPT-ADAM1]
        v = self.beta2 * state[1] + (1 - self.beta2) * g * g  # [OPT-ADAM2]
        largest = np.maximum(state[2], v) if self.amsgrad else v  # [OPT-AMSGRAD]
        v_hat = largest / (1 - self.beta2**t)  # [OPT-ADAM3]
        step = -lr * (m / (1 - self.beta1**t)) / (np.sqrt(v_hat) + self.eps)  # [OPT-ADAM4]
        return step, (m, v, largest) if self.amsgrad else (m, v)

    def formulas(self, o: Operands, f: Any) -> Iterator[Line]:
        """See `Optimizer.formulas`."""
        yield "OPT-ADAM1", "m", o["beta1"] * o["old m"] + (1 - o["beta1"]) * o["g"]
        yield "OPT-ADAM2", "v", o["beta2"] * o["old v"] + (1 - o["beta2"]) * o["g"] ** 2
        if self.amsgrad:
            yield "OPT-AMSGRAD", "v_max", f.max(o["old v_max"], o["v"])
        m_hat = o["m"] / (1 - o["beta1"] ** o["t"])
        v_hat = o["v_max" if self.amsgrad else "v"] / (1 - o["beta2"] ** o["t"])
        yield "OPT-ADAM4", "step", -(o["learning_rate"] * (m_hat / (f.sqrt(v_hat) + o["eps"])))


@register_optimizer
@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """AdamW:  Adam's step, and  θ ← θ − η λ θ,  λ = weight_decay.

    Parameters
    ----------
    weight_decay : float, default 0.01
        λ ≥ 0.

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
