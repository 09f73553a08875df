"""Optimizers: pure functions on the flat vector.  `update` gives the step to add to theta and the new state.

g is ∂C/∂theta, all arrays (n_parameters,), t counts steps from 1.  Neither theta, g nor the state is written to, and
the dtype of theta is kept.

>>> adam = Adam()
>>> theta = np.zeros(2)
>>> step, state = adam.update(np.array([3.0, -0.1]), adam.init(theta), 1, lr=0.001, theta=theta)
>>> step.round(6)
array([-0.001,  0.001])
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from backlit.optim.checks import BELOW_1, number

Array = np.ndarray
Slots = tuple[Array, ...]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """The base: a name, the names of its state vectors, and a learning rate (which a schedule may scale).

    Raises ProblemError for a hyperparameter outside its range.
    """

    name: ClassVar[str]
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}
    learning_rate: float

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if not isinstance(f.default, bool):
                low, high = self.ranges.get(f.name, (0.0, np.inf))
                object.__setattr__(self, f.name, number(value, f"optimizer {self.name}: {f.name}", low, high))

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the state vectors."""
        raise TypeError(f"{type(self).__name__} names no slots")

    def init(self, theta: Array) -> Slots:
        """The state before the first step: a vector of zeros for each slot."""
        return tuple(np.zeros_like(theta) for _ in self.slots)

    def update(self, g: Array, state: Slots, t: int, *, lr: float, theta: Array) -> tuple[Array, Slots]:
        """(step, new state) for gradient g at step t ≥ 1; the caller adds the step to theta."""
        raise TypeError(f"{type(self).__name__} has no update")

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers; `get_optimizer` reads them back."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer):
    """Stochastic gradient descent, with classical or Nesterov momentum (Sutskever et al. 2013).

    v ← μ v − η g;  θ ← θ + v, or with Nesterov θ ← θ + μ v − η g.  The velocity holds the learning rate of the step
    that made it, as in scikit-learn; PyTorch multiplies the whole sum by the newest one.  With a constant rate the two
    agree.
    """

    name: ClassVar[str] = "sgd"
    ranges: ClassVar = {"momentum": (0.0, 1.0)}
    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity, where there is momentum."""
        return ("v",) if self.momentum else ()

    def update(self, g: Array, state: Slots, t: int, *, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        if not self.momentum:
            return -lr * g, ()  # [OPT-SGD1]
        v = self.momentum * state[0] - lr * g  # [OPT-SGD2]
        if self.nesterov:
            return self.momentum * v - lr * g, (v,)  # [OPT-SGD3]
        return v, (v,)


@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """Adagrad: each parameter's rate falls with the squares that it has seen (Duchi et al. 2011)."""

    name: ClassVar[str] = "adagrad"
    learning_rate: float = 0.01
    eps: float = 1e-10

    @property
    def slots(self) -> tuple[str, ...]:
        """The sum of squared gradients."""
        return ("s",)

    def update(self, g: Array, state: Slots, t: int, *, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        s = state[0] + g * g  # [OPT-ADAGRAD1]
        return -lr * g / (np.sqrt(s) + self.eps), (s,)  # [OPT-ADAGRAD2]


@dataclass(frozen=True, kw_only=True)
class RmsProp(Optimizer):
    """RMSprop: the squares are forgotten at rate rho (Tieleman & Hinton 2012), with optional momentum on the step."""

    name: ClassVar[str] = "rmsprop"
    ranges: ClassVar = {"rho": (0.0, 1.0), "momentum": (0.0, 1.0)}
    learning_rate: float = 0.01
    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0

    @property
    def slots(self) -> tuple[str, ...]:
        """The running mean of squares, and the velocity where there is momentum."""
        return ("s", "v") if self.momentum else ("s",)

    def update(self, g: Array, state: Slots, t: int, *, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        s = self.rho * state[0] + (1 - self.rho) * g * g  # [OPT-RMSPROP1]
        direction = g / (np.sqrt(s) + self.eps)  # [OPT-RMSPROP2]
        if not self.momentum:
            return -lr * direction, (s,)
        v = self.momentum * state[1] + direction  # [OPT-RMSPROP3]
        return -lr * v, (s, v)


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam: momentum over a running root mean square, both freed of their start at 0 (Kingma & Ba 2015).

    amsgrad keeps the largest mean square seen (Reddi et al. 2018); it is also known by the name "amsgrad".
    """

    name: ClassVar[str] = "adam"
    ranges: ClassVar = {"beta1": (0.0, BELOW_1), "beta2": (0.0, BELOW_1)}
    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """The running mean, the running mean square, and with amsgrad the largest of it."""
        return ("m", "v", "v_max") if self.amsgrad else ("m", "v")

    def update(self, g: Array, state: Slots, t: int, *, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        m = self.beta1 * state[0] + (1 - self.beta1) * g  # [OPT-ADAM1]
        v = self.beta2 * state[1] + (1 - self.beta2) * g * g  # [OPT-ADAM2]
        largest = np.maximum(state[2], v) if self.amsgrad else v  # [OPT-AMSGRAD]
        v_hat = largest / (1 - self.beta2**t)  # [OPT-ADAM3]
        step = -lr * (m / (1 - self.beta1**t)) / (np.sqrt(v_hat) + self.eps)  # [OPT-ADAM4]
        return step, (m, v, largest) if self.amsgrad else (m, v)


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with weight decay beside the gradient, not in it (Loshchilov & Hutter 2019)."""

    name: ClassVar[str] = "adamw"
    weight_decay: float = 0.01

    def update(self, g: Array, state: Slots, t: int, *, lr: float, theta: Array) -> tuple[Array, Slots]:
        """See `Optimizer.update`."""
        step, slots = super().update(g, state, t, lr=lr, theta=theta)
        return step - lr * self.weight_decay * theta, slots  # [OPT-ADAMW]
